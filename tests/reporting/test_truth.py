"""What the simulation planted beside what came back."""

import numpy as np
import pytest

from brainage.core.contracts.cohort import SCANS, TRUTH
from brainage.core.contracts.reporting import TRUTH_RECOVERY
from brainage.core.contracts.statistics import GAPS, GROUPS
from brainage.core.tables import read_table
from brainage.reporting import truth
from tests.reporting.conftest import empty


@pytest.fixture
def table(study, settings, tmp_path):
    truth.write_truth_table(study, tmp_path / "truth_recovery.tsv", settings)
    return read_table(tmp_path / "truth_recovery.tsv", TRUTH_RECOVERY)


def line(table, quantity, group, reference=None):
    rows = table[(table["quantity"] == quantity) & (table["group"] == group)]
    rows = rows[rows["reference"].isna() if reference is None else rows["reference"] == reference]
    assert len(rows) == 1
    return rows.iloc[0]


def test_planted_values_stand_beside_the_estimates(table, study):
    groups = read_table(study["groups"], GROUPS)
    own = groups[(groups["experiment"] == "lexp") & (groups["quantity"] == "difference")]
    expected = own[(own["group"] == "AD") & (own["reference"] == "CN")].iloc[0]
    found = line(table, "group_difference", "AD", "CN")
    assert found["planted"] == 5
    assert found["estimate"] == pytest.approx(expected["estimate"])
    contains = expected["low"] <= 5 <= expected["high"]
    assert found["contains_planted"] == ("yes" if contains else "no")
    assert line(table, "slope_contrast", "MCI", "CN")["planted"] == 0.5
    assert line(table, "group_mean", "CN")["planted"] == 0


def test_error_is_measured_against_the_true_brain_age(table, study):
    gaps = read_table(study["gaps"], GAPS)
    known = read_table(study["truth"], TRUTH)
    rows = gaps[(gaps["experiment"] == "lexp") & (gaps["role"] == "test")]
    rows = rows[rows["site"].isin(["demo/E1", "demo/E2"]) & (rows["session_id"] == "ses-1")]
    both = rows.merge(known, on=["dataset", "participant_id", "session_id"])
    expected = (both["predicted_age"] - both["true_brain_age"]).abs().mean()
    found = line(table, "mae_of_true_brain_age", "external_sites")
    assert found["estimate"] == pytest.approx(expected)
    assert found["low"] < found["estimate"] < found["high"]
    assert found["n"] == len(both)


def test_floor_is_what_the_true_brain_age_leaves_of_age(table):
    floor = line(table, "mae_of_true_brain_age_regression", "all")["estimate"]
    # Gaps of healthy people have an SD of 3 years: their mean size is 3 * sqrt(2 / pi) = 2.4.
    assert 1.4 < floor < 3.4


def test_external_sites_are_apart_from_the_clinical_controls(table, study):
    scans = read_table(study["scans"], SCANS)
    people = scans[scans["site"].isin(["demo/E1", "demo/E2"])]
    constant = line(table, "mae_of_constant", "external_sites")
    assert constant["n"] == len(people)
    ages = people["age"]
    assert constant["estimate"] == pytest.approx((ages - ages.median()).abs().mean())
    assert line(table, "mae_of_ridge", "external_sites")["n"] == len(people)
    assert line(table, "mae_of_true_brain_age", "all")["n"] > len(people)


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.0, 0.05), (1.959964, 0.5), (2.801585, 0.8), (-2.801585, 0.8)]
)
def test_power(shift, expected):
    assert truth.power(shift, 1.0) == pytest.approx(expected, abs=1e-4)


def test_power_agrees_with_simulation():
    draws = np.random.default_rng(1).normal(0.5, 0.25, 200_000)
    share = np.mean(np.abs(draws) > truth.CRITICAL * 0.25)
    assert truth.power(0.5, 0.25) == pytest.approx(share, abs=0.005)


@pytest.mark.slow
def test_a_difference_given_the_other_way_round_is_turned(edited, settings, tmp_path):
    def turn(frame):
        rows = frame["reference"].notna()
        numbers = frame.loc[rows, ["estimate", "low", "high"]]
        frame.loc[rows, ["estimate", "high", "low"]] = -numbers.to_numpy()
        names = frame.loc[rows, ["group", "reference"]].to_numpy()
        frame.loc[rows, ["reference", "group"]] = names
        return frame

    for name, inputs in (("a", edited()), ("b", edited(groups=turn, slopes=turn))):
        truth.write_truth_table(inputs, tmp_path / f"{name}.out", settings)
    columns = ["planted", "estimate", "low", "high", "power"]
    one, two = (read_table(tmp_path / f"{name}.out", TRUTH_RECOVERY)[columns] for name in "ab")
    np.testing.assert_allclose(one, two)


def test_without_truth_there_are_no_rows(edited, settings, tmp_path):
    for inputs in (edited(truth=empty), {**edited(), "truth": None}):
        truth.write_truth_table(inputs, tmp_path / "out.tsv", settings)
        assert read_table(tmp_path / "out.tsv", TRUTH_RECOVERY).empty
