"""The last of an affine: a head that almost lies on the template, put there to convergence."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry
from brainage.imaging.reading import ScanFault
from brainage.imaging.template import Template

# Coarse to fine: standard deviation of smoothing in voxels, mm about the template's brain that
# count, and the stride in voxels. 12 mm of smoothing bring home heads that nod so much that ANTs'
# affine loses them; in the end the inside of the brain counts alone, as skull and scalp have sizes
# of their own.
HEAD_LEVELS = ((3.0, 30.0, 2), (1.5, 30.0, 2), (0.75, 8.0, 1))
BRAIN_LEVELS = ((1.5, 8.0, 2), (0.5, 8.0, 1))
INSIDE_LEVELS = ((1.5, -8.0, 2), (0.5, 2.0, 1))  # for a head whose brain cannot be cut out yet
STEPS = 30
# mm at REACH mm from the middle: a smaller step moves nothing that can be seen.
SMALLEST_STEP = 0.01
REACH = 50.0


def settle(
    template: Template,
    moving: np.ndarray,
    affine: np.ndarray,
    start: np.ndarray,
    levels: tuple[tuple[float, float, int], ...] = HEAD_LEVELS,
    brain: bool = False,
) -> np.ndarray:
    """Go on with an affine until nothing moves any more.

    The variance of the template that a cubic polynomial of the head's intensity leaves unexplained
    (after the correlation ratio of Roche et al. 1998, MICCAI) is made smallest by
    Gauss-Newton steps from the template's side (Baker and Matthews 2004, IJCV 56:221), the
    polynomial projected out (Golub and Pereyra 1973, SIAM J Numer Anal 10:413). ANTs' own
    optimiser stopped up to 2 mm apart on one head in two poses; this one within 0.4 mm.

    Parameters
    ----------
    template
        On a grid of about the voxel size of `moving`.
    moving, affine
        The head and its 4 x 4 affine.
    start
        4 x 4 map from template points to head points, in world mm, a few mm off.
    levels
        One of the tuples above.
    brain
        Whether `moving` is zero outside the brain: the template's brain is its counterpart then.

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
        raise ScanFault("no head was found: there is no signal")
    # A few bright voxels (fat, vessels) would outweigh the rest.
    moving = np.minimum(moving, np.percentile(moving[moving > 0], 99.5))
    fixed = np.where(template.mask, template.head, 0) if brain else template.head
    sizes = template.size / geometry.spacing(affine)
    world = start
    for sigma, around, stride in levels:
        smooth = ndimage.gaussian_filter(fixed, sigma)
        seen = ndimage.gaussian_filter(moving, sigma * sizes)
        near = template.depth > -around
        place = tuple(
            slice(part.start, part.stop, stride)
            for part in ndimage.find_objects(near.astype(np.uint8))[0]
        )
        slopes = [np.gradient(smooth, axis=axis)[place] for axis in range(3)]
        grid = template.affine @ np.diag([stride, stride, stride, 1.0])
        grid[:3, 3] = template.affine[:3] @ [*[part.start for part in place], 1.0]
        world = _converged(
            smooth[place], np.stack(slopes), near[place], grid, stride, seen, affine, world
        )
    return world


def _converged(
    fixed: np.ndarray,
    slopes: np.ndarray,
    near: np.ndarray,
    grid: np.ndarray,
    stride: int,
    moving: np.ndarray,
    affine: np.ndarray,
    world: np.ndarray,
) -> np.ndarray:
    """Gauss-Newton steps at one level; a step that makes it worse is halved.

    Sums are einsum's, in float64: those of BLAS depend on its number of threads.
    """
    points = np.einsum("ij,nj->in", grid[:3, :3], np.argwhere(near)) + grid[:3, 3:]
    centre = points.mean(axis=1, keepdims=True)
    terms = np.concatenate([(points - centre) / REACH, np.ones_like(points[:1])])
    per_mm = np.einsum("ji,jn->in", np.linalg.inv(grid[:3, :3]) * stride, slopes[:, near])
    change = (per_mm[:, None] * terms[None]).reshape(12, -1)
    values = fixed[near].astype(float)
    squares = _products(change, change)
    least, best, share = np.inf, world, 1.0
    for _ in range(STEPS):
        seen = geometry.resampled(moving, affine, near.shape, grid, world)[near]
        scaled = (seen / max(float(seen.max()), 1e-9)).astype(float)
        powers = np.stack([np.ones_like(scaled), scaled, scaled**2, scaled**2 * scaled])
        inverse = np.linalg.pinv(_products(powers, powers))
        weights = inverse @ np.einsum("in,n->i", powers, values)
        rest = values - np.einsum("i,in->n", weights, powers)
        left = float(np.einsum("n,n->", rest, rest))
        if left < least:
            least, best, share = left, world, 1.0
            across = _products(powers, change)
            normal = squares - across.T @ inverse @ across
            step = -np.linalg.solve(normal, np.einsum("in,n->i", change, rest)).reshape(3, 4)
        else:
            share /= 2
        if share * np.abs(step).max() < SMALLEST_STEP:
            break
        turned = np.eye(4)
        turned[:3, :3] += share * step[:, :3] / REACH
        turned[:3, 3:] = share * step[:, 3:] + centre - turned[:3, :3] @ centre
        world = best @ np.linalg.inv(turned)
    return best


def _products(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("in,jn->ij", one, other)
