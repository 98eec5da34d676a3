"""Reading DICOM by header.

Nothing here reads voxels, and no value of a header gets into a message: a header holds the
person's name, and so may a file's name.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# What is read of each header; all else is skipped.
TAGS = (
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber"),
    *("StudyDate", "SeriesDate", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime"),
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("Modality", "ImageType", "SeriesDescription", "ProtocolName"),
    *("SequenceName", "PulseSequenceName", "MRAcquisitionType", "ScanningSequence"),
    *("EchoPulseSequence", "EchoPlanarPulseSequence", "InversionRecovery", "AngioFlag"),
    *("RepetitionTime", "EchoTime", "InversionTime", "FlipAngle", "ContrastBolusAgent"),
    *("ManufacturerModelName", "MagneticFieldStrength", "Rows", "Columns", "PixelSpacing"),
    *("ImagePositionPatient", "ImageOrientationPatient", "NumberOfFrames", "BitsAllocated"),
    *("SamplesPerPixel", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
# Old files begin with an element of group 2 or 8.
WITHOUT_PREAMBLE = [b"\x02\0\0\0", *(bytes([8, 0, n, 0]) for n in (0, 1, 5, 8, 0x16, 0x18))]
DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR: it lists files and has no image


@contextlib.contextmanager
def file_names_unsaid(where: str) -> Iterator[None]:
    """Take the file's name, which may be a person's, out of an error of the disk; name `where`."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{where}: a file or folder cannot be read") from None


@contextlib.contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom from saying anything: its warnings quote the values of a header."""
    from pydicom import config

    logger, before = logging.getLogger("pydicom"), config.settings.reading_validation_mode
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL + 1)
        config.settings.reading_validation_mode = config.IGNORE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        config.settings.reading_validation_mode = before


def is_dicom(path: Path) -> bool:
    """Say whether a file begins as DICOM does, with its preamble or (old files) without."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:132] == b"DICM" or start[:4] in WITHOUT_PREAMBLE


@dataclass
class Header:
    """One file's header, its values made plain.

    Attributes
    ----------
    path
        The file.
    instance, series
        UIDs of the image and of its series.
    image_type
        As in the header, in capitals.
    values
        What else is read of it, by keyword; ``None`` for what it lacks.
    rows, columns
        Size of an image, in voxels.
    spacing
        Between rows and between columns, in mm.
    orientations, positions
        (frames, 6) and (frames, 3): directions of rows and columns, and first voxel in mm.
    frames
        Number of images in the file.
    cut_short
        Whether the file is shorter than its images are.
    """

    path: Path
    instance: str
    series: str
    image_type: tuple[str, ...]
    values: dict[str, Any]
    rows: int
    columns: int
    spacing: tuple[float, ...]
    orientations: np.ndarray
    positions: np.ndarray
    frames: int
    cut_short: bool


def read_header(path: Path) -> Header | str:
    """Return a file's header, or why it has none; "" for a file that lists others."""
    import pydicom

    if not is_dicom(path):
        return "not a DICOM file"
    try:
        read = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(TAGS))
        meta = read.file_meta
        if str(meta.get("MediaStorageSOPClassUID", "")) == DIRECTORY:
            return ""
        if not read.get("SeriesInstanceUID") or not read.get("SOPInstanceUID"):
            return "a DICOM file whose header cannot be read"
        return _plain(path, read, meta)
    except (OSError, MemoryError):
        raise
    except Exception:
        # A broken header breaks pydicom in many ways, and what it says may quote the header.
        return "a DICOM file whose header cannot be read"


def _plain(path: Path, read: Any, meta: Any) -> Header:
    groups = [read]
    per_frame = list(read.get("PerFrameFunctionalGroupsSequence") or [])
    for item in [*(read.get("SharedFunctionalGroupsSequence") or []), *per_frame[:1]]:
        groups += [part.value[0] for part in item if part.VR == "SQ" and part.value]

    def find(*names: str) -> Any:
        for group in groups:
            for name in names:
                value = group.get(name)
                if value not in (None, ""):
                    return value
        return None

    def of_frames(sequence: str, name: str) -> list[Any]:
        own = [frame.get(sequence) for frame in per_frame]
        values = [part[0].get(name) for part in own if part]
        return values if values and len(values) == len(per_frame) else [find(name)]

    frames = int(read.get("NumberOfFrames") or 1)
    positions = of_frames("PlanePositionSequence", "ImagePositionPatient")
    orientations = of_frames("PlaneOrientationSequence", "ImageOrientationPatient")
    rows, columns = int(read.get("Rows") or 0), int(read.get("Columns") or 0)
    bits = int(read.get("BitsAllocated") or 0) * int(read.get("SamplesPerPixel") or 1)
    syntax = meta.get("TransferSyntaxUID")
    packed = syntax is not None and syntax.is_compressed
    min_size = 0 if packed else rows * columns * frames * bits // 8
    names = [*TAGS[: TAGS.index("Rows")], "EffectiveEchoTime", "InversionTimes"]
    return Header(
        path=path,
        instance=str(read.SOPInstanceUID),
        series=str(read.SeriesInstanceUID),
        image_type=tuple(str(part).upper() for part in as_list(read.get("ImageType"))),
        values={name: find(name) for name in names},
        rows=rows,
        columns=columns,
        spacing=tuple(float(v) for v in as_list(find("PixelSpacing"))),
        orientations=np.array([[float(v) for v in as_list(o)] for o in orientations if o]),
        positions=np.array([[float(v) for v in as_list(p)] for p in positions if p]),
        frames=frames,
        cut_short=path.stat().st_size < min_size,
    )


def as_list(value: Any) -> list[Any]:
    """Return the values of a field that may have none, one or several."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, (str, int, float)) else list(value)


def as_number(value: Any) -> float | None:
    """Return the first value of a field, where it is a number."""
    try:
        return float(as_list(value)[0])
    except (IndexError, TypeError, ValueError):
        return None


def as_text(value: Any) -> str:
    """Return a field as text without spaces around it; "" where there is none."""
    return "" if value is None else str(value).strip()
