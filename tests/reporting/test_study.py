"""The study's page."""

import pandas as pd
import pytest

from brainage.core.files import InputError
from brainage.reporting import study as page_module
from brainage.reporting.person_choice import chosen_people
from brainage.reporting.quality_page import write_quality_page
from brainage.reporting.section import Software
from brainage.reporting.sections import accuracy, grid, quality, training
from brainage.reporting.study import headline, write_study_page
from brainage.reporting.tables import CONTRACTS, Tables
from tests.reporting.conftest import check_page, empty, files_of

pytestmark = pytest.mark.slow


@pytest.fixture
def drawn(study, page):
    """The study with its figures drawn: what is asked of the page's words takes no second time."""
    return {**study, "figures": page[1] / "figures"}


def test_page_opens_with_the_error_beside_constant_and_ridge(page):
    read, _ = page
    assert read.headings[0] == 1
    start = read.text[read.text.index("L exp predicts") :][:400]
    assert "20 healthy people at sites never trained on" in start
    assert "with a mean absolute error of" in start
    assert "that of the best constant 16.2 years" in start


def test_page_holds_every_section_and_the_truth(page):
    read, _ = page
    for words in (
        "Site predictability",
        "Brain-age gap by diagnosis",
        "ROC analysis",
        "Longitudinal change",
        "made from the same template",
        "has less than half of the error of the best constant",
        "Power",
        "Participants",
        "Quality control",
        "Methods",
        "For research use, not for diagnosis",
    ):
        assert words in read.text, words
    assert "What this study cannot show" not in read.text


def test_every_table_can_be_downloaded(page, study):
    _, root = page
    for name in (*CONTRACTS, "truth_recovery"):
        if name in study or name == "truth_recovery":
            assert f"tables/{name}.tsv" in (root / "index.html").read_text()
            assert (root / "tables" / f"{name}.tsv").is_file()
    assert (root / "tables" / "gaps.tsv").read_bytes() == study["gaps"].read_bytes()


def test_same_input_gives_the_same_bytes(page, study, settings, tmp_path):
    _, root = page
    # Once drawn here, once given: the page is the same.
    inputs = {**study, "people": True, "figures": root / "figures"}
    write_study_page(inputs, tmp_path / "again", settings)
    assert files_of(tmp_path / "again") == files_of(root)


def test_difference_to_ridge_is_in_the_table_with_its_verdict(edited, settings):
    def not_sure(frame):
        rows = (frame["experiment"] == "l1") & (frame["metric"] == "mae_minus_ridge")
        frame.loc[rows, "verdict"] = "not distinguishable"
        return frame

    printed = accuracy.table(Tables(edited(accuracy=not_sure)), settings)
    assert printed.head[-1] == "MAE minus MAE of ridge (years)"
    by_name = {row[0]: row[-1] for row in printed.rows}
    assert by_name["L^exp"].endswith("]: beats ridge")
    assert by_name["supervised L1"].endswith("]: not distinguishable")
    assert by_name["ridge on voxels"] == "–"


def test_chosen_learning_rates_are_told(study, edited, settings):
    def chosen(frame):
        here = (frame["experiment"] == "l1") & (frame["seed"] == 1)
        frame.loc[here, "rates_tried"] = "0.001: 5.20; 0.002: 4.10"
        frame.loc[here, "learning_rate"] = 0.002
        return frame

    assert training.learning_rates(Tables(study), settings).rows == []
    rows = training.learning_rates(Tables(edited(history=chosen)), settings).rows
    assert rows == [["supervised L1", "0", "1", "0.002", "0.001: 5.20; 0.002: 4.10"]]


def test_grid_stands_on_the_page_or_its_absence_is_told(page, study, edited, settings, tmp_path):
    read, _ = page
    assert "Number of training people" in read.text
    printed = grid.table(Tables(study), settings)
    assert printed.head == [
        *("Model", "Data sets", "Training people", "MAE (years)", "over seeds"),
        *("Site (%)", "over seeds", "AUC, AD", "over seeds", "L_c"),
    ]
    # Intervals from people and ranges over seeds stand apart.
    assert printed.rows[3] == [
        *("L^exp", "all", "40", "7.0 [6.0 to 8.0]", "6.7 to 7.2"),
        *("40 [36 to 44]", "39 to 41", "0.76 [0.71 to 0.81]", "0.74 to 0.77", "3.21"),
    ]
    assert printed.main == {5}
    names = ("grid_accuracy", "grid_sites", "grid_diagnosis")
    write_study_page(edited(**{name: empty for name in names}), tmp_path / "report", settings)
    without = check_page(tmp_path / "report" / "index.html", tmp_path / "report").text
    assert "Number of training people : the config has no grid" in without
    assert "Number of training people" in read.text and "L_c" not in without


