"""A raw NIfTI file: what it is and how large it claims to be, before any of its voxels is read."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from brainage.core.files import sha256
from brainage.imaging.faults import ScanFault

GZIP = b"\x1f\x8b"
MAX_DEFLATION = 1032  # bytes that one byte of a gzip file can stand for
MIN_SHAPE = 16
CHUNK = 1 << 20  # bytes
FIRST = 1024  # bytes: more than any header of NIfTI has
# What lies in the place of an image, by its first bytes.
STRANGERS = (
    (
        lambda first: first.startswith(b"version https://git-lfs.github.com/spec/"),
        "a pointer of Git LFS, not the image itself; fetch the image with `git lfs pull`",
    ),
    (
        lambda first: b"/annex/objects/" in first[:512],
        "a pointer of git-annex, not the image itself; fetch the image with `git annex get`",
    ),
    (
        lambda first: first.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"),
        "a web page (HTML or XML), not an image; its download failed, so download it again",
    ),
    (
        lambda first: first[128:132] == b"DICM",
        "a DICOM file, not NIfTI; convert it first (brainage dicom)",
    ),
    (
        lambda first: first.startswith((b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")),
        "compressed, but not with gzip; unpack it and compress it with gzip",
    ),
)


class Limits(NamedTuple):
    """How large an image may be.

    Attributes
    ----------
    voxels
        Number of voxels (``imaging.max_voxels``).
    gib
        GiB of the unpacked file (``imaging.max_unpacked_gib``).
    """

    voxels: float = math.inf
    gib: float = math.inf

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Limits:
        """Limits of the section ``imaging`` of a config."""
        return cls(settings["max_voxels"], settings["max_unpacked_gib"])

    def check_size(self, size: float) -> None:
        """Raise ScanFault where a file of `size` bytes is too large."""
        if size > self.gib * 2**30:
            raise ScanFault(
                f"the file is too large: {size / 2**30:.3g} GiB unpacked, more than the "
                f"{self.gib:g} of imaging: max_unpacked_gib",
                "max_unpacked_gib",
            )


@dataclass(frozen=True)
class RawFile:
    """A raw file whose header was read.

    Attributes
    ----------
    path
        Where it is.
    compressed
        Whether with gzip.
    header
        nibabel's header, as stored.
    shape
        Three axes.
    limits
        How large it may be.
    """

    path: Path
    compressed: bool
    header: Any
    shape: tuple[int, ...]
    limits: Limits

    def voxels(self) -> np.ndarray:
        """Read the voxels, with the header's slope and intercept.

        Raises
        ------
        ScanFault
            They are not all there, or damaged.
        OSError, MemoryError
            A fault of the machine, passed on.
        """
        from nibabel.arrayproxy import ArrayProxy

        checked = self.header.copy()
        checked.check_fix()
        slope, inter = (1.0, 0.0) if None in (both := checked.get_slope_inter()) else both
        what = (self.shape, checked.get_data_dtype(), _offset(self.header), slope, inter)
        with _said_in_words(), _opened(self.path, self.compressed) as stream:
            with np.errstate(over="ignore"):  # what overflows is told from the values
                values = np.asanyarray(ArrayProxy(stream, what, mmap=False))
            # The checksum of gzip stands at the end.
            while self.compressed and stream.read(CHUNK):
                self.limits.check_size(stream.tell())
        return values


def raw_hash(path: Path, limits: Limits) -> str:
    """SHA-256 of a raw file; of one too large to be read, its size in words.

    Raises
    ------
    OSError
        It cannot be read.
    """
    size = path.stat().st_size
    try:
        limits.check_size(size)
    except ScanFault:
        return f"larger than the limit: {size} bytes"
    return sha256(path)


def read_header(path: Path, limits: Limits) -> RawFile:
    """Read the header of a NIfTI file, and refuse what cannot be one scan of a head.

    Parameters
    ----------
    path
        The file.
    limits
        How large it may be.

    Raises
    ------
    ScanFault
        It is empty, no NIfTI file, or too large; it is not one volume of numbers, or its voxels
        cannot lie where the header says.
    OSError
        A fault of the machine, passed on.
    """
    size = path.stat().st_size
    if size == 0:
        raise ScanFault("the file is empty (0 bytes); copy it again")
    limits.check_size(size)
    with _said_in_words():
        with _opened(path, False) as stream:
            first = stream.read(FIRST)
        compressed = first.startswith(GZIP)
        if compressed:
            with _opened(path, True) as stream:
                first = stream.read(FIRST)
    header = _parsed(first, compressed, path.name.endswith(".gz"))
    shape = _shape(header, limits)
    needed = _offset(header) + math.prod(shape) * _data_type(header).itemsize
    limits.check_size(needed)
    most = size * MAX_DEFLATION if compressed else size
    if needed > most:
        raise ScanFault(
            f"the file is cut short, or its header is wrong: voxels up to byte {needed} do not fit "
            f"into {size} bytes{' of gzip' if compressed else ''}"
        )
    return RawFile(path, compressed, header, shape, limits)


@contextmanager
def _opened(path: Path, compressed: bool) -> Iterator[IO[bytes]]:
    with path.open("rb") as plain:
        if not compressed:
            yield plain
            return
        with gzip.GzipFile(fileobj=plain) as unpacked:
            yield unpacked  # type: ignore[misc]  # it reads and seeks as IO[bytes] does


@contextmanager
def _said_in_words() -> Iterator[None]:
    """Turn what reading a damaged file raises into a ScanFault; faults of the machine pass."""
    try:
        yield
    except EOFError as error:
        raise ScanFault(f"the file is cut short ({brief(error)}); copy it again") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise ScanFault(
            f"the file is damaged: gzip cannot unpack it ({brief(error)}); copy it again"
        ) from None
    except OSError as error:
        if error.errno is not None:  # the machine's fault: disk, permission, network
            raise
        raise ScanFault(
            "the file is cut short: it has fewer voxels than its header says; copy it again"
        ) from None


def brief(error: Exception) -> str:
    """Return the words of an exception, or its type where they name a path or are long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 and "/" not in text else type(error).__name__


