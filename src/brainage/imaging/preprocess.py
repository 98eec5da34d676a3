"""One scan: from the raw head to a brain on the template's grid, with everything about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainage.core.derivatives import BRAIN, MASK, PICTURE, TRANSFORM
from brainage.imaging import geometry, measures, nonlinear, picture, strip, tissue
from brainage.imaging.reading import Head, ScanFault, read
from brainage.imaging.register import on_template, register_head
from brainage.imaging.template import REGISTRATION_SIZE, Template
from brainage.imaging.writing import write_image

# Brains are stored as whole numbers of this step: finer than the noise of any scan.
STEP = 1.0 / 255.0


@dataclass
class Outcome:
    """What came out of one scan: measures, or the fault that set it aside."""

    measures: dict[str, float | None]
    voxel_hash: str | None
    fault: str | None


def preprocess_scan(
    path: Path, template: Template, settings: dict[str, Any], folder: Path
) -> Outcome:
    """Run one scan through the whole room.

    Steps: read and check; affine of a 4 mm copy to the whole-head template; N4 inside the
    template's brain; the affine refined by the brain alone, at 2 mm for fine results; resample
    once (cubic) to the template's grid; tissues and intensity scale; brain mask; measures;
    picture. With ``registration: syn`` the aligned brain is warped onto the template's,
    and the head resampled through both at once; what is measured in the head's own space stays
    as it was.

    Parameters
    ----------
    path
        Raw T1w image.
    template
        From :func:`brainage.imaging.template.load_template`.
    settings
        The section ``imaging`` of the config.
    folder
        Empty folder: files named by the endings of the derivatives are left there, and ANTs'
        own files too; the caller takes what it wants and removes the folder.

    Returns
    -------
    Outcome
        With a fault where something is wrong with the scan; then no file counts.
    """
    voxel_hash = None
    try:
        head = read(path)
        voxel_hash = head.voxel_hash
        numbers = _process(head, template, settings, folder)
    except ScanFault as fault:
        return Outcome({}, voxel_hash, str(fault))
    return Outcome(numbers, voxel_hash, None)


def _process(
    head: Head, template: Template, settings: dict[str, Any], folder: Path
) -> dict[str, float | None]:
    size = float(settings["voxel_size"])
    coarse = geometry.coarser(head.data, head.affine, REGISTRATION_SIZE)
    world, corrected = register_head(head, coarse, template, settings, folder)
    back = np.linalg.inv(world)
    source = geometry.blurred_to(corrected, head.affine, size)
    grid = (template.head.shape, template.affine)
    aligned = geometry.resampled(source, head.affine, *grid, world, order=3)

    # The scale is set inside the template's own mask: the same region in everyone.
    first_found = tissue.find_tissues(aligned, template.mask, template.priors)
    scaled = tissue.normalised(aligned, np.ones_like(template.mask), first_found)
    if settings["skull_stripping"] == "deepbet":
        mask_image = strip.deepbet_mask(head, folder)
        mask = geometry.resampled(mask_image, head.affine, *grid, world) > 0.5
        if not mask.any():
            raise ScanFault("no brain was found: deepbet's mask misses the template")
    else:
        mask, mask_image = _stripped(corrected, head, world, aligned, first_found, template)
    found = tissue.find_tissues(aligned, mask, template.priors)
    own_mask = mask_image > 0.5

    air_head, air = measures.head_and_air(*coarse)
    labels = geometry.resampled(
        found.labels, template.affine, head.data.shape, head.affine, back, order=0
    )
    numbers = _frame(head, coarse[1], air_head, air)
    numbers |= measures.ghost_measures(coarse[0], air_head, air)
    air_sd = numbers.pop("air_sd")
    numbers |= measures.tissue_measures(corrected, labels, air_sd)
    numbers |= measures.fit_measures(template, scaled, mask, found, world)
    numbers |= measures.view_measures(head.data, head.affine, template.mask, template.affine, world)
    if settings["registration"] == "syn":
        at = template.for_registration
        small = mask.astype(np.float32), template.affine, at.head.shape, at.affine
        inside = geometry.resampled(*small) > 0.5
        small_head = on_template(corrected, head, world, at)
        bent = nonlinear.find(tissue.normalised(small_head, inside, first_found), at, folder)
        through = bent.carried(source, head.affine, *grid, world, order=3)
        scaled = tissue.normalised(through, np.ones_like(template.mask), first_found)
        numbers |= nonlinear.write(bent, found, world, template, settings, folder)
        mask = bent.carried(mask.astype(np.float32), template.affine, *grid) > 0.5
        after = measures.fit_measures(template, scaled, mask, found, world)
        numbers |= {name: after[name] for name in nonlinear.OF_FIT}

    brain = np.where(mask, scaled, 0)[template.box]
    _write_brain(folder / BRAIN, brain, template.box_affine)
    _write_mask(folder / MASK, own_mask, head)
    geometry.write_transform(world, str(folder / TRANSFORM))
    picture.draw(
        folder / PICTURE, head.data, own_mask, head.affine, scaled, mask, template.head, size
    )
    return {name: None if value is None else _rounded(value) for name, value in numbers.items()}


def _stripped(
    corrected: np.ndarray,
    head: Head,
    world: np.ndarray,
    aligned: np.ndarray,
    found: tissue.Tissues,
    template: Template,
) -> tuple[np.ndarray, np.ndarray]:
    """Brain mask on the template's grid (bool) and on the head's own (0 to 1).

    `corrected` is without bias, `aligned` the same on the template's grid, `found` its tissues.
    """
    wide = template.for_stripping(head.edge)
    if wide.size != template.size:
        aligned = on_template(corrected, head, world, wide)
        found = tissue.find_tissues(aligned, wide.mask, wide.priors)
    mask = strip.refined_mask(aligned, found, wide.depth, wide.size).astype(np.float32)
    back = (head.data.shape, head.affine, np.linalg.inv(world))
    own = geometry.resampled(mask, wide.affine, *back)
    if wide.size != template.size:
        mask = geometry.resampled(mask, wide.affine, template.head.shape, template.affine)
    return mask > 0.5, own


def _frame(
    head: Head, coarse_affine: np.ndarray, inside: np.ndarray, air: np.ndarray
) -> dict[str, float | None]:
    at = (head.data.shape, head.affine)
    fine_head, fine_air = (
        geometry.resampled(part.astype(np.uint8), coarse_affine, *at, order=0).astype(bool)
        for part in (inside, air)
    )
    fine_air &= head.data > 0
    numbers = measures.frame_measures(head.data, fine_head, fine_air)
    numbers["air_sd"] = float(head.data[fine_air].std()) if fine_air.sum() >= 1000 else None
    return numbers


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")


def _write_brain(path: Path, brain: np.ndarray, affine: np.ndarray) -> None:
    """Write values of 0 to 1 as bytes with a slope: an eighth of the size of float32."""
    import nibabel

    whole = np.round(brain / STEP).astype(np.uint8)
    image = nibabel.Nifti1Image(whole, affine)
    image.header.set_slope_inter(STEP, 0.0)
    image.header.set_xyzt_units("mm")
    image.header["cal_max"] = 1.0
    image.set_sform(affine, code="mni")
    image.set_qform(affine, code="mni")
    write_image(path, image)


def _write_mask(path: Path, mask: np.ndarray, head: Head) -> None:
    import nibabel

    data = head.to_original(mask.astype(np.uint8))
    image = nibabel.Nifti1Image(data, head.original_affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(head.original_affine, code="scanner")
    image.set_qform(head.original_affine, code="scanner", strip_shears=True)
    write_image(path, image)
