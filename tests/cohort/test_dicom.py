import contextlib
import dataclasses
import errno
import gzip
import io
import logging
import re
from importlib import util
from pathlib import Path

import nibabel
import numpy as np
import pytest

from brainage import cli
from brainage.cohort import dicom, dicom_convert, dicom_people, dicom_series
from brainage.cohort.bids import find_images, read_people, read_sessions
from brainage.cohort.dicom import convert_dicom
from brainage.cohort.dicom_convert import ConversionError
from brainage.cohort.dicom_rules import pick_t1w, reason_aside
from brainage.cohort.dicom_series import Person, read_series
from brainage.cohort.dicom_tables import age_at_scan
from brainage.cohort.index import index_scans
from brainage.config import complete
from brainage.files import InputError, read_json
from tests.cohort.dicom_files import (
    DOE,
    LOCALIZER,
    MPRAGE,
    REFORMATTED,
    ROE,
    SLICES,
    T2,
    UID,
    geometry,
    head,
    write_series,
)

SETTINGS = {"columns": {}}


def identifiers():
    """Everything of the headers that is the person's, in every form that could get out."""
    values = {str(v) for who in (DOE, ROE) for k, v in who.items() if k != "PatientSex"}
    words = {w for v in values for w in re.split(r"[\W_]+", v) if len(w) > 3}
    dates = ("20230922", "20210301", "20240301")
    spelt = {f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in (*dates, "19630417", "19800101")}
    ours = values | words | set(dates) | spelt | {UID, "101530", "10:15:30", "file-of-"}
    # The standard's own words that also stand in an invented header.
    return sorted(ours - {"1963", "SIEMENS"})


def all_bytes(folder):
    """Name and bytes of every file, and of what is inside those that are compressed."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)).encode()
        if path.is_file():
            yield path.read_bytes()
        if path.suffix == ".gz":
            yield gzip.decompress(path.read_bytes())


def left_aside(folder):
    lines = (folder / "sourcedata" / "left_aside.tsv").read_text().splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def run(*arguments):
    """The command's status, and all that it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = cli.main(["dicom", *map(str, arguments)])
    return status, printed.getvalue()


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """Two people's folders as a hospital's archive writes them."""
    folder = tmp_path_factory.mktemp("dicom")
    place = folder / "sub-01" / "Doezeman_Jonquil" / "STU00001"
    write_series(place / "a", LOCALIZER, number=1, slices=range(3))
    write_series(place / "b", MPRAGE, number=2, name="file-of-Doezeman-{index}.IMA")
    write_series(place / "c", T2, number=3)
    write_series(place / "d", REFORMATTED, number=4)
    with_agent = MPRAGE | {"ContrastBolusAgent": "Gadovist for Doezeman"}
    write_series(place / "e", with_agent, number=5, time="103000")
    broken = write_series(place / "f", MPRAGE, number=6, time="104000")
    broken[30].write_bytes(broken[30].read_bytes()[:3000])
    write_series(place / "g", MPRAGE, number=7, time="104500", slices=[*range(40), *range(41, 64)])
    (place / "Doezeman.txt").write_text("Doezeman")
    (place / "h").write_bytes(bytes(128) + b"DICM" + b"Doezeman" * 20)
    write_series(
        folder / "02" / "x", MPRAGE, ROE, date="20240301", voxels=head(1), time="101530.250000"
    )
    write_series(folder / "02" / "y", MPRAGE, ROE, date="20210301", voxels=head(2))
    return folder


@pytest.fixture(scope="module")
def converted(clinic, tmp_path_factory):
    out = tmp_path_factory.mktemp("bids") / "mine"
    return (out, *run(clinic, out))


def assert_same_world(path, voxels, matrix):
    """The image has the DICOM's voxels at the DICOM's places; axes may be flipped or swapped."""
    image = nibabel.load(path)
    lps_to_ras = np.diag([-1.0, -1, 1, 1])
    to_dicom = np.linalg.inv(lps_to_ras @ matrix) @ image.affine
    whole = np.rint(to_dicom)
    np.testing.assert_allclose(to_dicom, whole, atol=2e-3)
    index = np.indices(image.shape).reshape(3, -1)
    i, j, k = (whole[:3, :3] @ index + whole[:3, 3:]).astype(int)
    assert min(i.min(), j.min(), k.min()) == 0
    np.testing.assert_array_equal(np.asarray(image.dataobj).ravel(), voxels[i, j, k])
    assert image.get_qform(coded=True)[1] == 1
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-3)


