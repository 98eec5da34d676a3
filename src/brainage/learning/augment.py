"""Random views of brains, made in batches on the device that trains.

What a view looks like follows from a key of whole numbers (seed, step, scan, view) and from
nothing else: not from the batch it is in, the number of processes or what ran before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_WHITE_MATTER = 0.75 * 255  # where imaging puts the mean of white matter, in the store
_ALL_GREY = 100.0  # where the store puts grey matter that fills its voxel
_BIAS_POINTS = 4  # control points of the bias field along each axis


@dataclass(frozen=True)
class _Draws:
    """What was drawn for the views of a batch, one row a view."""

    affine: Tensor  # (n, 3, 4), from voxels of the view to voxels of the scan, centred
    blur: Tensor  # (n,), in millimetres
    noise: Tensor  # (n,)
    bias_field: Tensor  # (n, 1, 4, 4, 4), log of the gain
    gamma: Tensor  # (n,), the exponent
    boxes: Tensor  # (n, 2, 3, 2), cutout and crop: start and end as a part of each side
    noise_seeds: list[int]


def to_float(stored: Tensor, channels: Sequence[str] = ("brain",)) -> Tensor:
    """Turn stored images, (n, channels, x, y, z) uint8, into what encoders take.

    Of brains white matter is about 1; grey matter is 1 where it fills its voxel and was neither
    shrunk nor stretched. The scale is the same for all. Dividing by each brain's own mean or SD
    would hide how much dark fluid there is, and that is what ageing adds.
    """
    return stored.float() / torch.from_numpy(_scales(channels)).to(stored.device)


def _scales(channels: Sequence[str]) -> np.ndarray:
    """What the stored values of each channel are divided by, (channels, 1, 1, 1)."""
    of = {"brain": _WHITE_MATTER, "grey_matter": _ALL_GREY}
    return np.array([of[name] for name in channels], dtype=np.float32).reshape(-1, 1, 1, 1)


def float_at(stored: Tensor, rows: Tensor, channels: Sequence[str] = ("brain",)) -> Tensor:
    """:func:`to_float` of some of the stored brains, without a copy of the stored ones.

    Parameters
    ----------
    stored
        Shape (n, channels, x, y, z), 0 to 255.
    rows
        Which of them, shape (m,), on the same device; the same one may come twice.
    channels
        What the channels are.

    Returns
    -------
    Tensor
        Shape (m, channels, x, y, z).
    """
    if stored.is_cuda:
        return to_float(stored.index_select(0, rows), channels)
    volumes = torch.empty((len(rows), *stored.shape[1:]))
    scales = _scales(channels)
    for volume, row in zip(volumes, rows.tolist(), strict=True):
        # NumPy converts and divides in one pass, to the same bits.
        np.divide(stored[row].numpy(), scales, out=volume.numpy())
    return volumes


def augment(
    volumes: Tensor,
    keys: Sequence[Sequence[int]],
    settings: dict,
    voxel_size: float,
    channels: Sequence[str] = ("brain",),
) -> Tensor:
    """Make one random view of each volume.

    All channels of a scan are moved, cut and cropped alike; intensities are changed of the brain
    only, as those of a grey-matter map are amounts of tissue.

    Parameters
    ----------
    volumes
        Shape (n, channels, x, y, z), from :func:`to_float`, on any device; 0 outside the brain.
    keys
        n keys of non-negative whole numbers; the same key gives the same view.
    settings
        The keys of ``learning.augmentation`` in the config: the largest strength of each change.
        The actual one is drawn evenly from below it (and above minus it).
    voxel_size
        Millimetres.
    channels
        What the channels are.

    Returns
    -------
    Tensor
        Same shape and scale.
    """
    # On a processor two volumes at a time stay in its cache; a GPU wants them all at once.
    together = 2 if volumes.device.type == "cpu" else max(1, len(volumes))
    parts = [
        _augment(
            volumes[start : start + together],
            keys[start : start + together],
            settings,
            voxel_size,
            channels,
        )
        for start in range(0, len(volumes), together)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _augment(
    volumes: Tensor,
    keys: Sequence[Sequence[int]],
    settings: dict,
    voxel_size: float,
    channels: Sequence[str],
) -> Tensor:
    draws = _draw(keys, settings, volumes.device)
    views = _resample(volumes, draws.affine, settings, voxel_size)
    parts = [
        _change_intensities(views[:, k : k + 1], draws, settings, voxel_size)
        if name == "brain"
        else views[:, k : k + 1]
        for k, name in enumerate(channels)
    ]
    views = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    if settings["cutout"] or settings["crop"]:
        views = _blank(views, draws.boxes)
    return views


def _change_intensities(views: Tensor, draws: _Draws, settings: dict, voxel_size: float) -> Tensor:
    brain = views > 0.02  # without the faint rim that interpolation leaves
    if settings["gamma"]:
        views = views.clamp(min=1e-6).pow(draws.gamma.view(-1, 1, 1, 1, 1))
    if settings["bias_field"]:
        views = views * _between_points(draws.bias_field, views.shape[2:]).exp()
    views = views * brain
    if settings["blur"]:
        views = _blur(views, draws.blur / voxel_size, settings["blur"] / voxel_size)
    if settings["noise"]:
        views = views + brain * draws.noise.view(-1, 1, 1, 1, 1) * _noise(views, draws)
        views = views.clamp(min=0)
    return views


def _draw(keys: Sequence[Sequence[int]], settings: dict, device: torch.device) -> _Draws:
    affine, blur, noise, bias, gamma, boxes, seeds = [], [], [], [], [], [], []
    for key in keys:
        random = np.random.default_rng([int(part) for part in key])
        # Everything is drawn whether it is used or not: switching one change off leaves
        # the others as they were.
        angles, logs, shears, shifts = random.uniform(-1, 1, (4, 3))
        flipped = random.random() < settings["flip"]
        used = random.random(6) < settings["probability"]
        strength = random.random(2)
        field = random.uniform(-1, 1, (_BIAS_POINTS,) * 3)
        exponent = random.uniform(-1, 1)
        places = random.random((2, 3, 2))
        seeds.append(int(random.integers(2**62)))
        matrix = _rotation(np.deg2rad(settings["rotation"]) * angles)
        sheared = np.eye(3)
        sheared[np.triu_indices(3, 1)] = settings["shear"] * shears
        matrix = matrix @ sheared
        matrix = matrix * np.exp(settings["scaling"] * logs)
        if flipped:
            matrix = np.diag([-1.0, 1, 1]) @ matrix
        affine.append(np.column_stack([matrix, settings["shift"] * shifts]))
        blur.append(settings["blur"] * strength[0] * used[0])
        noise.append(settings["noise"] * strength[1] * used[1])
        bias.append(settings["bias_field"] * field * used[2])
        gamma.append(np.exp(settings["gamma"] * exponent * used[3]))
        boxes.append(_boxes(places, settings["cutout"] * used[4], settings["crop"] * used[5]))

    def tensor(values: list) -> Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(device)

    return _Draws(
        affine=tensor(affine),
        blur=tensor(blur),
        noise=tensor(noise),
        bias_field=tensor(bias)[:, None],
        gamma=tensor(gamma),
        boxes=tensor(boxes),
        noise_seeds=seeds,
    )


def _rotation(angles: np.ndarray) -> np.ndarray:
    """Rotate about x, then y, then z, by angles in radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _boxes(places: np.ndarray, cutout: float, crop: float) -> np.ndarray:
    """Start and end of the box cut out, and of the box kept by the crop; (2, 3, 2)."""
    sides = cutout * (0.5 + 0.5 * places[0, :, 0])
    starts = places[0, :, 1] * (1 - sides)
    cut = np.column_stack([starts, starts + sides])
    lost = crop * places[1]
    return np.stack([cut, np.column_stack([lost[:, 0] / 2, 1 - lost[:, 1] / 2])])


