"""What any encoder must beat: ridge on the voxels themselves, and one constant for everyone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.contracts import PREDICTIONS
from brainage.files import InputError
from brainage.probing.age import fit_rows, folds_within
from brainage.probing.people import first_scans, predictions_table, read_run
from brainage.probing.ridge import choose
from brainage.probing.voxels import Voxels
from brainage.tables import write_table

KINDS = ("ridge_voxels", "mean")
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
) -> None:
    """Predict age by a baseline, for the people of a run in the same roles.

    ``ridge_voxels``: principal components of the voxels of fit people, then ridge regression.
    The number of components and the penalty are chosen by folds of fit people: nothing has seen
    their ages before, so these folds are honest and have more people than tune.
    ``mean``: the median age of fit people, which is the constant of least absolute error for them.

    Parameters
    ----------
    store
        Folder with brains.npy and index.tsv.
    scans, splits
        As :data:`brainage.contracts.SCANS` and :data:`brainage.contracts.SPLITS`.
    out
        As :data:`brainage.contracts.PREDICTIONS`, with `kind` as the experiment.
    kind
        ``ridge_voxels`` or ``mean``.
    experiment_rows_from
        The experiment whose rows of `splits` are used.
    fold, seed
        The run.
    settings
        Section ``probing`` of the config, and ``seed``.

    Raises
    ------
    InputError
        As :func:`brainage.probing.age.probe_age`, or an unknown kind.
    """
    if kind not in KINDS:
        raise InputError(f"baseline {kind!r} is not one of {', '.join(KINDS)}")
    store = Path(store)
    people = read_run(store / "index.tsv", scans, splits, experiment_rows_from, fold, seed)
    fit = fit_rows(people, f"{splits}: experiment {experiment_rows_from}, fold {fold}, seed {seed}")
    if kind == "mean":
        constant = float(first_scans(people.iloc[fit])["age"].median())
        predicted = np.full(len(people), constant)
    else:
        predicted = _ridge_on_voxels(store, people, fit, settings)
    write_table(predictions_table(people, predicted, kind, fold, seed), out, PREDICTIONS)


def _ridge_on_voxels(
    store: Path, people: pd.DataFrame, fit: np.ndarray, settings: dict[str, Any]
) -> np.ndarray:
    from sklearn.decomposition import PCA

    voxels = Voxels(store, settings["voxels"])
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
