"""What any encoder must beat: ridge on voxels or regional volumes, one constant for everyone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.imaging import REGIONS
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.files import InputError
from brainage.core.tables import read_table, write_table
from brainage.probing.age import folds_within, train_rows
from brainage.probing.people import first_scans, predictions_table, read_run
from brainage.probing.ridge import choose
from brainage.probing.voxels import Voxels

KINDS = ("ridge_voxels", "ridge_regions", "mean")
AT_ONCE = 64  # brains in memory while they are projected


def predict_baseline(
    store: Path,
    scans: Path,
    splits: Path,
    out: Path,
    kind: str,
    experiment_rows_from: str,
    fold: int,
    seed: int,
    settings: dict[str, Any],
    regions: Path | None = None,
) -> None:
    """Predict age by a baseline, for the people of a run in the same roles.

    ``ridge_voxels``: principal components of the voxels of training people, then ridge regression.
    The number of components and the penalty are chosen by folds of training people: nothing has seen
    their ages before, so these folds are honest and have more people than validation has.
    ``ridge_regions``: ridge regression on standardised regional volumes, its penalty chosen
    likewise.
    ``mean``: the median age of training people, which is the constant of least absolute error for them.

    Parameters
    ----------
    store
        Folder with brains.npy and index.tsv.
    scans, splits
        As :data:`SCANS` and :data:`SPLITS`.
    out
        As :data:`PREDICTIONS`, with `kind` as the experiment.
    kind
        One of :data:`KINDS`.
    experiment_rows_from
        The experiment whose rows of `splits` are used.
    fold, seed
        The run.
    settings
        Section ``probing`` of the config, ``seed``, and the ``channels`` whose voxels are read.
    regions
        As :data:`REGIONS`, of ``ridge_regions``.

    Raises
    ------
    InputError
        As :func:`brainage.probing.age.probe_age`, an unknown kind, or a scan without regional
        volumes.
    """
    if kind not in KINDS:
        raise InputError(f"baseline {kind!r} is not one of {', '.join(KINDS)}")
    store = Path(store)
    people = read_run(store / "index.tsv", scans, splits, experiment_rows_from, fold, seed)
    fit = train_rows(
        people, f"{splits}: experiment {experiment_rows_from}, fold {fold}, seed {seed}"
    )
    if kind == "mean":
        constant = float(first_scans(people.iloc[fit])["age"].median())
        predicted = np.full(len(people), constant)
    elif kind == "ridge_regions":
        predicted = _ridge_on_regions(regions, people, fit, settings)
    else:
        predicted = _ridge_on_voxels(store, people, fit, settings)
    write_table(predictions_table(people, predicted, kind, fold, seed), out, PREDICTIONS)


def _ridge_on_voxels(
    store: Path, people: pd.DataFrame, fit: np.ndarray, settings: dict[str, Any]
) -> np.ndarray:
    from sklearn.decomposition import PCA

    voxels = Voxels(store, settings["voxels"], settings.get("channels", ["brain"]))
    rows = people["row"].to_numpy()
    rng = np.random.default_rng(settings["seed"])
    drawn = fit
    if len(fit) > settings["component_people"]:
        drawn = np.sort(rng.choice(fit, settings["component_people"], replace=False))
    # Within a fold of people there must be as many rows as components, too.
    fewest = min(len(train) for train, _ in folds_within(people, fit, settings))
    most = max(1, min(len(drawn) - 1, fewest - 1))
    columns = sorted({min(count, most) for count in settings["components"]})
    print(f"ridge on voxels: {columns[-1]} components of {len(drawn)} brains", file=sys.stderr)
    pca = PCA(columns[-1], svd_solver="randomized", random_state=settings["seed"])
    pca.fit(voxels.read(rows[drawn]))
    parts = [
        pca.transform(voxels.read(rows[start : start + AT_ONCE]))
        for start in range(0, len(rows), AT_ONCE)
    ]
    features = np.concatenate(parts).astype(np.float64)
    ages = people["age"].to_numpy(float)
    rounds = folds_within(people, fit, settings)
    ridge = choose(features, ages, rounds, columns, settings["ridge_alphas"], standardise=False)
    return ridge.fit(features[fit], ages[fit]).predict(features)


def _ridge_on_regions(
    path: Path | None, people: pd.DataFrame, fit: np.ndarray, settings: dict[str, Any]
) -> np.ndarray:
    if path is None:
        raise InputError("ridge_regions needs a table of regional volumes (--regions)")
    features = _read_regions(path, people)
    ages = people["age"].to_numpy(float)
    rounds = folds_within(people, fit, settings)
    ridge = choose(features, ages, rounds, [features.shape[1]], settings["ridge_alphas"])
    return ridge.fit(features[fit], ages[fit]).predict(features)


def _read_regions(path: Path, people: pd.DataFrame) -> np.ndarray:
    """Return the volumes of the scans of `people`, in their order: (scans, regions)."""
    table = read_table(path, REGIONS).set_index("scan_id")
    if table.empty or not len(table.columns):
        raise InputError(f"{path}: there are no regional volumes: needed is a column a region")
    for name in table.columns:
        if table[name].dtype == object:
            raise InputError(f"{path}: column {name!r} holds text; a region's volumes are numbers")
    lost = people.loc[~people["scan_id"].isin(table.index), "scan_id"]
    if len(lost):
        raise InputError(
            f"{path}: there is no row for {lost.iloc[0]} ({len(lost)} of {len(people)} scans of "
            "this run have none); add them, or leave probing.regions empty"
        )
    features = table.loc[people["scan_id"]].to_numpy(float)
    wrong = np.argwhere(~np.isfinite(features))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"{path}: {people['scan_id'].iloc[row]}, column {table.columns[column]!r}: a volume is "
            "needed here"
        )
    return features
