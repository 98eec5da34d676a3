import gzip
from importlib import util
from pathlib import Path

import nibabel
import numpy as np
import pytest

from brainage.core.files import read_json
from brainage.datasets.readers.bids import read_people
from brainage.dicom import convert as dicom_convert
from brainage.dicom import convert_folder as dicom
from brainage.dicom.convert import ConversionError
from brainage.dicom.convert_folder import convert_dicom
from brainage.dicom.scanners import known_scanner
from tests.dicom.dicom_files import (
    MPRAGE,
    SETTINGS,
    all_bytes,
    assert_same_world,
    geometry,
    head,
    run,
    set_aside,
    write_series,
)


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert sidecar["ManufacturersModelName"] == "Prisma_fit"
    assert sidecar["ScanningSequence"] == "GR\\IR"
    assert sidecar["SequenceVariant"] == "SK\\SP\\MP"
    assert sidecar["ConversionSoftware"] == "dcm2niix" and sidecar["ConversionSoftwareVersion"]


@pytest.mark.slow
def test_a_name_in_any_free_text_of_a_header_is_left_behind(tmp_path):
    """Words that are known of scanners stay; a model without a known word is said."""
    free = {
        "Manufacturer": "SIEMENS Doezeman",
        "SoftwareVersions": "syngo MR Doezeman",
        "ScanOptions": ["PFP", "DOEZEMAN"],
        "SequenceVariant": ["SK", "DOEZEMAN"],
        "SequenceName": "*tfl3d1_Doezeman",
        "BodyPartExamined": "DOEZEMAN",
        "ReceiveCoilName": "HeadDoezeman",
        "AcquisitionDeviceProcessingDescription": "Doezeman",
    }
    write_series(tmp_path / "d/7", MPRAGE | free | {"ManufacturerModelName": "Skyra Doezeman"})
    write_series(tmp_path / "d/8", MPRAGE | {"ManufacturerModelName": "Doezeman_3T"})
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 0, said
    assert b"doezeman" not in b"".join(all_bytes(tmp_path / "b")).lower()
    people = read_people(tmp_path / "b", SETTINGS)
    assert (people["sub-7"]["scanner"], people["sub-8"]["scanner"]) == ("Skyra 3T", "3T")
    assert "1 sessions on a scanner whose model is not known here: left out" in said
    sidecar = read_json(tmp_path / "b/sub-7/anat/sub-7_T1w.json")
    assert sidecar["ManufacturersModelName"] == "Skyra"
    assert not {"SoftwareVersions", "ScanOptions", "SequenceVariant"} & set(sidecar)


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("Prisma_fit", "Prisma_fit"),
        ("DISCOVERY MR750", "DISCOVERY MR750"),
        ("SIGNA PET/MR", "SIGNA PET/MR"),
        ("Ingenia Elition X", "Ingenia Elition X"),
        ("uMR 780", "uMR 780"),
        ("MAGNETOM Vida 3T", "MAGNETOM Vida 3T"),
        ("Skyra_Doezeman", ""),
        ("Skyra 8844221", "Skyra"),
        ("Ärztehaus Aera\n", "Aera"),
        ("___", ""),
    ],
)
def test_known_words_of_a_scanner(model, known):
    assert known_scanner(model) == known


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_sidecar_stays_beside_an_image_that_is_replaced(tmp_path, monkeypatch):
    write_series(tmp_path / "d/7", MPRAGE)
    convert_dicom(tmp_path / "d", tmp_path / "bids")
    write_series(tmp_path / "d/7", MPRAGE, voxels=head(5))

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(dicom_convert, "atomic_write", stop)
    with pytest.raises(KeyboardInterrupt):
        convert_dicom(tmp_path / "d", tmp_path / "bids")
    assert not list((tmp_path / "bids").rglob("*_T1w.json"))


@pytest.mark.slow
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
        ("exit 2", "dcm2niix found no image in it"),
        ("exit 0", "dcm2niix produced no image"),
        ("echo Doezeman; exit 77", "dcm2niix could not convert it (exit status 77)"),
        ('while [ "$1" != -o ]; do shift; done; touch "$2/a.nii" "$2/b.nii"',
         "dcm2niix made 2 images from it"),
    ],
)  # fmt: skip
def test_a_failed_conversion_sets_the_series_aside(tmp_path, monkeypatch, script, reason):
    write_series(tmp_path / "d/7", MPRAGE)
    stand_in(tmp_path, monkeypatch, script)
    status, said = run(tmp_path / "d", tmp_path / "b")
    assert status == 2
    assert "no T1w series" in said
    assert set_aside(tmp_path / "b")[0]["reason"] == reason
    assert not list((tmp_path / "b").rglob("*T1w*"))


def test_a_killed_dcm2niix_is_no_verdict_on_the_series(tmp_path, monkeypatch):
    write_series(tmp_path / "d/7", MPRAGE)
    stand_in(tmp_path, monkeypatch, "kill -9 $$")
    with pytest.raises(ConversionError, match=r"sub-7, series 2: .*run it again"):
        convert_dicom(tmp_path / "d", tmp_path / "b")
    assert not (tmp_path / "b/sourcedata").exists()


@pytest.mark.slow
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
