import numpy as np
import pytest
import torch

from brainage.core.config import defaults
from brainage.learning import augment
from tests.learning.toys import brain

DEFAULTS = defaults("learning")["augmentation"]
OFF = {key: 0.0 for key in DEFAULTS} | {"probability": 1.0}


def volumes(count=3):
    return torch.from_numpy(np.stack([brain(30 + 10 * i, i) for i in range(count)]))[:, None]


def view(settings, keys=((1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 2, 0))):
    return augment.augment(volumes(len(keys)), keys, {**OFF, **settings}, 12.0)


def test_all_off_changes_nothing():
    assert torch.allclose(view({}), volumes())


def test_scale_is_the_same_for_all():
    stored = torch.tensor([[191], [255]], dtype=torch.uint8)
    assert augment.to_float(stored).flatten().tolist() == pytest.approx([1.0, 4 / 3], rel=2e-3)


def test_some_of_the_stored_brains_are_scaled_like_all():
    stored = torch.randint(0, 256, (4, 1, 3, 4, 5), dtype=torch.uint8)
    rows = torch.tensor([3, 0, 3])
    assert torch.equal(augment.float_at(stored, rows), augment.to_float(stored[rows]))


@pytest.mark.parametrize(
    "settings",
    [
        {"rotation": 20.0}, {"scaling": 0.2}, {"shear": 0.2}, {"shift": 20.0}, {"blur": 12.0},
        {"noise": 0.2}, {"bias_field": 0.5}, {"gamma": 0.5}, {"cutout": 0.5}, {"crop": 0.5},
    ],
)  # fmt: skip
def test_each_change_changes_and_stays_finite(settings):
    changed = view(settings)
    assert torch.isfinite(changed).all()
    assert (changed - view({})).abs().mean() > 1e-3
    assert changed.shape == volumes().shape


def test_a_view_hangs_on_its_key_alone():
    keys = ((1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 2, 0))
    together = augment.augment(volumes(), keys, DEFAULTS, 12.0)
    alone = augment.augment(volumes()[1:2], keys[1:2], DEFAULTS, 12.0)
    assert torch.allclose(together[1:2], alone, atol=1e-6)
    for other in ((2, 1, 1, 0), (1, 2, 1, 0), (1, 1, 1, 1)):
        different = augment.augment(volumes()[1:2], [other], DEFAULTS, 12.0)
        assert (different - alone).abs().mean() > 1e-3


def test_nothing_comes_from_global_state():
    torch.manual_seed(1)
    first = view(DEFAULTS)
    torch.manual_seed(2)
    assert torch.equal(first, view(DEFAULTS))


def test_flip_swaps_left_and_right():
    x = torch.rand(1, 1, 5, 6, 7) + 0.5
    flipped = augment.augment(x, [(0,)], {**OFF, "flip": 1.0}, 4.0)
    assert torch.allclose(flipped, x.flip(2), atol=1e-4)


def test_shift_is_in_millimetres():
    x = torch.zeros(1, 1, 21, 21, 21)
    x[..., 10, 10, 10] = 1
    for seed in range(20):
        moved = augment.augment(x, [(seed,)], {**OFF, "shift": 8.0}, 4.0)
        where = torch.stack(torch.nonzero(moved[0, 0] > 0, as_tuple=True)).float()
        assert ((where - 10).abs() <= 3).all()


def test_blur_keeps_a_flat_inside():
    flat = torch.ones(1, 1, 15, 15, 15)
    blurred = augment.augment(flat, [(3,)], {**OFF, "blur": 4.0}, 4.0)
    inside = blurred[..., 5:10, 5:10, 5:10]
    assert torch.allclose(inside, inside.mean().expand_as(inside), rtol=1e-4)


CHANNELS = ("brain", "grey_matter")
KEYS = ((1, 1, 0, 0), (1, 1, 1, 0))


def test_channels_are_moved_and_cut_alike():
    both = volumes(2).repeat(1, 2, 1, 1, 1)
    moves = ("rotation", "scaling", "shear", "shift", "cutout", "crop")
    settings = {**OFF, **{key: DEFAULTS[key] for key in moves}, "cutout": 0.5, "crop": 0.3}
    views = augment.augment(both, KEYS, settings, 12.0, CHANNELS)
    # But for the faint rim that is taken off brains.
    assert torch.allclose(views[:, 0], views[:, 1], atol=0.021)
    assert not torch.allclose(views, both)
    alone = augment.augment(volumes(2), KEYS, settings, 12.0)
    assert torch.allclose(views[:, :1], alone, atol=1e-6)


def test_only_the_brain_changes_its_intensities():
    both = volumes(2).repeat(1, 2, 1, 1, 1)
    settings = {**OFF, "blur": 12.0, "noise": 0.2, "bias_field": 0.5, "gamma": 0.5}
    views = augment.augment(both, KEYS, settings, 12.0, CHANNELS)
    assert torch.equal(views[:, 1], both[:, 1])
    assert torch.equal(views[:, :1], augment.augment(volumes(2), KEYS, settings, 12.0))
    only = augment.augment(volumes(2), KEYS, settings, 12.0, ("grey_matter",))
    assert torch.equal(only, volumes(2))


def test_each_channel_has_its_scale():
    stored = torch.full((1, 2, 1, 1, 1), 100, dtype=torch.uint8)
    found = augment.to_float(stored, CHANNELS).flatten().tolist()
    assert found == pytest.approx([100 / 191.25, 1.0])