def _resample(volumes: Tensor, affine: Tensor, settings: dict, voxel_size: float) -> Tensor:
    if not any(settings[key] for key in ("rotation", "scaling", "shear", "shift", "flip")):
        return volumes
    shape = volumes.shape[2:]
    half = [max((side - 1) / 2, 0.5) for side in shape]
    centred = [
        torch.linspace(-(side - 1) / 2, (side - 1) / 2, side, device=volumes.device)
        for side in shape
    ]
    x, y, z = centred[0][:, None, None], centred[1][:, None], centred[2]
    # grid_sample wants z, y, x from -1 to 1. Sums of broadcasts are ten times as fast as
    # affine_grid, which multiplies matrices for every voxel.
    grid = torch.empty((len(volumes), *shape, 3), device=volumes.device)
    for place, axis in enumerate((2, 1, 0)):
        a = affine[:, axis].view(-1, 4, 1, 1, 1) / half[axis]
        plane = a[:, 0] * x + a[:, 1] * y
        torch.add(plane, a[:, 2] * z + a[:, 3] / voxel_size, out=grid[..., place])
    return functional.grid_sample(volumes, grid, align_corners=True)


def _blur(views: Tensor, sigma: Tensor, largest: float) -> Tensor:
    """Blur each view with its own Gaussian, sigma in voxels, cut at twice the largest sigma.

    Matrices along one axis after the other: on GPUs four times as fast as sums of shifted volumes.
    """
    radius = max(1, int(np.ceil(2 * largest)))
    sigma = sigma.clamp(min=1e-3).view(-1, 1, 1)
    total = _bell(torch.arange(-radius, radius + 1, device=views.device), sigma).sum(2, True)
    for axis in (2, 3, 4):
        places = torch.arange(views.shape[axis], device=views.device)
        offsets = places[:, None] - places
        weights = _bell(offsets, sigma) * (offsets.abs() <= radius) / total
        lines = views.movedim(axis, -1)
        views = (lines.flatten(1, -2) @ weights).view(lines.shape).movedim(-1, axis)
    return views


