"""How much of the brain is in the field of view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Limit, Measure, Outlier

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan


def of_scan(scan: RegisteredScan) -> float:
    """Share of the template's brain, as registered, that is in the field of view with a signal.

    A cut vertex and missing slices lower it.
    """
    import numpy as np

    from brainage.imaging import geometry

    template, head = scan.template, scan.head
    signal = (head.data > 0).astype(np.float32)
    seen = geometry.resampled(signal, head.affine, *template.grid, scan.template_to_head)
    return float((seen[template.mask] > 0.5).mean())


CHOICE = Measure(
    label="fraction of the brain in the field of view",
    sentence="the fraction of the brain that is in the field of view and has signal",
    settings={
        "min_brain_in_view": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0.9,
            "description": (
                "Minimum fraction of the brain that is in the field of view and has signal; "
                "below, too much is cut off or missing."
            ),
        }
    },
    order=170,
    of_scan=of_scan,
    outlier=Outlier(
        direction="low", floor=0.002, words="part of the brain is cut off or without signal"
    ),
    limit=Limit(
        key="min_brain_in_view",
        bound="min",
        words=(
            "much of the brain is cut off or without signal: fraction in view {value:.2f} is "
            "below {limit:g}"
        ),
    ),
)
