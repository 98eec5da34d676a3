"""The labels of the template, and volumes of regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.imaging import QC
from brainage.core.contracts.imaging import REGIONS as TABLE
from brainage.core.derivatives import REGIONS, derivative
from brainage.core.files import InputError
from brainage.core.tables import read_table, write_table
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


def test_all_scans_come_into_one_table(tmp_path: Path) -> None:
    for person, volume in (("A", 10.5), ("B", 20.0)):
        path = derivative(tmp_path, f"demo_sub-{person}", REGIONS)
        path.parent.mkdir(parents=True)
        path.write_text(f"region\tvolume_mm3\nleft_cuneus\t{volume}\nright_cuneus\t1.0\n")
    scan_ids = ["demo_sub-B", "demo_sub-A", "demo_sub-C"]
    qc = pd.DataFrame({"scan_id": scan_ids, "verdict": "pass", "reason": None})
    qc["fault"] = [None, None, "cut short"]
    write_table(qc, tmp_path / "qc.tsv", QC)
    regions.gather(tmp_path / "qc.tsv", tmp_path, tmp_path / "regions.tsv")
    table = read_table(tmp_path / "regions.tsv", TABLE)
    assert table["scan_id"].tolist() == ["demo_sub-A", "demo_sub-B"]
    assert table["left_cuneus"].tolist() == [10.5, 20.0]
    derivative(tmp_path, "demo_sub-B", REGIONS).unlink()
    with pytest.raises(InputError, match="regional volumes of demo_sub-B are missing"):
        regions.gather(tmp_path / "qc.tsv", tmp_path, tmp_path / "regions.tsv")
