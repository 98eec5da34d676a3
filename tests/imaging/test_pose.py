"""Finding how a head lies."""

import numpy as np
import pytest

from brainage.imaging.pose import best_pose
from tests.imaging.conftest import pose

pytestmark = pytest.mark.slow  # each search takes seconds


@pytest.mark.parametrize(
    ("degrees", "shift"),
    [((0, 0, 0), (0, 0, 0)), ((40, 0, 0), (30, 40, 0)), ((-25, 25, 20), (0, 0, 60))],
)
def test_the_best_pose_is_found_from_any_pose(template, degrees, shift):
    moved = pose(degrees, shift)
    found = best_pose((template.head, template.affine, template.head, moved @ template.affine))
    points = np.argwhere(template.mask)[::200]
    points = template.affine @ np.column_stack([points, np.ones(len(points))]).T
    error = np.linalg.norm((found @ points - moved @ points)[:3], axis=0)
    assert error.max() < 12  # mm: near enough for the affine to go on from


def test_neck_and_shoulders_do_not_pull_the_pose(template):
    size = template.size
    below = np.zeros((*template.head.shape[:2], 30), dtype=np.float32)
    below[5:-5, 10:-10] = np.percentile(template.head, 90)  # shoulders as wide as the view
    tall = np.concatenate([below, template.head], axis=2)
    affine = template.affine.copy()
    affine[2, 3] -= 30 * size
    found = best_pose((template.head, template.affine, tall, affine))
    assert np.abs(found - np.eye(4))[:3, 3].max() < 12
