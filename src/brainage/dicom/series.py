"""Reading DICOM by header, series by series.

Nothing here reads voxels, and no value of a header gets into a message: a header holds the
person's name, and so may a file's name.
"""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainage.dicom.agents import agent_given

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


@dataclass(frozen=True)
class Person:
    """What headers say of the person. Never printed and never written, but for sex and age."""

    patient_id: str
    name: str
    birth_date: str
    sex: str
    age: str


@dataclass
class Series:
    """One series of one kind of image (magnitude, phase ... of one series are apart).

    Attributes
    ----------
    files
        Its files, in the order of the slices.
    number
        Series number, where the header has one.
    study, date, time
        Study UID, study date, and when it was acquired (sortable text); only to tell studies
        apart and put them in order, never written.
    person
        Who it is of.
    modality, image_type, text, acquisition_type, sequence
        As in the header; `text` are the protocol's names in small letters, `sequence` the
        scanning sequence (GR, SE, IR, EP).
    repetition, inversion, flip
        Repetition and inversion time in ms, flip angle in degrees; ``None`` where not given.
    echoes
        All echo times, in ms.
    agent
        Whether a contrast agent was given, by header or name.
    scanner
        Model and field strength.
    images
        Number of images: files, or frames of multi-frame files.
    voxel, extent
        Size of a voxel and of the whole volume along columns, rows and slices, in mm.
    fault
        What is wrong with its files, in words.
    """

    files: list[Path]
    number: int | None
    study: str
    date: str
    time: str
    person: Person
    modality: str
    image_type: tuple[str, ...]
    text: str
    acquisition_type: str
    sequence: frozenset[str]
    repetition: float | None
    inversion: float | None
    flip: float | None
    echoes: tuple[float, ...]
    agent: bool
    scanner: str | None
    images: int
    voxel: tuple[float, ...]
    extent: tuple[float, ...]
    fault: str | None


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


def read_series(files: Iterable[Path]) -> tuple[list[Series], dict[str, int]]:
    """Read the headers of files and group them into series.

    Parameters
    ----------
    files
        Files of one person's session, of any name and kind.

    Returns
    -------
    series : list of Series
        In order of study date, series number and acquisition.
    unread : dict
        Number of files that are of no series, by reason.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[_Header]] = {}
    unread: dict[str, int] = {}
    seen = set()
    with quiet_pydicom():
        for path in sorted(files):
            header = _read_header(path)
            if isinstance(header, str):
                if header:
                    unread[header] = unread.get(header, 0) + 1
                continue
            if header.instance in seen:  # a copy of a file that was read before
                continue
            seen.add(header.instance)
            groups.setdefault((header.series, header.image_type), []).append(header)
        found = [_join(headers) for headers in groups.values()]
    found.sort(key=lambda s: (s.date, s.number or 0, s.time, s.image_type, len(s.files)))
    return found, unread


@dataclass
class _Header:
    """One file's header, its values made plain."""

    path: Path
    instance: str
    series: str
    image_type: tuple[str, ...]
    values: dict[str, Any]
    rows: int
    columns: int
    spacing: tuple[float, ...]
    orientations: np.ndarray  # (frames, 6)
    positions: np.ndarray  # (frames, 3)
    frames: int
    cut_short: bool


def _read_header(path: Path) -> _Header | str:
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


def _plain(path: Path, read: Any, meta: Any) -> _Header:
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
    least = 0 if packed else rows * columns * frames * bits // 8
    names = [*TAGS[: TAGS.index("Rows")], "EffectiveEchoTime", "InversionTimes"]
    return _Header(
        path=path,
        instance=str(read.SOPInstanceUID),
        series=str(read.SeriesInstanceUID),
        image_type=tuple(str(part).upper() for part in _list(read.get("ImageType"))),
        values={name: find(name) for name in names},
        rows=rows,
        columns=columns,
        spacing=tuple(float(v) for v in _list(find("PixelSpacing"))),
        orientations=np.array([[float(v) for v in _list(o)] for o in orientations if o]),
        positions=np.array([[float(v) for v in _list(p)] for p in positions if p]),
        frames=frames,
        cut_short=path.stat().st_size < least,
    )


def _list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, (str, int, float)) else list(value)