def test_voxels_lie_where_the_headers_say(converted):
    out, status, said = converted
    assert status == 0, said
    assert_same_world(out / "sub-01/anat/sub-01_T1w.nii.gz", head(), geometry())
    assert_same_world(out / "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz", head(2), geometry())
    assert_same_world(out / "sub-02/ses-2/anat/sub-02_ses-2_T1w.nii.gz", head(1), geometry())


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1)], ids=["axial", "coronal"])
def test_other_slice_directions_lie_where_the_headers_say(tmp_path, axes):
    matrix = np.diag([0.0, 0, 0, 1])
    for column, (axis, size) in enumerate(zip(axes, (2.6, 2.4, 2.5), strict=True)):
        matrix[axis, column] = size * (-1 if axis == 2 and column == 1 else 1)
    matrix[:3, 3] = -80, -95, 70
    write_series(tmp_path / "d" / "1", MPRAGE, matrix=matrix)
    convert_dicom(tmp_path / "d", tmp_path / "b")
    assert_same_world(tmp_path / "b/sub-1/anat/sub-1_T1w.nii.gz", head(), matrix)


def test_what_is_left_aside_is_listed_with_its_reason(converted):
    out, _, said = converted
    rows = left_aside(out)
    assert [(row["series_number"], row["images"], row["reason"]) for row in rows] == [
        ("1", "3", "by its name: localizer"),
        ("3", "64", "by its name: T2"),
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
    assert "1 by its name: T2" in said
    assert "mine: {kind: bids, path:" in said


def test_nothing_of_the_person_gets_out(converted):
    out, _, said = converted
    forbidden = [text.lower().encode() for text in identifiers()]
    assert len(forbidden) > 40
    for found in (said.encode(), *all_bytes(out)):
        found = found.lower()
        assert [text for text in forbidden if text in found] == []


def test_the_check_for_identifiers_finds_them_in_dicom_itself(clinic):
    everything = b"".join(all_bytes(clinic / "sub-01"))
    missing = [t for t in identifiers() if t.encode() not in everything]
    assert "HOSP-7731942" not in missing
    assert "Doezeman" not in missing
    assert UID not in missing


def test_headers_and_sidecars_hold_the_acquisition_and_no_text(converted):
    out, _, _ = converted
    header = nibabel.load(out / "sub-01/anat/sub-01_T1w.nii.gz").header
    for name in ("descrip", "aux_file", "db_name", "intent_name"):
        assert header[name].tobytes().strip(b"\0") == b""
    packed = (out / "sub-01/anat/sub-01_T1w.nii.gz").read_bytes()
    assert packed[3] == 0  # no name, no comment
    assert packed[4:8] == bytes(4)  # no time
    sidecar = read_json(out / "sub-01/anat/sub-01_T1w.json")
    assert sidecar["EchoTime"] == 0.00298
    assert sidecar["InversionTime"] == 0.9
    assert sidecar["Manufacturer"] == "Siemens"
    assert set(sidecar) <= {*dicom_convert.NUMBERS, *dicom_convert.WORDS, dicom_convert.SOURCE}


def test_people_and_sessions_are_read_by_the_index(converted):
    out, _, _ = converted
    assert list(find_images(out, "mine")["t1w"]) == [
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
    scans, remarks = index_scans(
        complete({"datasets": {"mine": {"kind": "bids", "path": str(out), "site": "A"}}})
    )
    assert list(scans["age"]) == [60.43, 41.16, 44.16]
    assert list(scans["set_aside"]) == [None] * 3
    assert remarks == []


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\tage\n1\t4\n", "column 'participant_id' is missing"),
        ("participant_id\tAge\n1\t4\n", "column 'Age' is not known"),
        ("participant_id\tage\n01\t4\t5\n", "row 2 has 3 values, the header 2"),
        ("participant_id\tage\n01\t4\nsub-01\t5\n", "row 3: a second row for sub-01"),
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


def test_the_same_input_gives_the_same_bytes_and_nothing_is_done_twice(
    clinic, converted, tmp_path, monkeypatch
):
    out, _, _ = converted
    again = tmp_path / "mine"
    assert run(clinic, again, "--processes", 2)[0] == 0
    assert content(again) == content(out)
    # What is missing after an interruption is made again, and only that.
    (again / "sub-01/anat/sub-01_T1w.json").unlink()
    (again / "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz").unlink()
    (again / "sub-01/anat/.sub-01_T1w.nii.gz.x1.nii.gz").write_bytes(b"half")
    (again / "participants.tsv").unlink()
    called = []
    real = dicom.convert
    monkeypatch.setattr(dicom, "convert", lambda *a: (called.append(a[1].name), real(*a)))
    assert run(clinic, again)[0] == 0
    assert called == ["sub-01_T1w.nii.gz", "sub-02_ses-1_T1w.nii.gz"]
    assert content(again) == content(out)


def test_an_interrupted_conversion_leaves_nothing_under_a_final_name(tmp_path, monkeypatch):
    write_series(tmp_path / "d/7", MPRAGE)

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(dicom_convert, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        convert_dicom(tmp_path / "d", tmp_path / "bids")
    assert not list(tmp_path.rglob("*_T1w.json"))
    monkeypatch.undo()
    monkeypatch.setattr(dicom_convert.gzip, "compress", stop)
    with pytest.raises(KeyboardInterrupt):
        convert_dicom(tmp_path / "d", tmp_path / "other")
    assert not list((tmp_path / "other").rglob("*T1w*"))


def test_an_interrupted_run_leaves_no_ages_beside_images_of_another_run(tmp_path, monkeypatch):
    out = tmp_path / "bids"
    write_series(tmp_path / "d/7/first", MPRAGE)
    write_series(tmp_path / "d/8/first", MPRAGE, ROE)
    convert_dicom(tmp_path / "d", out)

    def stop(*_, **__):
        raise KeyboardInterrupt

    # A run that changes nothing leaves the table where it is.
    monkeypatch.setattr(dicom, "write_tables", stop)
    with pytest.raises(KeyboardInterrupt):
        convert_dicom(tmp_path / "d", out)
    assert (out / "participants.tsv").is_file()

    # Another visit: before its image is there, the table is gone, which the index asks for.
    write_series(tmp_path / "d/7/next", MPRAGE, date="20240301", voxels=head(5))
    with monkeypatch.context() as patch:
        patch.setattr(dicom, "convert", stop)
        with pytest.raises(KeyboardInterrupt):
            convert_dicom(tmp_path / "d", out)
    assert not (out / "participants.tsv").exists()
    monkeypatch.undo()
    convert_dicom(tmp_path / "d", out)
    assert list(read_people(out, SETTINGS)) == ["sub-7", "sub-8"]

    # Nothing is converted, but an image removed.
    for path in (tmp_path / "d/8/first").iterdir():
        path.unlink()
    monkeypatch.setattr(dicom, "write_tables", stop)
    with pytest.raises(KeyboardInterrupt):
        convert_dicom(tmp_path / "d", out)
    assert not (out / "participants.tsv").exists()


def test_no_sidecar_stays_beside_an_image_that_is_replaced(tmp_path, monkeypatch):
    write_series(tmp_path / "d/7", MPRAGE)
    convert_dicom(tmp_path / "d", tmp_path / "bids")
    write_series(tmp_path / "d/7", MPRAGE, voxels=head(5))

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(dicom_convert, "written_whole", stop)
    with pytest.raises(KeyboardInterrupt):
        convert_dicom(tmp_path / "d", tmp_path / "bids")
    assert not list((tmp_path / "bids").rglob("*_T1w.json"))


def test_two_people_in_one_folder_are_refused_without_naming_them(tmp_path):
    write_series(tmp_path / "d" / "7" / "a", MPRAGE, slices=range(2))
    write_series(tmp_path / "d" / "7" / "b", MPRAGE, ROE, number=3, slices=range(2))
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 2
    assert "sub-7: the headers in this folder name more than one person" in said
    assert "FOLDER/PARTICIPANT" in said
    assert [text for text in identifiers() if text.lower() in said.lower()] == []
    assert not (tmp_path / "b").exists()


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
        (".", "DICOM files lie in it without a person's folder; lay the folder out"),
        ("Doezeman^Jonquil", r"the name of folder 1 of 1 .* is no participant_id"),
        ("DoezemanJonquil", "a person's folder, or .*, has the person's name"),
        ("pDOEZEMAN3", "a person's folder, or .*, has the person's name or birth date"),
        ("sub-p19630417", "a person's folder, or .*, has the person's name or birth date"),
        ("7/ses-Doezeman", "a person's folder, or .*, has the person's name or birth date"),
        ("7/ses-19630417", "a person's folder, or .*, has the person's name or birth date"),
        # Nothing else is said of such a folder: that would repeat its name.
        ("Doezeman/ses-a_b", "a person's folder, or .*, has the person's name or birth date"),
        ("Doezeman/ses-20230922", "a person's folder, or .*, has the person's name or birth date"),
        ("7/ses-a_b", "sub-7: a session's folder has other characters"),
        ("7/ses-v20230922", "sub-7: a session's folder is named by the date of the scan"),
        ("7", "sub-7: DICOM files lie beside the folders of its sessions"),
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


def test_a_folder_with_other_data_is_not_written_into(clinic, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="that brainage dicom didn't write; give a new folder"):
        convert_dicom(clinic, tmp_path / "b")
    (tmp_path / "b" / "dataset_description.json").write_text('{"Name": "other"}')
    with pytest.raises(InputError, match="that brainage dicom didn't write"):
        convert_dicom(clinic, tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "dataset_description.json", "thesis.txt",
    ]  # fmt: skip
    for inner in (clinic / "bids", clinic, clinic.parent):
        with pytest.raises(InputError, match="lie in each other"):
            convert_dicom(clinic, inner)


def test_other_people_are_not_put_into_the_folder_of_an_earlier_run(converted, tmp_path):
    write_series(tmp_path / "d/7", MPRAGE, slices=range(2))
    with pytest.raises(InputError, match="it holds sub-01, who has no folder in"):
        convert_dicom(tmp_path / "d", converted[0])


def test_no_t1w_series_at_all_is_an_error_that_names_the_table_of_reasons(tmp_path):
    write_series(tmp_path / "d/7", T2)
    with pytest.raises(InputError, match=r"no T1w series in it; .*left_aside\.tsv"):
        convert_dicom(tmp_path / "d", tmp_path / "b")
    assert left_aside(tmp_path / "b")[0]["reason"] == "by its name: T2"


def test_runs_are_in_order_of_acquisition_and_outdated_names_go(tmp_path):
    write_series(tmp_path / "d/7/late", MPRAGE, number=2, time="120000", voxels=head(3))
    convert_dicom(tmp_path / "d", tmp_path / "b")
    assert (tmp_path / "b/sub-7/anat/sub-7_T1w.nii.gz").is_file()
    # Earlier, though its number is higher.
    write_series(tmp_path / "d/7/early", MPRAGE, number=9, time="110000", voxels=head(4))
    convert_dicom(tmp_path / "d", tmp_path / "b")
    images = list(find_images(tmp_path / "b", "b")["t1w"])
    assert images == [f"sub-7/anat/sub-7_run-{n}_T1w.nii.gz" for n in (1, 2)]
    for path, seed in zip(images, (4, 3), strict=True):
        assert_same_world(tmp_path / "b" / path, head(seed), geometry())
    # A visit on another day makes sessions of them.
    write_series(tmp_path / "d/7/next", MPRAGE, number=2, date="20240301", voxels=head(5))
    convert_dicom(tmp_path / "d", tmp_path / "b")
    assert [path.name for path in sorted((tmp_path / "b/sub-7").iterdir())] == [
        "ses-1", "ses-2", "sub-7_sessions.tsv",
    ]  # fmt: skip


def test_a_person_who_has_no_t1w_series_any_more_goes_from_the_folder(tmp_path):
    write_series(tmp_path / "d/7", MPRAGE)
    write_series(tmp_path / "d/8/ses-1", MPRAGE, ROE)
    convert_dicom(tmp_path / "d", tmp_path / "b")
    for path in (tmp_path / "d/8/ses-1").iterdir():
        path.unlink()
    said = convert_dicom(tmp_path / "d", tmp_path / "b")
    assert "1 people without a T1w image (sub-8)" in said
    assert not (tmp_path / "b/sub-8").exists()
    assert list(read_people(tmp_path / "b", SETTINGS)) == ["sub-7"]


def test_of_two_reconstructions_the_normalised_one_is_kept(tmp_path):
    plain = MPRAGE | {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]}
    write_series(tmp_path / "a", plain, number=2)
    write_series(tmp_path / "b", MPRAGE, number=3)
    write_series(tmp_path / "c", MPRAGE, number=4, time="113000")
    picked, aside = pick_t1w(read_series(tmp_path.rglob("*[0-9]"))[0])
    assert [series.number for series in picked] == [3, 4]
    assert [(series.number, reason) for series, reason in aside] == [
        (2, "another reconstruction of an acquisition that is kept")
    ]


def test_a_contrast_agent_counts_only_where_there_is_an_image_without(tmp_path):
    write_series(tmp_path / "d/7", MPRAGE | {"SeriesDescription": "t1 mprage +C"})
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 0
    assert "1 images are with a contrast agent" in said


def test_slices_of_a_tilted_gantry_are_left_aside(tmp_path):
    matrix = geometry()
    matrix[:3, 2] += 0.2 * matrix[:3, 1]
    write_series(tmp_path, MPRAGE, matrix=matrix)
    (series,), _ = read_series(tmp_path.iterdir())
    assert reason_aside(series) == "its slices don't lie straight behind each other"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ImagePositionPatient": ["1", "2"]},
        {"ImageOrientationPatient": ["1", "0", "0", "0", "1"]},
        {"ImageOrientationPatient": ["1", "0", "0"]},
    ],
)
@pytest.mark.parametrize("which", [slice(None), slice(3, 4)], ids=["all", "one"])
def test_a_wrong_number_of_values_sets_the_series_aside(tmp_path, wrong, which):
    import pydicom

    for path in write_series(tmp_path, MPRAGE)[which]:
        data = pydicom.dcmread(path)
        for keyword, value in wrong.items():
            setattr(data, keyword, value)
        data.save_as(path)
    (series,), _ = read_series(tmp_path.iterdir())
    assert reason_aside(series) == "its header doesn't say where its slices lie"


