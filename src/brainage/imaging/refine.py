"""Final refinement of an affine, from a close start to convergence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry
from brainage.imaging.faults import ScanFault
from brainage.imaging.template import Template

MAX_STEPS = 30
# mm at REACH mm from the middle: a smaller step moves nothing that can be seen.
MIN_STEP = 0.01
REACH = 50.0


class Level(NamedTuple):
    """One level of a refinement.

    Attributes
    ----------
    sigma
        Standard deviation of the smoothing, in the template's voxels.
    around
        mm about the template's brain that count; negative for its inside alone.
    stride
        Every how many voxels of the template are compared.
    """

    sigma: float
    around: float
    stride: int


class Part(NamedTuple):
    """What of a head is compared with the template, coarse to fine.

    Attributes
    ----------
    levels
        One after the other.
    cut_out
        Whether the head is zero outside its brain: the template's brain is its counterpart then.
    """

    levels: tuple[Level, ...]
    cut_out: bool = False


# 12 mm of smoothing bring home heads that nod so much that ANTs' affine loses them.
WHOLE_HEAD = Part((Level(3.0, 30.0, 2), Level(1.5, 30.0, 2), Level(0.75, 8.0, 1)))
# Skull and scalp have sizes of their own.
BRAIN_ONLY = Part((Level(1.5, 8.0, 2), Level(0.5, 8.0, 1)), cut_out=True)
# For a head whose brain cannot be cut out yet.
BRAIN_INTERIOR = Part((Level(1.5, -8.0, 2), Level(0.5, 2.0, 1)))


def refine_affine(
    template: Template,
    moving: np.ndarray,
    affine: np.ndarray,
    start: np.ndarray,
    part: Part = WHOLE_HEAD,
) -> np.ndarray:
    """Refine an affine until it converges.

    The variance of the template that a cubic polynomial of the head's intensity leaves unexplained
    (after the correlation ratio of Roche et al. 1998, MICCAI) is made smallest by Gauss-Newton
    steps from the template's side (Baker and Matthews 2004, IJCV 56:221), the polynomial projected
    out (Golub and Pereyra 1973, SIAM J Numer Anal 10:413). ANTs' own optimiser stops elsewhere
    when the same head lies in another pose; benchmarks/poses.py shows how far.

    Parameters
    ----------
    template
        On a grid of about the voxel size of `moving`.
    moving, affine
        The head and its 4 x 4 affine.
    start
        4 x 4 map from template points to head points, in mm, a few mm off.
    part
        :data:`WHOLE_HEAD`, :data:`BRAIN_ONLY` or :data:`BRAIN_INTERIOR`.

    Returns
    -------
    numpy.ndarray
        4 x 4 map from template points to head points; `start` where no step is better.

    Raises
    ------
    ScanFault
        Where `moving` is empty.
    """
    if not (moving > 0).any():
        raise ScanFault("no brain was found: there is no signal")
    # A few bright voxels (fat, vessels) would outweigh the rest.
    moving = np.minimum(moving, np.percentile(moving[moving > 0], 99.5))
    fixed = np.where(template.mask, template.head, 0) if part.cut_out else template.head
    template_to_head = start
    for level in part.levels:
        template_to_head = _converged(template, fixed, moving, affine, level, template_to_head)
    return template_to_head


def _converged(
    template: Template,
    fixed: np.ndarray,
    moving: np.ndarray,
    affine: np.ndarray,
    level: Level,
    template_to_head: np.ndarray,
) -> np.ndarray:
    """Gauss-Newton steps at one level; a step that makes it worse is halved.

    Sums are einsum's, in float64: those of BLAS depend on its number of threads.
    """
    near = template.depth > -level.around
    place = tuple(
        slice(part.start, part.stop, level.stride)
        for part in ndimage.find_objects(near.astype(np.uint8))[0]
    )
    near = near[place]
    grid = template.affine @ np.diag([level.stride] * 3 + [1.0])
    grid[:3, 3] = template.affine[:3] @ [*[part.start for part in place], 1.0]

    # How the template's values change with each of the 12 numbers of an affine.
    smooth = ndimage.gaussian_filter(fixed, level.sigma)
    slopes = np.stack([np.gradient(smooth, axis=axis)[place] for axis in range(3)])[:, near]
    slopes = np.einsum("ji,jn->in", np.linalg.inv(grid[:3, :3]) * level.stride, slopes)
    points = np.einsum("ij,nj->in", grid[:3, :3], np.argwhere(near)) + grid[:3, 3:]
    centre = points.mean(axis=1, keepdims=True)
    terms = np.concatenate([(points - centre) / REACH, np.ones_like(points[:1])])
    change = (slopes[:, None] * terms[None]).reshape(12, -1)
    squares = _products(change, change)

    values = smooth[place][near].astype(float)
    blurred = ndimage.gaussian_filter(
        moving, level.sigma * template.size / geometry.spacing(affine)
    )
    least, best, share = np.inf, template_to_head, 1.0
    for _ in range(MAX_STEPS):
        seen = geometry.resampled(blurred, affine, near.shape, grid, template_to_head)[near]
        scaled = (seen / max(float(seen.max()), 1e-9)).astype(float)
        powers = np.stack([np.ones_like(scaled), scaled, scaled**2, scaled**2 * scaled])
        inverse = np.linalg.pinv(_products(powers, powers))
        weights = inverse @ np.einsum("in,n->i", powers, values)
        unexplained = values - np.einsum("i,in->n", weights, powers)
        left = float(np.einsum("n,n->", unexplained, unexplained))
        if left < least:
            least, best, share = left, template_to_head, 1.0
            across = _products(powers, change)
            normal = squares - across.T @ inverse @ across
            pull = np.einsum("in,n->i", change, unexplained)
            step = -np.linalg.solve(normal, pull).reshape(3, 4)
        else:
            share /= 2
        if share * np.abs(step).max() < MIN_STEP:
            break
        turned = np.eye(4)
        turned[:3, :3] += share * step[:, :3] / REACH
        turned[:3, 3:] = share * step[:, 3:] + centre - turned[:3, :3] @ centre
        template_to_head = best @ np.linalg.inv(turned)
    return best


def _products(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("in,jn->ij", one, other)
