"""A warp on top of the affine (SyN with ANTsPy), and what it does to volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry
from brainage.imaging.ants_setup import import_ants, raise_if_out_of_memory
from brainage.imaging.faults import ScanFault
from brainage.imaging.nifti import on_template, read_derivative, write_image

# Squared cross-correlation in cubes of 3 voxels: it follows folds that mutual information of the
# whole brain leaves apart.
METRIC = "CC[{fixed},{moving},1,1]"
STAGE = ("-t", "SyN[0.2,3,0]", "-c", "[30x10,1e-6,10]", "-s", "1x0", "-f", "2x1")
STEP = 2.0**-7  # mm: displacements are whole numbers of this, so that their files are small
MARGIN = 2  # voxels about the template's box
LPS = np.array([-1, -1, 1], dtype=np.float32)  # ITK's axes


@dataclass
class Warp:
    """Displacements on a grid of the template, to be followed by the affine.

    Attributes
    ----------
    displacement
        (x, y, z, 3) in mm, right, anterior, superior: the template's point p lies at
        ``template_to_head @ (p + displacement)`` in the head, with the affine's 4 x 4.
    affine
        4 x 4 of that grid. Beyond it the nearest displacement counts.
    """

    displacement: np.ndarray
    affine: np.ndarray

    def on(self, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
        """Return the displacements at the voxels of another grid, (x, y, z, 3) in mm."""
        parts = [
            geometry.resampled(
                self.displacement[..., axis], self.affine, shape, affine, mode="nearest"
            )
            for axis in range(3)
        ]
        return np.stack(parts, axis=-1)

    def carried(
        self,
        data: np.ndarray,
        affine: np.ndarray,
        to_shape: tuple[int, ...],
        to_affine: np.ndarray,
        template_to_head: np.ndarray | None = None,
        order: int = 1,
    ) -> np.ndarray:
        """Sample `data` at the voxels of a grid of the template, through warp and affine.

        Parameters
        ----------
        data, affine
            The image and its 4 x 4 affine.
        to_shape, to_affine
            The grid wanted.
        template_to_head
            4 x 4 map that follows the warp; identity by default.
        order
            Order of the spline.

        Returns
        -------
        numpy.ndarray
            float32; 0 outside `data`.
        """
        follows = np.eye(4) if template_to_head is None else template_to_head
        index = np.linalg.inv(affine) @ follows
        moved = self.on(to_shape, to_affine) @ index[:3, :3].T
        whole = index @ to_affine
        places = np.indices(to_shape, dtype=np.float32)
        places = np.tensordot(whole[:3, :3], places, axes=1) + whole[:3, 3, None, None, None]
        places += np.moveaxis(moved, -1, 0)
        return ndimage.map_coordinates(data, places, order=order, output=np.float32)

    def determinant(self, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
        """Return how much larger each place was before the warp, at the voxels of another grid.

        The determinant of the Jacobian, by central differences on the warp's own grid; at or below
        0 the warp folds.
        """
        to_voxels = np.linalg.inv(self.affine[:3, :3])
        jacobian = np.stack(np.gradient(self.displacement, axis=(0, 1, 2)), axis=-1) @ to_voxels
        own = np.linalg.det(jacobian + np.eye(3)).astype(np.float32)
        return geometry.resampled(own, self.affine, shape, affine, mode="nearest")


def find_warp(
    fixed: np.ndarray, moving: np.ndarray, affine: np.ndarray, box: tuple[slice, ...], scratch: Path
) -> Warp:
    """Warp a brain that lies on the template's grid onto the template's brain.

    Symmetric normalisation (SyN; Avants et al. 2008, Med Image Anal 12:26).

    Parameters
    ----------
    fixed, moving
        The template's brain and the aligned one, on one grid, zero outside the brain.
    affine
        4 x 4 of that grid.
    box
        Slices of it that hold the brain.
    scratch
        Folder for ANTs' files.

    Raises
    ------
    ScanFault
        Where no warp is found, or it is not finite.
    """
    ants = import_ants()
    from ants.internal import get_pointer_string

    place = tuple(
        slice(max(0, part.start - MARGIN), min(length, part.stop + MARGIN))
        for part, length in zip(box, fixed.shape, strict=True)
    )
    corner = np.eye(4)
    corner[:3, 3] = [part.start for part in place]
    # As exact as the file that it is written to.
    own = (affine @ corner).astype(np.float32).astype(np.float64)
    pair = [geometry.ants_image(image[place], own) for image in (fixed, moving)]
    names = dict(zip(("fixed", "moving"), map(get_pointer_string, pair), strict=True))
    prefix = scratch / "warp_"
    arguments = ["-d", "3", "-u", "0", "-z", "1", "--float", "1", "-o", str(prefix)]
    arguments += ["-m", METRIC.format(**names), *STAGE, "-x", "[NA,NA]", "-v", "0"]
    path = Path(f"{prefix}0Warp.nii.gz")
    try:
        ants.registration(arguments, None)
    except RuntimeError as error:
        raise_if_out_of_memory(error)
        raise ScanFault("no warp onto the template was found") from None
    if not path.is_file():
        raise ScanFault("no warp onto the template was found")
    found = read_derivative(path)[0][..., 0, :]
    if not np.isfinite(found).all():
        raise ScanFault("the warp onto the template is not finite")
    # What is kept on disk is what was used.
    found = np.round(found * LPS / np.float32(STEP)) * np.float32(STEP)
    return Warp(found, own)


def write_warp(path: Path, warp: Warp) -> None:
    """Write a warp as ITK reads it: to be applied to template points, before the affine."""
    displacement = warp.displacement * LPS
    image = on_template(displacement[..., None, :], warp.affine)
    image.header.set_intent("vector")
    write_image(path, image)


def read_warp(path: Path) -> Warp:
    """Read what :func:`write_warp` wrote; displacements bit by bit."""
    displacement, affine = read_derivative(path)
    return Warp(displacement[..., 0, :] * LPS, affine)
