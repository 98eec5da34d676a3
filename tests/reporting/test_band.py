"""The healthy range that a person is seen against."""

import numpy as np
import pandas as pd
import pytest

from brainage.reporting import band


def test_range_holds_its_share_of_new_people():
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(400):
        low, high = band.central_range(rng.normal(size=60))
        new = rng.normal(size=200)
        inside.append(((new >= low) & (new <= high)).mean())
    # Order statistics promise at least 0.9, and with 60 people at most 0.9 + 2 / 61.
    assert 0.9 - 0.01 < np.mean(inside) < 0.9 + 2 / 61 + 0.01


def test_too_few_values_give_no_range():
    assert band.central_range(np.arange(18.0)) is None
    assert band.central_range(np.arange(19.0)) == (0.0, 18.0)


def people(offsets):
    rng = np.random.default_rng(5)
    rows = []
    for site, offset in offsets.items():
        ages = rng.uniform(20, 80, 30)
        predicted = 0.8 * ages + 10 + offset + rng.normal(0, 1, 30)
        rows.append(pd.DataFrame({"site": site, "age": ages, "predicted_age": predicted}))
    return pd.concat(rows, ignore_index=True)


def test_sites_that_differ_widen_the_range_for_other_sites():
    same = band.left_out_residuals(people({"a": 0, "b": 0, "c": 0}))
    apart = band.left_out_residuals(people({"a": -4, "b": 0, "c": 4}))
    assert len(same) == len(apart) == 90
    assert apart.std() > 2.5 * same.std()


def test_two_sites_are_too_few_for_the_wider_range():
    assert len(band.left_out_residuals(people({"a": 0, "b": 0}))) == 0


def test_share_below_tells_no_extreme_percentile_of_few_people():
    values = np.arange(60.0)
    assert band.share_below(30.5, values)[0] == 52
    assert band.share_below(1000.0, values)[0] == 90
    assert band.share_below(-1000.0, values)[0] == 10
    assert band.share_below(1000.0, np.arange(200.0))[0] == 100
    low, high = band.share_below(30.5, values)[1:]
    assert low == pytest.approx(39, abs=1) and high == pytest.approx(64, abs=1)
