"""Nuisances of how a raw head was sampled: resolution, filters, ringing and motion.

As in :mod:`brainage.simulation.intensities`; axes are found by the affine, and lengths are in mm.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import fft, ndimage

from brainage.core.affines import FWHM_PER_SIGMA, spacing
from brainage.simulation.intensities import Image
from brainage.simulation.views import about_centre, axis_along, sampled

ANTERIOR = 1
SPELLS = 6  # of lying still, during one scan


def smoothed(data: np.ndarray, affine: np.ndarray, fwhm: float, _rng: np.random.Generator) -> Image:
    """Convolved with a Gaussian of this full width at half maximum, in mm.

    Stands for all that blurs without changing the voxels: reconstruction filters, interpolation
    and registration by whoever shared the data, a long echo train. The widths add by their squares.
    """
    if fwhm == 0:
        return data, affine
    sigma = fwhm / FWHM_PER_SIGMA / spacing(affine)
    return ndimage.gaussian_filter(data.astype(np.float32), sigma, mode="nearest"), affine


def sharpened(
    data: np.ndarray, affine: np.ndarray, amount: float, _rng: np.random.Generator
) -> Image:
    """Unsharp mask, as the filters that scanners offer: what a blur of two voxels takes is added.

    `amount` times it; nothing becomes negative.
    """
    if amount == 0:
        return data, affine
    values = data.astype(np.float32)
    blurred = ndimage.gaussian_filter(values, 2 / FWHM_PER_SIGMA, mode="nearest")
    return np.maximum(values + np.float32(amount) * (values - blurred), 0), affine


def low_resolution(
    data: np.ndarray, affine: np.ndarray, size: float, _rng: np.random.Generator
) -> Image:
    """Acquired in voxels of this size in mm and interpolated by zero filling to those it has.

    k-space is cut off along each axis where that size's ends, without a filter. Axes that are as
    coarse already stay as they are.
    """
    kept = np.minimum(1.0, spacing(affine) / max(size, 1e-6))
    for axis in range(3):
        data = _truncated(data, axis, float(kept[axis]))
    return data, affine


def ringing(data: np.ndarray, affine: np.ndarray, share: float, _rng: np.random.Generator) -> Image:
    """Gibbs ringing: the outer share of the phase-encoding lines was not acquired.

    Zero filled and without a filter; lines are encoded from front to back.
    """
    return _truncated(data, axis_along(affine, ANTERIOR), 1.0 - share), affine


def thick_slices(
    data: np.ndarray, affine: np.ndarray, size: float, _rng: np.random.Generator, along: int
) -> Image:
    """Acquired in contiguous slices of this thickness in mm across one axis of the body.

    The slice profile is a rectangle: a voxel is the mean over the slice's thickness. Slices that
    are as thick already stay as they are.
    """
    axis = axis_along(affine, along)
    step = size / spacing(affine)[axis]
    if step <= 1:
        return data, affine
    count = int(np.floor(data.shape[axis] / step))
    start = (data.shape[axis] - count * step) / 2
    begins = start + step * np.arange(count)[:, None]
    voxels = np.arange(data.shape[axis])[None]
    overlap = np.minimum(begins + step, voxels + 1) - np.maximum(begins, voxels)
    weights = (np.maximum(overlap, 0) / step).astype(np.float32)
    sliced = np.moveaxis(np.tensordot(weights, data.astype(np.float32), (1, axis)), 0, axis)
    to_index = np.eye(4)
    to_index[axis, axis] = step
    to_index[axis, 3] = start + step / 2 - 0.5
    return np.ascontiguousarray(sliced), affine @ to_index


def moved_during_scan(
    data: np.ndarray, affine: np.ndarray, size: float, rng: np.random.Generator
) -> Image:
    """A head that moved between spells of lying still.

    Each spell acquires a run of phase-encoding lines, from one edge of k-space to the other, in a
    pose of its own: shifts along and turns about each axis with an SD of `size` in mm and degrees.
    In the spell that acquires the middle of k-space, which decides where the head is seen, it lies
    as it does.
    """
    if size == 0:
        return data, affine
    axis = axis_along(affine, ANTERIOR)
    lines = data.shape[axis]
    # Acquired from the lowest to the highest frequency.
    spell_of = np.fft.ifftshift(np.arange(lines) * SPELLS // lines)
    at_centre = spell_of[0]
    turns, shifts = rng.normal(0.0, size, (2, SPELLS, 3))
    transform = partial(fft.fft, axis=axis, workers=1)
    values = data.astype(np.float32)
    mixed = transform(values)
    for spell in range(SPELLS):
        if spell == at_centre:
            continue
        pose = about_centre(data.shape, affine, turns[spell], shifts[spell])
        elsewhere = transform(sampled(values, affine, data.shape, pose @ affine, order=1))
        taken = [slice(None)] * 3
        taken[axis] = spell_of == spell
        mixed[tuple(taken)] = elsewhere[tuple(taken)]
    return np.abs(fft.ifft(mixed, axis=axis, workers=1)).astype(np.float32), affine


def _truncated(data: np.ndarray, axis: int, kept: float) -> np.ndarray:
    """Cut off k-space along an axis beyond the share `kept`, and fill it with zeros."""
    if kept >= 1:
        return data
    spectrum = fft.fft(data.astype(np.float32), axis=axis, workers=1)
    beyond = np.abs(np.fft.fftfreq(data.shape[axis])) > kept / 2
    spectrum[tuple(beyond if other == axis else slice(None) for other in range(3))] = 0
    return np.abs(fft.ifft(spectrum, axis=axis, workers=1)).astype(np.float32)
