"""Numbers and names in words."""

import pytest

from brainage.reporting import words


@pytest.mark.parametrize(
    ("value", "digits", "sign", "text"),
    [
        (4.249, 1, False, "4.2"),
        (-0.04, 1, False, "0.0"),
        (-0.04, 1, True, "0.0"),
        (-3.14159, 2, False, "−3.14"),
        (2.0, 1, True, "+2.0"),
        (float("nan"), 1, False, "–"),
        (None, 1, False, "–"),
    ],
)
def test_number(value, digits, sign, text):
    assert words.number(value, digits, sign) == text


def test_estimate_leaves_out_an_interval_that_is_not_known():
    row = {"estimate": 3.0, "low": 2.0, "high": 4.04}
    assert words.estimate(row, unit="years") == "3.0 years [2.0 to 4.0]"
    assert words.estimate({**row, "low": None}, unit="years") == "3.0 years"


def test_p_value():
    assert words.p_value(0.00001) == "< 0.001"
    assert words.p_value(0.0123) == "0.012"
    assert words.p_value(0.4567) == "0.46"


def test_experiments_are_called_by_their_loss():
    own = {"a": {"loss": "exp"}, "b": {"loss": "l1"}, "c": {"loss": "exp"}}
    names = words.experiment_names({"experiments": own})
    assert names["b"] == "supervised L1"
    assert names["a"] == "L^exp (a)" and names["c"] == "L^exp (c)"
    assert names["ridge_voxels"] == "ridge on voxels"


def test_exponent_is_raised_and_all_else_escaped():
    assert words.with_exponent("L^exp <b>") == "L<sup>exp</sup> &lt;b&gt;"


def test_wilson_agrees_with_published_values():
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    assert words.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert words.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_reasons_of_one_kind_are_one():
    one = "the same image as demo_sub-T0006_ses-1, of another person: it is not known whose it is"
    assert words.brief_reason(one) == "the same image as another scan, of another person"
    ghosts = "ghosts in the air: motion (air_spread 0.27, median at site a 0.04, 7.4 robust SD)"
    assert words.brief_reason(ghosts) == "ghosts in the air"
    cut = "the file is cut short or damaged (Compressed file ended); another"
    assert words.brief_reason(cut) == "the file is cut short or damaged"
