"""Values of any size come to one scale, bit by bit where a power of two lies between them."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging.faults import ScanFault
from brainage.imaging.intensity import on_one_scale


def values() -> np.ndarray:
    found = np.random.default_rng(1).gamma(3.0, 100.0, (20, 21, 22))
    found[:5] = 0
    return found.astype(np.float32)


ORDINARY = on_one_scale(values())


def test_ordinary_values_stay_as_they_are() -> None:
    assert 512 <= np.percentile(values()[5:], 99) < 1024
    assert ORDINARY.dtype == np.float32 and np.array_equal(ORDINARY, values())
    whole = values().astype(np.int16)
    assert np.array_equal(on_one_scale(whole), whole)
    assert np.array_equal(on_one_scale(-whole), -whole)


@pytest.mark.parametrize("power", [-1060, -200, -100, -20, -1, 1, 20, 100, 200, 1000])
def test_a_power_of_two_changes_no_bit(power: int) -> None:
    stored = np.ldexp(values().astype(np.float64), power)
    expected = ORDINARY
    if power == -1060:  # digits are lost where numbers are as small as that
        np.testing.assert_allclose(on_one_scale(stored), expected, atol=0.1)
        return
    assert np.array_equal(on_one_scale(stored), expected)
    if abs(power) <= 100:
        assert np.array_equal(on_one_scale(stored.astype(np.float32)), expected)


@pytest.mark.parametrize("factor", [1e-45, 1e-10, 1e-8, 1e6, 1e19, 1e35, 1e36, 1e300])
def test_any_other_factor_moves_at_most_a_power_of_two(factor: float) -> None:
    found = on_one_scale(values().astype(np.float64) * factor)
    assert np.isfinite(found).all()
    ratio = found[ORDINARY > 0] / ORDINARY[ORDINARY > 0]
    assert ratio.min() >= 0.5 and ratio.max() < 2 and np.allclose(ratio, ratio[0], rtol=1e-6)


@pytest.mark.parametrize("spike", [1e5, 3.4e38, 1e39, 1e308, -3.4e38])
def test_spikes_are_clipped_and_move_nothing_else(spike: float) -> None:
    stored = values().astype(np.float64)
    stored[7, 8, 9] = spike
    found = on_one_scale(stored)
    assert 8000 < abs(found[7, 8, 9]) <= 2**14 and np.sign(found[7, 8, 9]) == np.sign(spike)
    found[7, 8, 9] = ORDINARY[7, 8, 9]
    assert np.array_equal(found, ORDINARY)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (np.full((3, 3), np.nan), "100 % of the voxels are not a number"),
        (np.array([1.0, np.inf, 2.0, 3.0]), "25 % of the voxels"),
        (np.zeros(9, np.uint8), "all voxels are zero"),
        (np.full(9, -7.0), r"the same value \(-7\)"),
        # Differences that float32 cannot hold.
        (2**60 + np.arange(9, dtype=np.int64), "the same value"),
        (1e300 + np.arange(9) * 1e285, "the same value"),
    ],
)
def test_values_without_a_picture(stored: np.ndarray, reason: str) -> None:
    with pytest.raises(ScanFault, match=reason):
        on_one_scale(stored)
