"""The bias field, by N4 of ANTsPy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry
from brainage.imaging.ants_setup import import_ants, raise_if_out_of_memory
from brainage.imaging.faults import ScanFault
from brainage.imaging.nifti import read_derivative, write_image
from brainage.imaging.reading import Head

# The bias of a coil is smooth: 12 mm voxels see it all (white matter as even as from 8 mm, in a
# quarter of the time).
N4_SHRINK = 3
N4_ITERATIONS = [30, 20, 20]
N4_TOLERANCE = 1e-3
MIN_VOXELS = 200  # with signal inside the brain


@dataclass
class BiasField:
    """A multiplicative field about the brain; beyond its grid the nearest voxel counts.

    Attributes
    ----------
    logarithm
        float32.
    affine
        4 x 4 of its grid.
    """

    logarithm: np.ndarray
    affine: np.ndarray

    def carried(self, template_to_head: np.ndarray) -> BiasField:
        """Return a field on a grid of the template as it lies in a head."""
        return BiasField(self.logarithm, template_to_head @ self.affine)

    def removed_from(self, head: Head) -> np.ndarray:
        """Return the voxels of a head without the field, float32."""
        grid = (head.data.shape, head.affine)
        on_head = geometry.resampled(self.logarithm, self.affine, *grid, mode="nearest")
        return head.data * np.exp(-on_head)


def find_bias(data: np.ndarray, mask: np.ndarray, affine: np.ndarray) -> BiasField:
    """Estimate the bias field inside `mask` by N4 (Tustison et al. 2010, IEEE TMI 29:1310).

    Parameters
    ----------
    data, mask, affine
        Image, brain mask (bool) and 4 x 4 affine, at about 4 mm.

    Returns
    -------
    BiasField
        On that part of the grid that holds the mask, with a mean of 0 inside the mask.

    Raises
    ------
    ScanFault
        Where N4 gives no field.
    """
    ants = import_ants()
    inside = mask & (data > 0)
    if inside.sum() < MIN_VOXELS:
        raise ScanFault("no brain was found: almost no signal inside the template's")
    place = ndimage.find_objects(inside.astype(np.uint8))[0]
    place = tuple(
        slice(max(0, part.start - 1), min(length, part.stop + 1))
        for part, length in zip(place, data.shape, strict=True)
    )
    edges = tuple(float(edge) for edge in geometry.spacing(affine))
    image = ants.from_numpy(np.ascontiguousarray(data[place], dtype=np.float32), spacing=edges)
    where = ants.from_numpy(np.ascontiguousarray(inside[place], dtype=np.float32), spacing=edges)
    try:
        field = ants.n4_bias_field_correction(
            image,
            mask=where,
            shrink_factor=N4_SHRINK,
            convergence={"iters": N4_ITERATIONS, "tol": N4_TOLERANCE},
            return_bias_field=True,
        ).numpy()
    except RuntimeError as error:
        raise_if_out_of_memory(error)
        raise ScanFault("N4 found no bias field") from None
    if not np.isfinite(field).all() or field.min() <= 0:
        raise ScanFault("N4 found no bias field")
    logarithm = np.log(field)
    logarithm -= logarithm[inside[place]].mean()
    corner = np.eye(4)
    corner[:3, 3] = [part.start for part in place]
    return BiasField(logarithm.astype(np.float32), affine @ corner)


def write_bias(path: Path, field: BiasField) -> None:
    """Write a bias field on a grid in the head, which may be sheared.

    As NIfTI-2, whose affine is of double precision: what is read again is what was used.
    """
    import nibabel

    image = nibabel.Nifti2Image(field.logarithm, field.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(field.affine, code="scanner")
    image.set_qform(None, code="unknown")
    write_image(path, image)


def read_bias(path: Path) -> BiasField:
    """Read what :func:`write_bias` wrote, bit by bit."""
    return BiasField(*read_derivative(path))
