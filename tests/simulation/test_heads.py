"""The anatomy of simulated heads."""

import numpy as np
import pytest

from brainage.simulation import effects, heads, template

GRID = np.diag([3.0, 3.0, 3.0, 1.0])
GRID[:3, 3] = template.ORIGIN
SHAPE = (65, 77, 65)


@pytest.fixture(scope="module")
def atlas():
    return template.atlas(2.0)


@pytest.fixture(scope="module")
def labels():
    return template.template_volume("labels")


@pytest.fixture(scope="module")
def pairs(atlas):
    """Heads of some people at brain ages of 20 and 80."""
    return [
        [heads.make_head(atlas, 5, f"sub-{k}", "FM"[k % 2], age, 0.0) for age in (20.0, 80.0)]
        for k in range(10)
    ]


def volume(head, mask):
    return heads.carry_mask(head, mask, GRID, SHAPE).sum()


@pytest.mark.slow
def test_ventricles_two_to_three_times_as_large_at_80(atlas, labels, pairs):
    mask = np.isin(labels, [41, 92, 5, 56, 29, 80])
    young, old = np.mean([[volume(head, mask) for head in pair] for pair in pairs], axis=0)
    assert 2 < old / young < 3
    # And so on the image: fluid near where the ventricles are.
    fluid = []
    for pair in pairs[:5]:
        for head in pair:
            near = heads.carry_mask(head, mask, GRID, SHAPE) > 0.2
            image = heads.render(atlas, head, GRID, SHAPE).numpy()
            fluid.append(np.clip((66 - image) / (66 - template.FLUID), 0, 1)[near].sum())
    assert 1.9 < sum(fluid[1::2]) / sum(fluid[::2]) < 3.1


@pytest.mark.slow
def test_hippocampus_15_to_30_per_cent_smaller_at_80(labels, pairs):
    mask = np.isin(labels, [48, 99])
    young, old = np.mean([[volume(head, mask) for head in pair] for pair in pairs], axis=0)
    assert 0.70 < old / young < 0.85


@pytest.mark.slow
def test_disease_shrinks_the_hippocampus_beyond_age(atlas, labels):
    mask = np.isin(labels, [48, 99])
    ratios = []
    for k in range(3):
        well, ill = (
            volume(heads.make_head(atlas, 5, f"sub-{k}", "F", 75.0, x), mask) for x in (0.0, 1.0)
        )
        ratios.append(ill / well)
    planted = np.exp(effects.PARTS["hippocampus-left"].disease)
    assert np.mean(ratios) == pytest.approx(planted, abs=0.06)


@pytest.mark.slow
def test_sulci_widen_with_age(atlas, pairs):
    brain = template.template_volume("mask")
    cortex = template.template_volume("labels")
    parts = [p for r in effects.REGIONS if r.tissue == "cortex" for p in r.parts.values()]
    cortex = np.isin(cortex, [label for labels in parts for label in labels]) & (brain > 0.5)
    dark = []
    for pair in pairs[:4]:
        for head in pair:
            image = heads.render(atlas, head, GRID, SHAPE).numpy()
            dark.append((image[heads.carry_mask(head, cortex, GRID, SHAPE) > 0.5] < 50).mean())
    assert sum(dark[1::2]) > 1.3 * sum(dark[::2])


@pytest.mark.slow
def test_every_deformation_is_invertible(pairs):
    for pair in pairs:
        for head in pair:
            assert heads.jacobian(head).min() > 0


@pytest.mark.slow
def test_people_differ_and_a_person_stays(atlas):
    one = heads.make_head(atlas, 5, "sub-1", "F", 50.0, 0.0)
    again = heads.make_head(atlas, 5, "sub-1", "F", 50.0, 0.0)
    other = heads.make_head(atlas, 5, "sub-2", "F", 50.0, 0.0)
    later = heads.make_head(atlas, 5, "sub-1", "F", 51.0, 0.0)
    assert one.field.equal(again.field)
    assert float((one.field[:3] - later.field[:3]).abs().max()) < 0.5
    assert float((one.field[:3] - other.field[:3]).abs().max()) > 3


def test_mens_heads_are_larger():
    men, women = (
        np.mean([np.log(effects.head_size(5, f"sub-{k}", sex)).sum() for k in range(200)])
        for sex in "MF"
    )
    assert 0.08 < men - women < 0.14


def test_no_velocity_no_displacement():
    import torch

    still = heads.flow(torch.zeros(3, *template.FIELD_SHAPE))
    assert float(still.abs().max()) == 0


def test_flows_back_and_forth_cancel():
    import torch

    random = np.random.default_rng(0)
    velocity = torch.from_numpy((2 * heads._smooth_noise(random, 60.0, 3)).astype(np.float32))
    forth, back = heads.flow(velocity), heads.flow(-velocity)
    there = heads._field_points() + forth.permute(1, 2, 3, 0)
    left = (forth + heads.sample(back, there, template.FIELD_STEP))[:, 6:-6, 6:-6, 6:-6]
    assert float(left.abs().max()) < 0.15


def test_smooth_noise_has_unit_spread():
    random = np.random.default_rng(0)
    noise = heads._smooth_noise(random, 28.0, 40)
    assert noise.std() == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_outer_head_does_not_age(atlas, pairs):
    outside = template.template_volume("mask") < 0.5
    from scipy import ndimage

    far = ndimage.binary_erosion(outside, iterations=12)
    for young, old in pairs[:3]:
        mask = heads.carry_mask(young, far, GRID, SHAPE) > 0.99
        mask &= heads.carry_mask(old, far, GRID, SHAPE) > 0.99
        images = [heads.render(atlas, head, GRID, SHAPE).numpy()[mask] for head in (young, old)]
        assert np.abs(images[0] - images[1]).mean() < 1.0
