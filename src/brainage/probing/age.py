"""Age from a frozen embedding, by ridge regression fitted on training people only."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.imaging import QC
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.software import write_result
from brainage.core.subjects import first_scans
from brainage.core.tables import read_table
from brainage.core.thresholds import MIN_TRAIN
from brainage.core.training import Training
from brainage.probing.people import folds_of_people, predictions_table, read_embedded
from brainage.probing.ridge import StandardisedRidge, choose
from brainage.probing.unlike import add_percentiles


def probe_age(files: Layout, training: Training, settings: dict[str, Any]) -> None:
    """Fit ridge regression of age on the embedding of training people and predict everyone's age.

    Written is predictions.tsv of the training (:data:`PREDICTIONS`), with a row for every scan of
    every person with a role. Rows of training people are marked so; they only say which sites were
    seen. How unlike the training data each scan is, is said beside its age
    (:func:`brainage.probing.unlike.add_percentiles`).

    Parameters
    ----------
    files, training
        Where everything lies, and whose embeddings.
    settings
        Section ``probing`` of the config, and ``seed``.

    Raises
    ------
    InputError
        A person has two roles, the tables don't match, or too few people to fit.
    """
    people, features = read_embedded(files, training)
    where = f"{files.file('splits')}: {training.words}"
    predicted = fit_age(people, features, settings, where).predict(features)
    people = add_percentiles(people, predicted, features, read_table(files.file("qc"), QC))
    out = files.file("predictions_of", training=training)
    write_result(predictions_table(people, predicted, training), out, PREDICTIONS)


def fit_age(
    people: pd.DataFrame, features: np.ndarray, settings: dict[str, Any], where: str
) -> StandardisedRidge:
    """Fit ridge regression of age on the embedding of training people.

    The penalty is chosen on validation people where there are enough of them: the encoder saw the
    ages of training people, so that folds of training people favour too weak a penalty, and are
    used only where nothing better is there.

    Parameters
    ----------
    people, features
        As :func:`~brainage.probing.people.read_embedded` returns them.
    settings
        As of :func:`probe_age`.
    where
        Which table and training this is, for messages.

    Returns
    -------
    StandardisedRidge
        Fitted; it predicts years from rows of `features`.

    Raises
    ------
    InputError
        Too few people to fit.
    """
    ages = people["age"].to_numpy(float)
    fit = train_rows(people, where)
    validation = np.sort(first_scans(people[people["role"] == "validation"]).index.to_numpy())
    if len(validation) >= settings["min_validation"]:
        rounds = [(fit, validation)]
    else:
        print(
            f"probe age: {len(validation)} validation people, the penalty is chosen by "
            "cross-validation in training people",
            file=sys.stderr,
        )
        rounds = folds_within(people, fit, settings)
    ridge = choose(features, ages, rounds, [features.shape[1]], settings["ridge_alphas"])
    return ridge.fit(features[fit], ages[fit])


def train_rows(people: pd.DataFrame, where: str) -> np.ndarray:
    """Positions of training people's scans with a known age; `where` names the training."""
    usable = people[(people["role"] == "train") & people["age"].notna()]
    found = len(first_scans(usable))
    if found < MIN_TRAIN:
        raise InputError(
            f"{where}: {found} training people with a known age, at least {MIN_TRAIN} are required"
        )
    return usable.index.to_numpy()


def folds_within(
    people: pd.DataFrame, fit: np.ndarray, settings: dict[str, Any]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds by person among the rows `train`, as positions in `people`."""
    folds = folds_of_people(people.iloc[fit], settings["folds"], settings["seed"])
    return [(fit[train], fit[held_out]) for train, held_out in folds]
