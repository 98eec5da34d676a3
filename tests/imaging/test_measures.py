"""Each measure moves the way its defect should move it."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging import measures
from brainage.imaging.template import Template
from brainage.imaging.tissue import find_tissues


@pytest.fixture
def head(template: Template) -> np.ndarray:
    padded = np.pad(template.head * (template.head > 12), 10)
    noise = np.random.default_rng(5).normal(0, 1.0, (2, *padded.shape))
    return np.hypot(padded + noise[0], noise[1]).astype(np.float32)


def frame(data: np.ndarray, template: Template) -> dict[str, float | None]:
    return measures.frame_measures(data, *measures.head_and_air(data, template.affine))


def test_head_and_air_lie_apart(head: np.ndarray, template: Template) -> None:
    inside, air = measures.head_and_air(head, template.affine)
    assert inside[10:-10, 10:-10, 10:-10][template.mask].all()
    assert not (inside & air).any()
    assert head[air].mean() < 3


def test_a_ghost_raises_what_ghosts_raise(head: np.ndarray, template: Template) -> None:
    ghost = head + 0.15 * np.roll(head, head.shape[1] // 2, axis=1)
    clean, bad = frame(head, template), frame(ghost, template)
    assert bad["efc"] > clean["efc"]
    assert bad["fber"] < clean["fber"]
    assert bad["air_level"] > 2 * clean["air_level"]
    assert bad["air_spread"] > 2 * clean["air_spread"]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ghosts_are_found_along_their_axis(head: np.ndarray, template: Template, axis: int) -> None:
    places = measures.head_and_air(head, template.affine)
    ghost = head + 0.05 * np.roll(head, head.shape[axis] // 2, axis=axis)
    clean, bad = (measures.ghost_measures(data, *places) for data in (head, ghost))
    name = measures.GHOSTS[axis]
    assert all(value == pytest.approx(0, abs=0.005) for value in clean.values())
    assert bad[name] > 0.01
    assert all(bad[other] < bad[name] / 3 for other in measures.GHOSTS if other != name)


def test_masked_air_gives_no_measure_of_air(head: np.ndarray, template: Template) -> None:
    inside, _ = measures.head_and_air(head, template.affine)
    found = frame(np.where(inside, head, 0), template)
    assert found["fber"] is None and found["air_spread"] is None
    masked = np.where(inside, head, 0)
    places = measures.head_and_air(masked, template.affine)
    assert set(measures.ghost_measures(masked, *places).values()) == {None}
    assert found["efc"] > 0


def test_noise_lowers_snr_and_cnr_and_raises_cjv(template: Template) -> None:
    random = np.random.default_rng(2)
    labels = template.priors.argmax(axis=0).astype(np.uint8) + 1
    labels[~template.mask] = 0
    clean = np.array([0.0, 40.0, 70.0, 100.0])[labels]
    little, much = (
        measures.tissue_measures(clean + random.normal(0, sd, clean.shape), labels, sd)
        for sd in (2.0, 8.0)
    )
    # Formulas of MRIQC by hand: 100 / 8, 30 / sqrt(3 * 64), 16 / 30.
    assert much["snr_wm"] == pytest.approx(100 / 8, rel=0.03)
    assert much["cnr"] == pytest.approx(30 / np.sqrt(3 * 64), rel=0.03)
    assert much["cjv"] == pytest.approx(16 / 30, rel=0.03)
    assert little["snr_total"] > much["snr_total"]
    assert little["tissue_contrast"] == pytest.approx(0.3, abs=0.01)


def test_fit_measures_of_the_template_itself(template: Template) -> None:
    found = find_tissues(template.head, template.mask, template.priors)
    world = np.diag([1.1, 1.1, 1.1, 1.0])
    result = measures.fit_measures(template, template.head, template.mask, found, world)
    assert result["template_correlation"] == pytest.approx(1)
    assert result["template_overlap"] == 1
    assert result["scale"] == pytest.approx(1.1)
    assert result["stretch"] == pytest.approx(1)
    assert result["rotation_degrees"] == pytest.approx(0, abs=1e-3)
    volume = template.mask.sum() * template.size**3 * 1.1**3 / 1000
    assert result["brain_volume_ml"] == pytest.approx(volume)


def test_a_mask_beside_the_brain_leaves_out_its_core(template: Template) -> None:
    found = find_tissues(template.head, template.mask, template.priors)
    shares = []
    for voxels in (0, 1, 3):
        mask = np.roll(template.mask, voxels, axis=0)
        fit = measures.fit_measures(template, template.head, mask, found, np.eye(4))
        shares.append(fit["core_in_mask"])
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
    found = measures.view_measures(data, affine, template.mask, affine, np.eye(4))
    wanted = 1.0 if how == "whole" else 1 - lost
    assert lost > 0.02
    assert found["brain_in_view"] == pytest.approx(wanted, abs=1e-6)
