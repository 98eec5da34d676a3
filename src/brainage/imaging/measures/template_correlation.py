"""Similarity of a registered brain to the template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Limit, Measure, Outlier

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan


def of_scan(scan: RegisteredScan) -> float | None:
    """Pearson correlation inside the template's brain, through the warp where there is one."""
    import numpy as np

    template = scan.template
    image = scan.image[template.mask].astype(np.float64)
    head = template.head[template.mask].astype(np.float64)
    return None if image.std() == 0 else float(np.corrcoef(image, head)[0, 1])


CHOICE = Measure(
    label="correlation with the template",
    sentence="the correlation with the template inside its brain mask",
    settings={
        "min_template_correlation": {
            "type": "number",
            "minimum": -1,
            "maximum": 1,
            "default": 0.35,
            "description": (
                "Minimum correlation with the template inside its brain mask; below, it is not a "
                "brain or is misaligned."
            ),
        }
    },
    order=120,
    of_scan=of_scan,
    outlier=Outlier(
        direction="low",
        floor=0.02,
        words="misaligned, or an unusual brain",
        everywhere=True,
    ),
    limit=Limit(
        key="min_template_correlation",
        bound="min",
        words="no brain, or misaligned: correlation with the template {value:.2f} is below "
        "{limit:g}",
    ),
)
