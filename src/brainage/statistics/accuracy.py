"""How far the uncorrected predicted age is from the age, on healthy people never used before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.probing import PREDICTIONS, SITE_PROBE
from brainage.core.contracts.statistics import ACCURACY, GAPS, VERDICTS_ON_RIDGE
from brainage.core.intervals import bootstrap_interval
from brainage.core.subjects import first_scans
from brainage.core.tables import read_table, write_table
from brainage.core.thresholds import MIN_FOR_INTERVAL
from brainage.statistics.people import counted, joined, read_experiments, rows_to_frame

# One call scores many resamples: both arrays have shape (..., people).
Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _slope_and_r(age: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = age - age.mean(-1, keepdims=True)
    y = predicted - predicted.mean(-1, keepdims=True)
    xx, xy, yy = (x * x).sum(-1), (x * y).sum(-1), (y * y).sum(-1)
    # A constant prediction has a slope (0) but no correlation; people of one age have neither.
    nothing = yy <= 1e-18 * (predicted * predicted).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(nothing, np.nan, xy / np.sqrt(xx * yy))
        return np.where(xx > 0, np.where(nothing, 0.0, xy / xx), np.nan), r


def _r2(age: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    total = ((age - age.mean(-1, keepdims=True)) ** 2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, 1 - ((predicted - age) ** 2).sum(-1) / total, np.nan)


METRICS: dict[str, tuple[str, Metric, str]] = {
    "mae": ("years", lambda a, p: np.abs(p - a).mean(-1), "mean absolute error"),
    "rmse": (
        "years",
        lambda a, p: np.sqrt(((p - a) ** 2).mean(-1)),
        "root of the mean squared error",
    ),
    "r": (
        "none",
        lambda a, p: _slope_and_r(a, p)[1],
        "Pearson correlation of predicted age and age",
    ),
    "r2": ("none", _r2, "1 - squared errors / squared deviations from the mean age"),
    "slope": ("none", lambda a, p: _slope_and_r(a, p)[0], "slope of predicted age on age"),
    "mae_of_constant": (
        "years",
        lambda a, p: np.abs(a - np.median(a, axis=-1, keepdims=True)).mean(-1),
        "mean absolute error of the best constant for these very people (their median age)",
    ),
}
NO_SPREAD = {"r", "r2", "slope"}  # metrics that need people of different ages
RIDGE = "ridge_voxels"  # what every other experiment is compared with, person by person
BEATS, NOT_DISTINGUISHABLE, WORSE = VERDICTS_ON_RIDGE
CHALLENGE_WORDS = (
    "BAcc^0.3 x MAE, the score of the OpenBHB challenge: balanced accuracy of the site from the "
    "embedding by the challenge's probe, external MAE by our probe of age; lower is better"
)


def measure_accuracy(
    gaps: Path,
    predictions: Path,
    out: Path,
    settings: dict[str, Any],
    site_probe: Path | None = None,
) -> None:
    """Measure accuracy on healthy test people, one scan each, all experiments on the same people.

    Parameters
    ----------
    gaps
        As :data:`GAPS`; `predicted_age` is the mean over seeds.
    predictions
        As :data:`PREDICTIONS`; its training rows say which sites were trained on,
        its seeds give the spread over seeds.
    out
        As :data:`ACCURACY`. `external` people are of sites that no training person
        of their fold is of (only those of settings["external_sites"], where some are named),
        `internal` people of sites of training people. Where there is ridge on voxels, every other
        experiment has its paired difference of absolute errors to it (`mae_minus_ridge`).
    settings
        Section ``statistics`` of the config, ``seed`` and ``external_sites`` (``dataset/site``).
    site_probe
        As :data:`SITE_PROBE`; with it experiments have the score of the OpenBHB
        challenge where there are external people (`challenge_score`).
    """
    table = read_table(gaps, GAPS)
    healthy = set(table.loc[table["healthy"], "scan_id"])
    single = read_table(predictions, PREDICTIONS)
    where = _internal_or_external(single)
    single = single[(single["role"] == "test") & single["age"].notna()]

    first: dict[str, pd.DataFrame] = {}
    for experiment in read_experiments(gaps):
        scans = experiment.scans[experiment.scans["scan_id"].isin(healthy)]
        if len(scans):
            first[experiment.name] = first_scans(scans).set_index("scan_id")
    common = set.intersection(*(set(people.index) for people in first.values())) if first else set()

    rows: list[dict[str, Any]] = []
    told = _site_accuracy(site_probe)
    for name, people in first.items():
        notes = []
        if len(people) > len(common):
            left = len(people) - len(common)
            notes.append(
                f"{counted(left, 'person', 'people')} that other experiments lack left out"
            )
        if people["folds"].max() > 1:
            notes.append("people tested in several folds have the mean over folds")
        tested = people[people.index.isin(common)].sort_index()
        seeds = single[(single["experiment"] == name) & single["scan_id"].isin(common)]
        for whom in ("all", "internal", "external"):
            inside = tested
            if whom != "all":
                inside = tested[[where.get((name, scan)) == whom for scan in tested.index]]
            if whom == "external" and settings["external_sites"]:
                inside = inside[inside["site"].isin(settings["external_sites"])]
            own = seeds[seeds["scan_id"].isin(inside.index)]
            per_seed = [_one_seed(part, inside.index) for _, part in own.groupby("seed", sort=True)]
            per_seed = [values for values in per_seed if values is not None]
            rows += _rows(name, whom, inside, per_seed, notes, settings)
            if whom == "external" and name in told and len(inside):
                rows.append(_challenge_score(rows, name, told[name]))
            if name != RIDGE and RIDGE in first and len(inside) >= MIN_FOR_INTERVAL:
                ridge = first[RIDGE].loc[inside.index, "predicted_age"].to_numpy(float)
                rows.append(_against_ridge(name, whom, inside, per_seed, ridge, notes, settings))
    write_table(rows_to_frame(rows, ACCURACY), out, ACCURACY)


def _internal_or_external(predictions: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Say of each (experiment, scan) whether its site was trained on; left out where unknown."""
    known = predictions[predictions["site"].notna()]
    fit = known[known["role"] == "train"][["experiment", "fold", "site"]].drop_duplicates()
    test = known[known["role"] == "test"].drop_duplicates(["experiment", "fold", "scan_id"])
    # Without training rows (another tool's table) nobody can say which sites were seen.
    test = test.merge(fit[["experiment", "fold"]].drop_duplicates(), on=["experiment", "fold"])
    seen = test.merge(fit, on=["experiment", "fold", "site"], how="left", indicator=True)
    seen["seen"] = seen["_merge"] == "both"
    by_scan = seen.groupby(["experiment", "scan_id"])["seen"].agg(["min", "max"])
    words = {}
    for key, low, high in zip(by_scan.index, by_scan["min"], by_scan["max"], strict=True):
        if low == high:
            words[key] = "internal" if low else "external"
    return words


