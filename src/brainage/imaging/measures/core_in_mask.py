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
    label="share of the brain's core in the mask",
    sentence="the share of the template's brain, 4 mm inside its edge, that the mask holds",
    settings={
        "min_core_in_mask": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0.9,
            "description": "Share of the template's brain, 4 mm inside its edge, that the scan's "
            "brain mask holds; below, the mask leaves out brain.",
        }
    },
    order=100,
    of_scan=of_scan,
    outlier=Outlier(
        direction="low", floor=0.005, words="the brain mask leaves out brain", everywhere=True
    ),
    limit=Limit(
        key="min_core_in_mask",
        bound="min",
        words="the brain mask leaves out brain: its share of the brain's core {value:.2f} is "
        "below {limit:g}",
    ),
)
