"""Ghosts are found along their axis, and along no other."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging.measures._air import head_and_air
from brainage.imaging.measures.ghosting import CHOICES, all_of_scan, ghosts
from brainage.imaging.template import Template
from tests.imaging.conftest import head_of, registered

NAMES = ("ghosting_left_right", "ghosting_front_back", "ghosting_up_down")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ghosts_are_found_along_their_axis(head: np.ndarray, template: Template, axis: int) -> None:
    places = head_and_air(head, template.affine)
    ghost = head + 0.05 * np.roll(head, head.shape[axis] // 2, axis=axis)
    clean, bad = (ghosts(data, *places) for data in (head, ghost))
    assert clean == pytest.approx([0, 0, 0], abs=0.005)
    assert bad[axis] > 0.01
    assert all(bad[other] < bad[axis] / 3 for other in range(3) if other != axis)


def test_each_name_means_its_axis(head: np.ndarray, template: Template) -> None:
    corner = np.eye(4)
    corner[:3, 3] = -10
    scan = registered(template, head=head_of(head, template.affine @ corner))
    assert [CHOICES[name].of_scan(scan) for name in NAMES] == scan.once(all_of_scan)


def test_masked_air_has_no_ghosts(head: np.ndarray, template: Template) -> None:
    masked = np.where(head_and_air(head, template.affine)[0], head, 0)
    assert ghosts(masked, *head_and_air(masked, template.affine)) == [None] * 3
