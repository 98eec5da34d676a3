"""What the air around the head holds: motion and noise raise its signal, ghosts its unevenness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Measure, Outlier

if TYPE_CHECKING:
    import numpy as np

    from brainage.imaging.registered import RegisteredScan

BLOCK = 5  # voxels along each side
FULL = 0.8  # share of a block that is air
MIN_BLOCKS = 8


def _head_level(data: np.ndarray, head: np.ndarray, air: np.ndarray) -> float | None:
    """Median of the head; None where there is no head or too little air to compare with it."""
    import numpy as np

    from brainage.imaging.measures._air import MIN_AIR

    inside = float(np.median(np.maximum(data[head], 0))) if head.any() else 0.0
    return inside if air.sum() >= MIN_AIR and inside > 0 else None


def energy_ratio(data: np.ndarray, head: np.ndarray, air: np.ndarray) -> float | None:
    """Foreground to background energy ratio (Shehzad et al. 2015): median square in head and air.

    None where the air is masked out.
    """
    import numpy as np

    if _head_level(data, head, air) is None:
        return None
    values = np.maximum(data, 0).astype(np.float32)
    background = float(np.median(values[air] ** 2))
    return float(np.median(values[head] ** 2)) / background if background > 0 else None


def level(data: np.ndarray, head: np.ndarray, air: np.ndarray) -> float | None:
    """Mean of the air over the median of the head; None where the air is masked out."""
    import numpy as np

    inside = _head_level(data, head, air)
    if inside is None:
        return None
    return float(np.maximum(data, 0).astype(np.float32)[air].mean()) / inside


def spread(data: np.ndarray, head: np.ndarray, air: np.ndarray) -> float | None:
    """How far the air's signal is from even noise: SD over blocks of their mean, over their mean.

    None where the air is masked out.
    """
    import numpy as np
    from scipy import ndimage

    if _head_level(data, head, air) is None:
        return None
    values = np.maximum(data, 0).astype(np.float32)
    weight = ndimage.uniform_filter(air.astype(np.float32), BLOCK)
    middles = (slice(BLOCK // 2, None, BLOCK),) * 3
    mean = ndimage.uniform_filter(np.where(air, values, 0), BLOCK)[middles]
    full = weight[middles] > FULL
    if full.sum() < MIN_BLOCKS:
        return None
    blocks = mean[full] / weight[middles][full]
    return float(blocks.std() / max(float(blocks.mean()), 1e-9))


def energy_ratio_of_scan(scan: RegisteredScan) -> float | None:
    """Return :func:`energy_ratio` of the scan as stored."""
    from brainage.imaging.measures import _air

    return energy_ratio(scan.head.data, *scan.once(_air.places))


def level_of_scan(scan: RegisteredScan) -> float | None:
    """Return :func:`level` of the scan as stored."""
    from brainage.imaging.measures import _air

    return level(scan.head.data, *scan.once(_air.places))


def spread_of_scan(scan: RegisteredScan) -> float | None:
    """Return :func:`spread` of the scan as stored."""
    from brainage.imaging.measures import _air

    return spread(scan.head.data, *scan.once(_air.places))


CHOICES = {
    "air_level": Measure(
        label="signal in the air, relative to the head",
        sentence="the mean of the air over the median of the head",
        order=310,
        of_scan=level_of_scan,
        outlier=Outlier(direction="high", floor=0.005, words="signal in the air: motion or noise"),
    ),
    "air_spread": Measure(
        label="unevenness of the air",
        sentence="the spread of the air's signal over blocks of five voxels",
        order=311,
        of_scan=spread_of_scan,
        outlier=Outlier(direction="high", floor=0.05, words="ghosts in the air: motion"),
    ),
    "fber": Measure(
        label="foreground to background energy ratio (FBER)",
        sentence="the foreground to background energy ratio",
        order=312,
        of_scan=energy_ratio_of_scan,
    ),
}
