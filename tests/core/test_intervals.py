"""Intervals: coverage of the bootstrap, and t by hand."""

import numpy as np
import pytest

from brainage.core.intervals import bootstrap_interval, percentile_interval, t_interval

SETTINGS = {"bootstrap": 200, "seed": 2025}


def interval(values: np.ndarray) -> tuple[float | None, float | None]:
    return bootstrap_interval(lambda drawn: values[drawn].mean(-1), len(values), SETTINGS)


def test_bootstrap_covers_at_its_rate():
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(200):
        low, high = interval(rng.exponential(size=60))
        inside += low <= 1 <= high
    assert 0.87 <= inside / 200 <= 0.99


def test_resamples_follow_from_the_seed_and_the_number_of_people():
    values = np.random.default_rng(1).normal(size=30)
    assert interval(values) == interval(values)
    low, high = interval(values + 5)
    assert (low - 5, high - 5) == pytest.approx(interval(values))


def test_resamples_without_a_value_are_left_out():
    assert percentile_interval(np.full(9, np.nan)) == (None, None)
    assert percentile_interval(np.array([np.nan, 2.0, 2.0])) == (2.0, 2.0)


def test_t_by_hand():
    found = t_interval(3.0, 1.5, 10)
    # The 97.5th percentile of t with 10 degrees of freedom is 2.228139.
    assert found["high"] - 3 == pytest.approx(2.228139 * 1.5, rel=1e-6)
    assert found["p"] == pytest.approx(0.073388, abs=1e-6)
    assert np.isnan(t_interval(3.0, 0.0, 10)["p"])
