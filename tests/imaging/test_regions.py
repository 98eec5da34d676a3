"""The labels of the template, and volumes of regions."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging import regions
from brainage.imaging.template import Template


def test_labels_have_names_and_lie_in_the_brain(template: Template) -> None:
    found = regions.load()
    assert len(found.names) == len(set(found.names)) == 102
    index = np.linalg.inv(template.affine) @ np.vstack([found.places, np.ones(len(found.region))])
    inside = template.mask[tuple(np.round(index[:3]).astype(int))]
    assert inside.mean() > 0.97
    # Sides are right: x grows to the right.
    for name, sign in (("right_hippocampus", 1), ("left_hippocampus", -1)):
        own = found.region == found.names.index(name)
        assert np.sign(found.places[0, own].mean()) == sign
        assert 1000 < own.sum() * found.voxel < 8000  # mm³


def test_volumes_are_of_fluid_in_ventricles_and_of_grey_matter_elsewhere(
    template: Template,
) -> None:
    found = regions.load()
    half, none = np.full(template.head.shape, 0.5, np.float32), np.zeros(template.head.shape)
    grey = regions.volumes(half, none, template.affine, found)
    fluid = regions.volumes(none, half, template.affine, found)
    for name, own in zip(found.names, np.bincount(found.region), strict=True):
        here, there = (fluid, grey) if "ventricle" in name else (grey, fluid)
        assert here[name] == pytest.approx(0.5 * own * found.voxel, rel=1e-3)
        assert there[name] == 0


def test_only_the_template_of_the_package_has_labels() -> None:
    assert regions.are_known({"template": None}) and regions.are_known({})
    assert not regions.are_known({"template": "mine.nii"})
