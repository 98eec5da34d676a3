import pytest

from brainage.core.config import complete
from brainage.core.files import InputError
from brainage.datasets.readers.bids import find_images, read_people, read_sessions
from brainage.datasets.scans import read_dataset
from brainage.dicom.convert_folder import convert_dicom
from brainage.dicom.series import Person
from brainage.dicom.tables import age_at_scan
from tests.dicom.dicom_files import DOE, MPRAGE, SETTINGS, run, set_aside, write_series


@pytest.mark.slow
def test_what_is_set_aside_is_listed_with_its_reason(converted):
    out, _, said = converted
    rows = set_aside(out)
    assert [(row["series_number"], row["images"], row["reason"]) for row in rows] == [
        ("1", "3", "from its name: localizer"),
        ("3", "64", "from its name: T2"),
        ("4", "64", "derived from another series"),
        ("5", "64", "with a contrast agent"),
        ("6", "64", "1 of its 64 files are cut short"),
        ("7", "63", "slices are missing or unevenly spaced at 1 places"),
        ("n/a", "1", "a DICOM file whose header cannot be read"),
        ("n/a", "1", "not a DICOM file"),
    ]
    assert {row["participant_id"] for row in rows} == {"sub-01"}
    assert rows[3]["protocol"] == "MPRAGE, T1"
    assert "2 people, 3 sessions, 3 T1w images" in said
    assert "1 from its name: T2" in said
    assert "mine: {kind: bids, path:" in said


@pytest.mark.slow
def test_people_and_sessions_are_read_by_the_index(converted):
    out, _, _ = converted
    assert [image.t1w for image in find_images(out, "mine")] == [
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz",
        "sub-02/ses-2/anat/sub-02_ses-2_T1w.nii.gz",
    ]
    people = read_people(out, SETTINGS)
    assert people["sub-01"] == {
        "age": "60.43", "sex": "F", "site": None, "scanner": "Prisma_fit 3T", "line": "2",
    }  # fmt: skip
    assert people["sub-02"]["age"] == "41.16"
    sessions = read_sessions(out, "sub-02", SETTINGS)
    assert [sessions[f"ses-{n}"]["age"] for n in (1, 2)] == ["41.16", "44.16"]
    config = complete({"datasets": {"mine": {"kind": "bids", "path": str(out), "site": "A"}}})
    scans, remarks = read_dataset("mine", config["datasets"]["mine"], "first")
    assert [scan["age"] for scan in scans] == [60.43, 41.16, 44.16]
    assert {scan["site"] for scan in scans} == {"mine/A"}
    assert remarks == []


@pytest.mark.slow
def test_the_table_of_people_goes_before_the_headers(clinic, tmp_path):
    table = tmp_path / "people.tsv"
    table.write_text(
        "participant_id\tsession_id\tage\tsex\tsite\tdiagnosis\n"
        "01\tn/a\t61.5\tM\tNorth\tCN\n"
        "sub-02\tn/a\tn/a\tn/a\tSouth\tMCI\n"
        "sub-02\tses-2\t90\tn/a\tn/a\tAD\n"
        "sub-09\tn/a\t50\tF\tn/a\tn/a\n"
    )
    status, said = run(clinic, tmp_path / "bids", "--people", table)
    assert status == 0, said
    people = read_people(tmp_path / "bids", SETTINGS)
    assert people["sub-01"]["age"] == "61.5"
    assert people["sub-01"]["sex"] == "M"
    assert people["sub-02"]["sex"] == "M"
    assert people["sub-02"]["site"] == "South"
    sessions = read_sessions(tmp_path / "bids", "sub-02", SETTINGS)
    assert sessions["ses-1"]["age"] == "41.16"
    assert sessions["ses-1"]["diagnosis"] == "MCI"
    assert sessions["ses-2"]["age"] == "90"
    assert sessions["ses-2"]["diagnosis"] == "AD"
    assert "1 people of the table have no DICOM folder (sub-09)" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\tage\n1\t4\n", "column 'participant_id' is missing"),
        ("participant_id\tAge\n1\t4\n", "column 'Age' is not known"),
        ("participant_id\tage\n01\t4\t5\n", "row 2 has 3 values, the header 2"),
        ("participant_id\tage\n01\t4\nsub-01\t5\n", "rows 2 and 3 are both for sub-01"),
        ("participant_id\tage\n01\t700\n", "row 2: age 700 is not between"),
        ("participant_id\tsex\n01\twoman\n", "row 2: sex 'woman' is not known"),
        ("participant_id\tage\n02\t41\n", "one age for sub-02, who has 2 sessions"),
        ("participant_id\tsession_id\n02\t3\n", "sub-02 has no ses-3 here; it has ses-1, ses-2"),
    ],
)
def test_a_wrong_table_of_people_is_named_before_anything_is_written(
    clinic, tmp_path, text, message
):
    table = tmp_path / "people.tsv"
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        convert_dicom(clinic, tmp_path / "bids", table)
    assert not (tmp_path / "bids").exists()


def person(birth="", age=""):
    return Person("", "", birth, "", age)


@pytest.mark.parametrize(
    ("who", "date", "age"),
    [
        (person("19630417"), "20230922", 60.43),
        (person("1963.04.17"), "20230922", 60.43),
        (person("19630417", "060Y"), "20230922", 60.43),
        (person("", "045Y"), "20230922", 45.0),
        (person("", "018M"), "", 1.5),
        (person("", "006W"), "", 0.11),
        (person("", "010D"), "", 0.03),
        (person("", "45"), "", 45.0),
        (person("196304", "045Y"), "20230922", 45.0),
        (person("", "000Y"), "20230922", None),
        (person("", "old"), "20230922", None),
        (person(), "20230922", None),
    ],
)
def test_ages(who, date, age):
    found, remark = age_at_scan(who, date)
    assert remark is None
    assert found == age


def test_ages_that_cannot_be_are_said():
    assert "differ by more than a year" in age_at_scan(person("19630417", "050Y"), "20230922")[1]
    assert age_at_scan(person("19000203"), "20230922")[0] is None
    assert "above 110" in age_at_scan(person("19000203"), "20230922")[1]
    assert "below 0" in age_at_scan(person("20250101"), "20230922")[1]


@pytest.mark.parametrize(
    ("birth", "date"),
    [
        ("19000101", "20230922"),
        ("1900.01.01", "19800922"),  # as an age it would pass
        ("18000101", "20230922"),
        ("00010101", "20230922"),
        ("20230922", "20230922"),
        ("20230901", "20230922"),
    ],
)
def test_a_placeholder_is_no_birth_date_which_is_said(birth, date):
    age, remark = age_at_scan(person(birth), date)
    assert age is None
    assert remark.startswith("placeholders for a birth date")
    assert age_at_scan(person(birth, "045Y"), date) == (45.0, remark)


def test_a_baby_of_a_month_has_its_age():
    assert age_at_scan(person("20230825"), "20230922") == (0.08, None)


@pytest.mark.slow
def test_an_age_that_few_reach_is_written_as_a_lower_bound(tmp_path):
    write_series(tmp_path / "d/7", MPRAGE, DOE | {"PatientBirthDate": "19300101"})
    convert_dicom(tmp_path / "d", tmp_path / "b")
    assert read_people(tmp_path / "b", SETTINGS)["sub-7"]["age"] == "89+"
