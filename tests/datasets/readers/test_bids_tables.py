"""Hostile and odd tables of a BIDS folder: what they must not do in silence."""

import json

import pytest

from brainage.core.files import InputError
from tests.datasets.readers.test_bids import make, read_folder

PERSON = "participant_id\tage\nsub-1\t60\n"


def one_scan_each(folder, table, *people):
    make(folder, *(f"{person}/anat/{person}_T1w.nii.gz" for person in people))
    (folder / "participants.tsv").write_text(table, encoding="utf-8")


def visits(folder, sessions, table=None, participants=PERSON):
    """The sessions of sub-1, with participants.tsv and perhaps a table of sessions."""
    make(folder, *(f"sub-1/{s}/anat/sub-1_{s}_T1w.nii.gz" for s in sessions))
    (folder / "participants.tsv").write_text(participants)
    if table is not None:
        (folder / "sub-1" / "sub-1_sessions.tsv").write_text(table)


def test_an_open_quotation_mark_gives_nobody_anothers_age(tmp_path):
    one_scan_each(
        tmp_path,
        "participant_id\tnote\tage\tsex\n"
        'sub-1\t"tall\t20\tF\nsub-2\t5" 6\t30\tM\nsub-3\tn/a"\t40\tF\n',
        *("sub-1", "sub-2", "sub-3"),
    )
    scans, _ = read_folder(tmp_path)
    assert [(row["age"], row["sex"]) for row in scans.values()] == [(20, "F"), (30, "M"), (40, "F")]


def test_cells_that_r_writes_in_quotation_marks_are_read_without_them(tmp_path):
    one_scan_each(
        tmp_path,
        '"participant_id"\t"age"\t"diagnosis"\n"sub-1"\t20\t"the ""A"" group"\n',
        "sub-1",
    )
    scans, _ = read_folder(tmp_path)
    assert scans["mine_sub-1"]["diagnosis"] == 'the "A" group'


@pytest.mark.parametrize(
    ("unit", "age", "years"),
    [
        *(("months", "72", 6), ("Month", "72", 6), ("weeks", "521.785714", 10)),
        *(("days", "7305", 20), ("years", "72", 72), ("Years old", "72", 72), (None, "72", 72)),
    ],
)
def test_ages_are_in_the_unit_that_participants_json_says(tmp_path, unit, age, years):
    one_scan_each(tmp_path, f"participant_id\tage\nsub-1\t{age}\n", "sub-1")
    (tmp_path / "participants.json").write_text(json.dumps({"age": {"Units": unit}}))
    scans, remarks = read_folder(tmp_path)
    assert scans["mine_sub-1"]["age"] == pytest.approx(years)
    assert ("converted to years" in remarks) == (years != 72)


@pytest.mark.parametrize("place", ["sessions.json", "sub-1/sub-1_sessions.json"])
def test_ages_of_sessions_are_in_the_unit_that_sessions_json_says(tmp_path, place):
    visits(tmp_path, ["ses-1"], "session_id\tage_at_scan\nses-1\t78\n")
    (tmp_path / place).write_text(json.dumps({"age_at_scan": {"Units": "months"}}))
    scans, remarks = read_folder(tmp_path)
    assert scans["mine_sub-1_ses-1"]["age"] == 6.5
    assert "sessions.tsv: ages are in months and were converted to years" in remarks


def test_an_unknown_unit_names_file_and_key(tmp_path):
    one_scan_each(tmp_path, PERSON, "sub-1")
    (tmp_path / "participants.json").write_text(json.dumps({"age": {"Units": "decades"}}))
    with pytest.raises(InputError, match=r"participants\.json: age\.Units is 'decades'.*months"):
        read_folder(tmp_path)


def test_a_session_without_a_row_is_counted_in_a_remark(tmp_path):
    visits(tmp_path, ["ses-1", "ses-2"], "session_id\tage\nses-1\t60.5\n")
    scans, remarks = read_folder(tmp_path)
    assert scans["mine_sub-1_ses-2"]["age"] == 60
    assert "1 session has no row in sessions.tsv, and age" in remarks
    assert "sub-1_ses-2" in remarks


@pytest.mark.parametrize(
    ("sessions", "table"),
    [
        # By acq_time: both have the age of participants.tsv, or the same one of their own.
        (
            ["ses-1", "ses-2"],
            "session_id\tacq_time\nses-1\t2010-01-01\nses-2\t2014-02-01T10:00:00\n",
        ),
        (
            ["ses-1", "ses-2"],
            "session_id\tage\tacq_time\nses-1\t60\t2010-01-01\nses-2\t60\t2014-02-01\n",
        ),
        # By the labels of sessions.
        (["ses-20100101", "ses-20140201"], None),
        # By other ages: the age of participants.tsv is that of another visit.
        (["ses-1", "ses-2", "ses-3"], "session_id\tage\nses-1\t60\nses-3\t66\n"),
        (["ses-1", "ses-2"], "session_id\tage\nses-2\t54\n"),
    ],
)
def test_one_age_at_visits_years_apart_is_refused(tmp_path, sessions, table):
    visits(tmp_path, sessions, table)
    with pytest.raises(
        InputError, match=r"age of sub-1 is .* at ses-.* and .* at ses-.*sub-1_sessions\.tsv"
    ):
        read_folder(tmp_path)


