"""Nuisances of the view of a raw head: position, voxels, field of view, distortion, what is left.

As in :mod:`brainage.simulation.intensities`; axes are found by the affine, and lengths are in mm.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from brainage.core.affines import FWHM_PER_SIGMA, spacing
from brainage.simulation.acquisition import about, rotation
from brainage.simulation.intensities import Image, white_matter

EDGE_OF_HEAD = 100.0  # mm from the centre of the image, about
HEAD_SHARE = 0.15  # of white matter's intensity: brighter voxels are head, not air


def axis_along(affine: np.ndarray, direction: int) -> int:
    """The array's axis nearest to right (0), anterior (1) or superior (2)."""
    from nibabel.orientations import io_orientation

    return int(np.flatnonzero(io_orientation(affine)[:, 0] == direction)[0])


def about_centre(
    shape: tuple[int, ...], affine: np.ndarray, degrees: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """4 x 4 map in mm: a turn about right, anterior and superior through the centre, and a shift.

    Parameters
    ----------
    shape, affine
        The image, about whose centre is turned.
    degrees, shift
        Angles in degrees and shift in mm, along each of the three directions.
    """
    centre = (affine @ [*((np.array(shape) - 1) / 2), 1.0])[:3]
    return about(centre, rotation(np.asarray(degrees, dtype=float)), shift)


def sampled(
    data: np.ndarray,
    affine: np.ndarray,
    to_shape: tuple[int, ...],
    to_affine: np.ndarray,
    order: int = 3,
    mode: str = "nearest",
) -> np.ndarray:
    """Voxels of another grid, by splines; what lies outside the image is the value at its edge.

    With `mode` ``constant`` it is zero.
    """
    index = np.linalg.inv(affine) @ to_affine
    found = ndimage.affine_transform(
        data.astype(np.float32), index[:3, :3], index[:3, 3], to_shape, order=order, mode=mode
    )
    return np.maximum(found, data.min())  # a cubic spline overshoots into the negative


def turned_by_header(
    data: np.ndarray, affine: np.ndarray, degrees: float, _rng: np.random.Generator, about: int
) -> Image:
    """A head that lay turned about one axis of the body; its voxels turned with it.

    As where the field of view was set along the head: only the header differs.
    """
    turn = about_centre(data.shape, affine, degrees * np.eye(3)[about], np.zeros(3))
    return data, turn @ affine


def turned_in_view(
    data: np.ndarray, affine: np.ndarray, degrees: float, _rng: np.random.Generator, about: int
) -> Image:
    """A head that lay turned about one axis of the body, in a field of view that stayed.

    What was outside of view is zero.
    """
    if degrees == 0:
        return data, affine
    turn = about_centre(data.shape, affine, degrees * np.eye(3)[about], np.zeros(3))
    to_affine = np.linalg.inv(turn) @ affine
    return sampled(data, affine, data.shape, to_affine, mode="constant"), affine


def with_voxel_size(
    data: np.ndarray, affine: np.ndarray, size: float, _rng: np.random.Generator
) -> Image:
    """Resampled to cubes of this size in mm, smoothed before where they are larger.

    0 leaves the voxels as they are.
    """
    if size == 0:
        return data, affine
    step = size / spacing(affine)
    sigma = np.sqrt(np.maximum(0.0, step**2 - 1)) / FWHM_PER_SIGMA
    shape = tuple(int(n) for n in np.maximum(1, np.floor(np.array(data.shape) / step + 1e-6)))
    to_index = np.diag([*step, 1.0])
    to_index[:3, 3] = (np.array(data.shape) - 1) / 2 - step * (np.array(shape) - 1) / 2
    to_affine = affine @ to_index
    blurred = ndimage.gaussian_filter(data.astype(np.float32), sigma, mode="nearest")
    return sampled(blurred, affine, shape, to_affine), to_affine


def distorted(
    data: np.ndarray, affine: np.ndarray, size: float, _rng: np.random.Generator
) -> Image:
    """Distortion by gradients that are not linear, left uncorrected.

    Voxels are displaced along the radius from the image's centre, in proportion to the cube of the
    radius and by `size` mm at 100 mm; outward where `size` is above 0. Nothing folds as long as it
    is below 14 mm.
    """
    if size == 0:
        return data, affine
    centre = (np.array(data.shape) - 1) / 2
    index = np.meshgrid(
        *[np.arange(n) - c for n, c in zip(data.shape, centre, strict=True)], indexing="ij"
    )
    place = np.stack(index).astype(np.float32)
    millimetres = np.einsum("ij,jabc->iabc", affine[:3, :3].astype(np.float32), place)
    radius = np.sqrt(np.square(millimetres).sum(axis=0))
    # Where a voxel of the distorted image comes from; beyond 150 mm the shift grows no more, so
    # that the corners of a large field of view do not fold.
    near = np.minimum(radius, 1.5 * EDGE_OF_HEAD) / EDGE_OF_HEAD
    shift = size * near**3 / np.maximum(radius, 1e-3)
    source = place * (1 - shift) + centre.astype(np.float32)[:, None, None, None]
    found = ndimage.map_coordinates(data.astype(np.float32), source, order=3, mode="nearest")
    return np.maximum(found, data.min()), affine


def cut_below(
    data: np.ndarray, affine: np.ndarray, size: float, _rng: np.random.Generator
) -> Image:
    """A field of view that ends this many mm higher, at the neck."""
    return _cut(data, affine, size / spacing(affine)[axis_along(affine, 2)], 0.0)


def cut_above(
    data: np.ndarray, affine: np.ndarray, size: float, _rng: np.random.Generator
) -> Image:
    """A field of view that ends this many mm below the top of the scalp.

    The top of the brain lies some 10 to 15 mm below it. With 0 nothing is cut.
    """
    if size == 0:
        return data, affine
    axis = axis_along(affine, 2)
    others = tuple(other for other in range(3) if other != axis)
    # A slice is head where more than a speck of noise is bright.
    filled = (data > HEAD_SHARE * white_matter(data)).mean(axis=others) > 0.005
    rows = np.flatnonzero(filled)
    up = affine[2, axis] > 0
    air = data.shape[axis] - 1 - rows[-1] if up else rows[0]
    return _cut(data, affine, 0.0, air + size / spacing(affine)[axis])


def _cut(data: np.ndarray, affine: np.ndarray, below: float, above: float) -> Image:
    """Cut so many voxels off the lower and the upper end."""
    axis = axis_along(affine, 2)
    low, high = round(below), round(above)
    if affine[2, axis] < 0:
        low, high = high, low
    taken = [slice(None)] * 3
    taken[axis] = slice(low, data.shape[axis] - high)
    to_index = np.eye(4)
    to_index[axis, 3] = low
    return np.ascontiguousarray(data[tuple(taken)]), affine @ to_index


def padded(data: np.ndarray, affine: np.ndarray, size: float, _rng: np.random.Generator) -> Image:
    """Zeros about the image, this many mm on each side, as of resized or conformed files."""
    width = np.round(size / spacing(affine)).astype(int)
    to_index = np.eye(4)
    to_index[:3, 3] = -width
    return np.pad(data, [(int(n), int(n)) for n in width]), affine @ to_index


def grown(mask: np.ndarray, voxels: float) -> np.ndarray:
    """A mask (bool) that many voxels wider, or narrower where below 0."""
    count = round(abs(voxels))
    if count == 0:
        return mask
    change = ndimage.binary_dilation if voxels > 0 else ndimage.binary_erosion
    return np.asarray(change(mask, iterations=count))


def stripped(
    data: np.ndarray, affine: np.ndarray, voxels: float, _rng: np.random.Generator, mask: np.ndarray
) -> Image:
    """Zero outside a brain mask that is that many voxels wider (below 0: narrower) than `mask`.

    No strength leaves the head as it is: 0 is the mask itself.
    """
    return np.where(grown(mask, voxels), data, 0).astype(data.dtype), affine


def defaced(
    data: np.ndarray, affine: np.ndarray, margin: float, _rng: np.random.Generator, face: np.ndarray
) -> Image:
    """Zero in front of a plane across the face, `margin` mm from the brain.

    `face` is how far each voxel lies in front of the plane that touches the brain, in mm. No
    strength leaves the head as it is: the smaller, the nearer to the brain is cut.
    """
    return np.where(face > margin, 0, data).astype(data.dtype), affine
