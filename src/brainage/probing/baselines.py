"""Baselines: ridge on voxels or regional volumes, and one constant for everyone."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.imaging import QC, REGIONS
from brainage.core.contracts.probing import BASELINES, PREDICTIONS
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.software import write_result
from brainage.core.subjects import first_scans
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.probing.age import folds_within, train_rows
from brainage.probing.people import predictions_table, read_people
from brainage.probing.ridge import choose
from brainage.probing.unlike import add_percentiles
from brainage.probing.voxels import Voxels

AT_ONCE = 64  # brains in memory while they are projected


def predict_baseline(files: Layout, training: Training, settings: dict[str, Any]) -> None:
    """Predict age by a baseline, for the people of a training in the same roles.

    ``ridge_voxels``: principal components of the voxels of training people, then ridge regression.
    The number of components and the penalty are chosen by folds of training people: nothing has
    seen their ages before, so these folds are honest and have more people than validation has.
    ``ridge_regions``: ridge regression on standardised regional volumes, its penalty chosen
    likewise.
    ``median``: the median age of training people, which is the constant of least absolute error
    for them.

    Written is predictions.tsv of the baseline (:data:`PREDICTIONS`). Without an embedding a scan is
    compared with the training data by the measures of its image alone.

    Parameters
    ----------
    files
        Where everything lies.
    training
        The baseline (one of :data:`BASELINES`) as its experiment, a fold and a seed.
    settings
        Section ``probing`` of the config, ``seed``, ``people_of`` (the experiment whose roles are
        taken), the ``channels`` whose voxels are read, and of ``ridge_regions`` the path of the
        table of ``regions`` (:data:`REGIONS`).

    Raises
    ------
    InputError
        As :func:`brainage.probing.age.probe_age`, an unknown baseline, or a scan without regional
        volumes.
    """
    kind = training.experiment
    if kind not in BASELINES:
        raise InputError(f"baseline {kind!r} is not one of {', '.join(BASELINES)}")
    like = replace(training, experiment=settings["people_of"])
    people = read_people(files, files.file("store_index"), like)
    fit = train_rows(people, f"{files.file('splits')}: {like.words}")
    if kind == "median":
        constant = float(first_scans(people.iloc[fit])["age"].median())
        predicted = np.full(len(people), constant)
    elif kind == "ridge_regions":
        predicted = _ridge_on_regions(people, fit, settings)
    else:
        predicted = _ridge_on_voxels(files.folder("store"), people, fit, settings)
    people = add_percentiles(people, predicted, None, read_table(files.file("qc"), QC))
    out = files.file("predictions_of", training=training)
    write_result(predictions_table(people, predicted, training), out, PREDICTIONS)


def _ridge_on_voxels(
    store: Path, people: pd.DataFrame, fit: np.ndarray, settings: dict[str, Any]
) -> np.ndarray:
    from sklearn.decomposition import PCA

    voxels = Voxels(store, settings["voxels"], settings["channels"])
    rows = people["row"].to_numpy()
    rng = np.random.default_rng(settings["seed"])
    drawn = fit
    if len(fit) > settings["component_people"]:
        drawn = np.sort(rng.choice(fit, settings["component_people"], replace=False))
    # Within a fold of people there must be as many rows as components, too.
    smallest = min(len(train) for train, _ in folds_within(people, fit, settings))
    max_components = max(1, min(len(drawn) - 1, smallest - 1))
    columns = sorted({min(count, max_components) for count in settings["components"]})
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
    people: pd.DataFrame, fit: np.ndarray, settings: dict[str, Any]
) -> np.ndarray:
    if settings["regions"] is None:
        raise InputError("ridge_regions needs a table of regional volumes (regions)")
    features = _read_regions(Path(settings["regions"]), people)
    ages = people["age"].to_numpy(float)
    rounds = folds_within(people, fit, settings)
    ridge = choose(features, ages, rounds, [features.shape[1]], settings["ridge_alphas"])
    return ridge.fit(features[fit], ages[fit]).predict(features)


def _read_regions(path: Path, people: pd.DataFrame) -> np.ndarray:
    """Return the volumes of the scans of `people`, in their order: (scans, regions)."""
    table = read_table(path, REGIONS).set_index("scan_id")
    if table.empty or not len(table.columns):
        raise InputError(
            f"{path}: there are no regional volumes: one column per region is required"
        )
    for name in table.columns:
        if table[name].dtype == object:
            raise InputError(f"{path}: column {name!r} holds text; a region's volumes are numbers")
    lost = people.loc[~people["scan_id"].isin(table.index), "scan_id"]
    if len(lost):
        raise InputError(
            f"{path}: there is no row for {lost.iloc[0]} ({len(lost)} of {len(people)} scans of "
            "this training have none); add them, or leave probing.regions empty"
        )
    features = table.loc[people["scan_id"]].to_numpy(float)
    wrong = np.argwhere(~np.isfinite(features))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"{path}: {people['scan_id'].iloc[row]}, column {table.columns[column]!r}: a volume "
            "is required here"
        )
    return features