def test_pydicom_is_quiet_until_a_series_is_made_of_its_headers(tmp_path, monkeypatch):
    levels = []
    real = dicom_series._join

    def join(headers):
        levels.append(logging.getLogger("pydicom").level)
        return real(headers)

    monkeypatch.setattr(dicom_series, "_join", join)
    read_series(write_series(tmp_path, MPRAGE, slices=range(2)))
    assert levels == [logging.CRITICAL + 1]


def test_copies_of_a_file_count_once(tmp_path):
    write_series(tmp_path / "a", MPRAGE)
    write_series(tmp_path / "b", MPRAGE)
    series, unread = read_series(tmp_path.rglob("*[0-9]"))
    assert [one.images for one in series] == [SLICES]
    assert unread == {}


@pytest.fixture(scope="module")
def mprage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mprage")
    write_series(folder, MPRAGE)
    return read_series(folder.iterdir())[0][0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"text": "t1w mpr1"}, None),  # as an MPRAGE of the Human Connectome Project is called
        ({"text": "anat", "inversion": None, "sequence": frozenset({"GR", "IR"})}, None),
        ({"text": "", "sequence": frozenset({"GR"}), "inversion": 450.0, "repetition": 7.2}, None),
        (
            {"text": "ax 3d", "sequence": frozenset({"GR"}), "inversion": None,
             "repetition": 22.0, "flip": 28.0},
            None,
        ),
        (
            {"text": "ax 3d", "sequence": frozenset({"GR"}), "inversion": None,
             "repetition": 20.0, "flip": 4.0},
            "no sign of T1 weighting in its header",
        ),
        (
            {"text": "", "sequence": frozenset({"GR"}), "inversion": None, "repetition": 3.1},
            "no sign of T1 weighting in its header",
        ),
        ({"modality": "CT"}, "no MR image"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "P", "ND")}, "phase or another part"),
        ({"text": "t1 mprage aahscout"}, "localizer"),
        ({"text": "aahscout"}, "localizer"),
        ({"text": "sag t1 flair"}, "FLAIR"),
        ({"text": "3d tof t1"}, "angiography"),
        ({"text": "t1 mp2rage"}, "MP2RAGE"),
        ({"text": "t1 mprage cspine"}, "another part of the body"),
        ({"text": "swi3d"}, None),  # not a word of its own; the inversion tells
        ({"acquisition_type": "2D"}, "acquired in 2D"),
        ({"sequence": frozenset({"SE", "IR"})}, "spin echo"),
        ({"sequence": frozenset({"EP"})}, "echo planar"),
        ({"echoes": (1.7, 3.6)}, "2 echoes in one series"),
        ({"echoes": (80.0,)}, "echo time of more than 15 ms"),
        ({"repetition": 9000.0}, "repetition time of more than 4000 ms"),
        ({"images": 40}, "fewer than 60 slices"),
        ({"voxel": (1.0, 1.0, 4.0)}, "voxels larger than 3 mm"),
        ({"extent": (240.0, 240.0, 60.0)}, "covers less than 120 mm of the head"),
    ],
)  # fmt: skip
def test_rules_on_the_header(mprage, changes, reason):
    found = reason_aside(dataclasses.replace(mprage, **changes))
    assert found is None if reason is None else reason in found


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        ("t1 mprage post gd", True),
        ("t1 mprage + c", True),
        ("t1_mprage_KM", True),
        ("t1 without contrast", False),
        ("t1 pre gad", False),
        ("t1 mprage post", True),
        ("post mprage", True),
        ("t1 mprage post con", True),
        ("t1_mprage_postcon", True),
        ("t1 mprage c+", True),
        ("t1_mprage_+c", True),
        ("t1 mprage dotarem", True),
        ("t1 mprage Clariscan 1", True),
        ("t1 magnevist", True),
        ("t1 prohance", True),
        ("t1 omniscan", True),
        ("t1 multihance", True),
        ("t1 gadovist", True),
        ("t1 no dotarem", False),
        ("t1 mprage postop", False),
        ("t1 mprage post-op", False),
        ("t1 mprage c3", False),
    ],
)
def test_a_contrast_agent_by_name(tmp_path, text, agent):
    write_series(tmp_path, MPRAGE | {"SeriesDescription": text}, slices=range(2))
    assert read_series(tmp_path.iterdir())[0][0].agent is agent


