"""Two data sets whose sites have one name, one without diagnoses, and people without a site."""

import copy
import re

import pytest

from brainage.reporting import figures
from brainage.reporting import tables as tb
from brainage.reporting.section import sections
from brainage.reporting.sections import accuracy
from brainage.reporting.study import headline
from brainage.reporting.tables import Tables
from tests.reporting.fake_results import SETTINGS

CONVERTER = "sub-E001"


@pytest.fixture
def two(edited):
    """The study with half of the external people in a data set of its own, `other`."""

    def change(frame):
        frame = frame.copy()
        other = frame["participant_id"].str.fullmatch(r"sub-E\d*[02468]")
        if "dataset" in frame:
            frame.loc[other, "dataset"] = "other"
        if "site" in frame:
            # A site H1 of the other data set, where nobody was trained on; one person's unknown.
            frame.loc[other, "site"] = "other/H1"
            frame.loc[frame["participant_id"] == "sub-E002", "site"] = None
        if "diagnosis" in frame:
            frame.loc[other, "diagnosis"] = None
        if "always_healthy" in frame:
            frame.loc[frame["participant_id"] == CONVERTER, "always_healthy"] = False
        return frame

    return Tables(edited(scans=change, gaps=change, splits=change))


@pytest.fixture
def settings_of_two():
    settings = copy.deepcopy(SETTINGS)
    settings["datasets"]["other"] = {"kind": "bids"}
    settings["splits"]["external_sites"] = []
    return settings


def test_a_site_of_another_data_set_is_not_internal(two, settings_of_two):
    rows = tb.healthy_tests(two, settings_of_two)
    external = tb.is_external(two, settings_of_two, rows)
    by_site = rows.assign(external=external).groupby("site")["external"].agg(["min", "max"])
    assert by_site.loc["demo/H1"].tolist() == [False, False]
    assert by_site.loc["other/H1"].tolist() == [True, True]
    # Where it is not known, a site is neither new nor known.
    assert not external[rows["site"].isna()].any()


@pytest.mark.slow
def test_table_figure_and_text_are_of_the_same_people(two, settings_of_two, tmp_path):
    rows = tb.healthy_tests(two, settings_of_two)
    # Who has no diagnosis in a data set of controls, and who falls ill later, are healthy here.
    assert CONVERTER in set(rows["participant_id"]) and (rows["dataset"] == "other").any()
    picture = accuracy.draw_age_by_site(two, settings_of_two)
    whole = re.search(r"against age of (\d+) healthy", picture.text)
    panels = {name: int(n) for name, n in re.findall(r"[;.] ([^;]+?): n (\d+), MAE", picture.text)}
    assert int(whole[1]) == len(rows) == sum(panels.values())
    assert {"demo/H1", "other/H1", "site not known"} <= set(panels)
    assert panels["other/H1"] == (rows["site"] == "other/H1").sum()
    printed = accuracy.table(two, settings_of_two)
    first, _ = headline(two, settings_of_two)
    own = next(row for row in printed.rows if row[0] == "L^exp")
    assert own[2].replace(" [", " years [") in first
    drawn = accuracy.draw_accuracy(two, settings_of_two)
    assert f"L^exp, external: {own[2].replace(' [', ' years [')}" in drawn.text


@pytest.mark.slow
def test_with_one_data_set_sites_have_their_own_names(study, settings, tmp_path):
    figures.draw("age_by_site", study, tmp_path / "one.svg", settings)
    _, text = figures.read_words(tmp_path / "one.svg")
    assert "; H2: n " in text and "demo/" not in text


@pytest.mark.slow
def test_every_section_can_be_made_of_two_data_sets(two, settings_of_two):
    for section in sections().values():
        for figure in section.CHOICE.figures:
            found = getattr(section, f"draw_{figure.name}")(two, settings_of_two)
            assert not isinstance(found, str), (figure.name, found)
