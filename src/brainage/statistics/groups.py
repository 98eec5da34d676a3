"""Differences in corrected gap between diagnoses, with heteroscedasticity-consistent errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.statistics import GROUPS
from brainage.core.intervals import t_interval
from brainage.core.software import write_result
from brainage.core.subjects import first_scans, site_factor
from brainage.core.thresholds import MIN_AT_SITE, MIN_RANDOM_SITES
from brainage.core.wording import counted
from brainage.statistics.confounding import confounded, some
from brainage.statistics.linear import LinearFit, design, random_site_fit, robust_fit
from brainage.statistics.people import (
    Experiment,
    joined,
    outside_range,
    pairs,
    read_experiments,
    rows_to_frame,
)


def compare_groups(gaps: Path, out: Path, settings: dict[str, Any]) -> None:
    """Compare the gap of diagnoses: gap ~ group + age + age^2 + sex + site, HC3 errors.

    One scan a person (the first), on Cole's scale. Only people at sites that hold two groups or
    more take part: the others say nothing about a difference, and healthy people of training
    sites are not as unseen as patients. A pair is refused where group is confounded with
    site. Means are marginal: at the mean of all covariates over everyone in the model. Holm's
    correction runs over the differences in years of one experiment.

    HC3: MacKinnon and White 1985, Journal of Econometrics; Long and Ervin 2000, American
    Statistician. With many small sites, site is random and HC3 is applied after the
    random-effects transformation.

    Parameters
    ----------
    gaps
        As :data:`GAPS`.
    out
        As :data:`GROUPS`: for each experiment a mean for each group of
        settings["groups"] and, for each pair, the difference in years and in SD.
    settings
        Section ``statistics`` of the config.
    """
    rows: list[dict[str, Any]] = []
    for experiment in read_experiments(gaps):
        rows += group_rows(experiment, settings)
    write_result(rows_to_frame(rows, GROUPS), out, GROUPS)


def group_rows(experiment: Experiment, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of :data:`GROUPS` of one experiment."""
    first = first_scans(experiment.scans)
    first = first[first["diagnosis"].isin(settings["groups"])]
    if first.empty:
        return []
    analysis = _Analysis(experiment, first.reset_index(drop=True), settings)
    rows = [analysis.mean_row(group) for group in settings["groups"]]
    differences = [analysis.difference_rows(a, b) for a, b in pairs(settings["groups"])]
    tested = [years for years, _ in differences if years.get("p") is not None]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p
    return rows + [row for both in differences for row in both]