@pytest.mark.parametrize(
    ("named", "agent"),
    [
        ("No contrast", False),
        ("NO CONTRAST GIVEN", False),
        ("none", False),
        ("no", False),
        ("N/A", False),
        ("0.0 ml", False),
        ("", False),
        ("Gadovist 0.1 mmol", True),
        ("N-methylglucamine", True),
        ("7 ml", True),
    ],
)
def test_a_contrast_agent_by_header(tmp_path, named, agent):
    write_series(tmp_path, MPRAGE | {"ContrastBolusAgent": named}, slices=range(2))
    assert read_series(tmp_path.iterdir())[0][0].agent is agent


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


def test_an_age_that_few_reach_is_written_as_a_lower_bound(tmp_path):
    write_series(tmp_path / "d/7", MPRAGE, DOE | {"PatientBirthDate": "19300101"})
    convert_dicom(tmp_path / "d", tmp_path / "b")
    assert read_people(tmp_path / "b", SETTINGS)["sub-7"]["age"] == "89+"


def test_a_missing_dcm2niix_is_one_line_that_says_what_to_install(clinic, tmp_path, monkeypatch):
    import dcm2niix

    monkeypatch.setattr(dcm2niix, "bin", str(tmp_path / "gone"))
    status, said = run(clinic, tmp_path / "b")
    assert status == 2
    assert said.endswith("dcm2niix is not installed, which converts DICOM: pip install dcm2niix\n")


