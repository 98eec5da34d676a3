"""One scan: from the raw head to a brain on the template's grid, with everything about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainage.derivatives import BRAIN, MASK, PICTURE, TRANSFORM
from brainage.imaging import align, geometry, measures, nonlinear, picture, strip, tissue
from brainage.imaging.reading import Head, ScanFault, read
from brainage.imaging.settle import BRAIN_LEVELS, INSIDE_LEVELS, settle
from brainage.imaging.template import REGISTRATION_SIZE, Template
from brainage.imaging.writing import write_image

# Brains are stored as whole numbers of this step: finer than the noise of any scan.
STEP = 1.0 / 255.0
# A first start whose correlation with the template inside its brain ends lower than this is
# followed by a search (25 real heads: 0.50 or more; where it was not found: 0.3 or less).
GOOD_START = 0.45
# mm: results on a grid finer than this have their affine settled at 2 mm too.
FINE = 3.0


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
    template's brain; the affine settled by the brain alone, at 2 mm for fine results; resample
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
    numbers |= measures.fit_measures(template.head, template.mask, scaled, mask, found, size, world)
    numbers |= measures.view_measures(head.data, head.affine, template.mask, template.affine, world)
    if settings["registration"] == "syn":
        at = template.for_registration
        small = mask.astype(np.float32), template.affine, at.head.shape, at.affine
        inside = geometry.resampled(*small) > 0.5
        small_head = _aligned(corrected, head, world, at)
        bent = nonlinear.find(tissue.normalised(small_head, inside, first_found), at, folder)
        through = bent.carried(source, head.affine, *grid, world, order=3)
        scaled = tissue.normalised(through, np.ones_like(template.mask), first_found)
        numbers |= nonlinear.write(bent, found, world, template, settings, folder)
        mask = bent.carried(mask.astype(np.float32), template.affine, *grid) > 0.5
        after = measures.fit_measures(
            template.head, template.mask, scaled, mask, found, size, world
        )
        numbers |= {name: after[name] for name in nonlinear.OF_FIT}

    brain = np.where(mask, scaled, 0)[template.box]
    _write_brain(folder / BRAIN, brain, template.box_affine)
    _write_mask(folder / MASK, own_mask, head)
    geometry.write_transform(world, str(folder / TRANSFORM))
    picture.draw(
        folder / PICTURE, head.data, own_mask, head.affine, scaled, mask, template.head, size
    )
    return {name: None if value is None else _rounded(value) for name, value in numbers.items()}


def register_head(
    head: Head,
    coarse: tuple[np.ndarray, np.ndarray],
    template: Template,
    settings: dict[str, Any],
    folder: Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the affine of a head onto the template, and its bias field.

    Parameters
    ----------
    head
        As read.
    coarse
        The head at about 4 mm and its affine, from :func:`brainage.imaging.geometry.coarser`.
    template, settings, folder
        As for :func:`preprocess_scan`.

    Returns
    -------
    tuple
        4 x 4 map from template points to head points, in world mm, and the head without its bias
        field.

    Raises
    ------
    ScanFault
        Where there is none.
    """
    at = template.for_registration
    world, log_bias = _register(*coarse, at, settings, folder)
    on_head = (head.data.shape, head.affine, np.linalg.inv(world))
    corrected = head.data * np.exp(
        -geometry.resampled(log_bias, at.affine, *on_head, mode="nearest")
    )
    if float(settings["voxel_size"]) < FINE:
        at = template.for_stripping(_edge(head))
    # The brain is cut out once, where the head lies by itself: cut out again and again, each time
    # where the last cut has put it, it would drift.
    aligned = _aligned(corrected, head, world, at)
    found = tissue.find_tissues(aligned, at.mask, at.priors)
    brain = np.where(_own_mask(aligned, found, at), aligned, 0)
    rest = settle(at, brain, at.affine, np.eye(4), BRAIN_LEVELS, brain=True)

    def likeness(rest: np.ndarray) -> float:
        grid = (at.head.shape, at.affine)
        return _likeness(geometry.resampled(aligned, at.affine, *grid, rest), at)

    if likeness(rest) < likeness(np.eye(4)):  # no brain was cut out, but a skull
        rest = settle(at, aligned, at.affine, np.eye(4), INSIDE_LEVELS)
        rest = max(rest, np.eye(4), key=likeness)
    return world @ rest, corrected


def _likeness(aligned: np.ndarray, template: Template) -> float:
    """Correlation with the template inside its brain; 0 where there is none."""
    inside = template.mask
    return float(np.nan_to_num(np.corrcoef(aligned[inside], template.head[inside])[0, 1]))


def _register(
    coarse: np.ndarray,
    affine: np.ndarray,
    template: Template,
    settings: dict[str, Any],
    folder: Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Affine of a whole head and logarithm of its bias field; the better of two starts.

    One start is enough for nearly every head that lies straight; where its result is unlike the
    template, the best of many poses is the second.
    """
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for search in (False, True):
        scratch = folder / ("searched" if search else "as_it_lies")
        scratch.mkdir()
        try:
            found.append(_register_once(coarse, affine, template, settings, scratch, search))
        except ScanFault:
            if search and not found:
                raise
        if found and found[0][0] >= GOOD_START:
            break
    _, world, log_bias = max(found, key=lambda result: result[0])
    return world, log_bias


def _register_once(
    coarse: np.ndarray,
    affine: np.ndarray,
    template: Template,
    settings: dict[str, Any],
    folder: Path,
    search: bool,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Affine and bias field on a coarse copy, with the likeness to the template.

    The bias field is found on the template's grid: on one of the head's own it would be another
    for the same head in another pose.
    """
    grid = (template.head.shape, template.affine)
    first = align.head_to_template(template.head, template.affine, coarse, affine, folder, search)
    start = geometry.world_of_transform(str(first))

    def likeness(world: np.ndarray) -> float:
        return _likeness(geometry.resampled(coarse, affine, *grid, world), template)

    # Smoothed so much, an unusual head may fit better in a wrong place.
    world = max(settle(template, coarse, affine, start), start, key=likeness)
    aligned = geometry.resampled(coarse, affine, *grid, world)
    log_bias = np.zeros_like(aligned)
    if settings["n4"]:
        log_bias = np.log(align.bias_field(aligned, template.mask, template.affine))
    return likeness(world), world, log_bias


def _aligned(corrected: np.ndarray, head: Head, world: np.ndarray, at: Template) -> np.ndarray:
    source = geometry.blurred_to(corrected, head.affine, at.size)
    return geometry.resampled(source, head.affine, at.head.shape, at.affine, world, order=3)


def _edge(head: Head) -> float:
    return float(np.cbrt(np.prod(geometry.spacing(head.affine))))


def _own_mask(aligned: np.ndarray, found: tissue.Tissues, template: Template) -> np.ndarray:
    if not found.ordered:  # nothing to follow an edge by
        return template.mask
    return strip.refined_mask(aligned, found, template.depth, template.size)


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
    wide = template.for_stripping(_edge(head))
    if wide.size != template.size:
        aligned = _aligned(corrected, head, world, wide)
        found = tissue.find_tissues(aligned, wide.mask, wide.priors)
    mask = _own_mask(aligned, found, wide).astype(np.float32)
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
