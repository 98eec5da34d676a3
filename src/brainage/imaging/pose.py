"""How a head lies: a search of poses for heads on which one start of the registration fails."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import fft, ndimage
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from brainage.imaging import geometry

# Where one start fails, these rotations (degrees, about each direction to the faces, edges and
# corners of a cube) are compared, each where it fits best, and the best of them refined.
SEARCH_SIZE = 8.0  # mm
SEARCH_WIDTH = 40  # voxels of that size along each side of the room that is searched
SEARCH_ANGLES = (20.0, 40.0)
SEARCH_REFINED = 3
SEARCH_STEPS = 250

Images = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # fixed, affine, moving, affine


def best_pose(images: Images) -> np.ndarray:
    """Search poses of a head for the one that makes it most like the template.

    Rotations of up to 40 degrees about any axis are compared on 8 mm images of the whole head,
    each at the shift where the cross-correlation with the template is highest; neck and
    shoulders, which pull the centre of mass, don't matter then. The best few are refined
    (rotation, shift and size) by Powell's method.

    Parameters
    ----------
    images
        Template, its affine, head, its affine.

    Returns
    -------
    numpy.ndarray
        ``template_to_head``: 4 x 4 map from template points to head points, in mm.
    """
    moving, moving_affine = geometry.coarser(*images[2:], SEARCH_SIZE)
    centres = [
        (affine @ [*ndimage.center_of_mass(np.maximum(data, 0)), 1.0])[:3]
        for data, affine in (images[:2], (moving, moving_affine))
    ]
    room = np.diag([SEARCH_SIZE, SEARCH_SIZE, SEARCH_SIZE, 1.0])
    room[:3, 3] = centres[0] - SEARCH_SIZE * (SEARCH_WIDTH - 1) / 2
    grid = ((SEARCH_WIDTH,) * 3, room)
    coarse = geometry.coarser(*images[:2], SEARCH_SIZE)
    # Only what the template's own field of view holds counts: its neck ends somewhere.
    inside = geometry.resampled(np.ones_like(coarse[0]), coarse[1], *grid) > 0.5
    fixed = np.where(inside, geometry.resampled(*coarse, *grid), 0)
    fixed[inside] -= fixed[inside].mean()
    fixed /= np.linalg.norm(fixed)

    def template_to_head(pose: np.ndarray) -> np.ndarray:
        # Degrees, mm and per cent: units in which a step of one is alike.
        matrix = np.eye(4)
        turn = Rotation.from_rotvec(pose[:3], degrees=True).as_matrix()
        matrix[:3, :3] = turn * np.exp(pose[6] / 100)
        matrix[:3, 3] = centres[1] + pose[3:6] - matrix[:3, :3] @ centres[0]
        return matrix

    def seen(pose: np.ndarray) -> np.ndarray:
        return geometry.resampled(moving, moving_affine, *grid, template_to_head(pose))

    def dissimilarity(pose: np.ndarray) -> float:
        values = seen(pose)
        spread = float(values[inside].std()) * np.sqrt(inside.sum())
        return -float((fixed * values).sum()) / max(spread, 1e-9)

    axes = np.array([axis for axis in itertools.product((-1, 0, 1), repeat=3) if any(axis)])
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    window, number = np.conj(fft.rfftn(inside.astype(float))), inside.sum()
    spectrum = np.conj(fft.rfftn(fixed))
    poses: list[tuple[float, np.ndarray]] = []
    for turn in [np.zeros(3), *(angle * axis for angle in SEARCH_ANGLES for axis in axes)]:
        pose = np.array([*turn, 0.0, 0.0, 0.0, 0.0])
        values = seen(pose)
        transformed = fft.rfftn(values)
        total = fft.irfftn(window * transformed, grid[0])
        squares = fft.irfftn(window * fft.rfftn(values**2), grid[0])
        # Where hardly any of the head is in view, noise would be divided by next to nothing.
        spread = np.sqrt(np.maximum(squares - total**2 / number, 0.05 * squares.max()))
        correlation = fft.irfftn(spectrum * transformed, grid[0]) / spread
        best = np.array(np.unravel_index(correlation.argmax(), correlation.shape))
        offset = np.where(best > SEARCH_WIDTH // 2, best - SEARCH_WIDTH, best) * SEARCH_SIZE
        pose[3:6] = template_to_head(pose)[:3, :3] @ offset
        poses.append((float(correlation.max()), pose))
    poses.sort(key=lambda scored: -scored[0])
    refined = [
        minimize(dissimilarity, pose, method="Powell", options={"maxfev": SEARCH_STEPS})
        for _, pose in poses[:SEARCH_REFINED]
    ]
    return template_to_head(min(refined, key=lambda found: found.fun).x)
