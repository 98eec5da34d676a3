"""Whether the brain mask leaves out brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Limit, Measure, Outlier

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan

CORE = 4.0  # mm inside the template's brain, where a mask that fits has no hole


def of_scan(scan: RegisteredScan) -> float | None:
    """Share of the template's brain, 4 mm inside its edge, that the head's own mask holds.

    1 but for a mask that is eroded, shifted or another head's.
    """
    core = scan.template.depth > CORE
    return float(scan.mask[core].mean()) if core.any() else None


CHOICE = Measure(
    label="fraction of the brain's core in the mask",
    sentence="the fraction of the template's brain, eroded by 4 mm, that the mask contains",
    settings={
        "min_core_in_mask": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0.9,
            "description": (
                "Minimum fraction of the template's brain, eroded by 4 mm, that the scan's brain "
                "mask contains; below, the mask misses brain tissue."
            ),
        }
    },
    order=100,
    of_scan=of_scan,
    outlier=Outlier(
        direction="low", floor=0.005, words="the brain mask misses brain tissue", everywhere=True
    ),
    limit=Limit(
        key="min_core_in_mask",
        bound="min",
        words="the brain mask misses brain tissue: fraction of the brain's core {value:.2f} is "
        "below {limit:g}",
    ),
)
