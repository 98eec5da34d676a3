"""The plan of the simulated cohort."""

import time

import numpy as np
import pandas as pd
import pytest

from brainage.simulation import effects, names, plan


def demo(**changes) -> dict:
    return {
        "people": {"healthy": 176, "external": 36, "clinical": 72},
        "sites": {"healthy": 4, "external": 2, "clinical": 2},
        "visits": 3,
        "voxel_size": 4.0,
        "seed": 2025,
        "troubles": True,
    } | changes


def first_scans(table: pd.DataFrame, letter: str) -> pd.DataFrame:
    table = table[table["participant_id"].str.startswith(f"sub-{letter}")]
    return table[table["session_id"] == "ses-1"]


def test_one_row_an_image():
    table = plan.make_plan(demo())
    assert not table.duplicated(["participant_id", "session_id"]).any()
    assert table["t1w"].is_unique
    assert len(first_scans(table, "H")) == 176
    assert len(first_scans(table, "E")) == 36
    assert len(first_scans(table, "C")) == 72
    visits = table[table["participant_id"].str.startswith("sub-C")].groupby("participant_id").size()
    assert visits.max() == 3
    assert (visits == 3).mean() > 0.75


def test_adding_people_changes_nobody_else():
    small = plan.make_plan(demo())
    larger = demo(people={"healthy": 200, "external": 50, "clinical": 99})
    large = plan.make_plan(larger)
    kept = large[large["participant_id"].isin(small["participant_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(small, kept)


def test_more_visits_change_no_earlier_one():
    three = plan.make_plan(demo())
    five = plan.make_plan(demo(visits=5))
    early = five[five["session_id"].isin(["ses-1", "ses-2", "ses-3"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(three, early)


def test_the_seed_changes_everybody():
    one, other = plan.make_plan(demo()), plan.make_plan(demo(seed=1))
    shared = min(len(one), len(other))
    assert not np.isclose(one["true_gap"][:shared], other["true_gap"][:shared]).any()


def test_ages_are_alike_at_all_sites_and_in_all_groups():
    table = plan.make_plan(demo())
    healthy = pd.concat([first_scans(table, "H"), first_scans(table, "E")])
    means = healthy.groupby("site")["age"].mean()
    assert means.max() - means.min() < 8
    assert healthy["age"].min() < 25
    assert healthy["age"].max() > 80
    clinical = first_scans(table, "C")
    means = clinical.groupby("diagnosis")["age"].mean()
    assert means.max() - means.min() < 2
    cells = clinical.groupby(["diagnosis", "site", "sex"]).size()
    assert len(cells) == 12
    assert (cells == 6).all()


@pytest.mark.slow
def test_planted_effects_are_the_fixed_ones():
    table = plan.make_plan(demo(people={"healthy": 0, "external": 0, "clinical": 6000}))
    first = first_scans(table, "C").groupby("diagnosis")
    for diagnosis, gap, slope in (("CN", 0, 0), ("MCI", 2, 0.5), ("AD", 5, 1.0)):
        people = first.get_group(diagnosis)
        assert people["true_gap"].mean() == pytest.approx(gap, abs=0.25)
        assert people["true_gap"].std() == pytest.approx(3, abs=0.2)
        assert people["true_extra_slope"].mean() == pytest.approx(slope, abs=0.05)
        assert people["true_extra_slope"].std() == pytest.approx(0.5, abs=0.04)
    assert (first.get_group("CN")["off_axis"] == 0).all()


def test_the_gap_grows_by_the_slope():
    table = plan.make_plan(demo())
    for _, visits in table[table["participant_id"].str.startswith("sub-C")].groupby(
        "participant_id"
    ):
        grown = visits["true_gap"] - visits["true_gap"].iloc[0]
        years = visits["age"] - visits["age"].iloc[0]
        assert np.allclose(grown, years * visits["true_extra_slope"], atol=1e-3)
    assert np.allclose(table["true_brain_age"], table["age"] + table["true_gap"], atol=1e-3)


def test_every_trouble_is_planted_on_people_of_its_own():
    table = plan.make_plan(demo())
    planted = table[table["trouble"].notna()]
    assert set(planted["trouble"]) == set(names.TROUBLES)
    assert planted["participant_id"].str.startswith("sub-T").all()
    twice = planted[planted["trouble"] == names.TWICE]
    assert len(twice) == 2
    assert twice["image_of"].nunique() == 1
    same = ["age", "sex", "site", "true_gap"]
    assert len(twice[same].drop_duplicates()) == 1
    assert plan.make_plan(demo(troubles=False))["trouble"].isna().all()


def test_parts_hold_everybody_once():
    table = plan.make_plan(demo())
    for count in (1, 2, 7, 1000):
        split = plan.parts(table, count)
        assert sorted(person for part in split for person in part) == plan.people(table)
        assert all(split)
    scans = table.groupby("participant_id").size()
    sizes = [int(scans[part].sum()) for part in plan.parts(table, 4)]
    assert max(sizes) - min(sizes) <= 6


@pytest.mark.slow
def test_thousands_take_a_moment():
    start = time.process_time()
    plan.make_plan(demo(people={"healthy": 3500, "external": 500, "clinical": 1000}))
    assert time.process_time() - start < 2


def test_people_differ_as_much_as_ageing_makes_them():
    ageing_sd = 65 / 12**0.5 / effects.YEARS_OF_CHANGE
    for region in effects.REGIONS:
        if region.tissue in ("ventricle", "cortex"):
            assert region.spread >= abs(region.change) * ageing_sd, region.name


def test_regional_values_follow_brain_age_and_disease():
    def mean(brain_age, off_axis):
        people = [effects.regional_values(3, f"sub-{k}", brain_age, off_axis) for k in range(300)]
        return pd.DataFrame(people).mean()

    young, old, ill = mean(20, 0), mean(80, 0), mean(80, 1)
    for part, region in effects.PARTS.items():
        assert old[part] - young[part] == pytest.approx(region.change, rel=0.1), part
        assert ill[part] - old[part] == pytest.approx(region.disease, abs=1e-9), part
