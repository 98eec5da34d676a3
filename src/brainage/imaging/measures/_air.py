"""Segmentation of head and air."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan

AIR_DISTANCE = 12.0  # mm from the head: nearer than that, ghosts of the skin and pulsation
MIN_AIR = 1000  # voxels


def head_and_air(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Segment head and air, on a coarse copy of the scan.

    The threshold between them is Otsu's (1979, IEEE Trans Syst Man Cybern 9:62) on the square
    root, which keeps dark bone and bright fat from pulling it. Holes of the head are filled.

    Returns
    -------
    head, air : numpy.ndarray
        bool; voxels that are exactly zero (masked by the scanner or a defacing tool) are no air.
    """
    smooth = ndimage.gaussian_filter(np.maximum(data, 0), 1.0)
    head = smooth > _otsu(np.sqrt(smooth[smooth > 0])) ** 2
    pieces, count = ndimage.label(head)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        head = pieces == sizes.argmax()
    edges = geometry.spacing(affine)
    closed = ndimage.binary_closing(np.pad(head, 4), iterations=3)[4:-4, 4:-4, 4:-4] | head
    head = ndimage.binary_fill_holes(closed)
    steps = max(1, round(AIR_DISTANCE / float(edges.mean())))
    air = ~ndimage.binary_dilation(head, iterations=steps) & (data > 0)
    return head, air


def _otsu(values: np.ndarray) -> float:
    if values.size == 0:
        return 0.0
    counts, edges = np.histogram(values, bins=128)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[int(np.nanargmax(between))])


def coarse_places(scan: RegisteredScan) -> tuple[np.ndarray, np.ndarray]:
    """Head and air of a scan on its coarse copy."""
    return head_and_air(*scan.head.coarse)


def places(scan: RegisteredScan) -> tuple[np.ndarray, np.ndarray]:
    """Head and air of a scan on its own grid."""
    raw = scan.head
    head, air = (
        geometry.resampled(
            part.astype(np.uint8), raw.coarse[1], raw.data.shape, raw.affine, order=0
        ).astype(bool)
        for part in scan.once(coarse_places)
    )
    return head, air & (raw.data > 0)


def air_sd(scan: RegisteredScan) -> float | None:
    """SD of the air; None where it is masked out."""
    _, air = scan.once(places)
    return float(scan.head.data[air].std()) if air.sum() >= MIN_AIR else None
