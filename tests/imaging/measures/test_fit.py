"""Measures of mask and registration move the way their defect should move them."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging.measure import of_scans
from brainage.imaging.measures import brain_in_view, core_in_mask
from brainage.imaging.template import Template
from tests.imaging.conftest import head_of, registered

NAMES = ("template_correlation", "template_overlap", "scale", "stretch", "rotation_degrees")


def test_the_template_itself_fits(template: Template) -> None:
    larger = np.diag([1.1, 1.1, 1.1, 1.0])
    # The head is a tenth larger in its header.
    scan = registered(template, larger, head=head_of(template.head, larger @ template.affine))
    measures = of_scans("affine")
    found = {name: measures[name].taken(scan) for name in (*NAMES, "brain_volume_ml")}
    assert found["template_correlation"] > 0.95  # on the intensity scale of brains
    assert found["template_overlap"] == 1
    assert found["scale"] == pytest.approx(1.1)
    assert found["stretch"] == pytest.approx(1)
    assert found["rotation_degrees"] == pytest.approx(0, abs=1e-3)
    volume = template.mask.sum() * template.size**3 * 1.1**3 / 1000
    assert found["brain_volume_ml"] == pytest.approx(volume)
    shares = [measures[f"icvs_{name}"].taken(scan) for name in ("csf", "gm", "wm")]
    assert sum(shares) == pytest.approx(1) and min(shares) > 0.05


def test_a_mask_beside_the_brain_leaves_out_its_core(template: Template) -> None:
    shares = [
        core_in_mask.of_scan(registered(template, mask=np.roll(template.mask, voxels, axis=0)))
        for voxels in (0, 1, 3)
    ]
    assert shares[0] == 1
    assert shares[2] < shares[1] <= 1
    assert shares[2] < 0.95


@pytest.mark.parametrize("how", ["whole", "cut", "empty slices"])
def test_what_is_cut_off_or_empty_is_not_in_view(template: Template, how: str) -> None:
    data, affine = template.head + 1, template.affine
    planes = np.flatnonzero(template.mask.any(axis=(0, 1)))
    top = planes[-1] - 5
    lost = template.mask[:, :, top + 1 :].sum() / template.mask.sum()
    if how == "cut":
        data = data[:, :, : top + 1]
    if how == "empty slices":
        data = data.copy()
        data[:, :, top + 1 :] = 0
    found = brain_in_view.of_scan(registered(template, head=head_of(data, affine)))
    wanted = 1.0 if how == "whole" else 1 - lost
    assert lost > 0.02
    assert found == pytest.approx(wanted, abs=1e-6)
