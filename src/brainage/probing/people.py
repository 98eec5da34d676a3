"""Who is in a run, for what, and with which row of an array: joined by key, checked for leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.learning import INDEX
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.files import InputError, read_json
from brainage.core.tables import read_table
from brainage.core.training import Training

PERSON = ["dataset", "participant_id"]


def read_run(
    index: Path, scans: Path, splits: Path, experiment: str, fold: int, seed: int
) -> pd.DataFrame:
    """Join who is in a run with their scans and the rows of the array.

    Parameters
    ----------
    index
        As :data:`INDEX`.
    scans
        As :data:`SCANS`.
    splits
        As :data:`SPLITS`.
    experiment, fold, seed
        Name the run in `splits`.

    Returns
    -------
    pandas.DataFrame
        One row a scan of the people with a role, in order of person and time: the columns of
        scans.tsv, `role` and `row`. An age that is only a lower bound (89+) is NaN: it is the
        age of nobody.

    Raises
    ------
    InputError
        A person has two roles, the run is not in `splits`, a scan of `index` is not in `scans`,
        a row is out of order, or a person with a role has no scan in `index`.
    """
    # The key of this table is the person within a run: two roles are refused as they are read.
    roles = read_table(splits, SPLITS)
    here = (roles["experiment"] == experiment) & (roles["fold"] == fold) & (roles["seed"] == seed)
    roles = roles.loc[here, [*PERSON, "role"]]
    if roles.empty:
        raise InputError(f"{splits}: no rows for experiment {experiment}, fold {fold}, seed {seed}")
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
    return in_order(joined).reset_index(drop=True)


def refuse_seen_people(
    encoder: Path, index: Path, scans: Path, splits: Path, training: Training
) -> None:
    """Refuse a run whose encoder was trained on a brain of somebody who is to be tested on.

    That a person has one role is held by the splits; this holds for the brains themselves,
    whatever name or age they came with.

    Parameters
    ----------
    encoder
        The encoder's JSON, with a hash of each brain that it was trained on.
    index
        Of its embeddings, as :data:`INDEX`.
    scans
        As :data:`SCANS`.
    splits
        As :data:`SPLITS`.
    training
        Names the run in `splits`.

    Raises
    ------
    InputError
        Naming the first such scan.
    """
    seen = set(read_json(encoder)["training"]["brain_sha256"])
    roles = read_table(splits, SPLITS)
    here = [roles[column] == value for column, value in training.columns.items()]
    others = roles[np.logical_and.reduce([*here, roles["role"] != "train"])]
    person = ["dataset", "participant_id"]
    known = read_table(scans, SCANS)[["scan_id", *person]].merge(others, on=person)
    table = read_table(index, INDEX).merge(known, on="scan_id")
    leaked = table[table["brain_sha256"].isin(seen)]
    if not leaked.empty:
        first = leaked.sort_values("scan_id").iloc[0]
        raise InputError(
            f"{encoder}: this encoder was trained on the brain of {first['scan_id']}, which is for "
            f"{first['role']} in {training.words} of {splits}; train it anew with these splits, "
            "or set one of two scans with one image aside"
        )


def read_embeddings(path: Path, people: pd.DataFrame) -> np.ndarray:
    """Return the rows of an array that belong to the scans of `people`, in their order.

    Parameters
    ----------
    path
        An array (.npy) of shape (scans, features).
    people
        As :func:`read_run` returns it.

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
        raise InputError(f"{path}: needed is one row of features a scan, found {array.shape}")
    if people["row"].max() >= len(array):
        raise InputError(
            f"{path}: {len(array)} rows, but the index names row {people['row'].max()}"
        )
    features = np.asarray(array[people["row"].to_numpy()], dtype=np.float64)
    wrong = ~np.isfinite(features).all(axis=1)
    if wrong.any():
        raise InputError(
            f"{path}: {people['scan_id'][wrong].iloc[0]} has a feature that is not finite"
        )
    return features


def in_order(scans: pd.DataFrame) -> pd.DataFrame:
    """Sort scans by person, then by time (years since the first scan, else age), then by name."""
    return scans.sort_values([*PERSON, "years_since_first", "age", "scan_id"], kind="stable")


def first_scans(scans: pd.DataFrame) -> pd.DataFrame:
    """Return the first scan with a known age of each person (the index of `scans` is kept)."""
    return in_order(scans[scans["age"].notna()]).drop_duplicates(PERSON)


def is_healthy(scans: pd.DataFrame, settings: dict[str, Any]) -> pd.Series:
    """Tell who is healthy; where no scan has a diagnosis, everyone is."""
    if scans["diagnosis"].isna().all():
        return pd.Series(True, index=scans.index)
    return scans["diagnosis"].isin(settings["healthy"])


def predictions_table(
    people: pd.DataFrame, predicted: np.ndarray, experiment: str, fold: int, seed: int
) -> pd.DataFrame:
    """Return rows of :data:`PREDICTIONS`."""
    table = people.assign(experiment=experiment, fold=fold, seed=seed, predicted_age=predicted)
    return table[list(PREDICTIONS.names)]


def folds_of_people(people: pd.DataFrame, folds: int, seed: int) -> list[tuple[Any, Any]]:
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
