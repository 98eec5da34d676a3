"""Entropy focus criterion: ghosts and blur smear the image over the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Measure, Outlier

if TYPE_CHECKING:
    import numpy as np

    from brainage.imaging.registered import RegisteredScan


def entropy_focus(data: np.ndarray) -> float:
    """Entropy of the voxels relative to that of a uniform frame, 0 to 1.

    Atkinson et al. (1997, IEEE TMI 16:903).
    """
    import numpy as np

    values = np.maximum(data, 0).astype(np.float32)
    energy = float(np.sqrt((values.astype(np.float64) ** 2).sum()))
    largest = np.sqrt(values.size) * np.log(np.sqrt(values.size))
    share = values[values > 0] / energy
    return float(-(share * np.log(share)).sum() / largest)


def of_scan(scan: RegisteredScan) -> float:
    """Of the scan as stored."""
    return entropy_focus(scan.head.data)


CHOICE = Measure(
    label="entropy focus criterion (EFC)",
    sentence="the entropy of the voxels relative to that of a uniform frame",
    order=300,
    of_scan=of_scan,
    outlier=Outlier(
        direction="high", floor=0.01, words="the image is smeared over the frame: motion"
    ),
)
