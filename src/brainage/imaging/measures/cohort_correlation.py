"""Similarity of a brain to the other brains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Cohort, Limit, Measure, Outlier

if TYPE_CHECKING:
    import numpy as np

MIN_BRAINS = 3


def correlations(cohort: Cohort) -> list[float | None]:
    """Correlate each brain with the mean of all others that are brains at all.

    The mean is over scans without a fault that pass the limit on the template's correlation,
    the scan itself left out; voxels count where at least half of those brains have tissue.
    """
    import numpy as np
    import pandas as pd

    scans = cohort.scans
    usable = [not isinstance(fault, str) for fault in scans["fault"]]
    limit = float(cohort.settings["min_template_correlation"])
    similar = scans.get("template_correlation", pd.Series(np.nan, index=scans.index)) >= limit
    counted = [bool(a and b) for a, b in zip(usable, similar, strict=True)]
    number = sum(counted)
    if number < MIN_BRAINS:
        return [None] * len(scans)
    total, present = _sums(cohort, scans.loc[counted, "scan_id"].tolist())
    where = present >= number / 2
    result: list[float | None] = []
    for scan_id, has_brain, in_mean in zip(scans["scan_id"], usable, counted, strict=True):
        if not has_brain:
            result.append(None)
            continue
        brain = cohort.brain(scan_id).astype(np.float64)
        others = (total - brain if in_mean else total)[where]
        values = brain[where]
        flat = values.std() == 0 or others.std() == 0
        result.append(None if flat else float(np.corrcoef(values, others)[0, 1]))
    return result


def _sums(cohort: Cohort, scan_ids: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sum of brains, and in how many of them there is tissue, at each voxel."""
    import numpy as np

    from brainage.core.files import InputError

    total = np.zeros_like(cohort.brain(scan_ids[0]), dtype=np.float64)
    present = np.zeros_like(total)
    for scan_id in scan_ids:
        brain = cohort.brain(scan_id).astype(np.float64)
        if brain.shape != total.shape:
            raise InputError(
                f"{scan_id}: its brain is on a different grid from the others; run again"
            )
        total += brain
        present += brain > 0
    return total, present


CHOICE = Measure(
    label="correlation with the other brains",
    sentence="the correlation with the mean of all other brains",
    settings={
        "min_cohort_correlation": {
            "type": "number",
            "minimum": -1,
            "maximum": 1,
            "default": 0.5,
            "description": (
                "Minimum correlation with the mean of all other brains; below, the brain is "
                "unlike any other (OpenBHB keeps scans above 0.5)."
            ),
        }
    },
    order=130,
    of_cohort=correlations,
    outlier=Outlier(direction="low", floor=0.01, words="unlike the other brains", everywhere=True),
    limit=Limit(
        key="min_cohort_correlation",
        bound="min",
        words="unlike the other brains: correlation with their mean {value:.2f} is below {limit:g}",
    ),
)
