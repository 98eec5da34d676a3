"""When a scan is unlike those that a model was trained on: one rule for tables and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.core.subjects import first_scans, site_factor
from brainage.core.thresholds import (
    MIN_UNLIKE_PEOPLE,
    MIN_UNLIKE_RANKS,
    UNLIKE_PERCENTILE,
)

if TYPE_CHECKING:
    import pandas as pd

PERCENTILES = ["embedding_percentile", "image_percentile"]
# Measures of qc.tsv that are compared, and what each is of. They are of what an encoder sees of the
# picture and not of the anatomy: inside the brain. The air, and the head outside the brain, change
# with defacing and stripping, which the encoder does not see.
IMAGE_MEASURES = {
    "tissue_contrast": "contrast",
    "cjv": "noise",
    "snr_wm": "noise",
    "snr_gm": "noise",
    "snr_csf": "noise",
}
IMAGE_ASPECTS = list(dict.fromkeys(IMAGE_MEASURES.values()))


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


def compared_people(scans: pd.DataFrame) -> pd.DataFrame:
    """Return the held-out healthy people whose distances give the percentiles, one scan each.

    They are calibration people at sites trained on: people of another scanner, as those of the
    data sets that a cell of the grid leaves out, would make that scanner look ordinary. Validation
    people are added where there are fewer than ``MIN_UNLIKE_RANKS``: they chose the epoch and the
    penalty, and were not trained on either. Nobody is returned where both are fewer than
    ``MIN_UNLIKE_PEOPLE``.

    Parameters
    ----------
    scans
        Of one training: dataset, participant_id, site, age, years_since_first, scan_id and role.
    """
    sites = site_factor(scans)
    trained = sites[first_scans(scans[scans["role"] == "train"]).index]
    first = first_scans(scans[sites.isin(trained)])
    calibration = first[first["role"] == "calibration"]
    if len(calibration) >= MIN_UNLIKE_RANKS:
        return calibration
    both = first[first["role"].isin(["calibration", "validation"])]
    return both if len(both) >= MIN_UNLIKE_PEOPLE else both.iloc[:0]