def _bell(offsets: Tensor, sigma: Tensor) -> Tensor:
    return torch.exp(-0.5 * (offsets / sigma).square())


def _between_points(field: Tensor, shape: Sequence[int]) -> Tensor:
    """Interpolate control points linearly; matrices are ten times as fast as interpolate here."""
    for axis, side in enumerate(shape, start=2):
        points = field.shape[axis]
        place = torch.linspace(0, points - 1, side, device=field.device)
        weights = 1 - (place[:, None] - torch.arange(points, device=field.device)).abs()
        field = (field.movedim(axis, -1) @ weights.clamp(min=0).T).movedim(-1, axis)
    return field


def _noise(views: Tensor, draws: _Draws) -> Tensor:
    """White noise of SD 1, each view from a seed of its own."""
    noise = torch.empty_like(views)
    for view, seed in zip(noise, draws.noise_seeds, strict=True):
        view.normal_(generator=torch.Generator(views.device).manual_seed(seed))
    return noise


def _blank(views: Tensor, boxes: Tensor) -> Tensor:
    """Set the cutout box, and all outside of the crop box, to 0."""
    inside = []
    for box in range(2):
        inside_box = torch.ones((), dtype=torch.bool, device=views.device)
        for axis in range(3):
            side = views.shape[2 + axis]
            places = (torch.arange(side, device=views.device) + 0.5) / side
            start, end = boxes[:, box, axis, :1], boxes[:, box, axis, 1:]
            line = (places >= start) & (places < end)
            view_shape = [len(views), 1, 1, 1, 1]
            view_shape[2 + axis] = side
            inside_box = inside_box & line.view(view_shape)
        inside.append(inside_box)
    return views * (~inside[0] & inside[1])
