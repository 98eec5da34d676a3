"""A grammar of damages to a NIfTI file: of its header, of its voxels, and of the file itself."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

# Values that a field of the header may be given; a number for all elements of the field, or one
# for an element of it.
WRONG_NUMBERS = [0, -1, 1e-30, 1e30, -1e30, np.nan, np.inf, 3.0, 1e6]
FIELDS: dict[str, list[Any]] = {
    "dim": [0, 1, 2, -1, 15, 600, 30000, 32767],
    "pixdim": WRONG_NUMBERS,
    "vox_offset": [*WRONG_NUMBERS, 348, 400, 2000, 1e9],
    "datatype": [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1536, 9999],
    "scl_slope": [*WRONG_NUMBERS, 1e38, 1e-38],
    "scl_inter": [*WRONG_NUMBERS, 1e38],
    "sform_code": [0, 2, 77, -5],
    "qform_code": [0, 1, 77, -5],
    "quatern_b": [*WRONG_NUMBERS, 0.7],
    "qoffset_x": WRONG_NUMBERS,
    "srow_x": WRONG_NUMBERS,
    "srow_y": WRONG_NUMBERS,
    "srow_z": WRONG_NUMBERS,
    "xyzt_units": [0, 1, 3, 7, 255],
    "magic": [b"ni1", b"", b"n+9"],
    "sizeof_hdr": [0, -1, 540, 1543569408],
}
Random = np.random.Generator


def damaged_header(content: bytes, random: Random) -> bytes:
    """One to three fields of the header are given other values."""
    header = nibabel.Nifti1Header(content[:348], check=False)
    for name in random.choice(list(FIELDS), size=random.integers(1, 4), replace=False):
        value = FIELDS[name][random.integers(len(FIELDS[name]))]
        field = header.structarr[name]
        with np.errstate(all="ignore"):
            if field.ndim and random.random() < 0.7:
                field[random.integers(field.size)] = np.array(value).astype(field.dtype)
            elif field.dtype.kind in "iu":
                header.structarr[name] = np.array(value).astype(field.dtype)
            else:
                header.structarr[name] = value
    return header.binaryblock + content[348:]


def damaged_voxels(content: bytes, random: Random) -> bytes:
    """The values are other ones, of another size or in other places."""
    image = nibabel.Nifti1Image.from_bytes(content)
    data = np.asanyarray(image.dataobj).astype(np.float64)
    kind = int(random.integers(9))
    if kind < 3:  # of any size, also where squares overflow in single precision
        data *= [5e19 / 600, 10.0 ** random.uniform(-40, 36), 1e39 / data.max()][kind]
    elif kind == 3:
        data.flat[random.integers(data.size)] = random.choice([3.4e38, -3.4e38, 1e300, np.nan])
    elif kind == 4:
        data = random.permutation(data.ravel()).reshape(data.shape)
    elif kind == 5:
        data[random.random(data.shape) < 0.03] = 3e30
    elif kind == 6:
        data[:, :, random.integers(3, data.shape[2] - 3) :] = 0
    elif kind == 7:
        data = data.max() - data
    else:
        data[...] = 0
        data[tuple(n // 2 for n in data.shape)] = 1
    wide = not np.isfinite(data).all() or np.abs(data).max() > 1e38
    result = nibabel.Nifti1Image(data.astype(np.float64 if wide else np.float32), image.affine)
    changed: bytes = result.to_bytes()
    return changed


def damaged_file(content: bytes, random: Random) -> bytes:
    """The file is cut, has flipped bits, or is not what its name says."""
    packed = gzip.compress(content, mtime=0)
    kind = int(random.integers(5))
    if kind == 0:
        return packed[: random.integers(len(packed))]
    if kind == 1:
        flipped = bytearray(packed)
        for place in random.integers(len(packed), size=random.integers(1, 20)):
            flipped[place] ^= 1 << random.integers(8)
        return bytes(flipped)
    if kind == 2:
        return gzip.compress(packed)
    if kind == 3:
        return gzip.compress(content[: random.integers(len(content))])
    return content


def write_damaged(path: Path, whole: Path, seed: int) -> None:
    """Write a damaged copy of a .nii.gz, the same for the same seed."""
    random = np.random.default_rng(seed)
    content = gzip.decompress(whole.read_bytes())
    kind = random.random()
    if kind < 0.55:
        path.write_bytes(gzip.compress(damaged_header(content, random), mtime=0))
    elif kind < 0.8:
        path.write_bytes(damaged_file(content, random))
    else:
        path.write_bytes(gzip.compress(damaged_voxels(content, random), mtime=0))
