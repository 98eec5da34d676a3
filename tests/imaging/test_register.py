"""A head ends at one place however it lay, and where its brain cannot be cut out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainage.imaging import register
from brainage.imaging.reading import read
from brainage.imaging.refine import BRAIN_INTERIOR, BRAIN_ONLY, WHOLE_HEAD, refine_affine
from brainage.imaging.register import register_head
from brainage.imaging.template import Template
from tests.imaging.conftest import pose, write_head

POSES = [((0, 0, 0), (0, 0, 0)), ((12, -6, 9), (14, -11, 8)), ((-40, 0, 0), (0, 30, -40))]


def registered(
    folder: Path, template: Template, settings: dict[str, Any], moved: np.ndarray
) -> np.ndarray:
    """4 x 4 map from template points to those of its own head, as if it had not been moved."""
    head = read(write_head(folder / "head.nii.gz", template, 1, moved))
    found = register_head(head, template, settings, folder)
    return np.linalg.inv(moved) @ found.template_to_head


def distance(one: np.ndarray, other: np.ndarray, template: Template) -> float:
    """Largest distance over the brain, in mm."""
    points = np.argwhere(template.mask)
    points = template.affine @ np.column_stack([points, np.ones(len(points))]).T
    return float(np.linalg.norm(((one - other) @ points)[:3], axis=0).max())


@pytest.mark.slow
def test_a_head_ends_at_one_place_however_it_lay(
    template: Template, settings: dict[str, Any], tmp_path: Path
) -> None:
    ends = [
        registered(tmp_path / str(number), template, settings, pose(*how))
        for number, how in enumerate(POSES)
    ]
    assert distance(ends[0], np.eye(4), template) < 1.0  # a quarter of a voxel
    for end in ends[1:]:
        assert distance(end, ends[0], template) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [{"brain"}, {"brain", "inside"}, {"brain", "inside", "head"}])
def test_what_makes_a_head_less_like_the_template_is_not_taken(
    template: Template,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: set[str],
) -> None:
    names = {BRAIN_ONLY: "brain", BRAIN_INTERIOR: "inside", WHOLE_HEAD: "head"}

    def refined(at, moving, affine, start, part=WHOLE_HEAD):
        if names[part] in wrong:
            return start @ pose((0, 0, 0), (20, 20, 20))
        return refine_affine(at, moving, affine, start, part)

    monkeypatch.setattr(register, "refine_affine", refined)
    end = registered(tmp_path, template, settings, pose((0, 0, 0), (0, 0, 0)))
    # Two voxels: as near as ANTs' affine alone comes. What must not be taken is 35 mm off.
    assert distance(end, np.eye(4), template) < 8.0
