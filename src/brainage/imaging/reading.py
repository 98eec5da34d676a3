"""Read one raw T1w image and say in plain words what is wrong with it, if anything is."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brainage.imaging import geometry
from brainage.imaging.geometry import spacing
from brainage.imaging.nifti import read_image

# Smaller or larger voxels than any T1w scan of a person has: the header is wrong (often metres
# or micrometres taken for millimetres).
VOXEL_LIMITS = (0.2, 8.0)
EXTENT_LIMITS = (80.0, 600.0)  # mm of the field of view along an axis
MIN_SHAPE = 16
COARSE = 4.0  # mm: where the whole head is registered, N4 runs and the air is looked at


class ScanFault(Exception):
    """Something is wrong with one scan; the message says what, in plain words."""


@dataclass
class Head:
    """One raw image, its axes turned to right, anterior, superior.

    Attributes
    ----------
    data
        float32 voxels, three axes, as close to right, anterior, superior as flips and swaps
        of axes get them.
    affine
        4 x 4, index to world in mm.
    original_shape, original_affine
        As in the file.
    orientation
        How the file's axes were turned (nibabel's orientation array).
    header
        The file's header, for images made on the same grid.
    voxel_hash
        SHA-256 of the values and shape as stored: equal for the same image under two names.
    """

    data: np.ndarray
    affine: np.ndarray
    original_shape: tuple[int, ...]
    original_affine: np.ndarray
    orientation: np.ndarray
    header: object
    voxel_hash: str

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


def read(path: Path) -> Head:
    """Read and check one NIfTI image.

    Parameters
    ----------
    path
        The image.

    Returns
    -------
    Head

    Raises
    ------
    ScanFault
        The file is cut short or no NIfTI image, has not three axes, a header that
        cannot be true, or voxels that hold no picture.
    OSError, MemoryError
        A fault of the machine, passed on; so is a file that is not there any more.
    """
    import nibabel

    try:
        image = read_image(path)
        values = np.asanyarray(image.dataobj)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ScanFault(f"the file is cut short or damaged ({_brief(error)})") from None
    except OSError as error:
        # The machine's fault: disk, permission, network; nibabel leaves one number out.
        if error.errno is not None or isinstance(error, FileNotFoundError):
            raise
        raise ScanFault(f"the file is cut short or damaged ({_brief(error)})") from None
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError) as error:
        raise ScanFault(f"not a NIfTI image that can be read ({_brief(error)})") from None
    except ValueError as error:
        raise ScanFault(f"the header or the voxels cannot be read ({_brief(error)})") from None

    _check_header(image)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise ScanFault(
            f"the image has {values.ndim} axes ({' x '.join(map(str, values.shape))}); "
            "one volume with three axes is needed"
        )
    if min(values.shape) < MIN_SHAPE:
        raise ScanFault(
            f"the image has only {' x '.join(map(str, values.shape))} voxels; a T1w scan has more"
        )
    affine = np.asarray(image.affine, dtype=np.float64)
    _check_affine(affine, values.shape)
    if values.dtype.kind not in "iuf":
        raise ScanFault(f"the voxels are of kind {values.dtype}, not numbers of grey")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        share = 100 * float(1 - np.isfinite(values).mean())
        raise ScanFault(f"{share:.2g} % of the voxels are not a number or infinite")
    if values.min() == values.max():
        kind = "zero" if values.flat[0] == 0 else f"the same value ({values.flat[0]:g})"
        raise ScanFault(f"the volume is empty: all voxels are {kind}")

    orientation = nibabel.orientations.io_orientation(affine)
    data = nibabel.orientations.apply_orientation(values, orientation).astype(np.float32)
    turned = affine @ nibabel.orientations.inv_ornt_aff(orientation, values.shape)
    return Head(
        data=np.ascontiguousarray(data),
        affine=turned,
        original_shape=tuple(int(n) for n in values.shape),
        original_affine=affine,
        orientation=orientation,
        header=image.header,
        voxel_hash=_voxel_hash(values),
    )


def _brief(error: Exception) -> str:
    # Messages of libraries name the path and run over lines; the reason stands in a table.
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 and "/" not in text else type(error).__name__


def _voxel_hash(values: np.ndarray) -> str:
    # As float32, so that a copy saved with another data type is still found to be the same.
    digest = hashlib.sha256(repr(tuple(int(n) for n in values.shape)).encode())
    digest.update(np.ascontiguousarray(values, dtype="<f4").tobytes())
    return digest.hexdigest()


def _check_header(image: object) -> None:
    header = image.header  # type: ignore[attr-defined]  # nibabel types it as the base class
    if "sform_code" not in header or "qform_code" not in header:
        return
    if int(header["sform_code"]) == 0 or int(header["qform_code"]) == 0:
        return
    try:
        sform, qform = header.get_sform(), header.get_qform()
    except (ValueError, ZeroDivisionError, FloatingPointError):
        return  # a broken quaternion beside a good sform is common and harmless
    if not (np.isfinite(sform).all() and np.isfinite(qform).all()):
        return
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        raise ScanFault(
            "the header contradicts itself: sform and qform disagree about left and right"
        )
    # Differing positions are common (an aligned sform over the scanner's qform); differing
    # voxel sizes mean that one of the two is wrong, and nobody can tell which.
    ratio = spacing(sform) / np.maximum(spacing(qform), 1e-9)
    if np.any(ratio > 1.1) or np.any(ratio < 1 / 1.1):
        raise ScanFault("the header contradicts itself: sform and qform disagree on voxel sizes")


def _check_affine(affine: np.ndarray, shape: tuple[int, ...]) -> None:
    if not np.isfinite(affine).all():
        raise ScanFault("the header's affine has values that are not numbers")
    edges = spacing(affine)
    if np.any(edges == 0) or abs(np.linalg.det(affine[:3, :3] / np.maximum(edges, 1e-12))) < 1e-3:
        raise ScanFault("the header's affine is zero or singular: voxels have no position")
    low, high = VOXEL_LIMITS
    if np.any(edges < low) or np.any(edges > high):
        sizes = " x ".join(f"{edge:.3g}" for edge in edges)
        raise ScanFault(
            f"the header gives voxels of {sizes} mm, which is impossible for a T1w scan of a head"
        )
    extent = edges * np.array(shape)
    if np.any(extent < EXTENT_LIMITS[0]) or np.any(extent > EXTENT_LIMITS[1]):
        sizes = " x ".join(f"{length:.0f}" for length in extent)
        raise ScanFault(
            f"according to its header the image covers {sizes} mm, which does not fit a head"
        )
