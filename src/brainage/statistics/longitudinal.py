"""Longitudinal change of the corrected gap: the slope of each group and their contrasts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.statistics import PERSON_SLOPES, SLOPES
from brainage.core.intervals import t_interval
from brainage.core.software import write_result
from brainage.core.subjects import PERSON, visit_order
from brainage.core.thresholds import MIN_EXTRA_SCANS, MIN_RESIDUAL_DF
from brainage.core.wording import counted
from brainage.statistics.confounding import confounded
from brainage.statistics.mixed import MixedFit, fit_mixed
from brainage.statistics.people import (
    Experiment,
    joined,
    outside_range,
    pairs,
    read_experiments,
    rows_to_frame,
)

MODEL = (
    "gap ~ (baseline age + group + sex{dataset}) * years{scanner} + (1 + years | person), REML; "
    "t with between-person degrees of freedom"
)
FALLBACK = "each person's own least-squares slope; Welch's test and t intervals"


def fit_slopes(gaps: Path, out_slopes: Path, out_persons: Path, settings: dict[str, Any]) -> None:
    """Estimate the slope of the gap over time of each group, and the contrasts of slopes.

    A mixed model with random intercept and slope. Where its fit lies on the boundary or does not
    converge, each person's own slope is compared by Welch's test instead; never a random
    intercept alone, which takes scans of one person for independent and finds differences that
    are not there. Data sets may differ in level and in change, and a contrast of groups that are
    confounded with data set is refused. Time is within person, years since the first scan used,
    apart from age at that scan. The group is the diagnosis at that scan.

    Parameters
    ----------
    gaps
        As :data:`GAPS`. Test people with a corrected gap at two times or more,
        at least settings["follow_up"] years apart, take part.
    out_slopes
        As :data:`SLOPES`. A group of fewer than settings["min_slopes"] such
        people is described by its mean slope without an interval, and not tested.
    out_persons
        As :data:`PERSON_SLOPES`: everyone's own slope, also of people without
        a group.
    settings
        Section ``statistics`` of the config.
    """
    slopes: list[dict[str, Any]] = []
    persons: list[pd.DataFrame] = []
    for experiment in read_experiments(gaps):
        scans = followed_up(experiment.scans, settings["follow_up"])
        own = own_slopes(scans)
        persons.append(own.assign(experiment=experiment.name))
        slopes += slope_rows(experiment, scans, own, settings)
    frame = pd.concat(persons, ignore_index=True) if persons else rows_to_frame([], PERSON_SLOPES)
    write_result(frame[list(PERSON_SLOPES.names)], out_persons, PERSON_SLOPES)
    write_result(rows_to_frame(slopes, SLOPES), out_slopes, SLOPES)


def followed_up(scans: pd.DataFrame, follow_up: float) -> pd.DataFrame:
    """Scans with a corrected gap of people with at least `follow_up` years between two of them.

    Adds `years` (since the first of these scans), `baseline_age` and `group` (diagnosis there).
    """
    scans = visit_order(scans[scans["gap_cole"].notna()]).copy()
    by_person = scans.groupby(PERSON, sort=False)
    # Where one scan has no years_since_first, the person's ages say when all of them were.
    timed = by_person["years_since_first"].transform("count") == by_person["age"].transform("size")
    time = scans["years_since_first"].where(timed, scans["age"]).astype(float)
    scans["years"] = time - time.groupby([scans[c] for c in PERSON]).transform("min")
    span = scans.groupby(PERSON, sort=False)["years"].transform("max")
    scans = scans[(span >= follow_up) & (span > 0)].sort_values(
        [*PERSON, "years", "scan_id"], kind="stable"
    )
    by_person = scans.groupby(PERSON, sort=False)
    first = scans.drop_duplicates(PERSON).set_index(PERSON)
    key = pd.MultiIndex.from_frame(scans[PERSON])
    scans["baseline_age"] = first["age"].reindex(key).to_numpy(float)
    scans["group"] = first["diagnosis"].reindex(key).to_numpy(object)
    return scans.reset_index(drop=True)


def own_slopes(scans: pd.DataFrame) -> pd.DataFrame:
    """Least-squares slope of each person: columns of PERSON_SLOPES but the experiment."""
    years, gap = scans["years"], scans["gap_cole"]
    person = [scans[column] for column in PERSON]
    centred = years - years.groupby(person).transform("mean")
    sums = (centred * gap).groupby(person).sum() / (centred**2).groupby(person).sum()
    grouped = scans.groupby(PERSON, sort=True)
    own = pd.DataFrame(
        {
            "group": scans.drop_duplicates(PERSON).set_index(PERSON)["group"],
            "scans": grouped.size(),
            "years": grouped["years"].max(),
            "slope": sums,
        }
    )
    return own.rename_axis(PERSON).sort_index().reset_index()


def slope_rows(
    experiment: Experiment, scans: pd.DataFrame, own: pd.DataFrame, settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the rows of :data:`SLOPES` of one experiment."""
    if not scans["group"].isin(settings["groups"]).any():
        return []
    counts = own["group"].value_counts()
    tested = [g for g in settings["groups"] if counts.get(g, 0) >= settings["min_slopes"]]
    model = _Model(scans[scans["group"].isin(tested)], tested) if tested else None
    rows = []
    for group in settings["groups"]:
        rows.append(_row(experiment, scans, own, group, None, tested, model, settings))
    for group, reference in pairs(settings["groups"]):
        rows.append(_row(experiment, scans, own, group, reference, tested, model, settings))
    return rows