def test_the_dates_of_scans_tsv_count(tmp_path):
    visits(tmp_path, ["ses-1", "ses-2"])
    for session, year in (("ses-1", 2010), ("ses-2", 2012)):
        (tmp_path / "sub-1" / session / f"sub-1_{session}_scans.tsv").write_text(
            f"filename\tacq_time\nanat/sub-1_{session}_T1w.nii.gz\t{year}-05-05T09:00:00\n"
        )
    with pytest.raises(InputError, match=r"2\.0 years apart"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "table",
    [
        # Months apart in a whole year of age; the age of the first visit; one that is missing.
        "session_id\tacq_time\nses-1\t2010-01-01\nses-2\t2010-09-01\n",
        "session_id\tage\nses-2\t66\n",
        "session_id\tage\tacq_time\nses-1\t60\t2010-01-01\nses-2\tn/a\t2014-02-01\n",
    ],
)
def test_ages_that_can_be_those_of_the_visits_are_kept(tmp_path, table):
    visits(tmp_path, ["ses-1", "ses-2"], table)
    scans, _ = read_folder(tmp_path)
    assert scans["mine_sub-1_ses-1"]["age"] == 60


def test_columns_by_a_well_known_name_are_taken_and_said(tmp_path):
    one_scan_each(tmp_path, "participant_id\tAge\tgender\tDX\nsub-1\t20\tfemale\tAD\n", "sub-1")
    scans, remarks = read_folder(tmp_path)
    row = scans["mine_sub-1"]
    assert (row["age"], row["sex"], row["diagnosis"]) == (20, "F", "AD")
    for line in ("{age: Age}", "{sex: gender}", "{diagnosis: DX}"):
        assert f"datasets.mine.columns: {line}" in remarks
    # What the remarks advise silences them.
    own = {"age": "Age", "sex": "gender", "diagnosis": "DX"}
    assert read_folder(tmp_path, columns=own)[1] == ""


def test_a_gender_in_unknown_codes_is_not_read_but_said(tmp_path):
    one_scan_each(tmp_path, "participant_id\tage\tgender\nsub-1\t20\t2\n", "sub-1")
    scans, remarks = read_folder(tmp_path)
    assert scans["mine_sub-1"]["sex"] is None
    assert "column 'gender' is not read" in remarks
    assert "datasets.mine.columns: {sex: gender}" in remarks
    scans, _ = read_folder(tmp_path, sex_map={"2": "F"})
    assert scans["mine_sub-1"]["sex"] == "F"


def test_of_two_columns_that_could_be_the_site_none_is_read(tmp_path):
    one_scan_each(tmp_path, "participant_id\tage\tcenter\tsite_id\nsub-1\t20\tA\t7\n", "sub-1")
    scans, remarks = read_folder(tmp_path)
    assert scans["mine_sub-1"]["site"] is None
    assert "column 'center' is not read, as 'site_id' could be meant too" in remarks
    scans, remarks = read_folder(tmp_path, columns={"site": "site_id"})
    assert (scans["mine_sub-1"]["site"], remarks) == ("mine/7", "")


def test_patients_in_a_column_group_do_not_count_as_healthy(tmp_path):
    table = "participant_id\tage\tgroup\nsub-1\t20\tcontrol\nsub-2\t30\tpatient\n"
    one_scan_each(tmp_path, table, "sub-1", "sub-2")
    scans, remarks = read_folder(tmp_path)
    assert [row["known_diagnoses"] for row in scans.values()] == [["control"], ["patient"]]
    assert "datasets.mine.columns: {diagnosis: group}" in remarks
    # Where the config says who is healthy, a group is any group.
    scans, _ = read_folder(tmp_path, all_controls=True)
    assert [row["known_diagnoses"] for row in scans.values()] == [[], []]
    table = table.replace("control", "1").replace("patient", "2")
    (tmp_path / "participants.tsv").write_text(table)
    with pytest.raises(
        InputError, match=r"'group' may be the diagnosis.*\{diagnosis: group\}.*all_controls"
    ):
        read_folder(tmp_path)


def test_a_group_beside_diagnoses_is_any_group(tmp_path):
    visits(
        tmp_path,
        ["ses-1"],
        "session_id\tdiagnosis\nses-1\tCN\n",
        "participant_id\tage\tgroup\nsub-1\t60\tpatient\n",
    )
    scans, _ = read_folder(tmp_path)
    assert scans["mine_sub-1_ses-1"]["known_diagnoses"] == ["CN"]


def test_a_table_without_age_names_the_columns_it_has(tmp_path):
    one_scan_each(tmp_path, "participant_id\tborn\tweight\nsub-1\t1960\t70\n", "sub-1")
    with pytest.raises(InputError, match=r"known there: participant_id, born, weight"):
        read_folder(tmp_path)


def test_codes_may_mean_unknown(tmp_path):
    one_scan_each(tmp_path, "participant_id\tage\tsex\tdiagnosis\nsub-1\t20\t-\t?\n", "sub-1")
    scans, _ = read_folder(tmp_path, sex_map={"-": None}, diagnosis_map={"?": None})
    row = scans["mine_sub-1"]
    assert (row["sex"], row["diagnosis"], row["known_diagnoses"]) == (None, None, [])
