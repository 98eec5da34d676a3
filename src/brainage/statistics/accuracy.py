"""Accuracy of the uncorrected predicted age on unseen healthy people.

Experiments are ranked by single trainings, over the seeds that all of them share: the mean of
several trainings errs less than one, so that an experiment with more seeds would win by them alone.
That mean, the ensemble, has rows of its own. The baselines have one seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.probing import BASELINES, PREDICTIONS, SITE_PROBE
from brainage.core.contracts.statistics import (
    ACCURACY,
    GAPS,
    NO_SHARED_SEED,
    PREDICTORS,
    VERDICTS_ON_RIDGE,
)
from brainage.core.intervals import bootstrap_interval
from brainage.core.software import write_result
from brainage.core.subjects import first_scans
from brainage.core.tables import read_table
from brainage.core.thresholds import MIN_FOR_INTERVAL
from brainage.core.wording import counted
from brainage.statistics.metrics import METRICS, NO_SPREAD, Metric
from brainage.statistics.people import joined, read_experiments, rows_to_frame

RIDGE = "ridge_voxels"  # what every other experiment is compared with, person by person
SINGLE, ENSEMBLE = PREDICTORS
BEATS, NOT_DISTINGUISHABLE, WORSE = VERDICTS_ON_RIDGE
CHALLENGE_WORDS = (
    "BAcc^0.3 x MAE, the score of the OpenBHB challenge: balanced accuracy of site prediction "
    "from the embedding with the challenge's probe, external MAE with the age probe of this "
    "study; lower is better"
)


@dataclass(frozen=True)
class _Predictor:
    """One experiment's predictions, as single trainings or as their mean.

    Attributes
    ----------
    experiment, kind
        Its name, and one of :data:`PREDICTORS`.
    ages
        Shape (people,), in years.
    predicted
        Shape (trainings, people): a row a single training, or one row of the ensemble.
    trainings
        Every single training, for their range.
    notes
        What to beware of.
    """

    experiment: str
    kind: str
    ages: np.ndarray
    predicted: np.ndarray
    trainings: np.ndarray
    notes: list[str]

    @property
    def words(self) -> str:
        """What a number is of."""
        n = len(self.trainings)
        if self.kind == ENSEMBLE:
            return f"mean prediction over {n} seeds"
        return "one training" if n == 1 else f"one training, mean over {n} seeds"

    def errors(self) -> np.ndarray:
        """Absolute error of each person, mean over single trainings, in years."""
        return np.abs(self.predicted - self.ages).mean(0)

    def row(self, people: str, metric: str, unit: str) -> dict[str, Any]:
        """Return what all rows begin with."""
        return {
            "experiment": self.experiment,
            "predictor": self.kind,
            "people": people,
            "metric": metric,
            "unit": unit,
            "n": len(self.ages),
            "note": joined(self.notes),
        }


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
        its seeds are the single trainings.
    out
        As :data:`ACCURACY`, for each experiment with the predictor `single`, and `ensemble` where
        it has several seeds. `external` people are of sites that no training person
        of their fold is of (only those of settings["external_sites"], where some are named),
        `internal` people of sites of training people. Where there is ridge on voxels, every other
        experiment has its paired difference of absolute errors to it (`mae_minus_ridge`).
    settings
        Section ``statistics`` of the config, ``seed`` and ``external_sites`` (``dataset/site``).
    site_probe
        As :data:`SITE_PROBE`; with it experiments have the score of the OpenBHB
        challenge where there are external people (`challenge_score`).
    """
    healthy = read_table(gaps, GAPS).query("healthy")["scan_id"]
    first: dict[str, pd.DataFrame] = {}
    for experiment in read_experiments(gaps):
        scans = experiment.scans[experiment.scans["scan_id"].isin(set(healthy))]
        if len(scans):
            first[experiment.name] = first_scans(scans).set_index("scan_id")
    common = set.intersection(*(set(people.index) for people in first.values())) if first else set()

    single = read_table(predictions, PREDICTIONS)
    where = _internal_or_external(single)
    single = single[(single["role"] == "test") & single["scan_id"].isin(common)]
    seeds = {name: _of_seeds(single[single["experiment"] == name]) for name in first}
    shared = _shared_seeds(seeds)
    site_accuracy = _site_accuracy(site_probe)
    rows: list[dict[str, Any]] = []
    for name, people in first.items():
        notes = _notes(people, common)
        tested = people[people.index.isin(common)].sort_index()
        for whom in ("all", "internal", "external"):
            inside = tested
            if whom != "all":
                inside = tested[[where.get((name, scan)) == whom for scan in tested.index]]
            if whom == "external" and settings["external_sites"]:
                inside = inside[inside["site"].isin(settings["external_sites"])]
            ridge = None
            if name != RIDGE and RIDGE in first and len(inside) >= MIN_FOR_INTERVAL:
                errors = seeds[RIDGE][inside.index].to_numpy(float) - inside["age"].to_numpy(float)
                ridge = np.abs(errors).mean(0)
            for predictor in _predictors(name, inside, seeds[name], shared, notes):
                rows += _rows(predictor, whom, settings)
                if whom == "external" and name in site_accuracy and len(inside):
                    rows.append(_challenge_row(predictor, site_accuracy[name], shared))
                if ridge is not None and len(predictor.predicted):
                    rows.append(_against_ridge(predictor, whom, ridge, settings))
    write_result(rows_to_frame(rows, ACCURACY), out, ACCURACY)


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