def test_model_worse_than_ridge_is_said_to_be_so_first(edited, settings):
    def worse(frame):
        rows = (frame["experiment"] == "lexp") & (frame["metric"] == "mae")
        frame.loc[rows, "estimate"] = 9.0
        return frame

    text, _ = headline(Tables(edited(accuracy=worse)), settings)
    assert text.startswith("L^exp is worse than ridge regression on the same voxels")
    assert "9.0 years" in text


def test_model_no_better_than_the_constant_is_said_to_be_so(edited, settings):
    def worse(frame):
        rows = (frame["experiment"] == "lexp") & (frame["metric"] == "mae")
        frame.loc[rows, "estimate"] = 17.0
        return frame

    text, _ = headline(Tables(edited(accuracy=worse)), settings)
    assert "no better than that constant" in text


def test_one_site_all_healthy_one_visit_is_told_not_an_error(edited, settings, tmp_path):
    def plain(frame):
        frame = frame[frame["session_id"] == "ses-1"].assign(
            site="demo/only", years_since_first=0.0
        )
        return frame.assign(diagnosis="CN")

    def internal(frame):
        frame.loc[frame["people"] == "external", ["estimate", "low", "high"]] = None
        return frame

    names = ("site_probe", "groups", "roc", "roc_curves", "slopes", "person_slopes", "truth")
    inputs = edited(
        scans=plain,
        gaps=plain,
        accuracy=internal,
        **{name: empty for name in names},
    )
    root = tmp_path / "report"
    write_study_page(inputs, root, settings)
    read = check_page(root / "index.html", root)
    assert "What this study cannot show" in read.text
    for reason in (
        "all scans are from one site (only)",
        "everyone is healthy (CN)",
        "nobody has two visits",
        "no healthy test person is from such a site",
    ):
        assert reason in read.text, reason
    assert "Truth" not in read.text


def test_tables_without_rows_make_a_page(edited, settings, tmp_path):
    inputs = edited(**{name: empty for name in CONTRACTS if name in edited()})
    root = tmp_path / "report"
    write_study_page(inputs, root, settings)
    read = check_page(root / "index.html", root)
    assert "is not known" in read.text
    assert "Traceback" not in read.text


def test_only_scans_and_quality_are_needed(study, settings, tmp_path):
    root = tmp_path / "report"
    write_study_page({"scans": study["scans"], "qc": study["qc"]}, root, settings)
    check_page(root / "index.html", root)
    with pytest.raises(InputError, match="'qc'"):
        write_study_page({"scans": study["scans"]}, root, settings)


def test_manual_decisions_are_counted(study, edited):
    def decide(frame):
        frame["machine_verdict"] = frame["verdict"]
        rows = frame["scan_id"].isin(["demo_sub-C001_ses-1", "demo_sub-C001_ses-2"])
        word = ["fail", "dropped by manual decision (stripes); automatic verdict: pass", "drop"]
        frame.loc[rows, ["verdict", "reason", "decision"]] = word
        frame.loc[frame["scan_id"] == "demo_sub-C001_ses-3", "decision"] = "keep"
        return frame

    tables = Tables(edited(qc=decide))
    assert quality.sentence(tables).endswith(
        "There are manual decisions on 3 scans (1 to keep, 2 to drop), 2 of them against the "
        "automatic verdict; manual decisions override it."
    )
    assert ["dropped by manual decision", "fail", "2"] in quality.table(tables).rows
    assert "manual" not in quality.sentence(Tables(study))


def test_hostile_words_are_escaped(drawn, edited, settings, tmp_path):
    attack = "<script>alert(1)</script>\"'&"

    def reason(frame):
        frame.loc[frame["verdict"] != "pass", "reason"] = attack
        return frame

    def site(frame):
        return frame.assign(
            scanner=attack, site=frame["site"].replace({"demo/E1": f"demo/{attack}"})
        )

    settings["report"]["title"] = attack
    root = tmp_path / "report"
    inputs = edited(qc=reason, scans=site, gaps=site)
    write_study_page({**inputs, "figures": drawn["figures"]}, root, settings)
    check_page(root / "index.html", root)
    assert "<script>" not in (root / "index.html").read_text()
    assert attack in check_page(root / "index.html", root).text


def test_switched_off_sections_have_one_reason_each(study, settings):
    assert page_module.switched_off(Tables(study), settings) == []


def test_what_the_index_had_to_say_is_on_the_page(drawn, settings, tmp_path):
    remarks = tmp_path / "remarks.json"
    remarks.write_text('["mine: 1 image has no row: <b>sub-7</b>"]')
    write_study_page({**drawn, "remarks": remarks}, tmp_path / "page", settings)
    text = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "1 image has no row: &lt;b&gt;sub-7&lt;/b&gt;" in text


