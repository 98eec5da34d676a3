"""Volume of the brain mask in the head's own space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Limit, Measure, Outlier

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan


def of_scan(scan: RegisteredScan) -> float:
    """Of the head's own mask, in ml."""
    import numpy as np

    determinant = float(np.linalg.det(scan.template_to_head[:3, :3]))
    return float(scan.mask.sum()) * scan.template.size**3 * abs(determinant) / 1000.0


CHOICE = Measure(
    label="brain volume (ml)",
    sentence="the volume of the brain mask",
    settings={
        "brain_volume_range": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 2,
            "maxItems": 2,
            "default": [600.0, 2600.0],
            "description": (
                "Allowed volume of the brain mask in ml, from an infant's to beyond any adult's."
            ),
        }
    },
    order=140,
    of_scan=of_scan,
    outlier=Outlier(
        direction="both",
        floor=80.0,
        words="unusual brain volume: check the mask",
        everywhere=True,
    ),
    limit=Limit(
        key="brain_volume_range",
        bound="range",
        words="brain volume {value:.0f} ml is outside {low:g} to {high:g} ml",
    ),
)