def _of_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Predictions of one experiment, one row per seed (mean over folds) and one column per scan.

    Seeds that lack somebody are left out.
    """
    by_seed = rows.groupby(["seed", "scan_id"])["predicted_age"].mean().unstack("scan_id")
    return by_seed.dropna()


def _shared_seeds(seeds: dict[str, pd.DataFrame]) -> list[int]:
    """Seeds that all experiments have; the baselines have one of their own."""
    own = [set(table.index) for name, table in seeds.items() if name not in BASELINES]
    return sorted(set.intersection(*own)) if own else []


def _notes(people: pd.DataFrame, common: set[str]) -> list[str]:
    notes = []
    if len(people) > len(common):
        left = counted(len(people) - len(common), "person", "people")
        notes.append(f"{left} without predictions in other experiments left out")
    if people["folds"].max() > 1:
        notes.append("predictions for people tested in several folds are averaged over folds")
    return notes


def _predictors(
    name: str, people: pd.DataFrame, seeds: pd.DataFrame, shared: list[int], notes: list[str]
) -> list[_Predictor]:
    """Single trainings of one experiment, and where it has several seeds their mean."""
    ages = people["age"].to_numpy(float)
    every = seeds[people.index] if len(seeds) else pd.DataFrame(columns=people.index)
    one, own = every, list(notes)
    if name not in BASELINES and shared:
        one = every.loc[shared]
    elif name not in BASELINES:
        own.append(NO_SHARED_SEED)
    if every.empty and len(people):
        own.append("no single training has predictions for all of these people")
    trainings = one.to_numpy(float)
    found = [_Predictor(name, SINGLE, ages, trainings, trainings, own)]
    if len(every) > 1:
        mean = people["predicted_age"].to_numpy(float)[None]
        found.append(_Predictor(name, ENSEMBLE, ages, mean, every.to_numpy(float), notes))
    return found


def _rows(predictor: _Predictor, whom: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every metric of one predictor on some people."""
    ages, n = predictor.ages, len(predictor.ages)
    rows = []
    for metric, (unit, function, words) in METRICS.items():
        row = predictor.row(whom, metric, unit)
        row["model"] = (
            f"{words}; uncorrected predicted age, {predictor.words}, first scan of each healthy "
            f"test person; percentile bootstrap over people ({settings['bootstrap']} resamples)"
        )
        if n == 0:
            row["note"] = f"no healthy test people here ({whom})"
        rows.append(row)
        if n < (MIN_FOR_INTERVAL if metric in NO_SPREAD else 1) or not len(predictor.predicted):
            continue
        value = float(np.mean([function(ages, training) for training in predictor.predicted]))
        row["estimate"] = value if np.isfinite(value) else None
        if n >= MIN_FOR_INTERVAL:
            row["low"], row["high"] = _interval(function, ages, predictor.predicted, settings)
        spread = [float(function(ages, training)) for training in predictor.trainings]
        if len(spread) > 1 and metric != "mae_of_constant" and np.all(np.isfinite(spread)):
            row["seed_low"], row["seed_high"] = min(spread), max(spread)
    return rows


def _against_ridge(
    predictor: _Predictor, whom: str, ridge: np.ndarray, settings: dict[str, Any]
) -> dict[str, Any]:
    """Compare absolute errors with those of ridge on voxels, person by person."""
    paired = predictor.errors() - ridge
    low, high = bootstrap_interval(lambda drawn: paired[drawn].mean(-1), len(paired), settings)
    row = predictor.row(whom, "mae_minus_ridge", "years") | {
        "estimate": float(paired.mean()),
        "low": low,
        "high": high,
        "model": "mean over people of the absolute error minus that of ridge on voxels for the "
        f"same person (negative: better than ridge); predicted age of {predictor.words}; "
        f"percentile bootstrap over people ({settings['bootstrap']} resamples)",
    }
    if low is not None and high is not None:
        row["verdict"] = BEATS if high < 0 else WORSE if low > 0 else NOT_DISTINGUISHABLE
    if len(predictor.trainings) > 1:
        spread = np.abs(predictor.trainings - predictor.ages).mean(1) - ridge.mean()
        row["seed_low"], row["seed_high"] = float(spread.min()), float(spread.max())
    return row


def _site_accuracy(site_probe: Path | None) -> dict[str, pd.Series]:
    """Balanced accuracy of the site by the challenge's probe: by experiment, by seed."""
    if site_probe is None:
        return {}
    rows = read_table(site_probe, SITE_PROBE)
    rows = rows[(rows["probe"] == "embedding") & (rows["protocol"] == "challenge")]
    return {
        str(name): own.groupby("seed")["balanced_accuracy"].mean()
        for name, own in rows.groupby("experiment")
    }


def _challenge_row(predictor: _Predictor, by_seed: pd.Series, shared: list[int]) -> dict[str, Any]:
    """Score of the challenge; of single trainings by the site accuracy of the same ones."""
    if predictor.kind == SINGLE and shared:
        by_seed = by_seed.reindex(shared)
    row = predictor.row("external", "challenge_score", "years")
    if len(predictor.predicted):
        score = challenge_score(float(by_seed.mean()), float(predictor.errors().mean()))
        row["estimate"] = score if np.isfinite(score) else None
    row["model"] = f"{CHALLENGE_WORDS}; {predictor.words}"
    row["note"] = "no interval, as the two parts are from different people"
    return row


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


def _interval(
    metric: Metric, ages: np.ndarray, predicted: np.ndarray, settings: dict[str, Any]
) -> tuple[float | None, float | None]:
    """Interval of the mean of a metric over trainings, `predicted` of shape (trainings, people)."""

    def mean(drawn: np.ndarray) -> np.ndarray:
        return np.mean([metric(ages[drawn], training[drawn]) for training in predicted], axis=0)

    return bootstrap_interval(mean, len(ages), settings)