def holm(p_values: list[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return []
    return [float(value) for value in multipletests(p_values, method="holm")[1]]


class _Analysis:
    """The model of one experiment, with the reasons for what it refuses."""

    def __init__(
        self, experiment: Experiment, first: pd.DataFrame, settings: dict[str, Any]
    ) -> None:
        self.experiment, self.settings = experiment, settings
        self.notes = list(experiment.cautions)
        self.refused: dict[str, str] = {}
        self.groups: list[str] = []
        self.fit: LinearFit | None = None
        self.site_words, self.people = "", first
        self.counts = first["diagnosis"].value_counts()
        if first["gap_cole"].isna().any():
            lost = int(first["gap_cole"].isna().sum())
            first = first[first["gap_cole"].notna()]
            if first.empty:
                self._refuse_all("no gap on Cole's scale (see reference.tsv)")
                return
            self.notes.append(
                f"{counted(lost, 'person', 'people')} without a corrected gap left out"
            )
        kept = self._enough(first)
        self.groups = [g for g in settings["groups"] if g not in self.refused]
        if len(self.groups) > 1:
            kept = self._at_shared_sites(kept)
            self.groups = [g for g in settings["groups"] if g not in self.refused]
        self.people = kept.reset_index(drop=True)
        self.counts = self.people["diagnosis"].value_counts()
        self.notes += outside_range(self.people)
        if self.groups:
            self._fit()

    def mean_row(self, group: str) -> dict[str, Any]:
        row = self._row("mean", group, None)
        if self._reason(row, group):
            return row
        assert self.fit is not None
        row.update(self.fit.contrast(self._at(group)))
        row["p"] = None  # a mean of 0 is no question that anyone asked
        return row

    def difference_rows(self, group: str, reference: str) -> tuple[dict[str, Any], dict[str, Any]]:
        years = self._row("difference", group, reference)
        sd = {**self._row("difference", group, reference), "unit": "SD"}
        sd["model"] += "; divided by the pooled SD of the two groups' residuals"
        if self._reason(years, group, reference):
            sd["note"] = years["note"]
            return years, sd
        assert self.fit is not None
        weights = self._at(group) - self._at(reference)
        years.update(self.fit.contrast(weights))
        years["p"] = None if np.isnan(years["p"]) else years["p"]
        sd.update(self._standardised(years, group, reference))
        return years, sd

    def _standardised(self, years: dict[str, Any], group: str, reference: str) -> dict[str, float]:
        assert self.fit is not None
        diagnosis = self.people["diagnosis"].to_numpy()
        squares, freedom = 0.0, 0
        for name in (group, reference):
            own = self.fit.residuals[diagnosis == name]
            squares += float(((own - own.mean()) ** 2).sum())
            freedom += len(own) - 1
        scale = float(np.sqrt(squares / freedom))
        d = years["estimate"] / scale
        # Delta method: the error of the difference and the error of the SD it is divided by.
        error = float(np.sqrt((years["standard_error"] / scale) ** 2 + d * d / (2 * freedom)))
        found = t_interval(d, error, self.fit.freedom)
        del found["p"]  # that of the difference in years holds for both
        return found

    def _row(self, quantity: str, group: str, reference: str | None) -> dict[str, Any]:
        row: dict[str, Any] = {
            "experiment": self.experiment.name,
            "quantity": quantity,
            "group": group,
            "reference": reference,
            "unit": f"years on Cole's scale ({self.experiment.alpha_words})",
            "n": int(self.counts.get(group, 0)),
            "n_reference": int(self.counts.get(reference, 0)) if reference else None,
            "model": f"gap ~ group + age + age^2 + sex{self.site_words}; first scan of each "
            "person; HC3 errors, t intervals",
            "note": joined(self.notes),
        }
        if quantity == "mean":
            row["model"] += (
                "; marginal mean at the average age, sex and site of everyone in the model"
            )
        return row

    def _reason(self, row: dict[str, Any], *groups: str) -> bool:
        """Put the reason for a refusal into the row's note; return whether there is one."""
        reasons = [self.refused[g] for g in groups if g in self.refused]
        if not reasons and self.fit is None:
            reasons = [self.refused.get("*", "too few people for this model")]
        if not reasons and len(groups) == 2:
            reasons = confounded(self.people, *groups)
        if not reasons and len(groups) == 1 and len(self.groups) > 1:
            others = [g for g in self.groups if g != groups[0]]
            if all(confounded(self.people, groups[0], other) for other in others):
                reasons = confounded(self.people, groups[0], others[0])
        if reasons:
            row["note"] = joined([*dict.fromkeys(reasons), *self.notes])
        return bool(reasons)

    def _refuse_all(self, reason: str) -> None:
        self.groups = []
        self.refused.update({group: reason for group in self.settings["groups"]})

    def _enough(self, first: pd.DataFrame) -> pd.DataFrame:
        counts = first["diagnosis"].value_counts()
        for group in self.settings["groups"]:
            n = int(counts.get(group, 0))
            if n < self.settings["min_group"]:
                self.refused[group] = (
                    f"{counted(n, 'person', 'people')} with {group}, "
                    f"at least {self.settings['min_group']} are required"
                )
        return first[~first["diagnosis"].isin(self.refused)]

    def _at_shared_sites(self, people: pd.DataFrame) -> pd.DataFrame:
        sites = site_factor(people)
        held = people.groupby(sites)["diagnosis"].nunique()
        shared = sites.map(held) > 1
        kept = people[shared]
        counts = kept["diagnosis"].value_counts()
        for group in self.groups:
            n = int(counts.get(group, 0))
            if n < self.settings["min_group"]:
                alone = sites[(people["diagnosis"] == group) & ~shared]
                self.refused[group] = (
                    f"group is confounded with site: {group} is mostly at sites without any other "
                    f"group ({some(alone)})"
                )
        if not shared.all():
            left = counted(int((~shared).sum()), "person", "people")
            self.notes.append(f"{left} at sites with only one group left out")
        return kept[~kept["diagnosis"].isin(self.refused)]

    def _fit(self) -> None:
        people = self.people
        sites = site_factor(people)
        table = pd.crosstab(sites, people["diagnosis"])
        random = False
        if len(table) > 1:
            uneven = bool((table.to_numpy() < MIN_AT_SITE).any())
            random = uneven and len(table) >= MIN_RANDOM_SITES
            self.site_words = " + site (random)" if random else " + site"
            if uneven and not random:
                self.notes.append(
                    f"some sites have fewer than {MIN_AT_SITE} people of a group; site is a "
                    f"fixed effect nevertheless, as {len(table)} sites are too few for a random one"
                )
        y = people["gap_cole"].to_numpy(float)
        fixed = len(table) > 1 and not random
        x, self.names, dropped = design(people, self.groups, site=fixed)
        if dropped:
            self.notes.append(f"left out, as collinear with other terms: {', '.join(dropped)}")
        if random:
            self.fit = random_site_fit(y, x, self.names, sites)
        else:
            self.fit = robust_fit(y, x, self.names)
        self.mean_of_terms = x.mean(axis=0)
        if self.fit is None:
            self.refused["*"] = (
                f"{counted(len(people), 'person', 'people')} are too few for this model"
            )

    def _at(self, group: str) -> np.ndarray:
        """Terms of the marginal mean of a group: its own label, everyone's mean covariates."""
        weights = self.mean_of_terms.copy()
        for place, name in enumerate(self.names):
            if name.startswith("group "):
                weights[place] = float(name == f"group {group}")
        return weights
