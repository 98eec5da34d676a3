"""Reading NIfTI images, and writing them so that the same image gives the same bytes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brainage.core.files import InputError

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage


def read_image(path: Path) -> SpatialImage:
    """Read an image of voxels; its data are read where they are asked for.

    Raises
    ------
    nibabel.filebasedimages.ImageFileError
        It is none.
    OSError, EOFError, ValueError
        It cannot be read.
    """
    import nibabel

    image = nibabel.load(path)
    if not isinstance(image, nibabel.spatialimages.SpatialImage):
        raise nibabel.filebasedimages.ImageFileError(f"{type(image).__name__} has no voxels")
    return image


def read_derivative(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read values (float32) and 4 x 4 affine of an image that imaging wrote.

    Raises
    ------
    InputError
        Where it is missing or cut short.
    """
    import nibabel

    try:
        image = read_image(path)
        affine = np.asarray(image.affine, dtype=np.float64)
        return np.asarray(image.dataobj, dtype=np.float32), affine
    except (FileNotFoundError, EOFError, nibabel.filebasedimages.ImageFileError):
        raise InputError(f"{path}: this image is missing or cut short") from None


def write_image(path: Path, image: Any) -> None:
    """Write a nibabel image, gzipped, with no name and no time in the gzip header."""
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))


def on_template(data: np.ndarray, affine: np.ndarray, step: float | None = None) -> Any:
    """Make an image on a grid of the template, in mm.

    Parameters
    ----------
    data
        As stored.
    affine
        4 x 4.
    step
        What a stored one stands for; one by default.
    """
    import nibabel

    image = nibabel.Nifti1Image(data, affine)
    if step is not None:
        image.header.set_slope_inter(step, 0.0)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="mni")
    image.set_qform(affine, code="mni")
    return image