def _rows(
    name: str,
    whom: str,
    people: pd.DataFrame,
    per_seed: list[np.ndarray],
    notes: list[str],
    settings: dict[str, Any],
) -> list[dict[str, Any]]:
    n = len(people)
    age = people["age"].to_numpy(float)
    predicted = people["predicted_age"].to_numpy(float)
    if n == 0:
        notes = [f"no healthy test people here ({whom})"]
    several = len(per_seed) > 1
    seed_words = f"mean over {len(per_seed)} seeds, " if several else ""
    rows = []
    for metric, (unit, function, words) in METRICS.items():
        row: dict[str, Any] = {
            "experiment": name,
            "people": whom,
            "metric": metric,
            "unit": unit,
            "n": n,
            "model": f"{words}; uncorrected predicted age, {seed_words}first scan of each healthy "
            f"test person; percentile bootstrap over people ({settings['bootstrap']} resamples)",
            "note": joined(notes),
        }
        if n >= (MIN_FOR_INTERVAL if metric in NO_SPREAD else 1):
            value = float(function(age, predicted))
            row["estimate"] = value if np.isfinite(value) else None
            if n >= MIN_FOR_INTERVAL:
                row["low"], row["high"] = _interval(function, age, predicted, settings)
            if several and metric != "mae_of_constant":
                spread = [float(function(age, values)) for values in per_seed]
                if np.all(np.isfinite(spread)):
                    row["seed_low"], row["seed_high"] = min(spread), max(spread)
        rows.append(row)
    return rows


