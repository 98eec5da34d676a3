"""Grids and affine maps between them, in world coordinates (mm; right, anterior, superior)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import io, ndimage

from brainage.core.affines import FWHM_PER_SIGMA, spacing
from brainage.imaging.ants_setup import import_ants

# ITK counts the first two axes the other way round than NIfTI does.
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def blurred_to(data: np.ndarray, affine: np.ndarray, size: float) -> np.ndarray:
    """Smooth `data` so that sampling it every `size` mm loses nothing to aliasing.

    The kernel is the Gaussian whose width, added to that of the voxels (both as full width at
    half maximum), gives `size`; axes that are as coarse already stay as they are.
    """
    edges = spacing(affine)
    sigma = np.sqrt(np.maximum(0.0, size**2 - edges**2)) / FWHM_PER_SIGMA / edges
    if np.all(sigma < 0.05):
        return data
    return ndimage.gaussian_filter(data, sigma, mode="nearest", truncate=3.0)


def coarser(data: np.ndarray, affine: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Resample `data` to cubes of `size` mm along its own axes, about the same centre.

    Returns
    -------
    data : numpy.ndarray
        float32; at least four voxels along each axis.
    affine : numpy.ndarray
        Its 4 x 4 affine.
    """
    step = size / spacing(affine)
    shape = np.maximum(4, np.floor(np.array(data.shape) / step + 1e-6)).astype(int)
    first = (np.array(data.shape) - 1) / 2 - step * (shape - 1) / 2
    to_index = np.eye(4)
    to_index[:3, :3] = np.diag(step)
    to_index[:3, 3] = first
    new_affine = affine @ to_index
    blurred = blurred_to(data, affine, size)
    return resampled(blurred, affine, tuple(shape), new_affine, mode="nearest"), new_affine


def resampled(
    data: np.ndarray,
    affine: np.ndarray,
    to_shape: tuple[int, ...],
    to_affine: np.ndarray,
    grid_to_data: np.ndarray | None = None,
    order: int = 1,
    mode: str = "constant",
) -> np.ndarray:
    """Sample `data` at the voxels of another grid.

    Parameters
    ----------
    data, affine
        The image and its 4 x 4 affine.
    to_shape, to_affine
        The grid wanted.
    grid_to_data
        4 x 4 map from points (mm) of the grid wanted to points of `data`, such as
        ``template_to_head``; identity by default.
    order
        Order of the spline: 0 for labels, 1 linear, 3 cubic.
    mode
        What lies outside `data`: ``constant`` (zero) or ``nearest``.
    """
    between = np.eye(4) if grid_to_data is None else grid_to_data
    index = np.linalg.inv(affine) @ between @ to_affine
    return ndimage.affine_transform(
        data,
        np.ascontiguousarray(index[:3, :3]),
        index[:3, 3],
        output_shape=to_shape,
        order=order,
        mode=mode,
        output=data.dtype if order == 0 else np.float32,
    )


def ants_image(data: np.ndarray, affine: np.ndarray) -> Any:
    """Make an ANTsImage (float32) of an array and its affine."""
    ants = import_ants()
    lps = FLIP @ affine
    edges = spacing(lps)
    return ants.from_numpy(
        np.ascontiguousarray(data, dtype=np.float32),
        origin=tuple(float(value) for value in lps[:3, 3]),
        spacing=tuple(float(value) for value in edges),
        direction=lps[:3, :3] / edges,
    )


def read_itk_transform(path: str) -> np.ndarray:
    """Read an affine that ANTs wrote as a 4 x 4 map from the fixed image to the moving one."""
    ants = import_ants()
    transform = ants.read_transform(path)
    numbers = np.asarray(transform.parameters, dtype=float)
    centre = np.asarray(transform.fixed_parameters, dtype=float)
    matrix = np.eye(4)
    matrix[:3, :3] = numbers[:9].reshape(3, 3)
    matrix[:3, 3] = numbers[9:12] + centre - matrix[:3, :3] @ centre
    return FLIP @ matrix @ FLIP


# As ITK names an affine of double precision in a MATLAB file of version 4.
ITK_AFFINE = "AffineTransform_double_3_3"


def write_transform(template_to_head: np.ndarray, path: Path) -> None:
    """Write a 4 x 4 map from the fixed image to the moving one as an ITK affine (.mat).

    In double precision, which ANTsPy does not write: what is read again is what was used.
    """
    matrix = FLIP @ template_to_head @ FLIP
    numbers = np.concatenate([matrix[:3, :3].ravel(), matrix[:3, 3]])
    content = {ITK_AFFINE: numbers[:, None], "fixed": np.zeros((3, 1))}
    io.savemat(path, content, format="4")


def read_transform(path: Path) -> np.ndarray:
    """Read what :func:`write_transform` wrote, bit by bit."""
    numbers = io.loadmat(path)[ITK_AFFINE].ravel()
    matrix = np.eye(4)
    matrix[:3, :3] = numbers[:9].reshape(3, 3)
    matrix[:3, 3] = numbers[9:]
    return FLIP @ matrix @ FLIP
