"""What lies in the place of an image has its own reason, and nothing absurd is read."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from brainage.imaging import raw_file
from brainage.imaging.faults import ScanFault
from brainage.imaging.raw_file import Limits
from brainage.imaging.reading import read

SHAPE = (24, 26, 28)
AFFINE = np.diag([5.0, 5.0, 5.0, 1.0])
LIMITS = Limits(voxels=2**28, gib=4)


def packed(content: bytes) -> bytes:
    """Compressed without the time, since workers of one run must find the same tests."""
    return gzip.compress(content, mtime=0)


def image(dtype: type = np.int16) -> bytes:
    data = np.random.default_rng(1).integers(0, 1000, SHAPE).astype(dtype)
    content: bytes = nibabel.Nifti1Image(data, AFFINE).to_bytes()
    return content


def changed(**fields: Any) -> bytes:
    """An image whose header has other values in these fields."""
    content = image()
    header = nibabel.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + content[348:]


def dicom() -> bytes:
    return bytes(128) + b"DICM" + bytes(400)


ANNEX = b"/annex/objects/MD5E-s123--d41d8cd98f00b204e9800998ecf8427e.nii.gz\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html><html><body>404 Not Found</body></html>"
NAMED = [
    ("a.nii.gz", ANNEX, "git annex get"),
    ("a.nii.gz", b"../../.git" + ANNEX, "git annex get"),
    ("a.nii.gz", LFS, "git lfs pull"),
    ("a.nii.gz", PAGE, "web page"),
    ("a.nii.gz", packed(PAGE), "web page"),
    ("a.nii.gz", image(), "an uncompressed NIfTI image although its name ends in .gz"),
    ("a.nii", packed(image()), "compressed with gzip although its name ends in .nii"),
    ("a.nii.gz", packed(packed(image())), "compressed with gzip twice"),
    ("a.nii.gz", b"", r"empty \(0 bytes\)"),
    ("a.nii.gz", packed(b""), "does not begin with a header"),
    ("a.nii.gz", packed(image())[:-2000], "cut short"),
    ("a.nii.gz", packed(image()[:-2000]), "cut short"),
    ("a.nii.gz", packed(image()[:200]), "ends inside its header"),
    ("a.nii", image()[:-2000], "cut short"),
    ("a.nii.gz", dicom(), "DICOM"),
    ("a.nii.gz", b"PK\x03\x04" + bytes(500), "not with gzip"),
    ("a.nii.gz", b"GIF89a" + bytes(500), "not a NIfTI image"),
    ("a.nii", changed(magic=b"ni1"), "pair of files"),
    ("a.nii", changed(magic=b""), "Analyze"),
]


@pytest.mark.parametrize(("name", "content", "reason"), NAMED)
def test_each_stranger_has_its_own_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ScanFault, match=reason):
        read(path, LIMITS)


@pytest.mark.parametrize("place", [-3, -6, 600])
def test_flipped_bits_of_gzip_are_never_voxels(tmp_path: Path, place: int) -> None:
    content = bytearray(packed(image()))
    content[place] ^= 0x10  # of the length, of the checksum, and of the data
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    with pytest.raises(ScanFault, match="damaged: gzip cannot unpack it"):
        read(path, LIMITS)


@pytest.mark.parametrize(
    ("fields", "reason", "limit"),
    [
        ({"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]}, "more than the 268435456", "max_voxels"),
        ({"dim": [7, 24, 26, 28, 2, 2, 2, 2]}, "7 axes", None),
        ({"dim": [7, 32767, 32767, 32767, 32767, 32767, 32767, 32767]}, "7 axes", None),
        ({"dim": [4, 64, 64, 64, 20000, 1, 1, 1]}, "4 axes", None),
        ({"dim": [0, 24, 26, 28, 1, 1, 1, 1]}, "impossible axes", None),
        ({"dim": [9, 24, 26, 28, 1, 1, 1, 1]}, "impossible axes", None),
        ({"dim": [3, 24, -26, 28, 1, 1, 1, 1]}, "impossible axes", None),
        ({"dim": [3, 600, 600, 600, 1, 1, 1, 1]}, "cut short, or its header is wrong", None),
        ({"vox_offset": 0}, "header contradicts the file", None),
        ({"vox_offset": 300}, "header contradicts the file", None),
        ({"vox_offset": np.nan}, "header contradicts the file", None),
        ({"vox_offset": -1e30}, "header contradicts the file", None),
        ({"vox_offset": 1e9}, "cut short, or its header is wrong", None),
        ({"vox_offset": 1e12}, "too large: 931 GiB", "max_unpacked_gib"),
        ({"datatype": 128, "bitpix": 24}, "not numbers of grey", None),
        ({"datatype": 32, "bitpix": 64}, "not numbers of grey", None),
        ({"datatype": 999}, "header cannot be read", None),
        ({"scl_slope": 1, "scl_inter": np.inf}, "header cannot be read", None),
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nothing_is_read_of_what_the_header_rules_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fields: dict[str, Any],
    reason: str,
    limit: str | None,
) -> None:
    def never(_: object) -> None:
        raise AssertionError("voxels were asked for")

    monkeypatch.setattr(raw_file.RawFile, "voxels", never)
    path = tmp_path / name
    content = changed(**fields)
    path.write_bytes(packed(content) if name.endswith("gz") else content)
    with pytest.raises(ScanFault, match=reason) as caught:
        read(path, LIMITS)
    assert caught.value.limit == limit


def test_a_gzip_bomb_is_unpacked_no_further_than_the_limit(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", mtime=0) as stream:
        stream.write(image())
        for _ in range(64):
            stream.write(bytes(2**20))
    path = tmp_path / "a.nii.gz"
    path.write_bytes(bomb.getvalue())
    assert path.stat().st_size < 200_000
    with pytest.raises(ScanFault, match="max_unpacked_gib") as caught:
        read(path, Limits(voxels=2**28, gib=2 / 1024))
    assert caught.value.limit == "max_unpacked_gib"
    assert read(path, LIMITS).data.shape == SHAPE  # within the limit what follows does no harm


def test_a_file_larger_than_the_limit_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nii"
    with path.open("wb") as stream:
        stream.truncate(5 * 2**30)  # takes no room on the disk

    def never(*_: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(Path, "open", never)
    with pytest.raises(ScanFault, match="too large: 5 GiB"):
        read(path, LIMITS)
    assert raw_file.raw_hash(path, LIMITS) == "larger than the limit: 5368709120 bytes"


def test_512_cubed_is_within_the_limits() -> None:
    header = nibabel.Nifti1Header()
    header.set_data_shape((512, 512, 512))
    header.set_data_dtype(np.float64)
    shape = raw_file._shape(header, LIMITS)
    LIMITS.check_size(352 + np.prod(shape) * 8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_both_versions_and_byte_orders_are_read_as_nibabel_reads_them(
    tmp_path: Path, kind: type, order: str
) -> None:
    data = np.random.default_rng(1).integers(600, 1000, (*SHAPE, 1, 1)).astype(f"{order}i2")
    header = kind.header_class(endianness=order)
    header.set_data_dtype(f"{order}i2")
    written = kind(data, AFFINE, header)
    written.header.set_slope_inter(0.5, 100.0)
    path = tmp_path / "a.nii.gz"
    written.to_filename(path)
    head = read(path, LIMITS)
    expected = np.asanyarray(nibabel.load(path).dataobj)[..., 0, 0].astype(np.float32)
    assert np.array_equal(head.data, expected)