class _Model:
    """The mixed model of all groups that are large enough."""

    def __init__(self, scans: pd.DataFrame, groups: list[str]) -> None:
        self.groups = groups
        self.people = scans.drop_duplicates(PERSON)
        years = scans["years"].to_numpy(float)
        between, self.names = _between(scans, groups, self.people)
        columns = [between, between * years[:, None]]
        self.scanner = bool((scans.groupby(PERSON)["scanner"].nunique(dropna=False) > 1).any())
        if self.scanner:
            # Two data sets that call a scanner by one name mean two.
            scanner = scans["dataset"] + "/" + scans["scanner"].fillna("unknown")
            levels = sorted(scanner.unique())[1:]
            columns.append(
                np.column_stack([(scanner == level).to_numpy(float) for level in levels])
            )
        x = np.column_stack(columns)
        terms = between.shape[1]
        # The slope of a group is judged by as many people as there are, less what they share.
        self.freedom = len(self.people) - terms
        self.fit: MixedFit | None = None
        person = scans.groupby(PERSON, sort=False).ngroup().to_numpy()
        z = np.column_stack([np.ones(len(years)), years])
        if np.linalg.matrix_rank(x) < x.shape[1]:
            self.trouble: str | None = (
                "its terms are collinear (data set, scanner or sex with group)"
            )
        elif len(scans) - x.shape[1] - len(self.people) < MIN_EXTRA_SCANS or (
            self.freedom < MIN_RESIDUAL_DF
        ):
            self.trouble = "too few scans for a random slope"
        else:
            self.fit = fit_mixed(scans["gap_cole"].to_numpy(float), x, person, z)
            self.trouble = self.fit.trouble
        self.offset, self.terms = terms, x.shape[1]

    def words(self) -> str:
        dataset = " + data set" if self.people["dataset"].nunique() > 1 else ""
        return MODEL.format(dataset=dataset, scanner=" + scanner" if self.scanner else "")

    def contrast(self, group: str, reference: str | None) -> dict[str, float]:
        assert self.fit is not None
        weights = np.zeros(self.terms)
        # Age and sex are centred over people, so a group's slope is at everyone's mean.
        weights[self.offset + self.names.index(f"group {group}")] = 1
        if reference is not None:
            weights[self.offset + self.names.index(f"group {reference}")] = -1
        error = float(np.sqrt(weights @ self.fit.covariance @ weights))
        return t_interval(float(weights @ self.fit.estimates), error, self.freedom)


