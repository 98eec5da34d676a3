"""The healthy reference with which one person's gap is compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.subjects import first_scans
from brainage.core.thresholds import MIN_ALPHA, MIN_FOR_BAND, MIN_FOR_TAILS
from brainage.reporting import tables as tb
from brainage.reporting import words
from brainage.reporting.tables import Settings, Tables


@dataclass(frozen=True)
class Reference:
    """Healthy calibration people of one fold, one scan each.

    Attributes
    ----------
    people
        Their rows of gaps.tsv (age, gap_cole, site).
    alpha
        Slope of the correction.
    age_low, age_high
        Their range of ages, in years.
    band
        Range of the corrected gap that holds 90 % of them, in years; None under 40 people.
    wide
        The same for a site that is not among theirs; None where it cannot be made.
    """

    people: pd.DataFrame
    alpha: float
    age_low: float
    age_high: float
    band: tuple[float, float] | None
    wide: tuple[float, float] | None

    @property
    def n(self) -> int:
        """Number of people."""
        return len(self.people)

    def at_site(self, site: Any) -> int:
        """Return how many of them were scanned at this site."""
        return int((self.people["site"] == site).sum())


def references(tables: Tables, settings: Settings) -> dict[int, Reference]:
    """Return the reference of each fold of the main experiment."""
    main = tb.main_experiment(settings)
    gaps, constants = tables["gaps"], tables["reference"]
    found = {}
    for _, row in constants[constants["experiment"] == main].iterrows():
        people = gaps[
            (gaps["experiment"] == main)
            & (gaps["fold"] == row["fold"])
            & (gaps["role"] == "calibration")
            & gaps["gap_cole"].notna()
        ]
        people = first_scans(people)
        enough = len(people) >= MIN_FOR_BAND
        found[int(row["fold"])] = Reference(
            people,
            float(row["alpha"]),
            float(row["age_low"]),
            float(row["age_high"]),
            central_range(people["gap_cole"].to_numpy(float)) if enough else None,
            central_range(left_out_residuals(people)) if enough else None,
        )
    return found


def central_range(values: np.ndarray, share: float = 0.9) -> tuple[float, float] | None:
    """Return the range that holds `share` of people like these, from order statistics.

    The ends are the ranks of split conformal prediction (Vovk et al. 2005), so that a new person
    of the same kind is inside with at least this chance; too few values give None.
    """
    n = len(values)
    # The small number keeps a whole rank whole: 1 - 0.9 is a little less than 0.1.
    low = math.floor((n + 1) * (1 - share) / 2 + 1e-9)
    if low < 1:
        return None
    ordered = np.sort(values)
    return float(ordered[low - 1]), float(ordered[n - low])


def left_out_residuals(people: pd.DataFrame) -> np.ndarray:
    """Return each person's corrected gap by constants fitted without that person's site.

    Needs three sites or more with at least three people elsewhere; else there are none. The
    encoder has seen these sites, so the spread at a site new to it may be larger still.
    """
    if people["site"].nunique() < 3:
        return np.array([])
    parts = []
    for _, here in people.groupby("site"):
        others = people.drop(here.index)
        if len(others) < 3 or others["age"].nunique() < 2:
            return np.array([])
        alpha, beta = np.polyfit(
            others["age"].to_numpy(float), others["predicted_age"].to_numpy(float), 1
        )
        if alpha <= MIN_ALPHA:
            return np.array([])
        parts.append(((here["predicted_age"] - beta) / alpha - here["age"]).to_numpy(float))
    return np.concatenate(parts)


def share_below(gap: float, values: np.ndarray) -> tuple[int, int, int]:
    """Return how many of 100 have a smaller gap, with its 95 % interval (Wilson).

    With fewer than 100 values, nothing beyond the 10th and the 90th percentile is claimed.
    """
    below = int((values < gap).sum())
    low, high = words.wilson(below, len(values))
    middle = below / len(values)
    if len(values) < MIN_FOR_TAILS:
        middle = min(max(middle, 0.1), 0.9)
    return round(100 * middle), round(100 * low), round(100 * high)
