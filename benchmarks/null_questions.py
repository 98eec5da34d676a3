"""What false_positives.py asks of a cohort: every test and interval of the statistics, by name.

A question looks at the tables of a cohort and answers with a p-value, with whether a 95 % interval
holds the truth, with the reason for a refusal in words, or with None where it does not arise. A new
one is one more line of QUESTIONS.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import unkind_cohorts
from scipy import stats
from unkind_cohorts import AGE_SD, CONTROL, PATIENT, Cohort

from brainage.core.config import defaults
from brainage.core.contracts.probing import DIAGNOSIS_SCORES
from brainage.core.subjects import first_scans
from brainage.core.syntax import serialise
from brainage.core.versions import module_hash
from brainage.probing.diagnosis import at_shared_sites
from brainage.probing.logistic import out_of_fold
from brainage.statistics.groups import group_rows
from brainage.statistics.longitudinal import followed_up, own_slopes, slope_rows
from brainage.statistics.roc import roc_rows

SETTINGS = {**defaults("statistics"), "groups": [CONTROL, PATIENT], "seed": 2025}
PROBING = defaults("probing")
NO_SCORES = pd.DataFrame(columns=list(DIAGNOSIS_SCORES.names))

Row = dict[str, Any]
Answer = float | bool | str | None


class Tables:
    """The rows that the statistics write of one cohort, each table when it is first asked for."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort

    @cached_property
    def _groups(self) -> list[Row]:
        return group_rows(self.cohort.experiment, SETTINGS)

    @cached_property
    def _roc(self) -> list[Row]:
        return roc_rows(self.cohort.experiment, NO_SCORES, SETTINGS)[0]

    @cached_property
    def _probe(self) -> list[Row]:
        return roc_rows(self.cohort.experiment, probe_scores(self.cohort), SETTINGS)[0]

    @cached_property
    def _slopes(self) -> list[Row]:
        scans = followed_up(self.cohort.experiment.scans, SETTINGS["follow_up"])
        return slope_rows(self.cohort.experiment, scans, own_slopes(scans), SETTINGS)

    def mean(self, group: str) -> Row:
        """Mean gap of a group."""
        return _only(self._groups, quantity="mean", group=group)

    def difference(self) -> Row:
        """Difference of the mean gaps, in years."""
        rows = [row for row in self._groups if row["unit"] != "SD"]
        return _only(rows, quantity="difference", group=PATIENT)

    def area(self, score: str) -> Row:
        """Area under the ROC curve of a score."""
        rows = self._probe if score == "diagnosis_probe" else self._roc
        return _only(rows, quantity="auc", score=score)

    def added_value(self) -> Row:
        """What the gap adds to age and sex."""
        return _only(self._roc, quantity="added_value", score="gap")

    def slope(self, group: str) -> Row:
        """Mean slope of a group."""
        return _only(self._slopes, quantity="slope", group=group)

    def contrast(self, way: str = "") -> Row | None:
        """Contrast of slopes; of one way to find it, where it was found so."""
        row = _only(self._slopes, quantity="contrast", group=PATIENT)
        return row if way in row["model"] else None


def _only(rows: list[Row], **named: str) -> Row:
    (row,) = (row for row in rows if all(row[key] == value for key, value in named.items()))
    return row


def probe_scores(cohort: Cohort) -> pd.DataFrame:
    """Out-of-fold scores of the diagnosis probe, as brainage.probing.diagnosis finds them."""
    scans = cohort.experiment.scans
    two = at_shared_sites(first_scans(scans.reset_index(drop=True)))
    counts = two["diagnosis"].value_counts()
    if min(counts.get(CONTROL, 0), counts.get(PATIENT, 0)) < PROBING["min_diagnosis"]:
        return NO_SCORES
    _, probabilities, classes = out_of_fold(
        cohort.embedding[two.index],
        two["diagnosis"].to_numpy(str),
        PROBING["logistic_c"],
        standardise=True,
        folds=PROBING["folds"],
        seed=SETTINGS["seed"],
        scoring="neg_log_loss",
    )
    score = probabilities[:, list(classes).index(PATIENT)]
    return two[["scan_id"]].assign(control=CONTROL, case=PATIENT, score=score)


def _reason(row: Row) -> str:
    """Why a row has no answer: the first part of its note, numbers aside, to be counted."""
    note = str(row.get("note") or "no reason is given")
    return re.sub(r"\d+(\.\d+)?", "N", note.partition(";")[0])


def p_of(row: Row | None) -> Answer:
    """Return the p-value of a row, or why there is none."""
    if row is None:
        return None
    p = row.get("p")
    return _reason(row) if p is None or np.isnan(p) else float(p)