def test_the_report_says_why_there_is_no_ridge_on_regional_volumes(study, settings):
    def reasons(**imaging):
        own = {**settings, "probing": {}, "imaging": {**settings["imaging"], **imaging}}
        return dict(page_module.switched_off(Tables(study), own))

    name = "Ridge on regional volumes, for comparison"
    assert "imaging.registration: syn" in reasons()[name]
    assert "no labels" in reasons(registration="syn", template="mine.nii")[name]
    assert name not in reasons(registration="syn")


def test_persons_pages_are_named_where_there_are_some(drawn, settings, tmp_path):
    beside = {**drawn, "people": tmp_path / "people"}
    write_study_page(beside, tmp_path / "page", settings)
    text = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    chosen = chosen_people(Tables(beside), settings)
    assert f'<a href="people/index.html">Reports of {len(chosen)} people</a>' in text
    settings["report"]["people"] = "none"
    write_study_page(beside, tmp_path / "none", settings)
    assert "people/index.html" not in (tmp_path / "none" / "index.html").read_text(encoding="utf-8")


def test_experiments_are_ranked_by_single_trainings_and_the_ensemble_has_no_rank(edited, settings):
    def seeds(frame):
        # Over more seeds than the others, the mean of y_aware is the best of all.
        rows = frame[(frame["experiment"] == "y_aware") & (frame["metric"] == "mae")]
        ensemble = rows.assign(predictor="ensemble", estimate=1.0, low=0.5, high=1.5)
        return pd.concat([frame, ensemble], ignore_index=True)

    tables = Tables(edited(accuracy=seeds))
    printed = accuracy.table(tables, settings)
    ranks = {row[0]: row[1] for row in printed.rows}
    assert printed.head[1] == "Rank"
    assert (ranks["L^exp"], ranks["y-aware"], ranks["supervised L1"]) == ("1", "2", "3")
    assert ranks["y-aware, mean over its seeds"] == "–"
    assert printed.rows[-1][0] == "y-aware, mean over its seeds"
    settings["report"]["main_experiment"] = "y_aware"
    text, key = headline(tables, settings)
    row = next(row for row in printed.rows if row[0] == "y-aware")
    assert row[2].partition(" ")[0] == key[0]["value"].partition(" ")[0] != "1.0"
    assert row[2].replace(" [", " years [") in text
    drawn = accuracy.draw_accuracy(tables, settings)
    assert f"y-aware, external: {row[2].replace(' [', ' years [')}" in drawn.text


@pytest.mark.parametrize(
    ("tried", "highest", "rate"),
    [
        # The schedule never reached the rate that was chosen.
        ("0.001: 5.20; 0.002: 4.10", 0.00187, "0.002"),
        ("0.001: 4.10; 0.002: 4.10", 0.0011, "0.001"),
        ("0.001: 4.10; 0.002: 4.10", 0.0019, "0.002"),
    ],
)
def test_the_learning_rate_printed_is_one_that_was_tried(tried, highest, rate, edited, settings):
    def chosen(frame):
        here = frame["experiment"] == "l1"
        frame.loc[here, "rates_tried"], frame.loc[here, "learning_rate"] = tried, highest
        return frame

    (row,) = training.learning_rates(Tables(edited(history=chosen)), settings).rows
    assert row[3] == rate


def test_an_unexpected_fault_is_shown_first(drawn, edited, settings, tmp_path):
    fault = "unexpected: IndexError: index 3 is <out of> bounds"

    def broken(frame):
        rows = frame["scan_id"].isin(["demo_sub-C006_ses-1", "demo_sub-C006_ses-2"])
        frame.loc[rows, ["fault", "reason"]] = fault
        return frame

    inputs = {**edited(qc=broken), "figures": drawn["figures"]}
    write_study_page(inputs, tmp_path / "report", settings)
    write_quality_page(
        inputs["qc"], inputs["scans"], inputs["derivatives"], tmp_path / "report" / "qc", settings
    )
    for page in (tmp_path / "report" / "index.html", tmp_path / "report" / "qc" / "index.html"):
        read = check_page(page, tmp_path / "report")
        assert "2 scans were set aside because image processing met an error" in read.text
        assert f"2 × {fault}" in read.text
        assert read.text.index(fault) < 1500


def test_a_version_that_is_not_locked_is_a_warning_on_the_page(drawn, settings, tmp_path):
    warning = "torch 2.12.1 was used, but the lock file pins 2.13.0."
    write_study_page(drawn, tmp_path / "page", settings, Software([("torch", "2.12.1")], [warning]))
    text = check_page(tmp_path / "page" / "index.html", tmp_path / "page").text
    assert text.count(warning) == 2 and "Software: torch 2.12.1." in text
