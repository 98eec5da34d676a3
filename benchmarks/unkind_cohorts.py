"""Cohorts in which nothing is the matter, as unkind as real ones: what false_positives.py draws.

Controls and patients have the same mean gap and the same mean slope, unless an effect is planted. A
cell is a pair of group sizes with what is unkind in it. Drawn are predicted ages; the constants of
the correction are estimated from calibration people of the cohort, as the statistics do it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.subjects import visit_order
from brainage.statistics.gaps import apply_reference, fit_reference
from brainage.statistics.people import Experiment

CONTROL, PATIENT = "CN", "AD"
# Predicted age is ALPHA * (age + gap) + BETA: the old are predicted too young.
ALPHA, BETA = 0.7, 20.0
GAP_SD = np.array([4.0, 7.0])  # of controls and patients
SCAN_SD = 1.5  # of two scans of a person who does not change
FIRST_AGE, AGE_SD = 65.0, 6.0
VISITS = 3  # a year apart
HIGH_GAP_LOST, OTHERS_LOST = 0.6, 0.05  # of patients, where dropout follows the last gap
NEW_SCANNER = 3.0  # years that a new scanner adds to the gap
FEATURES = 30  # of the embedding


@dataclass(frozen=True)
class Conditions:
    """How a cohort is drawn; the defaults are kind.

    Attributes
    ----------
    at_first_site
        Share of the controls at the first of two sites, and of the patients at the second.
    site_sd
        SD over sites of the years that a site adds to the gap.
    patients_older
        Years by which patients are older than controls.
    calibration, calibration_ages
        Numbers of calibration people, of which each cohort has one, and their ages.
    bend
        Years by which the gap of a person of 75 is above that of one of 65; it grows with the
        square of the distance from 65.
    spread_growth
        Growth of the SD of the gap a year of age, as a part of that at 65.
    rescanned
        Shares of controls and patients who are seen on a new scanner from the second or third
        visit on.
    slope_sd
        SD of the slopes of controls and patients, in years per year.
    dropout_by_gap
        Whether patients are lost after a high gap. Else all are lost alike.
    sex_missing
        Shares of controls and patients whose sex is not known.
    """

    at_first_site: float = 0.5
    site_sd: float = 1.0
    patients_older: float = 0.0
    calibration: tuple[int, ...] = (200,)
    calibration_ages: tuple[float, float] = (45.0, 85.0)
    bend: float = 0.0
    spread_growth: float = 0.0
    rescanned: tuple[float, float] = (0.0, 0.0)
    slope_sd: tuple[float, float] = (0.5, 0.5)
    dropout_by_gap: bool = False
    sex_missing: tuple[float, float] = (0.0, 0.0)


UNKIND: dict[str, dict[str, Any]] = {
    "site shares": {"at_first_site": 0.8, "site_sd": 2.5},
    "older patients": {"patients_older": 10.0},
    "few calibration people": {"calibration": (20, 40), "calibration_ages": (57.0, 73.0)},
    "bent prediction": {"bend": 1.4},
    "spread by age": {"spread_growth": 0.05},
    "scanner changes": {"rescanned": (0.1, 0.7)},
    "slope spreads": {"slope_sd": (0.3, 1.5)},
    "dropout by gap": {"dropout_by_gap": True},
    "missing sex": {"sex_missing": (0.05, 0.7)},
}
# Beside the nine: a weaker one that must be answered, and a stronger one that must be refused.
VARIANTS: dict[str, dict[str, Any]] = {
    "site shares 70/30": {"at_first_site": 0.7, "site_sd": 2.5},
    "every patient rescanned": {"rescanned": (0.0, 1.0)},
}
KIND, ALL = "kind", "all together"
SIZES = {
    f"{controls}+{patients}": (controls, patients)
    for controls, patients in ((8, 8), (20, 20), (60, 60), (60, 20), (200, 15), (300, 150))
}


@dataclass(frozen=True)
class Cell:
    """Group sizes and what is unkind; the name says both."""

    size: str
    unkind: tuple[str, ...] = ()

    @property
    def unkindness(self) -> str:
        """What is unkind, in words."""
        if not self.unkind:
            return KIND
        return ALL if self.unkind == tuple(UNKIND) else ", ".join(self.unkind)

    @property
    def name(self) -> str:
        """Name of the cell, from which its seeds follow too."""
        return f"{self.size} {self.unkindness}"

    @property
    def people(self) -> tuple[int, int]:
        """Controls and patients."""
        return SIZES[self.size]

    @property
    def conditions(self) -> Conditions:
        """How its cohorts are drawn."""
        known = {**UNKIND, **VARIANTS}
        return replace(Conditions(), **{k: v for u in self.unkind for k, v in known[u].items()})


def main_cells() -> list[Cell]:
    """All sizes, each kind, with one thing unkind, and with everything unkind."""
    unkind = [(), *((name,) for name in UNKIND), tuple(UNKIND)]
    return [Cell(size, names) for size in SIZES for names in unkind]


def variant_cells() -> list[Cell]:
    """All sizes with a weaker or stronger variant of one unkindness."""
    return [Cell(size, (name,)) for size in SIZES for name in VARIANTS]


def pair_cells() -> list[Cell]:
    """All sizes with any two things unkind."""
    return [Cell(size, names) for size in SIZES for names in combinations(UNKIND, 2)]


def interaction_cells(size: str = "60+20") -> list[Cell]:
    """A fraction of all combinations: 32 cells in which no two effects of two are one.

    2^(9-4), resolution IV (Box, Hunter and Hunter 2005, Statistics for Experimenters): the last
    four unkindnesses follow from the first five.
    """
    cells = []
    for a, b, c, d, e in product((False, True), repeat=5):
        there = [a, b, c, d, e, b ^ c ^ d ^ e, a ^ c ^ d ^ e, a ^ b ^ d ^ e, a ^ b ^ c ^ e]
        cells.append(Cell(size, tuple(n for n, on in zip(UNKIND, there, strict=True) if on)))
    return cells


@dataclass(frozen=True)
class Effect:
    """What is planted in patients: years of gap, and years of gap per year."""

    years: float = 0.0
    slope: float = 0.0

    @property
    def none(self) -> bool:
        """Whether nothing is."""
        return self == Effect()


@dataclass(frozen=True)
class Cohort:
    """One cohort, as the statistics get it, and what is true of it.

    Attributes
    ----------
    experiment
        The test people with their corrected gaps.
    calibration
        The calibration people with their corrected gaps.
    reference
        Constants of the correction (:func:`~brainage.statistics.gaps.fit_reference`).
    conditions, effect
        How it was drawn.
    seed
        Of this cohort alone.
    """

    experiment: Experiment
    calibration: pd.DataFrame
    reference: dict[str, Any]
    conditions: Conditions
    effect: Effect
    seed: tuple[int, ...]

    @cached_property
    def embedding(self) -> np.ndarray:
        """An embedding of each scan of `experiment`, of predicted age, site and noise."""
        rng = np.random.default_rng([*self.seed, 1])
        scans = self.experiment.scans
        numbers = rng.normal(size=(len(scans), FEATURES))
        age = (scans["predicted_age"].to_numpy(float) - 65) / 8
        numbers += age[:, None] * rng.normal(size=FEATURES)
        sites = rng.normal(scale=0.4 * self.conditions.site_sd, size=(2, FEATURES))
        return numbers + sites[(scans["site"] == "null/B").to_numpy(int)]


def draw(cell: Cell, seed: int, number: int, effect: Effect | None = None) -> Cohort:
    """Draw one cohort of a cell; it follows from these arguments alone."""
    effect = effect or Effect()
    key = (seed, zlib.crc32(cell.name.encode()), number)
    rng = np.random.default_rng(key)
    conditions = cell.conditions
    offsets = conditions.site_sd * rng.normal(size=2)
    calibration = _calibration_people(conditions, offsets, rng)
    scans = _test_people(cell.people, conditions, effect, offsets, rng)
    reference: dict[str, Any] = fit_reference(calibration)
    corrected = visit_order(apply_reference(scans.assign(folds=1), reference))
    known = corrected["gap_cole"].notna().any()
    alphas = (float(reference["alpha"]),) if known else ()
    return Cohort(
        Experiment("null", corrected, alphas),
        apply_reference(calibration, reference),
        reference,
        conditions,
        effect,
        key,
    )


def _own_gaps(
    age: np.ndarray, sd: np.ndarray | float, conditions: Conditions, rng: np.random.Generator
) -> np.ndarray:
    """Gap of each person at the first scan, without what the scanner adds."""
    growth = np.clip(1 + conditions.spread_growth * (age - 65), 0.25, None)
    return sd * growth * rng.normal(size=len(age))


def _predicted(age: np.ndarray, gap: np.ndarray, conditions: Conditions) -> np.ndarray:
    """Predicted age of scans with this age and gap, the error of a scan included."""
    return ALPHA * (age + gap + conditions.bend * ((age - 65) / 10) ** 2) + BETA


def _calibration_people(
    conditions: Conditions, offsets: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Healthy people of both sites, one scan each."""
    n = int(rng.choice(conditions.calibration))
    age = rng.uniform(*conditions.calibration_ages, n)
    gap = _own_gaps(age, GAP_SD[0], conditions, rng) + SCAN_SD * rng.normal(size=n)
    site = np.arange(n) % 2
    people = pd.DataFrame(
        {"participant_id": [f"sub-C{i:03d}" for i in range(n)], "session_id": "ses-0", "age": age}
    )
    people["predicted_age"] = _predicted(age, gap + offsets[site], conditions)
    people["sex"] = np.array(["F", "M"])[rng.integers(2, size=n)]
    return _described(people, site, np.full(n, CONTROL), "calibration")


