"""Registration of a head to the template, and its bias field: ANTs' affine, then refinement."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from brainage.imaging import align, geometry, strip, tissue
from brainage.imaging.bias import BiasField, find_bias
from brainage.imaging.faults import ScanFault
from brainage.imaging.reading import Head
from brainage.imaging.refine import BRAIN_INTERIOR, BRAIN_ONLY, refine_affine
from brainage.imaging.registered import AlignedHead
from brainage.imaging.template import Template

# A first start whose correlation with the template inside its brain ends lower than this is
# followed by a search of poses.
GOOD_START = 0.45
# mm: results on a finer grid than this have their affine refined at 2 mm, not at 4: coarser copies
# blur brain and background at its rim into each other.
FINE = 3.0


def register_head(
    head: Head, template: Template, settings: dict[str, Any], folder: Path
) -> AlignedHead:
    """Find the affine of a head onto the template, and its bias field.

    Parameters
    ----------
    head
        As read.
    template
        From :func:`brainage.imaging.template.load_template`.
    settings
        The section ``imaging`` of the config.
    folder
        Empty folder, for ANTs' files.

    Returns
    -------
    AlignedHead

    Raises
    ------
    ScanFault
        Where there is none.
    """
    at = template.for_registration
    first = _whole_head(head, at, settings, folder)
    # On a grid of the head's own it would be another for the same head in another pose.
    bias = None if first.bias is None else first.bias.carried(first.template_to_head)
    corrected = head.data if bias is None else bias.removed_from(head)
    if float(settings["voxel_size"]) < FINE:
        at = template.for_stripping(head.edge)
    rest = _refined(on_template(corrected, head, first.template_to_head, at), at)
    return AlignedHead(head, template, first.template_to_head @ rest, bias, corrected)


def on_template(
    corrected: np.ndarray, head: Head, template_to_head: np.ndarray, template: Template
) -> np.ndarray:
    """Sample a head (cubic) on the template's grid.

    Parameters
    ----------
    corrected
        Voxels on the grid of `head`.
    head
        Whose grid that is.
    template_to_head
        4 x 4 map from template points to head points, in mm.
    template
        Whose grid is wanted.
    """
    source = geometry.blurred_to(corrected, head.affine, template.size)
    return geometry.resampled(source, head.affine, *template.grid, template_to_head, order=3)


def _similarity(aligned: np.ndarray, template: Template) -> float:
    """Correlation with the template inside its brain; 0 where there is none."""
    inside = template.mask
    return float(np.nan_to_num(np.corrcoef(aligned[inside], template.head[inside])[0, 1]))


def _refined(aligned: np.ndarray, at: Template) -> np.ndarray:
    """The residual affine of a head on the template's grid.

    The brain is cut out once, where the head lies by itself: cut out again and again, each time
    where the last cut has put it, it would drift.
    """

    def similarity(rest: np.ndarray) -> float:
        return _similarity(geometry.resampled(aligned, at.affine, *at.grid, rest), at)

    nothing = np.eye(4)
    found = tissue.find_tissues(aligned, at.mask, at.priors)
    brain = np.where(strip.refined_mask(aligned, found, at.depth, at.size), aligned, 0)
    rest = refine_affine(at, brain, at.affine, nothing, BRAIN_ONLY)
    before = similarity(nothing)
    if similarity(rest) >= before:
        return rest
    # Not the brain was cut out, but some of the skull with it.
    rest = refine_affine(at, aligned, at.affine, nothing, BRAIN_INTERIOR)
    return rest if similarity(rest) >= before else nothing


class _Attempt(NamedTuple):
    """What came of one start: how like the template, affine, and bias field on its grid."""

    similarity: float
    template_to_head: np.ndarray
    bias: BiasField | None


def _whole_head(head: Head, template: Template, settings: dict[str, Any], folder: Path) -> _Attempt:
    """Register a whole head.

    One start is enough for nearly every head; where its result is unlike the template, the best
    of many poses is the second.
    """
    found: list[_Attempt] = []
    for search in (False, True):
        scratch = folder / ("searched" if search else "as_it_lies")
        scratch.mkdir()
        try:
            found.append(_from_one_start(head, template, bool(settings["n4"]), scratch, search))
        except ScanFault:
            if search and not found:
                raise
        if found and found[0].similarity >= GOOD_START:
            break
    return max(found, key=lambda attempt: attempt.similarity)


def _from_one_start(
    head: Head, template: Template, n4: bool, folder: Path, search: bool
) -> _Attempt:
    start = align.find_affine(template.head, template.affine, *head.coarse, folder, search)
    tries = []
    for affine in (refine_affine(template, *head.coarse, start), start):
        aligned = geometry.resampled(*head.coarse, *template.grid, affine)
        tries.append((_similarity(aligned, template), affine, aligned))
    # Smoothed as much as that, an unusual head may fit better in a wrong place.
    similarity, affine, aligned = max(tries, key=lambda tried: tried[0])
    field = find_bias(aligned, template.mask, template.affine) if n4 else None
    return _Attempt(similarity, affine, field)