def stand_in(tmp_path, monkeypatch, script):
    """A program in the place of dcm2niix."""
    program = tmp_path / "stand_in"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(dicom, "find_dcm2niix", lambda: (str(program), "0"))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 2", "dcm2niix finds no image in it"),
        ("exit 0", "dcm2niix made no image of it"),
        ("echo Doezeman; exit 77", "dcm2niix could not convert it (exit status 77)"),
        ('while [ "$1" != -o ]; do shift; done; touch "$2/a.nii" "$2/b.nii"',
         "dcm2niix made 2 images of it"),
    ],
)  # fmt: skip
def test_a_failed_conversion_sets_the_series_aside(tmp_path, monkeypatch, script, reason):
    write_series(tmp_path / "d/7", MPRAGE)
    stand_in(tmp_path, monkeypatch, script)
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 2
    assert "no T1w series" in said
    assert left_aside(tmp_path / "b")[0]["reason"] == reason
    assert not list((tmp_path / "b").rglob("*T1w*"))


def test_a_killed_dcm2niix_is_no_verdict_on_the_series(tmp_path, monkeypatch):
    write_series(tmp_path / "d/7", MPRAGE)
    stand_in(tmp_path, monkeypatch, "kill -9 $$")
    with pytest.raises(ConversionError, match=r"sub-7, series 2: .*run it again"):
        convert_dicom(tmp_path / "d", tmp_path / "b")
    assert not (tmp_path / "b/sourcedata").exists()


