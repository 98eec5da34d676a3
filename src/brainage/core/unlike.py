"""When a scan is unlike those that a model was trained on: one rule for tables and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from brainage.core.thresholds import (
    MIN_UNLIKE_PEOPLE,
    MIN_UNLIKE_RANKS,
    UNLIKE_PERCENTILE,
)

if TYPE_CHECKING:
    import pandas as pd

PERCENTILES = ["embedding_percentile", "image_percentile"]


def is_far(percentile: float) -> bool:
    """Tell whether one percentile is high enough for the flag; never of a missing one."""
    # A percentile of 97.5 stays one when it was written and read, or averaged.
    return percentile >= UNLIKE_PERCENTILE - 1e-6


def unlike_training(rows: pd.DataFrame) -> pd.Series:
    """Return ``true``, ``false`` or None of each row, by its percentiles.

    Each of the two is compared at half of 5 %, so that together they flag at most 5 % of held-out
    people however the two depend on each other (Bonferroni). With one of them that half is kept:
    the flag of one person does not hang on what else was computed.
    """
    import pandas as pd

    highest = rows[PERCENTILES].astype(float).max(axis=1)
    flags = [None if value != value else str(is_far(value)).lower() for value in highest]
    return pd.Series(flags, rows.index, dtype="object")


def mean_percentiles(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return the mean percentiles over seeds or folds, and the flag by them, for each key.

    A person has one flag: the mean asks whether the trainings agree, which the largest of several
    percentiles, or any of several flags, would not.
    """
    means = rows.astype(dict.fromkeys(PERCENTILES, float)).groupby(key)[PERCENTILES].mean()
    return means.assign(unlike_training=unlike_training(means))


def compared_roles(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return the roles of the held-out healthy people whose distances give the percentiles.

    Parameters
    ----------
    counts
        Number of people by role.

    Returns
    -------
    tuple of str
        Calibration; validation too where those are fewer than ``MIN_UNLIKE_RANKS``: they chose the
        epoch and the penalty, and were not trained on either. Nothing where both are fewer than
        ``MIN_UNLIKE_PEOPLE``.
    """
    if counts.get("calibration", 0) >= MIN_UNLIKE_RANKS:
        return ("calibration",)
    both = ("calibration", "validation")
    return both if sum(counts.get(role, 0) for role in both) >= MIN_UNLIKE_PEOPLE else ()
