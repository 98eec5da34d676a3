"""The arithmetic of benchmarks/sensitivity.py, on ages without images."""

import numpy as np
import pandas as pd
import pytest
import years_moved
from markdown_table import markdown

NOISE = years_moved.cells(["noise"], ["weak", "realistic"])
PEOPLE = ["a", "b", "c", "d"]


def scans(weak: list[float], realistic: list[float]) -> pd.DataFrame:
    """Four people of 50 years by the probe; of the last one the weakly noisy head is set aside."""
    ages = [50.0] * 4 + weak + [np.nan] + realistic
    frame = pd.DataFrame(
        {
            "of": PEOPLE * 3,
            "cell": ["unchanged"] * 4 + ["noise-1"] * 4 + ["noise-2"] * 4,
            "fault": [None] * 7 + ["no brain was found"] + [None] * 4,
        }
    )
    features = np.tile([3.0, 4.0], (12, 1))
    features[7] = np.nan
    features[8:] = [[4, -3], [6, 8], [3, 4], [3, 4]]
    order = [8, 0, 5, 1, 10, 2, 7, 3, 4, 6, 9, 11]  # of no importance
    return years_moved.against_unchanged(
        frame.iloc[order].reset_index(drop=True), features[order], np.array(ages)[order]
    )


def test_years_are_counted_against_each_persons_own_unchanged_head():
    table = years_moved.summary(scans([51, 52, 53], [50.5, 48, 50, 49.5]), NOISE)
    weak, realistic = (row for _, row in table.iterrows())
    assert (weak["n"], weak["set_aside"], weak["grade"], weak["strength"]) == (3, 1, "weak", 0.02)
    assert (weak["mean_years"], weak["sd_years"]) == (2, 1)
    # Half of the interval is t(0.975, 2) = 4.3027 standard errors.
    assert np.allclose(
        [weak["mean_low"], weak["mean_high"]], 2 + 4.302653 / 3**0.5 * np.array([-1, 1])
    )
    assert np.isclose(weak["share_beyond_1_year"], 2 / 3)  # just one year is not beyond it
    assert weak["cosine_distance"] == 0
    assert (realistic["n"], realistic["set_aside"]) == (4, 0)
    assert np.isclose(realistic["mean_years"], -0.5)
    assert realistic["share_beyond_1_year"] == 0.25
    assert np.isclose(realistic["cosine_distance"], 0.25)  # one of four at a right angle


def test_what_moves_the_mean_or_people_apart_by_too_much_is_named():
    def broken(*ages):
        return years_moved.breaking(years_moved.summary(scans(*ages), NOISE))["grade"].tolist()

    assert broken([51, 51, 51], [50] * 4) == []
    assert broken([51.1] * 3, [50] * 4) == ["weak"]
    assert broken([50] * 3, [48.9] * 4) == ["realistic"]
    assert broken([50] * 3, [47, 53, 47, 53]) == ["realistic"]  # apart, though not in the mean
    strong = [years_moved.Cell("noise-1", "noise", "strong", 0.08)]
    table = years_moved.summary(scans([90] * 3, [90] * 4), strong)
    assert table["mean_years"].tolist() == [40] and years_moved.breaking(table).empty


def test_nobody_left_and_one_left_give_no_interval():
    found = scans([51, 52, 53], [50] * 4)
    found.loc[found["cell"] == "noise-2", "fault"] = "unreadable"
    one = (found["cell"] == "noise-1") & (found["of"] != "a")
    found.loc[one, "fault"] = "unreadable"
    table = years_moved.summary(found, NOISE)
    assert table["n"].tolist() == [1, 0] and table["set_aside"].tolist() == [3, 4]
    assert table[["sd_years", "mean_low", "mean_high"]].isna().all(axis=None)
    assert table["mean_years"].iloc[0] == 1 and np.isnan(table["mean_years"].iloc[1])
    lines = years_moved.conclusion(table)
    assert "most set aside, weak or realistic strength: 4 by noise, 0.04" in "\n".join(lines)


def test_the_last_lines_name_the_worst_and_what_breaks_the_rule():
    table = years_moved.summary(scans([51, 52, 53], [50.5, 48, 50, 49.5]), NOISE)
    lines = "\n".join(years_moved.conclusion(table))
    assert "largest mean_years, weak or realistic strength: 2 by noise, 0.02" in lines
    assert "largest sd_years, weak or realistic strength: 1.08 by noise, 0.04" in lines
    assert "1 of 2 weak or realistic strengths move the mean" in lines
    assert "noise, 0.02 SD / white matter (weak): mean +2.00, SD 1.00" in lines
    header, rule, *rows = markdown(years_moved.texts(table)).splitlines()
    assert header.count("|") == rule.count("|") == rows[0].count("|") == len(table.columns) + 1
    assert len(rows) == 2


def test_unchanged_heads_that_are_predicted_otherwise_than_by_the_run_are_told():
    found = scans([51, 52, 53], [50] * 4)
    people = pd.DataFrame({"predicted_age": [50.000001] * 4}, index=PEOPLE)  # as rounded
    assert years_moved.agreement(found, people).startswith("unchanged heads, taken through again")
    people.loc["b"] = 50.25
    assert "up to 0.25 years from the run's" in years_moved.agreement(found, people)


@pytest.mark.parametrize("number", [1, 5, 15, 40])
def test_people_are_drawn_evenly_over_their_ages_by_the_seed(number):
    rng = np.random.default_rng(0)
    ages = np.sort(np.concatenate([rng.uniform(20, 30, 90), rng.uniform(30, 80, 30)]))
    found = years_moved.drawn(ages, number, 1)
    assert len(found) == len(set(found)) == number
    assert np.array_equal(found, years_moved.drawn(ages, number, 1))
    assert not np.array_equal(found, years_moved.drawn(ages, number, 2))
    if number == 15:
        # Three quarters of all are below 30, but a sixth of the range is.
        assert (ages[found] < 30).sum() in (2, 3)
        assert np.diff(ages[found]).max() < 12


def test_no_more_people_are_drawn_than_there_are():
    assert years_moved.drawn(np.array([20.0, 30.0, 30.0]), 15, 1).tolist() == [0, 1, 2]
