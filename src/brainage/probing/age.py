"""Age from a frozen embedding, by ridge regression fitted on training people only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.files import InputError
from brainage.core.tables import write_table
from brainage.probing.people import (
    first_scans,
    folds_of_people,
    predictions_table,
    read_embeddings,
    read_run,
)
from brainage.probing.ridge import choose

MIN_TRAIN = 3  # people


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
    """Fit ridge regression of age on the embedding of training people and predict everyone's age.

    The penalty is chosen on validation people where there are enough of them: the encoder saw the ages
    of training people, so that folds of training people favour too weak a penalty, and are used only where
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
        a role. Rows of training people are marked so; they only say which sites were seen.
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
    fit = train_rows(people, f"{splits}: experiment {experiment}, fold {fold}, seed {seed}")
    validation = np.sort(first_scans(people[people["role"] == "validation"]).index.to_numpy())
    if len(validation) >= settings["min_validation"]:
        rounds = [(fit, validation)]
    else:
        print(
            f"probe age: {len(validation)} validation people, the penalty is chosen by folds of training people",
            file=sys.stderr,
        )
        rounds = folds_within(people, fit, settings)
    ridge = choose(features, ages, rounds, [features.shape[1]], settings["ridge_alphas"])
    predicted = ridge.fit(features[fit], ages[fit]).predict(features)
    write_table(predictions_table(people, predicted, experiment, fold, seed), out, PREDICTIONS)


def train_rows(people: pd.DataFrame, where: str) -> np.ndarray:
    """Positions of the scans of training people with a known age; `where` names the run in a message."""
    usable = people[(people["role"] == "train") & people["age"].notna()]
    found = len(first_scans(usable))
    if found < MIN_TRAIN:
        raise InputError(
            f"{where}: {found} training people with a known age, at least {MIN_TRAIN} are needed"
        )
    return usable.index.to_numpy()


def folds_within(
    people: pd.DataFrame, fit: np.ndarray, settings: dict[str, Any]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds by person among the rows `train`, as positions in `people`."""
    folds = folds_of_people(people.iloc[fit], settings["folds"], settings["seed"])
    return [(fit[train], fit[held_out]) for train, held_out in folds]
