"""The arithmetic of benchmarks/sensitivity.py: who is drawn, years moved, and what breaks the rule.

A realistic nuisance must not move the mean age by more than a year, nor people apart by more than
an SD of two years.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainage.core.intervals import t_interval
from brainage.simulation.nuisances import GRADES, MASK, NUISANCES, Nuisance

ROUNDING = 1e-5  # years: tables have eight significant digits
MAX_MEAN, MAX_SD = 1.0, 2.0  # years that a nuisance may move the mean, and people apart


@dataclass(frozen=True)
class Cell:
    """One nuisance at one strength; `name` is the data set that its scans are called by."""

    name: str
    nuisance: str
    grade: str
    strength: float

    @property
    def of(self) -> Nuisance:
        return NUISANCES[self.nuisance]

    @property
    def on_mask(self) -> bool:
        return self.name != UNCHANGED.name and self.of.where == MASK


UNCHANGED = Cell("unchanged", "unchanged", "", 0.0)


def cells(only: list[str], grades: list[str]) -> list[Cell]:
    return [
        Cell(f"{name.replace('_', '-')}-{place}", name, grade, strength)
        for name in only
        for place, (grade, strength) in enumerate(NUISANCES[name].levels, start=1)
        if grade in grades
    ]


def drawn(ages: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Positions of so many people whose ages are spread evenly over their range.

    The range is cut in as many parts, an age is drawn in each, and the nearest person who is not
    taken yet is taken.
    """
    number = min(number, len(ages))
    rng = np.random.default_rng(seed)
    parts = np.linspace(ages.min(), ages.max(), number + 1)
    free = np.ones(len(ages), dtype=bool)
    for wanted in rng.uniform(parts[:-1], parts[1:]):
        distance = np.where(free, np.abs(ages - wanted), np.inf)
        free[int(np.argmin(distance))] = False
    return np.flatnonzero(~free)


def cosine_distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 minus the cosine of the angle between the rows of two arrays."""
    sizes = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return 1 - (one * other).sum(axis=1) / sizes


def against_unchanged(scans: pd.DataFrame, features: np.ndarray, ages: np.ndarray) -> pd.DataFrame:
    """Add how many years and how far in the embedding each scan lies from its unchanged head."""
    own = np.flatnonzero(scans["cell"] == UNCHANGED.name)
    at = dict(zip(scans["of"].iloc[own], own, strict=True))
    before = [at[scan_id] for scan_id in scans["of"]]
    return scans.assign(
        predicted_age=ages,
        years=ages - ages[before],
        cosine_distance=cosine_distance(features, features[before]),
    )


def summary(scans: pd.DataFrame, made: list[Cell]) -> pd.DataFrame:
    """One row for each nuisance and strength.

    Parameters
    ----------
    scans
        `cell`, `fault`, `years`, `cosine_distance` of each scan.
    made
        The cells, in the order of the table.
    """
    rows = []
    for cell in made:
        own = scans[scans["cell"] == cell.name]
        years = own.loc[own["fault"].isna(), "years"].to_numpy(float)
        mean, sd = (years.mean() if len(years) else np.nan), np.nan
        interval = {"low": np.nan, "high": np.nan}
        if len(years) > 1:
            sd = years.std(ddof=1)
            interval = t_interval(mean, sd / np.sqrt(len(years)), len(years) - 1)
        rows.append(
            {
                "nuisance": cell.of.label,
                "grade": cell.grade,
                "strength": cell.strength,
                "unit": cell.of.unit,
                "made_on": cell.of.where,
                "n": len(years),
                "set_aside": int(own["fault"].notna().sum()),
                "mean_years": mean,
                "mean_low": interval["low"],
                "mean_high": interval["high"],
                "sd_years": sd,
                "share_beyond_1_year": (np.abs(years) > 1).mean() if len(years) else np.nan,
                "cosine_distance": own["cosine_distance"].mean(),
            }
        )
    return pd.DataFrame(rows)


def breaking(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of realistic or weak strength that move the mean or people apart by too much."""
    moved = (table["mean_years"].abs() > MAX_MEAN) | (table["sd_years"] > MAX_SD)
    return table[moved & (table["grade"] != "strong")]


def named(row: pd.Series) -> str:
    return f"{row['nuisance']}, {row['strength']:g} {row['unit']} ({row['grade']})"


def conclusion(table: pd.DataFrame) -> list[str]:
    """The last lines: the worst of each column, and what breaks the rule."""
    lines = []
    for grades, words in ((("weak", "realistic"), "weak or realistic"), (GRADES, "any")):
        part = table[table["grade"].isin(grades)]
        for column in ("mean_years", "sd_years", "share_beyond_1_year", "cosine_distance"):
            if part[column].notna().any():
                worst = part.loc[part[column].abs().idxmax()]
                lines.append(
                    f"largest {column}, {words} strength: {worst[column]:.3g} by {named(worst)}"
                )
        if part["set_aside"].any():
            worst = part.loc[part["set_aside"].idxmax()]
            lines.append(
                f"most set aside, {words} strength: {worst['set_aside']} by {named(worst)}"
            )
    found = breaking(table)
    lines.append(
        f"{len(found)} of {(table['grade'] != 'strong').sum()} weak or realistic strengths move "
        f"the mean by more than {MAX_MEAN:g} year or have an SD above {MAX_SD:g} years"
        + ("" if found.empty else ":")
    )
    for _, row in found.iterrows():
        lines.append(f"  {named(row)}: mean {row['mean_years']:+.2f}, SD {row['sd_years']:.2f}")
    return lines


def texts(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is printed."""
    digits = {"strength": "g", "n": "d", "set_aside": "d", "cosine_distance": ".4f"}
    return pd.DataFrame(
        {
            name: [
                value if isinstance(value, str) else format(value, digits.get(name, ".2f"))
                for value in column
            ]
            for name, column in table.items()
        }
    )


def agreement(scans: pd.DataFrame, people: pd.DataFrame) -> str:
    """Say whether the unchanged heads are predicted as the run did."""
    own = scans[scans["cell"] == UNCHANGED.name].set_index("of")["predicted_age"]
    moved = float((own - people["predicted_age"]).abs().max())
    if moved < ROUNDING:
        return "unchanged heads, taken through again: 0.0 years from the run's predictions"
    return (
        f"WARNING: unchanged heads, taken through again, are up to {moved:.2g} years from the "
        "run's predictions: other code or libraries, or another machine, than those of the run"
    )
