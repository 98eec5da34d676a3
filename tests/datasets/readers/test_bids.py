import json
import math

import pytest

from brainage.core.config import complete
from brainage.core.demographics import parse_age, parse_sex
from brainage.core.files import InputError
from brainage.datasets.readers.bids import find_images, read_people
from brainage.datasets.scans import read_dataset

SETTINGS = {"columns": {}, "sex_map": {}}


def make(folder, *images):
    (folder / "dataset_description.json").write_text(
        json.dumps({"Name": "test", "BIDSVersion": "1.10.0"})
    )
    for image in images:
        path = folder / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def read_folder(folder, run="first", **settings):
    """Scans of a folder by scan_id, and the remarks on it."""
    data = {"kind": "bids", "path": str(folder), **settings}
    rows, remarks = read_dataset(
        "mine", complete({"datasets": {"mine": data}})["datasets"]["mine"], run
    )
    return {row["scan_id"]: row for row in rows}, " | ".join(remarks)


def test_images_of_sessions_and_runs_are_found_and_derivatives_are_not(tmp_path):
    make(
        tmp_path,
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_run-01_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_run-02_T1w.nii",
        "sub-02/ses-a/anat/sub-02_ses-a_T2w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_run-01_T1w.json",
        "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz",
    )
    images = find_images(tmp_path, "test")
    assert [(*image[:4], image.set_aside) for image in images] == [
        ("sub-01", None, None, "sub-01/anat/sub-01_T1w.nii.gz", None),
        ("sub-02", "ses-a", "run-01", "sub-02/ses-a/anat/sub-02_ses-a_run-01_T1w.nii.gz", None),
        ("sub-02", "ses-a", "run-02", "sub-02/ses-a/anat/sub-02_ses-a_run-02_T1w.nii", None),
    ]


def test_a_folder_that_is_not_there_or_has_no_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no folder .*gone \(key datasets\.test\.path\)"):
        find_images(tmp_path / "gone", "test")
    with pytest.raises(InputError, match=r"dataset_description\.json"):
        find_images(tmp_path, "test")
    with pytest.raises(InputError, match="no image named"):
        find_images(make(tmp_path), "test")


def test_people_are_read_with_windows_line_ends_and_a_byte_order_mark(tmp_path):
    (tmp_path / "participants.tsv").write_bytes(
        b"\xef\xbb\xbfparticipant_id\tage\tsex\r\nsub-01\t44\tF\r\n02\tn/a\t\r\n"
    )
    people = read_people(tmp_path, SETTINGS)
    assert people["sub-01"] == {"age": "44", "sex": "F", "line": "2"}
    assert people["sub-02"]["age"] is None
    assert people["sub-02"]["sex"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("participant_id\tage\nsub-1\t4\n1\t5\n", "rows 2 and 3 are both for sub-1"),
        ("id\tage\nsub-1\t4\n", "column 'participant_id' is missing; found: id, age"),
        ("participant_id\tage\nsub-1\t4\t5\n", "row 2 has 3 values, the header 2"),
        ("", "cannot be read"),
        ("participant_id\tage\tage\nsub-1\t4\t5\n", "columns 2 and 3 are both named 'age'"),
        ("participant_id\tage\tAge\nsub-1\t4\t5\n", "columns 'age' and 'Age' could both be"),
        ("participant_id\tage\nsub-1\t4\nn/a\t5\n", "row 3 has no participant_id"),
    ],
)
def test_a_broken_table_is_named(tmp_path, text, message):
    (tmp_path / "participants.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_people(tmp_path, SETTINGS)


def test_columns_by_another_name_and_a_misspelt_one(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tAgeAtScan\nsub-1\t33.5\n")
    people = read_people(tmp_path, {"columns": {"age": "AgeAtScan"}})
    assert people["sub-1"]["age"] == "33.5"
    make(tmp_path, "sub-1/anat/sub-1_T1w.nii.gz")
    with pytest.raises(
        InputError, match=r"'AgeAtScna' is missing \(columns.age.* participant_id, AgeAtScan"
    ):
        read_folder(tmp_path, columns={"age": "AgeAtScna"})


def test_ages():
    assert parse_age("71.5", "") == (71.5, False)
    assert parse_age("89+", "") == (89.0, True)
    assert math.isnan(parse_age(None, "")[0])
    with pytest.raises(InputError, match="here: age 720 is not .* months given for years"):
        parse_age("720", "here")
    for wrong in ("-1", "old", "9999", "inf", "nan-ish", "6_5", "６５", "6,5", "<18"):
        with pytest.raises(InputError, match="here"):
            parse_age(wrong, "here")
    with pytest.raises(InputError, match=r"'6_5' is not a number of years.*89\+"):
        parse_age("6_5", "here")


@pytest.mark.parametrize("text", ["89+", "89 +", ">89", "> 89", ">=89", "≥89"])
def test_a_lower_bound_of_an_age(text):
    assert parse_age(text, "") == (89.0, True)


def test_ages_in_other_units():
    assert parse_age("72", "", "months") == (6.0, False)
    assert parse_age("1068+", "", "months") == (89.0, True)
    assert parse_age("3652.5", "", "days")[0] == pytest.approx(10)
    with pytest.raises(InputError, match=r"age 2000 \(in months\) is not between 0 and 130 years"):
        parse_age("2000", "", "months")


def test_sex_is_mapped_only_where_the_word_is_plain_or_mapped():
    assert [parse_sex(word, {}, "") for word in ("M", "female", "Other", None)] == [
        "M", "F", "O", None,
    ]  # fmt: skip
    assert parse_sex("2", {"1": "M", "2": "F"}, "") == "F"
    # What the message advises leaves an unknown sex unknown.
    with pytest.raises(InputError, match=r"row 3: sex '-' is not known.*sex_map: \{'-': null\}"):
        parse_sex("-", {}, "row 3")
    assert parse_sex("-", {"-": None}, "row 3") is None
