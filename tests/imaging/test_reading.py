"""Each thing that can be wrong with one image gets a plain reason of its own."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from brainage.imaging.faults import ScanFault
from brainage.imaging.reading import read

SHAPE = (24, 26, 28)
AFFINE = np.diag([5.0, 5.0, 5.0, 1.0])


def picture(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 1000, shape).astype(np.int16)


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nibabel.Nifti1Image(data, affine).to_filename(path)
    return path


def not_a_number() -> np.ndarray:
    data = picture().astype(np.float32)
    data[3, 4, 5] = np.nan
    return data


@pytest.mark.parametrize(
    ("data", "affine", "reason"),
    [
        (picture((*SHAPE, 3)), AFFINE, "4 axes"),
        (picture((24, 26, 8)), AFFINE, "only 24 x 26 x 8 voxels"),
        (not_a_number(), AFFINE, "not a number"),
        (np.zeros(SHAPE, np.int16), AFFINE, "all voxels are zero"),
        (np.full(SHAPE, 7, np.int16), AFFINE, r"the same value \(7\)"),
        (picture(), np.diag([5.0, 5.0, 0.0, 1.0]), "zero or singular"),
        (picture(), np.diag([0.005, 0.005, 0.005, 1.0]), "impossible for a T1w scan of a head"),
        (picture(), np.diag([1.0, 1.0, 1.0, 1.0]), "which does not fit a head"),
    ],
)
def test_faults_of_content(
    tmp_path: Path, data: np.ndarray, affine: np.ndarray, reason: str
) -> None:
    image = nibabel.Nifti1Image(data, None)
    image.header.set_sform(affine, code="scanner")
    image.header["qform_code"] = 0
    image.header["pixdim"][1:4] = np.diag(affine)[:3]
    path = tmp_path / "head.nii.gz"
    path.write_bytes(gzip.compress(nibabel.Nifti1Image(data, None, image.header).to_bytes()))
    with pytest.raises(ScanFault, match=reason):
        read(path)


@pytest.mark.parametrize("name", ["cut.nii.gz", "cut.nii"])
def test_a_truncated_file_is_a_fault_of_the_scan(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, picture())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ScanFault, match="cut short"):
        read(path)


def test_text_and_missing_files(tmp_path: Path) -> None:
    text = tmp_path / "head.nii"
    text.write_text("this is no image " * 50)
    with pytest.raises(ScanFault, match="not a NIfTI image"):
        read(text)
    with pytest.raises(FileNotFoundError):  # of the machine: it was there when it was planned
        read(tmp_path / "none.nii.gz")


def test_a_fault_of_the_machine_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    path = save(tmp_path / "head.nii", picture())
    monkeypatch.setattr(Path, "open", broken)
    with pytest.raises(OSError, match="Input/output"):
        read(path)


@pytest.mark.parametrize(
    ("qform", "reason"),
    [
        (np.diag([-5.0, 5.0, 5.0, 1.0]), "left and right"),
        (np.diag([5.0, 5.0, 2.0, 1.0]), "voxel sizes"),
    ],
)
def test_sform_and_qform_that_disagree(tmp_path: Path, qform: np.ndarray, reason: str) -> None:
    image = nibabel.Nifti1Image(picture(), AFFINE)
    image.set_sform(AFFINE, code="scanner", update_affine=False)
    image.set_qform(qform, code="scanner", update_affine=False)
    image.header["pixdim"][1:4] = np.abs(np.diag(qform)[:3])
    image.to_filename(tmp_path / "head.nii")
    with pytest.raises(ScanFault, match=reason):
        read(tmp_path / "head.nii")


def test_axes_are_turned_and_turned_back(tmp_path: Path) -> None:
    folder = tmp_path / "Zürich ñ 脳"
    folder.mkdir()
    # Stored as inferior, left, anterior.
    affine = np.array([[0, -6, 0, 60], [0, 0, 5, -50], [-5, 0, 0, 40], [0, 0, 0, 1.0]])
    path = save(folder / "head.nii.gz", picture(), affine)
    head = read(path)
    assert head.data.shape == (26, 28, 24)
    assert np.all(np.diag(head.affine)[:3] > 0)
    assert np.array_equal(head.to_original(head.data), picture().astype(np.float32))


def test_the_same_image_has_the_same_hash_under_any_name_and_type(tmp_path: Path) -> None:
    first = read(save(tmp_path / "a.nii.gz", picture()))
    second = read(save(tmp_path / "b.nii", picture().astype(np.float64)))
    other = picture()
    other[0, 0, 0] += 1
    third = read(save(tmp_path / "c.nii", other))
    assert first.voxel_hash == second.voxel_hash != third.voxel_hash


def test_without_codes_the_orientation_is_unknown(tmp_path: Path) -> None:
    known = read(save(tmp_path / "a.nii.gz", picture()))
    content = bytearray(nibabel.Nifti1Image(picture(), AFFINE).to_bytes())
    content[252:256] = bytes(4)  # codes of qform and sform
    path = tmp_path / "b.nii"
    path.write_bytes(content)
    unknown = read(path)
    assert known.orientation_known and not unknown.orientation_known
    # The same voxels, mirrored: nobody can tell which it is.
    assert np.array_equal(unknown.data, known.data[::-1])
