import re

import pytest

from brainage.core.files import InputError
from brainage.datasets.readers.bids import read_sessions
from brainage.dicom import people as dicom_people
from brainage.dicom.convert_folder import convert_dicom
from tests.dicom.dicom_files import DOE, MPRAGE, ROE, SETTINGS, UID, identifiers, run, write_series


def test_two_people_in_one_folder_are_refused_without_naming_them(tmp_path):
    write_series(tmp_path / "d" / "7" / "a", MPRAGE, slices=range(2))
    write_series(tmp_path / "d" / "7" / "b", MPRAGE, ROE, number=3, slices=range(2))
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 2
    assert "sub-7: the headers in this folder name more than one person" in said
    assert "FOLDER/PARTICIPANT" in said
    assert [text for text in identifiers() if text.lower() in said.lower()] == []
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_named_sessions_may_have_another_number_which_is_said(tmp_path):
    other = DOE | {"PatientID": "HOSP-9"}
    write_series(tmp_path / "d/7/ses-pre", MPRAGE)
    write_series(tmp_path / "d/7/ses-post", MPRAGE, other, date="20240301")
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 0
    assert "1 people whose sessions have different PatientIDs: is it one person? (sub-7)" in said
    assert "HOSP" not in said
    assert "different PatientNames" not in said
    assert sorted(read_sessions(tmp_path / "b", "sub-7", SETTINGS)) == ["ses-post", "ses-pre"]


@pytest.mark.slow
def test_named_sessions_of_two_names_are_said_without_the_names(tmp_path):
    write_series(tmp_path / "d/7/ses-1", MPRAGE)
    other = DOE | {"PatientName": ROE["PatientName"]}
    write_series(tmp_path / "d/7/ses-2", MPRAGE, other, date="20240301")
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 0
    assert "1 people whose sessions have different PatientNames: is it one person? (sub-7)" in said
    assert [text for text in identifiers() if text.lower() in said.lower()] == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (".", "it contains DICOM files outside any person's folder; lay the folder out"),
        ("Doezeman^Jonquil", r"the name of folder 1 of 1 .* is not a valid participant_id"),
        ("DoezemanJonquil", "a person's folder, or .*, has the person's name"),
        ("pDOEZEMAN3", "a person's folder, or .*, has the person's name or birth date"),
        ("sub-p19630417", "a person's folder, or .*, has the person's name or birth date"),
        ("7/ses-Doezeman", "a person's folder, or .*, has the person's name or birth date"),
        ("7/ses-19630417", "a person's folder, or .*, has the person's name or birth date"),
        # Nothing else is said of such a folder: that would repeat its name.
        ("Doezeman/ses-a_b", "a person's folder, or .*, has the person's name or birth date"),
        ("Doezeman/ses-20230922", "a person's folder, or .*, has the person's name or birth date"),
        ("7/ses-a_b", "sub-7: the name of a session's folder has characters other"),
        ("7/ses-v20230922", "sub-7: a session's folder is named after the date of the scan"),
        ("7", "sub-7: there are DICOM files outside its session folders"),
    ],
)
def test_a_folder_laid_out_otherwise_is_one_clear_error(tmp_path, place, message):
    write_series(tmp_path / "d" / place, MPRAGE, slices=range(2))
    if place == "7":
        (tmp_path / "d/7/ses-1").mkdir()
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 2
    assert re.search(message, said)
    assert said.count("\n") == 1 or said.count("\n") == 2  # and how many headers were read
    assert "doezeman" not in said.lower()
    assert "20230922" not in said
    assert "19630417" not in said


def test_nothing_is_said_of_a_folder_named_after_one_of_two_people_in_it(tmp_path):
    write_series(tmp_path / "d/Roebuck/a", MPRAGE, slices=range(2))
    write_series(tmp_path / "d/Roebuck/b", MPRAGE, ROE, number=3, slices=range(2))
    write_series(tmp_path / "e/Doezeman/b", MPRAGE, slices=range(2))
    (tmp_path / "e/Doezeman/ses-1").mkdir()
    for folder in ("d", "e"):
        status, said = run(tmp_path / folder, tmp_path / "b")
        assert status == 2
        assert "has the person's name" in said
        assert [text for text in identifiers() if text.lower() in said.lower()] == []


@pytest.mark.parametrize(
    ("name", "label", "refused"),
    [
        ("Bo^Li", "bo7", False),  # three letters and fewer are in many a code
        ("Bo^Li", "LiBo", True),
        ("van der Berghe^A", "xberghe", True),
        ("Meyer-Schmidt^A", "schmidt", True),
        ("STUDY0012", "STUDY0012", False),  # a code, which is remarked
    ],
)
def test_which_names_a_folder_must_not_have(tmp_path, name, label, refused):
    write_series(tmp_path / "d" / label, MPRAGE, DOE | {"PatientName": name}, slices=range(2))
    said = run(tmp_path / "d", tmp_path / "b")[1]
    assert ("has the person's name" in said) is refused


def test_files_behind_a_link_to_a_folder_are_read_and_loops_end(tmp_path):
    write_series(tmp_path / "archive" / "visit", MPRAGE, slices=range(2))
    place = tmp_path / "d" / "7"
    place.mkdir(parents=True)
    (place / "far").symlink_to(tmp_path / "archive")
    (tmp_path / "archive" / "again").symlink_to(tmp_path / "archive")
    (place / "up").symlink_to(tmp_path / "d")
    (place / "self").symlink_to(place)
    found = sorted(str(path.relative_to(place)) for path in dicom_people._files(place))
    assert found == ["far/visit/0", "far/visit/1"]


def test_studies_without_dates_are_not_put_in_an_order(tmp_path):
    write_series(tmp_path / "d/7", MPRAGE, date="", study=f"{UID}.1", slices=range(2))
    write_series(tmp_path / "d/7/b", MPRAGE, date="", study=f"{UID}.2", slices=range(2))
    with pytest.raises(InputError, match=r"sub-7: several studies, and not all have a date"):
        convert_dicom(tmp_path / "d", tmp_path / "b")
