"""ROC analysis of the gap and of the scores to compare it with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.probing import DIAGNOSIS_SCORES
from brainage.core.contracts.statistics import ROC, ROC_CURVES
from brainage.core.software import write_result
from brainage.core.subjects import first_scans, site_factor
from brainage.core.tables import read_table
from brainage.core.wording import counted
from brainage.statistics.confounding import confounded
from brainage.statistics.delong import delong, delong_interval, roc_points
from brainage.statistics.logistic import added_term, fit_logistic
from brainage.statistics.people import (
    Experiment,
    joined,
    outside_range,
    read_experiments,
    rows_to_frame,
)

NO_GAP = "no gap on Cole's scale (see reference.tsv)"
SCORES = {
    "gap": "corrected gap",
    "diagnosis_probe": "logistic probe on the embedding, out of fold by person",
    "age": "age alone",
    "age_sex": "logistic regression on age and sex, out of fold by person",
}


def compute_roc(
    gaps: Path, diagnosis_scores: Path, out_roc: Path, out_curves: Path, settings: dict[str, Any]
) -> None:
    """Compute areas under ROC curves with DeLong intervals, control against each other group.

    The first scan of each person, at sites that hold both groups (else the scanner would tell
    the groups). The direction is fixed beforehand: larger means case, and an area under
    0.5 stays so. Whether the gap adds to age and sex is answered by a likelihood ratio test, as
    DeLong's test is invalid for nested models. With fewer than settings["min_roc"] people in a
    group there is no area.

    Parameters
    ----------
    gaps
        As :data:`GAPS`.
    diagnosis_scores
        As :data:`DIAGNOSIS_SCORES`; the mean over seeds and folds is used.
    out_roc, out_curves
        As :data:`ROC` and :data:`ROC_CURVES`. The estimate
        of `added_value` is the likelihood ratio statistic (chi-square, one degree of freedom).
    settings
        Section ``statistics`` of the config, and ``seed``.
    """
    probe = read_table(diagnosis_scores, DIAGNOSIS_SCORES)
    rows: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    for experiment in read_experiments(gaps):
        own = probe[probe["experiment"] == experiment.name]
        more_rows, more_curves = roc_rows(experiment, own, settings)
        rows += more_rows
        curves += more_curves
    write_result(rows_to_frame(rows, ROC), out_roc, ROC)
    points = pd.concat(curves, ignore_index=True) if curves else rows_to_frame([], ROC_CURVES)
    write_result(points, out_curves, ROC_CURVES)


def roc_rows(
    experiment: Experiment, probe: pd.DataFrame, settings: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[pd.DataFrame]]:
    """Return the rows of ROC and the parts of ROC_CURVES of one experiment.

    `probe` holds the rows of DIAGNOSIS_SCORES of that experiment.
    """
    control = settings["control"]
    first = first_scans(experiment.scans)
    rows: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    for case in [group for group in settings["groups"] if group != control]:
        two = first[first["diagnosis"].isin([control, case])]
        if two.empty:
            continue
        scores = probe[(probe["control"] == control) & (probe["case"] == case)]
        pair = _Pair(experiment, control, case, two, settings)
        pair.analyse(scores.groupby("scan_id")["score"].mean())
        rows += pair.rows
        curves += pair.curves
    return rows, curves


class _Pair:
    """One experiment, one control group and one case group."""

    def __init__(
        self,
        experiment: Experiment,
        control: str,
        case: str,
        people: pd.DataFrame,
        settings: dict[str, Any],
    ) -> None:
        self.experiment, self.control, self.case = experiment, control, case
        self.settings = settings
        self.notes: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.curves: list[pd.DataFrame] = []
        self.found = people["diagnosis"].value_counts()
        sites = site_factor(people)
        both = sites.map(people.groupby(sites)["diagnosis"].nunique()) > 1
        if not both.all():
            left = counted(int((~both).sum()), "person", "people")
            self.notes.append(f"{left} at sites without both groups left out")
        self.people = people[both].sort_values("scan_id").reset_index(drop=True)
        self.notes += outside_range(self.people)
        self.is_case = (self.people["diagnosis"] == case).to_numpy()
        reasons = confounded(self.people, case, control) if len(self.people) else []
        self.confounded = f"no area: {reasons[0]}" if reasons else None

    def analyse(self, probe: pd.Series) -> None:
        people = self.people
        # Both scales rank people alike within a fold; Cole's means the same in each fold.
        values = {
            "gap": people["gap_cole"].to_numpy(float),
            "diagnosis_probe": people["scan_id"].map(probe).to_numpy(float),
            "age": people["age"].to_numpy(float),
            "age_sex": np.full(len(people), np.nan),
        }
        notes: dict[str, list[str]] = {name: [] for name in SCORES}
        if self._refusal(self.is_case) is None:
            values["age_sex"], separated = self._age_and_sex()
            if separated:
                notes["age_sex"].append("age and sex separate the groups in some folds")
        for name, score in values.items():
            self._area(name, score, notes[name])
        self._added_value(values["gap"])

    def _refusal(self, is_case: np.ndarray) -> str | None:
        needed = self.settings["min_roc"]
        cases, controls = int(is_case.sum()), int((~is_case).sum())
        if min(cases, controls) >= needed:
            return self.confounded
        enough = len(self.found) == 2 and self.found.min() >= needed
        return (
            f"no area: {'group is confounded with site: ' if enough else ''}{controls} people "
            f"with {self.control} and {cases} with {self.case} at sites that have both, at least "
            f"{needed} of each are required"
        )

    def _row(self, score: str, quantity: str, is_case: np.ndarray, model: str) -> dict[str, Any]:
        return {
            "experiment": self.experiment.name,
            "control": self.control,
            "case": self.case,
            "score": score,
            "quantity": quantity,
            "n": len(is_case),
            "n_cases": int(is_case.sum()),
            "model": model,
        }

    def _area(self, name: str, score: np.ndarray, notes: list[str]) -> None:
        from scipy import stats

        known = np.isfinite(score)
        # A score that nobody has is a reason of its own; else people without one are left out.
        is_case = self.is_case[known] if known.any() else self.is_case
        row = self._row(
            name,
            "auc",
            is_case,
            f"area under the ROC curve of {SCORES[name]}, larger means {self.case}; first scan of "
            "each person; DeLong interval, p by Brunner and Munzel",
        )
        self.rows.append(row)
        reason = self._refusal(is_case)
        if reason is None and not known.any():
            lacks = {"gap": NO_GAP, "diagnosis_probe": "this probe has no scores"}
            reason = f"no area: {lacks.get(name, 'no score')}"
        if reason:
            row["note"] = joined([reason, *self.notes])
            return
        if not known.all():
            notes.append(
                f"{counted(int((~known).sum()), 'person', 'people')} without this score left out"
            )
        areas, covariance = delong(score[known], is_case)
        area, variance = float(areas[0]), float(covariance[0, 0])
        row["estimate"] = area
        row["low"], row["high"] = delong_interval(area, variance)
        if variance > 0:
            # The same variance with a t distribution, which small groups need.
            kinds = score[known][~is_case], score[known][is_case]
            row["p"] = float(stats.brunnermunzel(*kinds).pvalue)
        else:
            notes.append(
                "everyone has the same score"
                if np.ptp(score[known]) == 0
                else "the score separates the groups completely: the interval is not informative"
            )
        row["note"] = joined([*notes, *self.notes])
        false, true = roc_points(score[known], is_case)
        self.curves.append(
            pd.DataFrame(
                {
                    "experiment": self.experiment.name,
                    "control": self.control,
                    "case": self.case,
                    "score": name,
                    "point": np.arange(len(false)),
                    "false_positive_rate": false,
                    "true_positive_rate": true,
                }
            )
        )

    def _terms(self) -> np.ndarray:
        age = self.people["age"].to_numpy(float)
        columns = [np.ones(len(age)), (age - age.mean()) / 10]
        sex = self.people["sex"].fillna("unknown")
        columns += [(sex == level).to_numpy(float) for level in sorted(sex.unique())[1:]]
        return np.column_stack(columns)

    def _age_and_sex(self) -> tuple[np.ndarray, bool]:
        """Out-of-fold log odds of the case group from age and sex; folds hold both groups."""
        x = self._terms()
        rng = np.random.default_rng(self.settings["seed"])
        fold = np.empty(len(x), dtype=int)
        for kind in (False, True):
            members = np.flatnonzero(self.is_case == kind)
            fold[rng.permutation(members)] = np.arange(len(members)) % self.settings["folds"]
        score, separated = np.empty(len(x)), False
        for number in range(self.settings["folds"]):
            held_out = fold == number
            fit = fit_logistic(x[~held_out], self.is_case[~held_out])
            score[held_out] = x[held_out] @ fit.coefficients
            separated |= fit.separated
        return score, separated

    def _added_value(self, gap: np.ndarray) -> None:
        from scipy import stats

        known = np.isfinite(gap)
        is_case = self.is_case[known] if known.any() else self.is_case
        row = self._row(
            "gap",
            "added_value",
            is_case,
            f"{self.case} ~ age + sex + gap against {self.case} ~ age + sex, logistic regression "
            "without a penalty; the estimate is the likelihood ratio statistic (chi-square, 1 "
            "degree of freedom), scaled by the robust (HC3) variance",
        )
        self.rows.append(row)
        reason = self._refusal(is_case) or (None if known.any() else NO_GAP)
        if reason:
            row["note"] = joined([reason.replace("no area", "no test"), *self.notes])
            return
        scaled = gap[known] / max(float(gap[known].std()), 1e-12)
        added = added_term(self._terms()[known], scaled, is_case)
        notes = []
        row["estimate"] = added.scaled
        if added.separated:
            row["estimate"] = added.ratio
            notes.append(
                "age, sex and gap separate the groups: the likelihoods are at their limit and "
                "are not scaled, and odds ratios do not exist"
            )
        row["p"] = float(stats.chi2.sf(row["estimate"], 1))
        row["note"] = joined([*notes, *self.notes])
