"""A head that almost lies on the template is put there, from wherever it starts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from brainage.imaging import geometry
from brainage.imaging.reading import ScanFault
from brainage.imaging.settle import BRAIN_LEVELS, settle
from brainage.imaging.template import Template, load_template


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template({"voxel_size": 4.0})


def pose(degrees: float, millimetres: float, scale: float = 1.0) -> np.ndarray:
    world = np.eye(4)
    turn = Rotation.from_rotvec([degrees, -degrees / 2, degrees / 3], degrees=True)
    world[:3, :3] = turn.as_matrix() * [scale, 1.0, 1.0]
    world[:3, 3] = millimetres, -millimetres / 2, millimetres
    return world


def error(found: np.ndarray, truth: np.ndarray, template: Template) -> float:
    points = (
        template.affine
        @ np.column_stack([np.argwhere(template.mask), np.ones(template.mask.sum())]).T
    )
    return float(np.linalg.norm(((found - truth) @ points)[:3], axis=0).max())


# Voxels are 4 mm: a quarter of one, and half of one where the contrast is another too.
@pytest.mark.parametrize(
    "contrast, allowed",
    [(lambda x: 37 * x, 1.0), (lambda x: x**0.5, 2.0), (lambda x: x - x**2 / 3, 2.0)],
)
def test_finds_the_pose_whatever_the_contrast(template: Template, contrast, allowed) -> None:
    truth = pose(6.0, 5.0, 1.05)
    level = template.head / np.percentile(template.head, 99)
    head = geometry.resampled(
        level, template.affine, level.shape, template.affine, np.linalg.inv(truth), order=3
    )
    head = contrast(np.clip(head, 0, 1.2))
    found = settle(template, head, template.affine, np.eye(4))
    assert error(found, truth, template) < allowed
    brain = (
        geometry.resampled(
            template.mask.astype(np.float32),
            template.affine,
            level.shape,
            template.affine,
            np.linalg.inv(truth),
        )
        > 0.5
    )
    found = settle(
        template, np.where(brain, head, 0), template.affine, found, BRAIN_LEVELS, brain=True
    )
    assert error(found, truth, template) < allowed


def test_two_starts_end_at_one_place(template: Template) -> None:
    noise = np.random.default_rng(3).standard_normal(template.head.shape)
    bumps = ndimage.gaussian_filter(noise, 2) * 10
    head = np.maximum(template.head * (1 + bumps / np.abs(bumps).max() / 2), 0)
    ends = [
        settle(template, head, template.affine, start)
        for start in (np.eye(4), pose(8.0, 8.0), pose(-8.0, -6.0, 0.9))
    ]
    for end in ends[1:]:
        assert error(end, ends[0], template) < 1.0  # they began 17 mm apart and more


def test_the_same_bytes_whatever_the_threads(template: Template) -> None:
    ends = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            ends.append(settle(template, template.head, template.affine, pose(6.0, 5.0)))
    assert ends[0].tobytes() == ends[1].tobytes()


def test_an_empty_head_is_a_fault(template: Template) -> None:
    with pytest.raises(ScanFault, match="signal"):
        settle(template, np.zeros_like(template.head), template.affine, np.eye(4))
