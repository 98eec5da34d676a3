"""Read one raw T1w image and say in plain words what is wrong with it, if anything is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brainage.imaging import geometry
from brainage.imaging.intensity import on_one_scale
from brainage.imaging.raw_affine import read_affine
from brainage.imaging.raw_file import Limits, read_header

COARSE = 4.0  # mm: where the whole head is registered, N4 runs and the air is looked at
NO_LIMITS = Limits()


@dataclass
class Head:
    """One raw image, its axes turned to right, anterior, superior.

    Attributes
    ----------
    data
        float32 voxels, three axes, as close to right, anterior, superior as flips and swaps
        of axes get them; on one scale (:func:`brainage.imaging.intensity.on_one_scale`).
    affine
        4 x 4, index to world in mm.
    original_shape, original_affine
        As in the file, in mm.
    orientation
        How the file's axes were turned (nibabel's orientation array).
    header
        The file's header, for images made on the same grid.
    voxel_hash
        SHA-256 of the scaled values and the shape: equal for the same image under two names.
    orientation_known
        Whether the header says which axis is which; else left and right are a guess.
    """

    data: np.ndarray
    affine: np.ndarray
    original_shape: tuple[int, ...]
    original_affine: np.ndarray
    orientation: np.ndarray
    header: object
    voxel_hash: str
    orientation_known: bool = True

    @cached_property
    def coarse(self) -> tuple[np.ndarray, np.ndarray]:
        """The head in voxels of :data:`COARSE` mm, and their 4 x 4 affine."""
        return geometry.coarser(self.data, self.affine, COARSE)

    @property
    def edge(self) -> float:
        """Edge of a cube as large as a voxel, in mm."""
        return float(np.cbrt(np.prod(np.linalg.norm(self.affine[:3, :3], axis=0))))

    def to_original(self, data: np.ndarray) -> np.ndarray:
        """Turn an array on the grid of `data` back to the axes of the file."""
        import nibabel

        target = nibabel.orientations.axcodes2ornt(("R", "A", "S"))
        back = nibabel.orientations.ornt_transform(target, self.orientation)
        return nibabel.orientations.apply_orientation(data, back)


def read(path: Path, limits: Limits = NO_LIMITS) -> Head:
    """Read and check one NIfTI image: its header first, and then its voxels.

    Parameters
    ----------
    path
        The image.
    limits
        How large it may be; by default as large as it is.

    Returns
    -------
    Head

    Raises
    ------
    ScanFault
        The file is cut short or no NIfTI image, has not three axes, is too large, has a header
        that cannot be true, or voxels that hold no picture.
    OSError, MemoryError
        A fault of the machine, passed on; so is a file that is not there any more.
    """
    import nibabel

    raw = read_header(path, limits)
    affine, orientation_known = read_affine(raw.header, raw.shape)
    values = on_one_scale(raw.voxels())
    orientation = nibabel.orientations.io_orientation(affine)
    turned = affine @ nibabel.orientations.inv_ornt_aff(orientation, values.shape)
    return Head(
        data=np.ascontiguousarray(nibabel.orientations.apply_orientation(values, orientation)),
        affine=turned,
        original_shape=raw.shape,
        original_affine=affine,
        orientation=orientation,
        header=raw.header,
        voxel_hash=_voxel_hash(values),
        orientation_known=orientation_known,
    )


def _voxel_hash(values: np.ndarray) -> str:
    # As float32, so that a copy saved with another data type is still found to be the same.
    digest = hashlib.sha256(repr(tuple(int(n) for n in values.shape)).encode())
    digest.update(np.ascontiguousarray(values, dtype="<f4").tobytes())
    return digest.hexdigest()
