"""A head that almost lies on the template is put there, from wherever it starts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from threadpoolctl import threadpool_limits

from brainage.imaging import geometry
from brainage.imaging.faults import ScanFault
from brainage.imaging.refine import BRAIN_ONLY, refine_affine
from brainage.imaging.template import Template
from tests.imaging.conftest import pose


def error(found: np.ndarray, truth: np.ndarray, template: Template) -> float:
    points = np.argwhere(template.mask)
    points = template.affine @ np.column_stack([points, np.ones(len(points))]).T
    return float(np.linalg.norm(((found - truth) @ points)[:3], axis=0).max())


# Voxels are 4 mm: a quarter of one, and half of one where the contrast is another too.
@pytest.mark.parametrize(
    "contrast, allowed",
    [(lambda x: 37 * x, 1.0), (lambda x: x**0.5, 2.0), (lambda x: x - x**2 / 3, 2.0)],
)
def test_finds_the_pose_whatever_the_contrast(template: Template, contrast, allowed) -> None:
    truth = pose((6, -3, 2), (5, -2.5, 5)) @ np.diag([1.05, 1, 1, 1])
    there = (template.head.shape, template.affine, np.linalg.inv(truth))
    level = template.head / np.percentile(template.head, 99)
    head = contrast(np.clip(geometry.resampled(level, template.affine, *there, order=3), 0, 1.2))
    found = refine_affine(template, head, template.affine, np.eye(4))
    assert error(found, truth, template) < allowed
    brain = geometry.resampled(template.mask.astype(np.float32), template.affine, *there) > 0.5
    found = refine_affine(template, np.where(brain, head, 0), template.affine, found, BRAIN_ONLY)
    assert error(found, truth, template) < allowed


@pytest.mark.slow
def test_two_starts_end_at_one_place(template: Template) -> None:
    noise = np.random.default_rng(3).standard_normal(template.head.shape)
    bumps = ndimage.gaussian_filter(noise, 2) * 10
    head = np.maximum(template.head * (1 + bumps / np.abs(bumps).max() / 2), 0)
    ends = [
        refine_affine(template, head, template.affine, start)
        for start in (
            np.eye(4),
            pose((8, -4, 2.7), (8, -4, 8)),
            pose((-8, 4, -2.7), (-6, 3, -6)) @ np.diag([0.9, 1, 1, 1]),
        )
    ]
    for end in ends[1:]:
        assert error(end, ends[0], template) < 1.0  # they began 17 mm apart and more


def test_the_same_bytes_whatever_the_threads(template: Template) -> None:
    start, ends = pose((6, -3, 2), (5, -2.5, 5)), []
    for threads in (1, 2):
        with threadpool_limits(threads):
            ends.append(refine_affine(template, template.head, template.affine, start))
    assert ends[0].tobytes() == ends[1].tobytes()


def test_an_empty_head_is_a_fault(template: Template) -> None:
    with pytest.raises(ScanFault, match="signal"):
        refine_affine(template, np.zeros_like(template.head), template.affine, np.eye(4))
