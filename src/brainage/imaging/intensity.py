"""Voxel values on one scale, whatever the units that a scanner or a program gave them."""

from __future__ import annotations

import math

import numpy as np

from brainage.imaging.faults import ScanFault

QUANTILE = 0.99  # of the values that are not zero: of the head, however large the field of view
TOP = 10  # that quantile is brought to 2**9 ... 2**10, where most scanners have it
# Times that quantile beyond which a value is a spike; brightest voxels of real heads have 1.3 to
# 4.3 times.
SPIKE = 16.0


def on_one_scale(values: np.ndarray) -> np.ndarray:
    """Scale voxel values by a power of two and clip spikes.

    A power of two changes no digit of a value, so that results are bit-equal for heads that
    differ by one, and most heads stay as they are.

    Parameters
    ----------
    values
        As stored; integers or floating-point numbers of any size.

    Returns
    -------
    numpy.ndarray
        float32 of the same shape, finite.

    Raises
    ------
    ScanFault
        There are values that are not finite, or all are the same.
    """
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            share = 100 * float(1 - finite.mean())
            raise ScanFault(f"{share:.3g} % of the voxels are not a number or infinite")
    else:
        values = values.astype(np.float32)
    _check_contrast(values)
    size = np.abs(values[values != 0])
    place = math.ceil(QUANTILE * size.size) - 1
    fraction, exponent = np.frexp(np.partition(size, place)[place])
    del size
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.ldexp(values, TOP - int(exponent))
    spike = SPIKE * float(fraction) * 2.0**TOP
    # Clipped before the cast: a spike may be too large for it.
    scaled = np.clip(scaled, -spike, spike, out=scaled).astype(np.float32, copy=False)
    _check_contrast(scaled)
    return scaled


def _check_contrast(values: np.ndarray) -> None:
    if values.min() == values.max():
        kind = "zero" if values.flat[0] == 0 else f"the same value ({float(values.flat[0]):g})"
        raise ScanFault(f"the volume is empty: all voxels are {kind}")
