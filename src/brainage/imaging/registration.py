"""The expensive part of a scan: from the raw head to a brain on the template's grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brainage.core.derivatives import ALIGNED_MASK, BIAS_FIELD, BRAIN, MASK, PICTURE, TRANSFORM
from brainage.imaging import geometry, nifti, nonlinear, picture, strip, tissue
from brainage.imaging.faults import ScanFault
from brainage.imaging.reading import Head
from brainage.imaging.register import on_template, register_head
from brainage.imaging.registered import AlignedHead, RegisteredScan, write_registered
from brainage.imaging.template import Template

# Brains are stored as whole numbers of this step: finer than the noise of any scan.
STEP = 1.0 / 255.0


def files(settings: dict[str, Any]) -> tuple[str, ...]:
    """Endings of the files that :func:`register_scan` leaves with these settings (imaging)."""
    field = (BIAS_FIELD,) if settings["n4"] else ()
    return (BRAIN, MASK, ALIGNED_MASK, TRANSFORM, PICTURE, *field, *nonlinear.files(settings))


def register_scan(
    head: Head, template: Template, settings: dict[str, Any], folder: Path
) -> RegisteredScan:
    """Put a head on the template and write all that is kept of it.

    Steps: affine of a 4 mm copy to the whole-head template; N4 inside the template's brain; the
    affine refined by the brain alone, at 2 mm for fine results; resample once (cubic) to the
    template's grid; tissues and intensity scale; brain mask; picture. With ``registration: syn``
    the aligned brain is warped onto the template's, and the head resampled through both at once;
    what is measured in the head's own space stays as it was.

    Parameters
    ----------
    head
        As read.
    template
        From :func:`brainage.imaging.template.load_template`.
    settings
        The section ``imaging`` of the config.
    folder
        Empty folder: files named by the endings of the derivatives are left there, and ANTs'
        own files too; the caller takes what it wants and removes the folder.

    Returns
    -------
    RegisteredScan

    Raises
    ------
    ScanFault
        Where something is wrong with the scan; then no file counts.
    """
    aligned = register_head(head, template, settings, folder)
    if settings["skull_stripping"] == "deepbet":
        own_mask = strip.deepbet_mask(head, folder)
        mask = _on_grid(own_mask, head.affine, template, aligned.template_to_head)
    else:
        mask, own_mask = stripped(aligned)
    if not (mask.any() and (own_mask > 0.5).any()):
        raise ScanFault("no brain was found: its mask misses the template or the image")
    scan = RegisteredScan(aligned, mask)
    if settings["registration"] == "syn":
        scan.warp = _warp(scan, folder)
        nonlinear.write_volumes(scan, settings, folder)
    write_brain(scan, folder)
    write_registered(scan, folder)
    _write_mask(folder / MASK, own_mask > 0.5, head)
    picture.draw(
        folder / PICTURE,
        picture.Row(head.data, own_mask > 0.5, geometry.spacing(head.affine)),
        picture.Row(scan.image, scan.brain_mask, np.full(3, template.size)),
        template.head,
    )
    return scan


def write_brain(scan: RegisteredScan, folder: Path) -> None:
    """Cut the brain out with its mask and write it, on the grid of the results.

    Values of 0 to 1 are written as bytes with a slope: an eighth of the size of float32.

    Raises
    ------
    ScanFault
        Where there is no signal in the mask.
    """
    template = scan.template
    brain = np.where(scan.brain_mask, scan.image, 0)[template.box]
    if not np.isfinite(brain).all() or brain.max() < STEP:
        raise ScanFault("no brain was found: there is no signal in its mask")
    values = np.round(brain / STEP).astype(np.uint8)
    image = nifti.on_template(values, template.box_affine, STEP)
    image.header["cal_max"] = 1.0
    nifti.write_image(folder / BRAIN, image)


def _on_grid(
    mask: np.ndarray, affine: np.ndarray, to: Template, grid_to_data: np.ndarray | None = None
) -> np.ndarray:
    values = mask.astype(np.float32)
    return geometry.resampled(values, affine, *to.grid, grid_to_data) > 0.5


def stripped(aligned: AlignedHead) -> tuple[np.ndarray, np.ndarray]:
    """Brain mask on the template's grid (bool) and on the head's own (0 to 1)."""
    head, template = aligned.head, aligned.template
    fine = template.for_stripping(head.edge)
    image, found = aligned.aligned, aligned.scale
    if fine.size != template.size:
        image = on_template(aligned.corrected, head, aligned.template_to_head, fine)
        found = tissue.find_tissues(image, fine.mask, fine.priors)
    mask = strip.refined_mask(image, found, fine.depth, fine.size)
    back = (head.data.shape, head.affine, np.linalg.inv(aligned.template_to_head))
    own = geometry.resampled(mask.astype(np.float32), fine.affine, *back)
    if fine.size != template.size:
        mask = _on_grid(mask, fine.affine, template)
    return mask, own


def _warp(scan: RegisteredScan, folder: Path) -> nonlinear.Warp:
    at = scan.template.for_registration
    inside = _on_grid(scan.mask, scan.template.affine, at)
    aligned = scan.aligned
    small = on_template(aligned.corrected, scan.head, aligned.template_to_head, at)
    return nonlinear.find(tissue.normalised(small, inside, aligned.scale), at, folder)


def _write_mask(path: Path, mask: np.ndarray, head: Head) -> None:
    import nibabel

    data = head.to_original(mask.astype(np.uint8))
    image = nibabel.Nifti1Image(data, head.original_affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(head.original_affine, code="scanner")
    image.set_qform(head.original_affine, code="scanner", strip_shears=True)
    nifti.write_image(path, image)
