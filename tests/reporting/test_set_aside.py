"""What the pages say of scans that were set aside: reason, file and counts, each scan once."""

import json

import pandas as pd
import pytest

from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import QC
from brainage.core.tables import read_table, write_table
from brainage.reporting.person import write_person_pages
from brainage.reporting.quality_page import write_quality_page
from brainage.reporting.sections import people, quality
from brainage.reporting.study import write_study_page
from brainage.reporting.tables import CONTRACTS, Tables
from tests.reporting.conftest import check_page
from tests.reporting.fake_results import SETTINGS
from tests.reporting.set_aside import taken_through
from tests.reporting.test_layout import A4, TOO_WIDE, show

pytestmark = pytest.mark.slow

# What is said of each scan, and of its kind where scans are counted.
KINDS = {
    "clinic_sub-201": "the image is a link to content that is not there",
    "clinic_sub-202": "the image is too large",
    "clinic_sub-203": "the image has 7 axes",
    "clinic_sub-204_ses-1": "the file is damaged",
    "clinic_sub-205": "file name and folder disagree on person or session",
    "clinic_sub-206": "file name and folder disagree on person or session",
}


@pytest.fixture(scope="module")
def inputs(study, tmp_path_factory):
    """The made-up study with a second data set, whose images real steps set aside."""
    root = tmp_path_factory.mktemp("aside")
    scans, faults, remarks = taken_through(root)
    made = {**study, "scans": root / "scans.tsv", "qc": root / "qc.tsv"}
    every = [read_table(study["scans"], SCANS), scans]
    write_table(pd.concat([frame.astype(object) for frame in every]), made["scans"], SCANS)
    judged = scans[["scan_id"]].merge(faults, how="left")
    judged["verdict"] = judged["fault"].isna().map({True: "pass", False: "fail"})
    judged["reason"] = judged["fault"]
    every = [read_table(study["qc"], QC), judged]
    write_table(pd.concat([frame.astype(object) for frame in every]), made["qc"], QC)
    return made, faults.set_index("scan_id")["fault"], remarks


@pytest.fixture(scope="module")
def settings():
    """The config, with both data sets."""
    return {**SETTINGS, "datasets": {"demo": {"kind": "simulated"}, "clinic": {"kind": "bids"}}}


def test_each_image_is_set_aside_for_its_own_reason(inputs):
    faults = inputs[1]
    assert set(faults.index) == set(KINDS)
    for scan, kind in KINDS.items():
        assert faults[scan].startswith(kind), scan


def cards(page):
    """The words of each card of the quality page, by scan."""
    parts = page.split('<li id="')[1:]
    return {part.partition('"')[0]: part.partition("</li>")[0] for part in parts}


def test_quality_page_has_reason_and_file_of_each_once(inputs, settings, tmp_path):
    made, faults, _ = inputs
    root = tmp_path / "qc"
    write_quality_page(made["qc"], made["scans"], made["derivatives"], root, settings)
    read = check_page(root / "index.html", root)
    found = cards((root / "index.html").read_text())
    scans = read_table(made["scans"], SCANS).set_index("scan_id")
    qc = read_table(made["qc"], QC)
    assert set(found) == set(qc["scan_id"])
    for scan, fault in faults.items():
        words = fault[1:].split("; ")[0]
        assert found[scan].count(words) == 1, scan
        assert scans.loc[scan, "t1w"] in found[scan], scan
        assert "Not used" not in found[scan]
    # One with a picture and a missing age says so, and no file.
    other = found["demo_sub-H003_ses-1"]
    assert "Not used: no age in the tables" in other and ".nii.gz" not in other
    counts = [f"{words} {n}" for words, n in (
        ("failed", (qc["verdict"] == "fail").sum()),
        ("passed", (qc["verdict"] == "pass").sum()),
        ("passed, but not used", 1),
    )]  # fmt: skip
    for told in counts:
        assert told in read.text


def test_study_page_counts_each_once_by_its_kind_of_reason(inputs, settings):
    tables = Tables({k: v for k, v in inputs[0].items() if k in CONTRACTS})
    qc = tables["qc"]
    failed = int((qc["verdict"] == "fail").sum())
    told = quality.sentence(tables)
    assert f"Of {len(qc)} scans" in told and f"{failed} failed" in told
    assert "1 of those that passed was set aside for another reason" in told
    printed = quality.table(tables)
    rows = {(row[0], row[1]): int(row[2]) for row in printed.rows}
    for kind in set(KINDS.values()):
        assert rows[kind, "fail"] == list(KINDS.values()).count(kind)
    assert sum(n for (_, verdict), n in rows.items() if verdict == "fail") == failed
    assert [row for row in printed.rows if row[1] == "set aside"] == [
        ["no age in the tables", "set aside", "1"]
    ]


def test_flow_loses_each_scan_and_person_once(inputs, settings):
    steps = people.counted(Tables(inputs[0]), settings)
    found, kept, passed = steps[:3]
    assert kept["name"] == "Kept after checking tables and file names"
    assert dict(kept["lost"]) == {
        "file name and folder disagree on person or session": 2,
        "no age in the tables": 1,
    }
    assert found["scans"] - kept["scans"] == found["people"] - kept["people"] == 3
    for kind in ("the image is too large", "the image has 7 axes", "the file is damaged"):
        assert dict(passed["lost"])[kind] == 1
    assert kept["scans"] - passed["scans"] == sum(n for _, n in passed["lost"])


def test_people_without_any_usable_scan_are_not_counted_as_people_of_the_study(
    inputs, settings, tmp_path
):
    root = tmp_path / "report"
    remarks = tmp_path / "remarks.json"
    remarks.write_text(json.dumps(inputs[2]))
    write_study_page({**inputs[0], "people": True, "remarks": remarks}, root, settings)
    read = check_page(root / "index.html", root)
    passed = people.counted(Tables(inputs[0]), settings)[2]
    assert f"{passed['people']} people, {passed['scans']} scans" in read.text
    assert "clinic: 2 images are set aside (file name and folder disagree on" in read.text


@pytest.mark.parametrize(
    ("person", "headline", "words"),
    [
        ("sub-201", "No result: the image could not be used.", "datalad get"),
        ("sub-205", "No result: the scan was not used.", "move or rename the file"),
    ],
)
def test_page_of_a_person_whose_only_scan_was_set_aside(
    inputs, settings, tmp_path, person, headline, words
):
    settings = {**settings, "report": {**settings["report"], "people": [person]}}
    made, root = inputs[0], tmp_path / "people"
    (path,) = write_person_pages(made, made["derivatives"], root, settings)
    read = check_page(path, root)
    assert headline in read.text and words in read.text
    assert "such an image" not in read.text


def test_no_page_with_set_aside_scans_is_cut(browser, inputs, settings, tmp_path):
    settings = {**settings, "report": {**settings["report"], "people": ["sub-204", "sub-205"]}}
    made, root = {**inputs[0], "people": True}, tmp_path / "report"
    write_study_page(made, root, settings)
    write_quality_page(made["qc"], made["scans"], made["derivatives"], root / "qc", settings)
    persons = write_person_pages(made, made["derivatives"], root / "people", settings)
    for page in (root / "index.html", root / "qc" / "index.html", *persons):
        for width in (800, 1100, 1600):
            show(browser, page, width)
            assert browser.execute_script(TOO_WIDE) == [], (page, width)
        show(browser, page, A4, "print")
        assert browser.execute_script(TOO_WIDE.replace("'.scroll, svg", "'svg")) == [], page
