"""How a head lies on the template, and its bias field: from ANTs' affine to the last refinement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brainage.imaging import align, bias, geometry, strip, tissue
from brainage.imaging.reading import Head, ScanFault
from brainage.imaging.refine import BRAIN_ALONE, INSIDE_OF_BRAIN, refine_affine
from brainage.imaging.template import Template

# A first start whose correlation with the template inside its brain ends lower than this is
# followed by a search of poses.
GOOD_START = 0.45
# mm: results on a finer grid than this have their affine refined at 2 mm, not at 4: coarser copies
# blur brain and background at its rim into each other.
FINE = 3.0


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
    template
        From :func:`brainage.imaging.template.load_template`.
    settings
        The section ``imaging`` of the config.
    folder
        Empty folder, for ANTs' files.

    Returns
    -------
    world : numpy.ndarray
        4 x 4 map from template points to head points, in world mm.
    corrected : numpy.ndarray
        The head's voxels without their bias field.

    Raises
    ------
    ScanFault
        Where there is none.
    """
    at = template.for_registration
    world, log_bias = _whole_head(*coarse, at, settings, folder)
    on_head = (head.data.shape, head.affine, np.linalg.inv(world))
    corrected = head.data * np.exp(
        -geometry.resampled(log_bias, at.affine, *on_head, mode="nearest")
    )
    if float(settings["voxel_size"]) < FINE:
        at = template.for_stripping(head.edge)
    return world @ _refined(on_template(corrected, head, world, at), at), corrected


def on_template(
    corrected: np.ndarray, head: Head, world: np.ndarray, template: Template
) -> np.ndarray:
    """Sample a head (cubic) on the template's grid.

    Parameters
    ----------
    corrected
        Voxels on the grid of `head`.
    head
        Whose grid that is.
    world
        From :func:`register_head`.
    template
        Whose grid is wanted.
    """
    source = geometry.blurred_to(corrected, head.affine, template.size)
    grid = (template.head.shape, template.affine)
    return geometry.resampled(source, head.affine, *grid, world, order=3)


def _likeness(aligned: np.ndarray, template: Template) -> float:
    """Correlation with the template inside its brain; 0 where there is none."""
    inside = template.mask
    return float(np.nan_to_num(np.corrcoef(aligned[inside], template.head[inside])[0, 1]))


def _refined(aligned: np.ndarray, at: Template) -> np.ndarray:
    """What is left of the affine of a head on the template's grid.

    The brain is cut out once, where the head lies by itself: cut out again and again, each time
    where the last cut has put it, it would drift.
    """

    def likeness(rest: np.ndarray) -> float:
        grid = (at.head.shape, at.affine)
        return _likeness(geometry.resampled(aligned, at.affine, *grid, rest), at)

    nothing = np.eye(4)
    found = tissue.find_tissues(aligned, at.mask, at.priors)
    brain = np.where(strip.refined_mask(aligned, found, at.depth, at.size), aligned, 0)
    rest = refine_affine(at, brain, at.affine, nothing, BRAIN_ALONE)
    before = likeness(nothing)
    if likeness(rest) >= before:
        return rest
    # Not the brain was cut out, but some of the skull with it.
    rest = refine_affine(at, aligned, at.affine, nothing, INSIDE_OF_BRAIN)
    return rest if likeness(rest) >= before else nothing


def _whole_head(
    coarse: np.ndarray,
    affine: np.ndarray,
    template: Template,
    settings: dict[str, Any],
    folder: Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Affine of a whole head and logarithm of its bias field, on the template's grid.

    One start is enough for nearly every head; where its result is unlike the template, the best
    of many poses is the second.
    """
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for search in (False, True):
        scratch = folder / ("searched" if search else "as_it_lies")
        scratch.mkdir()
        try:
            found.append(_from_one_start(coarse, affine, template, settings, scratch, search))
        except ScanFault:
            if search and not found:
                raise
        if found and found[0][0] >= GOOD_START:
            break
    _, world, log_bias = max(found, key=lambda result: result[0])
    return world, log_bias


def _from_one_start(
    coarse: np.ndarray,
    affine: np.ndarray,
    template: Template,
    settings: dict[str, Any],
    folder: Path,
    search: bool,
) -> tuple[float, np.ndarray, np.ndarray]:
    """The same from one start, with the likeness to the template."""
    fixed = (template.head, template.affine)
    start = align.head_to_template(*fixed, coarse, affine, folder, search)
    tries = []
    for world in (refine_affine(template, coarse, affine, start), start):
        aligned = geometry.resampled(coarse, affine, template.head.shape, template.affine, world)
        tries.append((_likeness(aligned, template), world, aligned))
    # Smoothed as much as that, an unusual head may fit better in a wrong place.
    likeness, world, aligned = max(tries, key=lambda tried: tried[0])
    log_bias = np.zeros_like(aligned)
    if settings["n4"]:
        # On a grid of the head's own it would be another for the same head in another pose.
        log_bias = bias.log_bias_field(aligned, template.mask, template.affine)
    return likeness, world, log_bias
