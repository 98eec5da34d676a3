"""What false_positives.py asks of a cohort: every test and interval of the statistics, by name.

A question looks at the tables of a cohort and answers with a p-value, with whether a 95 % interval
holds the truth, with the reason for a refusal in words, or with None where it does not arise. A new
one is one more line of QUESTIONS.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
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
from brainage.probing.diagnosis import pair_scores
from brainage.statistics.groups import group_rows
from brainage.statistics.longitudinal import followed_up, own_slopes, slope_rows
from brainage.statistics.roc import roc_rows

SETTINGS = {**defaults("statistics"), "groups": [CONTROL, PATIENT], "seed": 2025}
PROBING = {**defaults("probing"), "seed": SETTINGS["seed"]}
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

    @property
    def years(self) -> float:
        """True difference of the mean gaps."""
        return self.cohort.effect.years

    @property
    def change(self) -> float:
        """True difference of the slopes."""
        return self.cohort.effect.slope

    def null_area(self) -> float | None:
        """0.5 where nothing but site and age tells the groups apart."""
        return 0.5 if self.cohort.effect.none else None

    def area_of_age(self) -> float:
        """Area under the ROC curve of age in all such people."""
        return float(stats.norm.cdf(self.cohort.conditions.patients_older / (AGE_SD * 2**0.5)))

    def area_if_as_old(self) -> float | None:
        """0.5 where patients are no older."""
        return None if self.cohort.conditions.patients_older else 0.5


def _only(rows: list[Row], **named: str) -> Row:
    (row,) = (row for row in rows if all(row[key] == value for key, value in named.items()))
    return row


def probe_scores(cohort: Cohort) -> pd.DataFrame:
    """Scores of the diagnosis probe on the first scans; none where a group is too small."""
    first = first_scans(cohort.experiment.scans.reset_index(drop=True))
    scores = pair_scores(first, cohort.embedding, CONTROL, PATIENT, PROBING)
    return NO_SCORES if scores is None else scores


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


@dataclass(frozen=True)
class Kind:
    """What is counted of a question, what its share should be, and how often it is asked.

    Attributes
    ----------
    interval
        Whether the share is of intervals that hold the truth; else of p-values under 0.05.
    bounds, of_8_and_8
        What the share should lie between, of most cells and of 8 + 8 people.
    cohorts
        Most cohorts of a cell that are asked.
    sizes
        Sizes that are asked; all where None.
    """

    interval: bool
    bounds: tuple[float, float]
    of_8_and_8: tuple[float, float]
    cohorts: int
    sizes: tuple[str, ...] | None = None

    def bounds_at(self, size: str) -> tuple[float, float]:
        """Bounds at a pair of group sizes."""
        return self.of_8_and_8 if size == "8+8" else self.bounds

    def wanted(self, size: str, cohorts: int) -> int:
        """Of so many cohorts at a pair of group sizes, how many are asked."""
        return (
            0 if self.sizes is not None and size not in self.sizes else min(cohorts, self.cohorts)
        )


# Fitted scores take seconds a cohort.
FEW_SIZES = ("20+20", "60+20", "300+150")
TEST = Kind(False, (0.03, 0.06), (0.025, 0.06), 10_000)
MODEL = Kind(False, (0.025, 0.065), (0.025, 0.065), 2_000)
FITTED = Kind(False, (0.025, 0.065), (0.025, 0.065), 500, FEW_SIZES)
INTERVAL = Kind(True, (0.925, 0.975), (0.925, 0.975), 2_000)
FITTED_INTERVAL = Kind(True, (0.925, 0.975), (0.925, 0.975), 500, FEW_SIZES)
CONSERVATIVE = 0.99  # share of intervals up to which too many are named and allowed

GROUPS = ("brainage.statistics.groups",)
ROC = ("brainage.statistics.roc",)
SLOPES = ("brainage.statistics.longitudinal",)
PROBE = ("brainage.probing.diagnosis", *ROC)


@dataclass(frozen=True)
class Question:
    """One test or interval of the statistics.

    Attributes
    ----------
    name
        In the printed tables.
    kind
        What is counted, and between which bounds it should be.
    modules
        Of brainage, that answer: where their code is another, the question is asked anew.
    ask
        Returns a p-value, whether the interval holds the truth, or the reason for a refusal; None
        where the question does not arise in this cohort.
    """

    name: str
    kind: Kind
    modules: tuple[str, ...]
    ask: Callable[[Tables], Answer]

    def __reduce__(self) -> tuple[Callable[[str], Question], tuple[str]]:
        """Pickle by name: another process looks it up, as `ask` may be a lambda."""
        return named, (self.name,)


def named(name: str) -> Question:
    """Return the question of QUESTIONS with this name."""
    return next(question for question in QUESTIONS if question.name == name)


# fmt: off
# ruff: noqa: E501
QUESTIONS = (
    Question("group difference", TEST, GROUPS, lambda t: p_of(t.difference())),
    Question("AUC", TEST, ROC, lambda t: p_of(t.area("gap"))),
    Question("added value", TEST, ROC, lambda t: p_of(t.added_value())),
    Question("AUC of the probe", FITTED, PROBE, lambda t: p_of(t.area("diagnosis_probe"))),
    Question("slopes", MODEL, SLOPES, lambda t: p_of(t.contrast())),
    Question("slopes by mixed model", MODEL, SLOPES, lambda t: p_of(t.contrast("REML"))),
    Question("slopes by Welch", MODEL, SLOPES, lambda t: p_of(t.contrast("Welch"))),
    Question("mean of controls", INTERVAL, GROUPS, lambda t: holds(t.mean(CONTROL), 0)),
    Question("mean of patients", INTERVAL, GROUPS, lambda t: holds(t.mean(PATIENT), t.years)),
    Question("difference", INTERVAL, GROUPS, lambda t: holds(t.difference(), t.years)),
    Question("slope of controls", INTERVAL, SLOPES, lambda t: holds(t.slope(CONTROL), 0)),
    Question("slope of patients", INTERVAL, SLOPES, lambda t: holds(t.slope(PATIENT), t.change)),
    Question("contrast of slopes", INTERVAL, SLOPES, lambda t: holds(t.contrast(), t.change)),
    Question("interval of AUC", INTERVAL, ROC, lambda t: holds(t.area("gap"), t.null_area())),
    Question("AUC of age", INTERVAL, ROC, lambda t: holds(t.area("age"), t.area_of_age())),
    Question("AUC of age and sex", INTERVAL, ROC, lambda t: holds(t.area("age_sex"), t.area_if_as_old())),
    Question("interval of AUC of the probe", FITTED_INTERVAL, PROBE, lambda t: holds(t.area("diagnosis_probe"), t.null_area())),
)
# fmt: on


def codes() -> dict[str, str]:
    """Return a hash for each question: of how cohorts are drawn, asked, and answered.

    A question with another hash than its kept answers is asked anew. Neither comments nor other
    questions count.
    """
    drawn = serialise(ast.parse(Path(unkind_cohorts.__file__).read_text(encoding="utf-8"))).code
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    listed = next(
        statement
        for statement in tree.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "QUESTIONS"
    )
    tree.body.remove(listed)
    assert isinstance(listed.value, ast.Tuple)
    asked = serialise(tree).code
    found = {}
    for question, line in zip(QUESTIONS, listed.value.elts, strict=True):
        assert isinstance(line, ast.Call)
        own = serialise(ast.Module([ast.Expr(line.args[-1])], [])).code
        answered = module_hash("brainage.statistics.gaps", *question.modules)
        parts = [drawn, asked, own, answered]
        found[question.name] = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return found
