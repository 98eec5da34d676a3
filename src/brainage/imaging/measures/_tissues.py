"""Tissues on the scan's own voxels, without their bias field."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from brainage.imaging import geometry
from brainage.imaging.tissue import TISSUES

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan

MIN_VOXELS = 30


class Spread(NamedTuple):
    """Mean, SD and number of voxels of one tissue."""

    mean: float
    sd: float
    number: int


def spreads(data: np.ndarray, labels: np.ndarray) -> dict[str, Spread]:
    """Mean and SD of each tissue that was found.

    Parameters
    ----------
    data
        Bias-corrected scan.
    labels
        0 outside, 1 CSF, 2 grey matter, 3 white matter, on the same grid.

    Returns
    -------
    dict
        By name (csf, gm, wm); without a tissue of too few voxels, or all of one value.
    """
    found = {}
    for k, name in enumerate(TISSUES):
        values = data[labels == k + 1].astype(np.float64)
        if values.size >= MIN_VOXELS and values.std() > 0:
            found[name] = Spread(float(values.mean()), float(values.std()), values.size)
    return found


def of_scan(scan: RegisteredScan) -> dict[str, Spread]:
    """Return :func:`spreads` of a scan."""
    head, template = scan.head, scan.template
    labels = geometry.resampled(
        scan.tissues.labels,
        template.affine,
        head.data.shape,
        head.affine,
        np.linalg.inv(scan.template_to_head),
        order=0,
    )
    return spreads(scan.aligned.corrected, labels)
