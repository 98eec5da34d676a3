"""Ghosting: brightness of the air next to the head along each axis, relative to air without ghosts.

A movement during the scan repeats the head along the phase axis, and along no other: the air
that has the head beside it along one axis alone is compared with the darkest of the air along
the two others and of the corners. After the percent signal ghosting of the American College of
Radiology (Phantom Test Guidance for MRI), with a head in the place of the phantom and
each axis by itself.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from brainage.imaging.measure import Measure, Outlier

if TYPE_CHECKING:
    import numpy as np

    from brainage.imaging.registered import RegisteredScan

MIN_VOXELS = 100


def ghosts(data: np.ndarray, head: np.ndarray, air: np.ndarray) -> list[float | None]:
    """Measure the ghosts along each axis.

    Parameters
    ----------
    data
        Coarse copy of the scan, axes right, anterior, superior.
    head, air
        On that copy.

    Returns
    -------
    list of float
        Left and right, front and back, up and down, as shares of the head's median; None where
        there is too little air.
    """
    import numpy as np

    inside = float(np.median(data[head])) if head.any() else 0.0
    shadows = [np.broadcast_to(head.any(axis=axis, keepdims=True), head.shape) for axis in range(3)]
    levels: list[float | None] = []
    for axis in (0, 1, 2, None):
        place = air.copy()
        for other in range(3):
            place &= shadows[other] if other == axis else ~shadows[other]
        enough = place.sum() >= MIN_VOXELS and inside > 0
        levels.append(float(data[place].mean()) / inside if enough else None)
    darkest = min((level for level in levels if level is not None), default=0.0)
    alone = sum(level is not None for level in levels) < 2
    return [None if level is None or alone else level - darkest for level in levels[:3]]


def all_of_scan(scan: RegisteredScan) -> list[float | None]:
    """Return :func:`ghosts` of a scan."""
    from brainage.imaging.measures import _air

    return ghosts(scan.head.coarse[0], *scan.once(_air.coarse_places))


def along(axis: int, scan: RegisteredScan) -> float | None:
    """Ghosts of a scan along one axis."""
    return scan.once(all_of_scan)[axis]


def _along(axis: int, label: str, where: str) -> Measure:
    return Measure(
        label=label,
        sentence=f"how much brighter the air {where} the head is than air without ghosts",
        order=320 + axis,
        of_scan=partial(along, axis),
        outlier=Outlier(direction="high", floor=0.002, words=f"ghosts {where} the head: motion"),
    )


CHOICES = {
    "ghosting_left_right": _along(0, "ghosts to left and right", "to the left and right of"),
    "ghosting_front_back": _along(1, "ghosts in front and behind", "in front of and behind"),
    "ghosting_up_down": _along(2, "ghosts above and below", "above or below"),
}
