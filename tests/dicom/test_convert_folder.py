import errno
from pathlib import Path

import pytest
import yaml

from brainage.core.config import complete
from brainage.core.files import InputError
from brainage.datasets.readers.bids import find_images, read_people
from brainage.dicom import convert_folder as dicom
from brainage.dicom.convert_folder import convert_dicom
from tests.dicom.dicom_files import (
    MPRAGE,
    ROE,
    SETTINGS,
    T2,
    UID,
    all_bytes,
    assert_same_world,
    geometry,
    head,
    identifiers,
    run,
    set_aside,
    write_series,
)

pytestmark = pytest.mark.slow


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


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


def test_a_folder_with_other_data_is_not_written_into(clinic, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="that brainage dicom did not write; give a new folder"):
        convert_dicom(clinic, tmp_path / "b")
    (tmp_path / "b" / "dataset_description.json").write_text('{"Name": "other"}')
    with pytest.raises(InputError, match="that brainage dicom did not write"):
        convert_dicom(clinic, tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "dataset_description.json", "thesis.txt",
    ]  # fmt: skip
    for inner in (clinic / "bids", clinic, clinic.parent):
        with pytest.raises(InputError, match="is inside the other"):
            convert_dicom(clinic, inner)


def test_other_people_are_not_put_into_the_folder_of_an_earlier_run(converted, tmp_path):
    write_series(tmp_path / "d/7", MPRAGE, slices=range(2))
    with pytest.raises(InputError, match="it holds sub-01, who has no folder in"):
        convert_dicom(tmp_path / "d", converted[0])


def test_no_t1w_series_at_all_is_an_error_that_names_the_table_of_reasons(tmp_path):
    write_series(tmp_path / "d/7", T2)
    with pytest.raises(InputError, match=r"no T1w series in it; .*set_aside\.tsv"):
        convert_dicom(tmp_path / "d", tmp_path / "b")
    assert set_aside(tmp_path / "b")[0]["reason"] == "from its name: T2"


def test_runs_are_in_order_of_acquisition_and_outdated_names_go(tmp_path):
    write_series(tmp_path / "d/7/late", MPRAGE, number=2, time="120000", voxels=head(3))
    convert_dicom(tmp_path / "d", tmp_path / "b")
    assert (tmp_path / "b/sub-7/anat/sub-7_T1w.nii.gz").is_file()
    # Earlier, though its number is higher.
    write_series(tmp_path / "d/7/early", MPRAGE, number=9, time="110000", voxels=head(4))
    convert_dicom(tmp_path / "d", tmp_path / "b")
    images = [image.t1w for image in find_images(tmp_path / "b", "b")]
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


def test_a_contrast_agent_counts_only_where_there_is_an_image_without(tmp_path):
    write_series(tmp_path / "d/7", MPRAGE | {"SeriesDescription": "t1 mprage +C"})
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 0
    assert "1 images were acquired with a contrast agent" in said


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
    assert "a file or folder cannot be read" in said
    assert "Doezeman" not in said


def test_what_to_write_into_the_config_is_yaml_whatever_the_folders_name():
    folder = Path("/data/-a: 'b' \"c\" {d} #ü")
    lines = dicom._summary(folder, [], [], False)
    text = "\n".join(lines[lines.index("  datasets:") :])
    config = complete(yaml.safe_load(text))
    assert config["datasets"]["abcd"]["path"] == str(folder)