def _test_people(
    sizes: tuple[int, int],
    conditions: Conditions,
    effect: Effect,
    offsets: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """All scans of controls and patients."""
    group = np.repeat([0, 1], sizes)
    n = len(group)
    first = round(conditions.at_first_site * sizes[0])
    second = round(conditions.at_first_site * sizes[1])
    site = np.concatenate([np.arange(sizes[0]) >= first, np.arange(sizes[1]) < second]).astype(int)
    age = FIRST_AGE + conditions.patients_older * group + AGE_SD * rng.normal(size=n)
    own = _own_gaps(age, GAP_SD[group], conditions, rng) + effect.years * group
    slope = np.array(conditions.slope_sd)[group] * rng.normal(size=n) + effect.slope * group
    sex = np.array(["F", "M"], dtype=object)[rng.integers(2, size=n)]
    sex[rng.random(n) < np.array(conditions.sex_missing)[group]] = None
    # From which visit on each is seen on the new scanner; nobody where that is after the last.
    changed = rng.random(n) < np.array(conditions.rescanned)[group]
    change = np.where(changed, rng.integers(1, VISITS, size=n), VISITS)
    visit = np.arange(VISITS)
    years = visit + rng.uniform(-0.1, 0.1, (n, VISITS)) * (visit > 0)
    new = visit >= change[:, None]
    gap = (own + offsets[site])[:, None] + slope[:, None] * years + NEW_SCANNER * new
    gap += SCAN_SD * rng.normal(size=gap.shape)
    seen = _seen(gap, group, conditions, rng)
    person, when = np.nonzero(seen)
    scans = pd.DataFrame(
        {
            "participant_id": np.array([f"sub-{i:03d}" for i in range(n)])[person],
            "session_id": np.array([f"ses-{v}" for v in visit])[when],
            "years_since_first": years[seen],
            "age": age[person] + years[seen],
            "sex": sex[person],
        }
    )
    scans["predicted_age"] = _predicted(scans["age"].to_numpy(), gap[seen], conditions)
    scans = _described(scans, site[person], np.array([CONTROL, PATIENT])[group[person]], "test")
    return scans.assign(scanner=scans["scanner"] + np.where(new[seen], " (new)", ""))


def _seen(
    gap: np.ndarray, group: np.ndarray, conditions: Conditions, rng: np.random.Generator
) -> np.ndarray:
    """At which visits each person is seen; who is lost once does not come back."""
    seen = np.ones(gap.shape, dtype=bool)
    for visit in range(1, gap.shape[1]):
        lost = np.full(len(gap), 0.1)
        if conditions.dropout_by_gap:
            after = np.where(gap[:, visit - 1] > 0, HIGH_GAP_LOST, OTHERS_LOST)
            lost = np.where(group == 1, after, lost)
        seen[:, visit] = seen[:, visit - 1] & (rng.random(len(gap)) >= lost)
    return seen


def _described(
    scans: pd.DataFrame, site: np.ndarray, diagnosis: np.ndarray, role: str
) -> pd.DataFrame:
    """Add what names a scan and where it was made."""
    letter = np.array(["A", "B"])[site]
    described = scans.assign(
        dataset="null",
        scan_id="null_" + scans["participant_id"] + "_" + scans["session_id"],
        site=np.char.add("null/", letter),
        scanner=np.char.add("scanner ", letter),
        diagnosis=diagnosis,
        healthy=diagnosis == CONTROL,
        role=role,
    )
    if "years_since_first" not in described:
        described["years_since_first"] = 0.0
    return described


def all_cells() -> Iterator[Cell]:
    """Every cell that has a name, once."""
    named = [*main_cells(), *variant_cells(), *pair_cells(), *interaction_cells()]
    yield from dict.fromkeys(named)