def _number(value: Any) -> float | None:
    try:
        return float(_list(value)[0])
    except (IndexError, TypeError, ValueError):
        return None


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _join(headers: Sequence[_Header]) -> Series:
    """Make one series of the headers of its files."""
    slices, voxel, extent, fault = _geometry(headers)
    headers = [headers[i] for i in slices]
    first = min(headers, key=_time).values
    names = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")
    # Not the body part: many a head is filed under another one.
    text = re.sub(r"[^a-z0-9+]+", " ", " ".join(_text(first[name]) for name in names).lower())
    sequence = {_text(part).upper() for part in _list(first["ScanningSequence"])}
    enhanced = {"GRADIENT": {"GR"}, "SPIN": {"SE"}, "BOTH": {"GR", "SE"}}
    if not sequence:
        sequence = set(enhanced.get(_text(first["EchoPulseSequence"]).upper(), ()))
        sequence |= {"EP"} if _text(first["EchoPlanarPulseSequence"]).upper() == "YES" else set()
        sequence |= {"IR"} if _text(first["InversionRecovery"]).upper() == "YES" else set()
    echoes = {_number(h.values["EchoTime"] or h.values["EffectiveEchoTime"]) for h in headers}
    number = _number(first["SeriesNumber"])
    return Series(
        files=[header.path for header in headers],
        number=None if number is None else int(number),
        study=_text(first["StudyInstanceUID"]),
        date=_text(
            first["StudyDate"]
            or first["AcquisitionDate"]
            or first["SeriesDate"]
            or _text(first["AcquisitionDateTime"])[:8]
        ).replace(".", ""),
        time=min(_time(header) for header in headers),
        person=Person(
            patient_id=_text(first["PatientID"]),
            name=_text(first["PatientName"]),
            birth_date=_text(first["PatientBirthDate"]),
            sex=_text(first["PatientSex"]).upper(),
            age=_text(first["PatientAge"]).upper(),
        ),
        modality=_text(first["Modality"]).upper(),
        image_type=headers[0].image_type,
        text=text + (" angio" if _text(first["AngioFlag"]).upper() == "Y" else ""),
        acquisition_type=_text(first["MRAcquisitionType"]).upper(),
        sequence=frozenset(sequence),
        repetition=_number(first["RepetitionTime"]),
        inversion=_number(first["InversionTime"] or first["InversionTimes"]),
        flip=_number(first["FlipAngle"]),
        echoes=tuple(sorted(e for e in echoes if e is not None)),
        agent=agent_given(_text(first["ContrastBolusAgent"]), text),
        scanner=_scanner(_text(first["ManufacturerModelName"]), first["MagneticFieldStrength"]),
        images=sum(header.frames for header in headers),
        voxel=voxel,
        extent=extent,
        fault=_cut_short(headers) or fault,
    )


def _time(header: _Header) -> str:
    """When a file was acquired, as text that can be sorted; "" where its header doesn't say."""
    values = header.values
    whole, time = _text(values["AcquisitionDateTime"]), _text(values["AcquisitionTime"])
    return (_text(values["AcquisitionDate"]) + time if time else "") or whole


def _cut_short(headers: Sequence[_Header]) -> str | None:
    count = sum(header.cut_short for header in headers)
    return f"{count} of its {len(headers)} files are cut short" if count else None


def _geometry(
    headers: Sequence[_Header],
) -> tuple[list[int], tuple[float, ...], tuple[float, ...], str | None]:
    """Order of the files by slice, voxel size, extent, and what is wrong with the slices."""
    order = sorted(range(len(headers)), key=lambda i: headers[i].instance)
    first = headers[0]
    if not first.rows or not first.columns:
        return order, (), (), "no image in it"
    if any(
        (h.rows, h.columns, h.spacing) != (first.rows, first.columns, first.spacing)
        for h in headers
    ):
        return order, (), (), "its images differ in size"
    # The number of values is the header's, which may be wrong.
    known = all(
        h.positions.shape == (h.frames, 3) and h.orientations.shape[1:] == (6,) for h in headers
    )
    if not known or len(first.spacing) != 2:
        return order, (), (), "its header doesn't say where its slices lie"
    directions = np.concatenate([h.orientations for h in headers])
    if np.abs(directions - directions[0]).max() > 1e-3:
        return order, (), (), "its slices lie in several directions"
    normal = np.cross(directions[0, :3], directions[0, 3:])
    depths = [h.positions @ normal for h in headers]
    places = np.concatenate([h.positions for h in headers])
    beside = places - places[0] - np.outer((places - places[0]) @ normal, normal)
    # dcm2niix takes each slice to lie straight behind the last one.
    if np.abs(beside).max() > 0.1 * min(first.spacing):
        return order, (), (), "its slices don't lie straight behind each other"
    order.sort(key=lambda i: (float(depths[i][0]), headers[i].instance))
    gaps = np.diff(np.sort(np.concatenate(depths)))
    if not gaps.size:
        return order, (), (), None  # one slice: too few, which is said elsewhere
    step = float(np.median(gaps))
    in_plane = (first.spacing[1], first.spacing[0])
    voxel = (*in_plane, step)
    counts = (first.columns, first.rows, len(gaps) + 1)
    extent = tuple(n * size for n, size in zip(counts, voxel, strict=True))
    if step < 0.01 or gaps.min() < 0.1 * step:
        return order, voxel, extent, "several images of one place in it (echoes, repeats)"
    uneven = int((np.abs(gaps - step) > 0.1 * step).sum())
    if uneven:
        return order, voxel, extent, f"slices are missing or unevenly spaced at {uneven} places"
    return order, voxel, extent, None


def _scanner(model: str, field: Any) -> str | None:
    """Model and nominal field strength: no station, no serial number, no place."""
    tesla = _number(field)
    if tesla is not None and tesla > 100:  # old scanners give Gauss
        tesla /= 10000
    strength = f"{round(2 * tesla) / 2:g}T" if tesla else ""
    return " ".join([*model.split(), strength]).strip() or None
