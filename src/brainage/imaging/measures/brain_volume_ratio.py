"""Ratio of brain volume to that expected in this cohort for age and sex."""

from __future__ import annotations

from brainage.imaging.measure import Cohort, Measure, Outlier

MAX_DISTANCE = 3  # robust SD from the fit, of scans that are fitted
FLOOR = 0.01  # smallest SD of the log volume believed
REPEATS = 4


def ratios(cohort: Cohort) -> list[float | None]:
    """Brain volume over that expected; 1 is as expected.

    What is expected is a least-squares fit of the log of the volume on sex, age and its square,
    over scans with a volume, an age and a sex, without those further than three robust SD from
    it. With fewer than three times ``min_site_scans`` such scans nothing is expected.
    """
    import numpy as np

    scans, minimum = cohort.scans, 3 * int(cohort.settings["min_site_scans"])
    if "brain_volume_ml" not in scans:
        return [None] * len(scans)
    at = cohort.people.reindex(scans["scan_id"])
    decades = at["age"].to_numpy(dtype=float) / 10.0
    sex = at["sex"].map({"F": 0.0, "M": 1.0}).to_numpy(dtype=float)
    volume = scans["brain_volume_ml"].to_numpy(dtype=float)
    log_volume = np.log(np.where(volume > 0, volume, np.nan))
    terms = np.column_stack([np.ones(len(scans)), sex, decades, decades**2])
    known = np.isfinite(log_volume) & np.isfinite(terms).all(axis=1)
    used = known.copy()
    off = np.full(len(scans), np.nan)
    for _ in range(REPEATS):
        if used.sum() < minimum:
            return [None] * len(scans)
        found = np.linalg.lstsq(terms[used], log_volume[used], rcond=None)[0]
        off = log_volume - terms @ found
        spread = 1.4826 * float(np.median(np.abs(off[used])))
        used = known & (np.abs(off) <= MAX_DISTANCE * max(spread, FLOOR))
    return [float(np.exp(value)) if fits else None for value, fits in zip(off, known, strict=True)]


CHOICE = Measure(
    label="ratio of brain volume to that expected for age and sex",
    sentence="the ratio of brain volume to that expected for age and sex",
    order=150,
    of_cohort=ratios,
    outlier=Outlier(
        direction="both",
        floor=0.05,
        words="unusual volume for age and sex: check the mask",
        everywhere=True,
    ),
)