@pytest.mark.parametrize("failing", ["open", "stat", "resolve"])
def test_a_file_that_cannot_be_read_is_not_named(tmp_path, monkeypatch, failing):
    write_series(tmp_path / "d/7", MPRAGE, name="Doezeman{index}")
    real = getattr(Path, failing)

    def refuse(path, *arguments, **more):
        if path.name.startswith("Doezeman"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(Path, failing, refuse)
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 1
    assert "you may not write or read there" in said
    assert "Doezeman" not in said


def test_a_real_multi_frame_mprage(tmp_path):
    """An enhanced DICOM of a phantom, of a scanner's own; nibabel carries it for its tests."""
    package = Path(util.find_spec("nibabel").origin).parent
    path = package / "nicom" / "tests" / "data" / "philips_mprage.dcm.gz"
    if not path.is_file():
        pytest.skip("this nibabel came without its test data")
    import pydicom

    (tmp_path / "d/7").mkdir(parents=True)
    (tmp_path / "d/7/IM_0001").write_bytes(gzip.decompress(path.read_bytes()))
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 0, said
    assert "1 people, 1 sessions, 1 T1w images" in said
    read = pydicom.dcmread(tmp_path / "d/7/IM_0001")
    frames = read.PerFrameFunctionalGroupsSequence
    where = [np.array(f.PlanePositionSequence[0].ImagePositionPatient, float) for f in frames]
    along = np.array(frames[0].PlaneOrientationSequence[0].ImageOrientationPatient, float)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1] = along[:3], along[3:]
    matrix[:3, 2], matrix[:3, 3] = (where[-1] - where[0]) / (len(where) - 1), where[0]
    image = nibabel.load(tmp_path / "b/sub-7/anat/sub-7_T1w.nii.gz")
    stored = np.asarray(image.dataobj.get_unscaled())
    to_dicom = np.linalg.inv(np.diag([-1.0, -1, 1, 1]) @ matrix) @ image.affine
    np.testing.assert_allclose(to_dicom, np.rint(to_dicom), atol=5e-3)
    whole = np.rint(to_dicom).astype(int)
    i, j, k = whole[:3, :3] @ np.indices(image.shape).reshape(3, -1) + whole[:3, 3:]
    np.testing.assert_array_equal(stored.ravel(), read.pixel_array[k, j, i])
    people = read_people(tmp_path / "b", SETTINGS)
    assert people["sub-7"]["age"] == "89+"  # its makers gave it a birth date in 1911
    assert people["sub-7"]["scanner"] == "Achieva 3T"
    everything = b"".join(all_bytes(tmp_path / "b")).lower()
    for text in (b"phantom", b"washington", b"e34d2b9", b"17388", b"1635", b"20120310"):
        assert text not in everything
