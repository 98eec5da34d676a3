"""Overlap of the brain mask with the template's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Limit, Measure, Outlier

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan


def of_scan(scan: RegisteredScan) -> float:
    """Dice of the head's own mask and the template's, through the warp where there is one."""
    mask, template = scan.brain_mask, scan.template.mask
    return 2.0 * float((mask & template).sum()) / float(mask.sum() + template.sum())


CHOICE = Measure(
    label="overlap with the template's mask (Dice)",
    sentence="the Dice coefficient of the brain mask and the template's",
    settings={
        "min_template_overlap": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0.8,
            "description": (
                "Minimum Dice of the scan's brain mask with the template's; below, the mask or "
                "the registration failed."
            ),
        }
    },
    order=110,
    of_scan=of_scan,
    outlier=Outlier(
        direction="low",
        floor=0.01,
        words="the brain mask is unlike the template's",
        everywhere=True,
    ),
    limit=Limit(
        key="min_template_overlap",
        bound="min",
        words="the brain mask does not fit: overlap with the template {value:.2f} is below "
        "{limit:g}",
    ),
)