def _between(
    scans: pd.DataFrame, groups: list[str], people: pd.DataFrame
) -> tuple[np.ndarray, list[str]]:
    """Between-person terms: one column per group; baseline age, sex, data set, centred."""
    columns: dict[str, np.ndarray] = {
        f"group {g}": (scans["group"] == g).to_numpy(float) for g in groups
    }
    if people["baseline_age"].nunique() > 1:
        age = scans["baseline_age"].to_numpy(float)
        columns["baseline age"] = (age - people["baseline_age"].mean()) / 10
    # Sex may be missing at one scan of a person: the first scan's counts.
    first = people.set_index(PERSON)["sex"].fillna("unknown")
    sex = first.reindex(pd.MultiIndex.from_frame(scans[PERSON])).to_numpy(object)
    for level in sorted(first.unique())[1:]:
        columns[f"sex {level}"] = (sex == level).astype(float) - float((first == level).mean())
    for level in sorted(people["dataset"].unique())[1:]:
        own = (scans["dataset"] == level).to_numpy(float)
        columns[f"data set {level}"] = own - float((people["dataset"] == level).mean())
    return np.column_stack([*columns.values()]), [*columns]


def _row(
    experiment: Experiment,
    scans: pd.DataFrame,
    own: pd.DataFrame,
    group: str,
    reference: str | None,
    tested: list[str],
    model: _Model | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    both = [group] if reference is None else [group, reference]
    values = {name: own.loc[own["group"] == name, "slope"].to_numpy(float) for name in both}
    row: dict[str, Any] = {
        "experiment": experiment.name,
        "quantity": "slope" if reference is None else "contrast",
        "group": group,
        "reference": reference,
        "unit": f"years per year on Cole's scale ({experiment.alpha_words})",
        "n": len(values[group]),
        "n_reference": None if reference is None else len(values[reference]),
        "scans": int(scans["group"].isin(both).sum()),
    }
    notes = experiment.cautions + outside_range(scans[scans["group"].isin(both)])
    reasons = []
    if reference is not None:
        people = own.rename(columns={"group": "diagnosis"})
        reasons = confounded(people, group, reference, dataset=True)
    if reasons:
        row["model"] = "no contrast"
        notes = reasons + notes
    elif any(name not in tested for name in both):
        few = min(both, key=lambda name: len(values[name]))
        notes.insert(
            0,
            f"described, not tested: {counted(len(values[few]), 'person', 'people')} with {few} "
            f"and two visits, at least {settings['min_slopes']} are required",
        )
        row["model"] = "mean of each person's own least-squares slope"
        if all(len(v) for v in values.values()):
            means = [float(values[name].mean()) for name in both]
            row["estimate"] = means[0] - sum(means[1:])
    elif model is not None and model.trouble is None:
        row["model"] = model.words()
        row.update(model.contrast(group, reference))
    else:
        row["model"] = FALLBACK
        why = model.trouble if model is not None else None
        notes.insert(0, f"the mixed model was not used: {why}")
        datasets = own.loc[own["group"].isin(both), "dataset"].nunique()
        if datasets > 1:
            notes.insert(
                1, f"people from {datasets} data sets, which may differ in change over time"
            )
        row.update(welch([values[name] for name in both]))
    row["note"] = joined(notes)
    return row


def welch(samples: list[np.ndarray]) -> dict[str, float]:
    """Mean of one sample, or difference of two (first minus second), with t interval.

    Two samples have degrees of freedom by Welch and Satterthwaite.
    """
    errors = np.array([values.var(ddof=1) / len(values) for values in samples])
    sizes = np.array([len(values) for values in samples])
    estimate = float(samples[0].mean() - sum(values.mean() for values in samples[1:]))
    error = float(np.sqrt(errors.sum()))
    if error == 0:
        return {"estimate": estimate}
    freedom = float(errors.sum() ** 2 / (errors**2 / (sizes - 1)).sum())
    return t_interval(estimate, error, freedom)
