"""Contrast of white and grey matter: positive on a T1w image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from brainage.imaging.measure import Limit, Measure, Outlier

if TYPE_CHECKING:
    from brainage.imaging.measures._tissues import Spread
    from brainage.imaging.registered import RegisteredScan


def contrast(tissues: Mapping[str, Spread]) -> float | None:
    """(wm - gm) / wm of the means; None where one of them was not found."""
    if "wm" not in tissues or "gm" not in tissues or tissues["wm"].mean <= 0:
        return None
    return (tissues["wm"].mean - tissues["gm"].mean) / tissues["wm"].mean


def of_scan(scan: RegisteredScan) -> float | None:
    """Of the scan without its bias field."""
    from brainage.imaging.measures import _tissues

    return contrast(scan.once(_tissues.of_scan))


CHOICE = Measure(
    label="contrast of white and grey matter",
    sentence="the difference between white and grey matter intensity relative to white matter",
    settings={
        "min_tissue_contrast": {
            "type": "number",
            "minimum": 0,
            "default": 0.03,
            "description": "Minimum of (white - grey) / white; below, there is no T1w contrast.",
        }
    },
    order=200,
    of_scan=of_scan,
    outlier=Outlier(
        direction="low",
        floor=0.02,
        words="grey and white matter differ little: another contrast?",
    ),
    limit=Limit(
        key="min_tissue_contrast",
        bound="min",
        words="no T1w contrast between grey and white matter: {value:.2f} is below {limit:g}",
    ),
)
