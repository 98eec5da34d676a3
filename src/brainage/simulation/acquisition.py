"""Acquisition: how a head becomes an image at a site.

Each site has its own contrast between tissues, gain, bias field, noise, resolution, voxel size and
usual storage orientation; every scan varies about its site's, and everyone lies a little
differently in a field of view of their own. None of it knows age, sex or diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from brainage.simulation.heads import Head, render
from brainage.simulation.names import site_names
from brainage.simulation.plan import random_stream
from brainage.simulation.template import Atlas

if TYPE_CHECKING:
    import torch

HEAD_CENTRE = np.array([0.0, -17.0, 13.0])  # mm in the template's world
# Template intensities of air, fluid, cortex, white matter and fat.
KNOTS = (0.0, 27.0, 66.0, 86.0, 110.0)
ORIENTATIONS = ("RAS", "LAS", "LPS", "LPI", "PSR", "PIR", "LIA")
GAIN_SD = 0.15  # log gain from scan to scan
MAX_ROTATION = 10.0  # degrees about each axis
MAX_SHIFT = 15.0  # mm along each axis


@dataclass(frozen=True)
class Site:
    """What all scans of a site have in common.

    Attributes
    ----------
    contrast
        Intensity of fluid, cortex and fat as a share of white matter's.
    gain
        Raw intensity of white matter.
    noise
        SD of the noise in each channel, as a share of white matter's intensity.
    blur
        Full width at half maximum of the point spread, in voxels.
    voxel
        Voxel size along x, y and z as a share of the wanted size.
    bias
        Coefficients of the site's bias field (see :func:`bias_field`).
    orientation
        Usual storage orientation, as axis codes.
    """

    contrast: tuple[float, float, float]
    gain: float
    noise: float
    blur: float
    voxel: tuple[float, float, float]
    bias: tuple[float, ...]
    orientation: str


@dataclass(frozen=True)
class Scan:
    """One scan: its site as it was that day, and how the person lay.

    Attributes
    ----------
    site
        The site, varied by the scan.
    pose
        (4, 4): from the head's own mm to the scanner's mm.
    view
        (4, 4): from mm in the field of view, from its corner, to the scanner's mm.
    extent
        Size of the field of view along its x, y and z, in mm.
    """

    site: Site
    pose: np.ndarray
    view: np.ndarray
    extent: np.ndarray


def make_site(seed: int, name: str) -> Site:
    """Return the parameters of a site, which follow from the seed and its name alone.

    The sites of one seed are points of a low-discrepancy sequence (Roberts' R sequence), so that
    no two of them are alike by accident.
    """
    part, number = name.rsplit("-", 1)
    kinds = list(site_names({"sites": {"healthy": 0, "external": 0, "clinical": 0}}))
    index = 3 * (int(number) - 1) + kinds.index(part)
    dimensions = 7
    root = 1.1  # of x^(d+1) = x + 1, by fixed-point iteration
    for _ in range(60):
        root = (1 + root) ** (1 / (dimensions + 1))
    start = random_stream(seed, "sites").random(dimensions)
    share = (start + (index + 1) * root ** -np.arange(1.0, dimensions + 1)) % 1.0
    random = random_stream(seed, name, "site")
    thick, wide = 1.0 + 0.15 * share[6], 0.94 + 0.06 * random.random()
    thick_axis = int(random.integers(3))
    voxel = [wide, wide, wide]
    voxel[thick_axis] = thick
    return Site(
        contrast=(0.20 + 0.22 * share[1], 0.60 + 0.22 * share[2], 1.05 + 0.35 * share[3]),
        gain=float(180 * 10 ** share[0]),
        noise=float(0.006 + 0.016 * share[4]),
        blur=float(1.0 + 0.4 * share[5]),
        voxel=(float(voxel[0]), float(voxel[1]), float(voxel[2])),
        bias=tuple(0.10 * random.standard_normal(9)),
        orientation=str(random.choice(ORIENTATIONS)),
    )


def make_scan(seed: int, person: str, session: str, site_name: str) -> Scan:
    """Return one scan's own parameters, which follow from its names and the seed alone."""
    site = make_site(seed, site_name)
    random = random_stream(seed, person, session, "scan")
    fluid, cortex, fat = site.contrast
    site = replace(
        site,
        contrast=(
            fluid + 0.015 * random.standard_normal(),
            cortex + 0.012 * random.standard_normal(),
            fat + 0.05 * random.standard_normal(),
        ),
        gain=site.gain * float(np.exp(GAIN_SD * random.standard_normal())),
        noise=site.noise * float(np.exp(0.2 * random.standard_normal())),
        blur=site.blur * float(np.exp(0.04 * random.standard_normal())),
        bias=tuple(np.array(site.bias) + 0.05 * random.standard_normal(9)),
        orientation=(
            site.orientation if random.random() < 0.7 else str(random.choice(ORIENTATIONS))
        ),
    )
    turn = np.clip(4.0 * random.standard_normal(3), -MAX_ROTATION, MAX_ROTATION)
    shift = random.uniform(-MAX_SHIFT, MAX_SHIFT, 3)
    pose = about(HEAD_CENTRE, rotation(turn), shift)
    # The field of view follows the head roughly: it is set on a localiser, slightly oblique.
    extent = np.array([204.0, 240.0, 202.0]) + random.uniform(-12.0, 12.0, 3)
    oblique = rotation(0.4 * turn + 1.5 * random.standard_normal(3))
    centre = (pose @ [*HEAD_CENTRE, 1.0])[:3] + random.uniform(-8.0, 8.0, 3)
    view = np.eye(4)
    view[:3, :3] = oblique
    view[:3, 3] = centre - oblique @ (extent / 2)
    return Scan(site, pose, view, extent)


def rotation(degrees: np.ndarray) -> np.ndarray:
    """Return the (3, 3) rotation about x, then y, then z."""
    matrices = []
    for axis, angle in enumerate(np.deg2rad(degrees)):
        first, second = [other for other in range(3) if other != axis]
        matrix = np.eye(3)
        matrix[first, first] = matrix[second, second] = np.cos(angle)
        matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
        matrices.append(matrix)
    return matrices[2] @ matrices[1] @ matrices[0]


def about(centre: np.ndarray, turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the 4 x 4 map of a (3, 3) turn about a point in mm, followed by a shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = centre + shift - turn @ centre
    return matrix


def acquire(
    seed: int, scan: Scan, subject: Head | str, atlas_: Atlas | None, voxel_size: float, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Scan a head.

    Parameters
    ----------
    seed
        Seed of the simulation.
    scan
        The scan.
    subject
        A head, or ``bottle`` for a phantom.
    atlas_
        The template made ready; not needed for a phantom.
    voxel_size
        Wanted voxel size in mm; the site's own differs from it by some per cent.
    name
        Name of the scan; noise follows from it and the seed.

    Returns
    -------
    image, affine
        int16 volume in the scan's storage orientation, and its (4, 4) affine to scanner mm.
    """
    clean, affine = expose(scan, subject, atlas_, voxel_size)
    return finish(seed, scan, clean, affine, name)


def expose(
    scan: Scan, subject: Head | str, atlas_: Atlas | None, voxel_size: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the image before bias, noise and gain (white matter is 1), and its affine (RAS-like).

    The head is drawn on a fine grid, half a voxel wide or 1 mm, and then averaged with the point
    spread of the scanner: partial volumes come from there.
    """
    import torch

    voxel = np.array(scan.site.voxel) * voxel_size
    fine = max(1.0, voxel_size / 2)
    wide, deep, high = (int(n) for n in np.ceil(scan.extent / fine))
    fine_shape = (wide, deep, high)
    shape = np.floor(scan.extent / voxel).astype(int)
    grid = np.linalg.inv(scan.pose) @ scan.view @ np.diag([fine, fine, fine, 1.0])
    contrast = partial(_contrast, scan.site.contrast)
    if isinstance(subject, str):
        drawn = contrast(_bottle(grid, fine_shape))
    else:
        assert atlas_ is not None
        drawn = render(atlas_, subject, grid, fine_shape, contrast)
    for axis in range(3):
        weights = _point_spread(
            fine_shape[axis], fine, int(shape[axis]), voxel[axis], scan.site.blur
        )
        drawn = torch.movedim(torch.tensordot(weights, drawn, dims=([1], [axis])), 0, axis)
    steps = np.diag([*voxel, 1.0])
    steps[:3, 3] = voxel / 2 - fine / 2
    return drawn.numpy(), scan.view @ steps


def finish(
    seed: int, scan: Scan, clean: np.ndarray, affine: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Add bias field, Rician noise and gain, and store in the scan's orientation as int16."""
    import nibabel

    random = random_stream(seed, name, "noise")
    signal = clean * bias_field(scan.site.bias, affine, clean.shape)
    noise = random.standard_normal((2, *clean.shape), dtype=np.float32) * scan.site.noise
    raw = scan.site.gain * np.hypot(signal + noise[0], noise[1])
    image = np.clip(np.rint(raw), 0, np.iinfo(np.int16).max).astype(np.int16)
    stored = nibabel.orientations.axcodes2ornt(scan.site.orientation)
    change = nibabel.orientations.ornt_transform(nibabel.orientations.axcodes2ornt("RAS"), stored)
    back = nibabel.orientations.inv_ornt_aff(change, image.shape)
    return np.ascontiguousarray(
        nibabel.orientations.apply_orientation(image, change)
    ), affine @ back


def bias_field(coefficients: Any, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a smooth factor about 1: exp of a quadratic in scanner mm / 100 (9 coefficients)."""
    index = [np.arange(size, dtype=np.float32) for size in shape]
    x, y, z = (
        (
            row[0] * index[0][:, None, None]
            + row[1] * index[1][:, None]
            + row[2] * index[2]
            + row[3]
        ).astype(np.float32)
        / 100
        for row in affine[:3].astype(np.float32)
    )
    return np.exp(quadratic(np.asarray(coefficients, dtype=np.float32), x, y, z))


def quadratic(c: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the quadratic of the coordinates with nine coefficients and no constant."""
    first = x * (c[0] + c[3] * x + c[6] * y) + y * (c[1] + c[4] * y + c[7] * z)
    return np.asarray(first + z * (c[2] + c[5] * z + c[8] * x))


def move(
    seed: int, scan: Scan, head: Head, atlas_: Atlas, voxel_size: float, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Scan somebody who moves heavily: each run of phase-encoding lines sees another pose."""
    random = random_stream(seed, name, "motion")
    clean, affine = expose(scan, head, atlas_, voxel_size)
    mixed = np.fft.fft(clean, axis=1)
    lines = mixed.shape[1]
    for _ in range(5):
        turn, shift = random.uniform(-18, 18, 3), random.uniform(-20, 20, 3)
        pose = about(HEAD_CENTRE, rotation(turn), shift) @ scan.pose
        other = np.fft.fft(expose(replace(scan, pose=pose), head, atlas_, voxel_size)[0], axis=1)
        taken = random.permutation(lines)[: lines // 5]
        mixed[:, taken] = other[:, taken]
    ghosted = np.abs(np.fft.ifft(mixed, axis=1)).astype(np.float32)
    return finish(seed, scan, ghosted, affine, name)


def _contrast(levels: tuple[float, float, float], t1: torch.Tensor) -> torch.Tensor:
    """Piecewise-linear remap of template intensities; white matter becomes 1."""
    fluid, cortex, fat = levels
    heights = (0.0, fluid, cortex, 1.0, fat)
    slopes = np.diff(heights) / np.diff(KNOTS)
    result = t1 * float(slopes[0])
    for knot, change in zip(KNOTS[1:-1], np.diff(slopes), strict=True):
        result += (t1 - knot).clamp_(min=0) * float(change)
    return result


def _point_spread(
    fine_size: int, fine: float, size: int, voxel: float, blur: float
) -> torch.Tensor:
    """Weights (size, fine_size) of a Gaussian point spread, each row summing to 1."""
    import torch

    sd = blur * voxel / 2.3548
    where = (np.arange(size) + 0.5) * voxel - fine / 2
    distance = (where[:, None] - np.arange(fine_size)[None] * fine) / sd
    weights = np.exp(-0.5 * distance**2)
    return torch.from_numpy((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def _bottle(grid: np.ndarray, shape: tuple[int, ...]) -> torch.Tensor:
    """Draw a bottle of fluid lying along the scanner, with a bubble under its upper wall."""
    import torch

    index = np.meshgrid(*[np.arange(size) for size in shape], indexing="ij", sparse=True)
    x, y, z = (
        sum(grid[row, axis] * index[axis] for axis in range(3)) + grid[row, 3] - HEAD_CENTRE[row]
        for row in range(3)
    )
    radius = np.hypot(x, y)
    width = np.where(z < 45, 62.0, np.clip(62 - 1.2 * (z - 45), 18, 62))
    full = (radius < width) & (np.abs(z) < 85) & (y < 48)
    return torch.from_numpy(np.where(full, 72.0, 0.0).astype(np.float32))
