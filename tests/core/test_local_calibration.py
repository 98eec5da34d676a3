"""Local calibration: its intervals hold as many new people as they say, whatever the offset."""

import numpy as np
import pytest
from other_scanners import held

from brainage.core.files import InputError
from brainage.core.local_calibration import REFERENCE_FREEDOM, calibrate_locally

SITES = 1500  # the SE of a coverage of 95 % is 0.56 %


def coverage(n: int, *args, **details) -> float:
    return held(SITES, n, *args, **details)[0]


@pytest.mark.parametrize("offset", [0.0, 18.0])
@pytest.mark.parametrize(
    ("n", "expected"), [(1, 0.979), (3, 0.971), (5, 0.963), (12, 0.957), (30, 0.952)]
)
def test_the_interval_holds_new_people(n, expected, offset):
    assert coverage(n, offset) == pytest.approx(expected, abs=0.016)


@pytest.mark.parametrize(("n", "ratio", "low", "high"), [(12, 1.5, 0.90, 0.94), (5, 0.75, 0.98, 1)])
def test_another_spread_than_that_of_the_reference(n, ratio, low, high):
    assert low <= coverage(n, ratio=ratio) <= high


def test_the_mean_of_a_group_carries_the_error_of_the_offset():
    assert coverage(12, 18.0, people=20) == pytest.approx(0.955, abs=0.02)


@pytest.mark.parametrize("n", [0, 1, 3, 12])
def test_shrinkage_holds_where_sites_are_as_stated(n):
    assert 0.94 <= coverage(n, offset=(3.0,), between=3.0) <= 0.99


def test_shrinkage_fails_where_the_offset_is_unlike_what_was_stated():
    """The reason why it is not the default."""
    assert coverage(3, 18.0, between=3.0) < 0.82


def test_offset_error_and_freedom():
    local = calibrate_locally([3.0, 5.0, 7.0], 2.0)
    assert (local.n, local.offset, local.freedom) == (3, 5.0, REFERENCE_FREEDOM + 2)
    assert local.sd == pytest.approx(2.0)
    assert local.standard_error == pytest.approx(2 / np.sqrt(3))
    assert local.error() == pytest.approx(2 * np.sqrt(1 + 1 / 3))
    assert local.error(10**9) == pytest.approx(local.standard_error)
    low, high = local.interval()
    assert (low + high) / 2 == pytest.approx(5.0)
    assert high - low == pytest.approx(2 * 2.228139 * local.error())  # t with 10 degrees


def test_shrinkage_by_hand():
    local = calibrate_locally([4.0], 2.0, between_site_sd=2.0)
    assert local.offset == pytest.approx(2.0)
    assert local.standard_error == pytest.approx(np.sqrt(2.0))
    nobody = calibrate_locally([], 2.0, between_site_sd=3.0)
    assert (nobody.offset, nobody.standard_error, nobody.n) == (0.0, pytest.approx(3.0), 0)


@pytest.mark.parametrize(
    ("gaps", "sd", "between", "words"),
    [
        ([], 2.0, None, "no healthy person of the site"),
        ([1.0, np.nan], 2.0, None, "not finite"),
        ([1.0], 0.0, None, "the reference's SD is 0.0"),
        ([1.0], float("nan"), None, "the reference's SD is nan"),
        ([1.0], 2.0, 0.0, "the SD between sites is 0.0"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(gaps, sd, between, words):
    with pytest.raises(InputError, match=words):
        calibrate_locally(gaps, sd, between)