def _parsed(first: bytes, compressed: bool, named_gz: bool) -> Any:
    """Return nibabel's header of the first bytes (unpacked) of a file."""
    import nibabel

    if compressed and first.startswith(GZIP):
        raise ScanFault("the file was compressed with gzip twice; unpack it once (gunzip)")
    for looks_like, words in STRANGERS:
        if looks_like(first):
            raise ScanFault(f"the file is {words}")
    kinds = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
    found = [
        (kinds[size], code)
        for code, order in (("<", "little"), (">", "big"))
        if (size := int.from_bytes(first[:4], order)) in kinds  # type: ignore[arg-type]
    ]
    if not found:
        raise ScanFault("not a NIfTI image: the file does not begin with a header of NIfTI")
    if compressed and not named_gz:
        raise ScanFault(
            "the file is compressed with gzip although its name ends in .nii; rename it to .nii.gz"
        )
    if named_gz and not compressed:
        raise ScanFault(
            "the file is an uncompressed NIfTI image although its name ends in .gz; compress it "
            "with gzip, or rename it to .nii"
        )
    kind, code = found[0]
    block = first[: kind.template_dtype.itemsize]
    if len(block) < kind.template_dtype.itemsize:
        raise ScanFault("the file is cut short: it ends inside its header; copy it again")
    header = kind(block, endianness=code, check=False)
    if header["magic"].item() != header.single_magic:
        raise ScanFault(
            "not a NIfTI image in one file: its header is of Analyze or of a pair of files; "
            "convert it to .nii.gz"
        )
    _offset(header)
    try:
        header.copy().check_fix()
        header.get_slope_inter()
    except nibabel.spatialimages.HeaderDataError as error:
        raise ScanFault(f"the header cannot be read ({brief(error)})") from None
    return header


def _shape(header: Any, limits: Limits) -> tuple[int, ...]:
    number, *axes = (int(n) for n in header["dim"])
    if not 1 <= number <= 7 or min(axes[:number]) < 1:
        raise ScanFault(
            f"the header gives impossible axes (dim {' '.join(map(str, header['dim']))})"
        )
    shape = tuple(axes[:number])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    words = " x ".join(map(str, shape))
    if len(shape) != 3:
        raise ScanFault(
            f"the image has {len(shape)} axes ({words}); one volume with three axes is needed"
        )
    if min(shape) < MIN_SHAPE:
        raise ScanFault(f"the image has only {words} voxels; a T1w scan has more")
    if math.prod(shape) > limits.voxels:
        raise ScanFault(
            f"the image is too large: {words} voxels, more than the {limits.voxels} of imaging: "
            "max_voxels",
            "max_voxels",
        )
    return shape


def _data_type(header: Any) -> np.dtype[Any]:
    found: np.dtype[Any] = header.get_data_dtype()
    if found.kind not in "iuf":
        raise ScanFault(f"the voxels are of kind {found}, not numbers of grey")
    return found


def _offset(header: Any) -> int:
    offset = float(header["vox_offset"])
    if not math.isfinite(offset) or offset < header.single_vox_offset:
        raise ScanFault(
            f"the header contradicts the file: it says that the voxels begin at byte {offset:g}, "
            f"and its own end is at byte {header.single_vox_offset}"
        )
    return int(offset)