def _against_ridge(
    name: str,
    whom: str,
    people: pd.DataFrame,
    per_seed: list[np.ndarray],
    ridge: np.ndarray,
    notes: list[str],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Compare absolute errors with those of ridge on voxels, person by person."""
    age = people["age"].to_numpy(float)
    theirs = np.abs(ridge - age)
    paired = np.abs(people["predicted_age"].to_numpy(float) - age) - theirs
    low, high = bootstrap_interval(lambda drawn: paired[drawn].mean(-1), len(paired), settings)
    row: dict[str, Any] = {
        "experiment": name,
        "people": whom,
        "metric": "mae_minus_ridge",
        "unit": "years",
        "estimate": float(paired.mean()),
        "low": low,
        "high": high,
        "n": len(people),
        "model": "mean over people of the absolute error minus that of ridge on voxels for the "
        f"same person, below 0 is better; predicted age averaged over "
        f"{counted(max(1, len(per_seed)), 'seed', 'seeds')}; percentile bootstrap over people "
        f"({settings['bootstrap']} resamples)",
        "note": joined(notes),
    }
    if low is not None and high is not None:
        row["verdict"] = BEATS if high < 0 else WORSE if low > 0 else NOT_DISTINGUISHABLE
    if len(per_seed) > 1:
        spread = [float((np.abs(values - age) - theirs).mean()) for values in per_seed]
        row["seed_low"], row["seed_high"] = min(spread), max(spread)
    return row


def _site_accuracy(site_probe: Path | None) -> dict[str, float]:
    """Balanced accuracy of the site from each embedding by the challenge's probe, mean of runs."""
    if site_probe is None:
        return {}
    rows = read_table(site_probe, SITE_PROBE)
    rows = rows[(rows["probe"] == "embedding") & (rows["protocol"] == "challenge")]
    return rows.groupby("experiment")["balanced_accuracy"].mean().to_dict()


def _challenge_score(rows: list[dict[str, Any]], name: str, site: float) -> dict[str, Any]:
    mae = next(row for row in reversed(rows) if row["metric"] == "mae")
    return {
        "experiment": name,
        "people": "external",
        "metric": "challenge_score",
        "unit": "years",
        "estimate": challenge_score(site, mae["estimate"]),
        "n": mae["n"],
        "model": CHALLENGE_WORDS,
        "note": "the two parts have different people, so that there is no interval",
    }


def challenge_score(site: float, mae: float) -> float:
    """Score of the OpenBHB challenge, L_c = BAcc^0.3 * MAE (Dufumier et al., 2022); low is good.

    Parameters
    ----------
    site
        Balanced accuracy of the site, 0 to 1.
    mae
        External mean absolute error, in years.
    """
    return float(site**0.3 * mae)


def _one_seed(rows: pd.DataFrame, scans: pd.Index) -> np.ndarray | None:
    """Predictions of one seed (mean over folds) in the order of `scans`; None if some lack."""
    values = rows.groupby("scan_id")["predicted_age"].mean().reindex(scans).to_numpy(float)
    return values if len(values) and np.all(np.isfinite(values)) else None


def _interval(
    metric: Metric, age: np.ndarray, predicted: np.ndarray, settings: dict[str, Any]
) -> tuple[float | None, float | None]:
    return bootstrap_interval(
        lambda drawn: metric(age[drawn], predicted[drawn]), len(age), settings
    )
