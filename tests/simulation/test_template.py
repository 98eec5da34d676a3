"""The template made ready."""

import numpy as np
import pytest

from brainage.simulation import effects, template

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def atlas():
    return template.atlas(2.0)


def test_parts_are_where_anatomy_has_them():
    numbers, names = template.part_numbers(template.template_volume("labels"))
    centre = {
        name: np.argwhere(numbers == number).mean(axis=0) + template.ORIGIN
        for number, name in enumerate(names, start=1)
    }
    assert set(centre) == set(effects.PARTS)
    for name, (x, _, _) in centre.items():
        # World coordinates grow to the right.
        if name.endswith("-right"):
            assert x > 0, name
        if name.endswith("-left"):
            assert x < 0, name
    assert centre["lateral ventricle, front-left"][1] > centre["lateral ventricle, back-left"][1]
    assert abs(centre["third ventricle"][0]) < 2


def test_sulcal_weights_sum_to_one(atlas):
    assert np.allclose(atlas.sulci.sum(dim=0).numpy(), 1, atol=1e-4)


def test_mixed_flows_change_one_region_and_no_other(atlas):
    """The mean divergence in each region is what the mixing matrix promises."""
    shares = template._shares(
        template.template_volume("labels"), template.template_volume("mask") > 0.5
    )
    weights = np.stack([shares[name] for name in atlas.flow_names])
    weights /= weights.sum(axis=(1, 2, 3), keepdims=True)
    for name in ("hippocampus-left", "lateral ventricle, front-right"):
        wanted = np.array([float(other == name) for other in atlas.flow_names])
        flow = np.tensordot(atlas.mixing @ wanted, atlas.flows.numpy(), axes=1)
        divergence = sum(np.gradient(flow[k], template.FIELD_STEP, axis=k) for k in range(3))
        found = (weights * divergence).sum(axis=(1, 2, 3))
        at = atlas.flow_names.index(name)
        # Central differences on the coarse grid flatten what the spectral solution has.
        assert found[at] == pytest.approx(1, abs=0.45)
        assert np.abs(np.delete(found, at)).max() < 0.35 * found[at]


def test_widening_only_darkens_cortex_and_leaves_the_scalp(atlas):
    t1, distance, gain, outside = atlas.channels.numpy()
    assert gain.max() <= 1e-3
    assert np.abs(gain[outside > 0.9]).max() < 1
    assert (t1[(distance < -1) & (gain < -25)] < template.CORTEX).mean() > 0.95
