"""Age from a frozen embedding, by ridge regression fitted on fit people only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.contracts.probing import PREDICTIONS
from brainage.files import InputError
from brainage.probing.people import (
    first_scans,
    folds_of_people,
    predictions_table,
    read_embeddings,
    read_run,
)
from brainage.probing.ridge import choose
from brainage.tables import write_table

LEAST_FIT = 3  # people


def probe_age(
    embeddings: Path,
    index: Path,
    scans: Path,
    splits: Path,
    out: Path,
    experiment: str,
    fold: int,
    seed: int,
    settings: dict[str, Any],
) -> None:
    """Fit ridge regression of age on the embedding of fit people and predict everyone's age.

    The penalty is chosen on tune people where there are enough of them: the encoder saw the ages
    of fit people, so that folds of fit people favour too weak a penalty, and are used only where
    nothing better is there.

    Parameters
    ----------
    embeddings, index
        An array (.npy) of shape (scans, features) and what its rows are
        (:data:`INDEX`).
    scans, splits
        As :data:`SCANS` and :data:`SPLITS`.
    out
        As :data:`PREDICTIONS`, with a row for every scan of every person with
        a role. Rows of fit people are marked so; they only say which sites were seen.
    experiment, fold, seed
        The run.
    settings
        Section ``probing`` of the config, and ``seed``.

    Raises
    ------
    InputError
        A person has two roles, the tables don't match, or too few people to fit.
    """
    people = read_run(index, scans, splits, experiment, fold, seed)
    features = read_embeddings(embeddings, people)
    ages = people["age"].to_numpy(float)
    fit = fit_rows(people, f"{splits}: experiment {experiment}, fold {fold}, seed {seed}")
    tune = np.sort(first_scans(people[people["role"] == "tune"]).index.to_numpy())
    if len(tune) >= settings["least_tune"]:
        rounds = [(fit, tune)]
    else:
        print(
            f"probe age: {len(tune)} tune people, the penalty is chosen by folds of fit people",
            file=sys.stderr,
        )
        rounds = folds_within(people, fit, settings)
    ridge = choose(features, ages, rounds, [features.shape[1]], settings["ridge_alphas"])
    predicted = ridge.fit(features[fit], ages[fit]).predict(features)
    write_table(predictions_table(people, predicted, experiment, fold, seed), out, PREDICTIONS)


def fit_rows(people: pd.DataFrame, where: str) -> np.ndarray:
    """Positions of the scans of fit people with a known age; `where` names the run in a message."""
    usable = people[(people["role"] == "fit") & people["age"].notna()]
    found = len(first_scans(usable))
    if found < LEAST_FIT:
        raise InputError(
            f"{where}: {found} fit people with a known age, at least {LEAST_FIT} are needed"
        )
    return usable.index.to_numpy()


def folds_within(
    people: pd.DataFrame, fit: np.ndarray, settings: dict[str, Any]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds by person among the rows `fit`, as positions in `people`."""
    folds = folds_of_people(people.iloc[fit], settings["folds"], settings["seed"])
    return [(fit[train], fit[held_out]) for train, held_out in folds]