def holds(row: Row | None, truth: float | None) -> Answer:
    """Return whether the interval of a row holds the truth, or why there is no interval."""
    if row is None or truth is None:
        return None
    low, high = row.get("low"), row.get("high")
    if low is None or high is None or np.isnan(low) or np.isnan(high):
        return _reason(row)
    return bool(low <= truth <= high)


def area_of_age(cohort: Cohort) -> float:
    """Area under the ROC curve of age in all such people."""
    return float(stats.norm.cdf(cohort.conditions.patients_older / (AGE_SD * 2**0.5)))


def null_area(cohort: Cohort) -> float | None:
    """0.5 where nothing tells the groups apart; None where an effect was planted."""
    return 0.5 if cohort.effect.none else None


def area_of_age_and_sex(cohort: Cohort) -> float | None:
    """0.5 where patients are no older; None where they are, as age and sex then tell them apart."""
    return None if cohort.conditions.patients_older else 0.5


@dataclass(frozen=True)
class Question:
    """One test or interval of the statistics.

    Attributes
    ----------
    name
        In the printed tables.
    kind
        A key of BOUNDS: what is counted, and between which bounds.
    module
        Of brainage, that answers: another code of it, and the question is asked anew.
    ask
        Returns a p-value, whether the interval holds the truth, or the reason for a refusal; None
        where the question does not arise in this cohort.
    """

    name: str
    kind: str
    module: str
    ask: Callable[[Tables], Answer]


@dataclass(frozen=True)
class Kind:
    """What a share should be, and of how many cohorts it is taken at most."""

    bounds: tuple[float, float]
    of_8_and_8: tuple[float, float]
    cohorts: int

    def bounds_at(self, size: str) -> tuple[float, float]:
        """Bounds at a pair of group sizes."""
        return self.of_8_and_8 if size == "8+8" else self.bounds


KINDS = {
    "test": Kind((0.03, 0.06), (0.025, 0.06), 10_000),
    "test by a model": Kind((0.025, 0.065), (0.025, 0.065), 2_000),
    "interval": Kind((0.925, 0.975), (0.925, 0.975), 2_000),
}

GROUPS, ROC = "brainage.statistics.groups", "brainage.statistics.roc"
SLOPES, PROBE = "brainage.statistics.longitudinal", "brainage.probing.diagnosis"
TEST, MODEL, INTERVAL = KINDS

# fmt: off
QUESTIONS = (
    Question("group difference", TEST, GROUPS, lambda t: p_of(t.difference())),
    Question("AUC of the gap", TEST, ROC, lambda t: p_of(t.area("gap"))),
    Question("added value of the gap", TEST, ROC, lambda t: p_of(t.added_value())),
    Question("AUC of the diagnosis probe", MODEL, PROBE, lambda t: p_of(t.area("diagnosis_probe"))),
    Question("slopes", MODEL, SLOPES, lambda t: p_of(t.contrast())),
    Question("slopes by mixed model", MODEL, SLOPES, lambda t: p_of(t.contrast("REML"))),
    Question("slopes by Welch's test", MODEL, SLOPES, lambda t: p_of(t.contrast("Welch"))),
    Question("mean of controls", INTERVAL, GROUPS, lambda t: holds(t.mean(CONTROL), 0.0)),
    Question("mean of patients", INTERVAL, GROUPS, lambda t: holds(t.mean(PATIENT), t.cohort.effect.years)),
    Question("difference of means", INTERVAL, GROUPS, lambda t: holds(t.difference(), t.cohort.effect.years)),
    Question("slope of controls", INTERVAL, SLOPES, lambda t: holds(t.slope(CONTROL), 0.0)),
    Question("slope of patients", INTERVAL, SLOPES, lambda t: holds(t.slope(PATIENT), t.cohort.effect.slope)),
    Question("contrast of slopes", INTERVAL, SLOPES, lambda t: holds(t.contrast(), t.cohort.effect.slope)),
    Question("interval of the gap's AUC", INTERVAL, ROC, lambda t: holds(t.area("gap"), null_area(t.cohort))),
    Question("interval of age's AUC", INTERVAL, ROC, lambda t: holds(t.area("age"), area_of_age(t.cohort))),
    Question("interval of age and sex's AUC", INTERVAL, ROC, lambda t: holds(t.area("age_sex"), area_of_age_and_sex(t.cohort))),
    Question("interval of the probe's AUC", INTERVAL, PROBE, lambda t: holds(t.area("diagnosis_probe"), null_area(t.cohort))),
)
# fmt: on
