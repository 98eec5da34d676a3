"""The people of a training, their roles and their rows of an array, joined by key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.learning import INDEX
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.files import InputError, read_json
from brainage.core.layout import Layout
from brainage.core.subjects import PERSON, visit_order
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.core.unlike import unlike_training


def read_people(files: Layout, index: Path, training: Training) -> pd.DataFrame:
    """Join who takes part in a training with their scans and the rows of an array.

    Parameters
    ----------
    files
        Where scans.tsv (:data:`SCANS`) and splits.tsv (:data:`SPLITS`) lie.
    index
        As :data:`INDEX`.
    training
        Whose rows of splits.tsv are meant.

    Returns
    -------
    pandas.DataFrame
        One row a scan of the people with a role, in order of person and time: the columns of
        scans.tsv, `role` and `row`. An age that is only a lower bound (89+) is NaN: it is the
        age of nobody.

    Raises
    ------
    InputError
        A person has two roles, the training is not in splits.tsv, a scan of `index` is not in
        scans.tsv, a row is out of order, or a person with a role has no scan in `index`.
    """
    scans, splits = files.file("scans"), files.file("splits")
    # The key of this table is the person within a run: two roles are refused as they are read.
    roles = read_table(splits, SPLITS)
    here = (roles[list(training.columns)] == pd.Series(training.columns)).all(axis=1)
    roles = roles.loc[here, [*PERSON, "role"]]
    if roles.empty:
        raise InputError(f"{splits}: no rows for {training.words}")
    rows = read_table(index, INDEX)
    if rows["row"].duplicated().any() or (rows["row"] < 0).any():
        raise InputError(f"{index}: a row of the array belongs to two scans, or is negative")
    known = read_table(scans, SCANS)
    found = rows.merge(known, on="scan_id", how="left", indicator=True)
    if (found["_merge"] != "both").any():
        lost = found.loc[found["_merge"] != "both", "scan_id"].iloc[0]
        raise InputError(f"{index}: {lost} is not in {scans}")
    joined = roles.merge(found.drop(columns="_merge"), on=PERSON, how="left")
    if joined["scan_id"].isna().any():
        person = joined[joined["scan_id"].isna()].iloc[0]
        raise InputError(
            f"{splits}: {person['participant_id']} of {person['dataset']} is {person['role']}, but "
            f"{index} has no scan of that person"
        )
    joined["age"] = joined["age"].where(~joined["age_top_coded"].astype(bool))
    joined["row"] = joined["row"].astype(int)
    return visit_order(joined).reset_index(drop=True)


def refuse_seen_people(files: Layout, training: Training) -> None:
    """Refuse a run whose encoder was trained on a brain of somebody who is to be tested on.

    That a person has one role is held by the splits; this holds for the brains themselves,
    whatever name or age they came with.

    Parameters
    ----------
    files, training
        Where everything lies, and whose encoder: its description has a hash of each brain that it
        was trained on, the index of its embeddings one of each brain.

    Raises
    ------
    InputError
        Naming the first such scan.
    """
    encoder = files.file("encoder_description", training=training)
    splits = files.file("splits")
    seen = set(read_json(encoder)["training"]["brain_sha256"])
    roles = read_table(splits, SPLITS)
    here = [roles[column] == value for column, value in training.columns.items()]
    others = roles[np.logical_and.reduce([*here, roles["role"] != "train"])]
    known = read_table(files.file("scans"), SCANS)[["scan_id", *PERSON]].merge(others, on=PERSON)
    index = read_table(files.file("embedding_index", training=training), INDEX)
    table = index.merge(known, on="scan_id")
    leaked = table[table["brain_sha256"].isin(seen)]
    if not leaked.empty:
        first = leaked.sort_values("scan_id").iloc[0]
        raise InputError(
            f"{encoder}: this encoder was trained on the brain of {first['scan_id']}, which is "
            f"for {first['role']} in {training.words} of {splits}; retrain it with these splits, "
            "or exclude one of the duplicate images"
        )


def read_embedded(
    files: Layout, training: Training, people_of: str | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Read who takes part in a training, and the embeddings of their scans by its encoder.

    Parameters
    ----------
    files, training
        Where everything lies, and whose encoder.
    people_of
        The experiment whose people are meant, where it is another one.

    Returns
    -------
    people
        As :func:`read_people`.
    features
        Shape (len(people), features), float64.

    Raises
    ------
    InputError
        As :func:`refuse_seen_people` and :func:`read_people`.
    """
    refuse_seen_people(files, training)
    index = files.file("embedding_index", training=training)
    people = read_people(
        files, index, replace(training, experiment=people_of or training.experiment)
    )
    return people, read_rows(files.file("embeddings", training=training), people)


def read_rows(path: Path, people: pd.DataFrame) -> np.ndarray:
    """Return the rows of an array that belong to the scans of `people`, in their order.

    Parameters
    ----------
    path
        An array (.npy) of shape (scans, features).
    people
        As :func:`read_people` returns it.

    Returns
    -------
    numpy.ndarray
        Shape (len(people), features), float64.

    Raises
    ------
    InputError
        There is no such row, or a value is not finite.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: not an array file (.npy): {error}") from None
    if array.ndim != 2:
        raise InputError(f"{path}: one row of features per scan is required, found {array.shape}")
    if people["row"].max() >= len(array):
        raise InputError(
            f"{path}: {len(array)} rows, but the index names row {people['row'].max()}"
        )
    features = np.asarray(array[people["row"].to_numpy()], dtype=np.float64)
    wrong = ~np.isfinite(features).all(axis=1)
    if wrong.any():
        scan_id = people["scan_id"].iloc[int(wrong.argmax())]
        raise InputError(f"{path}: {scan_id} has a feature that is not finite")
    return features


def predictions_table(
    people: pd.DataFrame, predicted: np.ndarray, training: Training
) -> pd.DataFrame:
    """Return rows of :data:`PREDICTIONS`; `people` have their percentiles (probing.unlike)."""
    table = people.assign(
        **training.columns, predicted_age=predicted, unlike_training=unlike_training(people)
    )
    return table[list(PREDICTIONS.names)]


def folds_of_people(
    people: pd.DataFrame, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows into folds by person: (training rows, held-out rows), as positions.

    All scans of a person are on one side. Each fold holds about as many people.
    """
    person = people.groupby(PERSON, sort=True).ngroup().to_numpy()
    count = int(person.max()) + 1
    folds = min(folds, count)
    order = np.random.default_rng(seed).permutation(count)
    fold = np.empty(count, dtype=int)
    fold[order] = np.arange(count) % folds
    of_row = fold[person]
    return [(np.flatnonzero(of_row != f), np.flatnonzero(of_row == f)) for f in range(folds)]
