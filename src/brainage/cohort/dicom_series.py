"""Reading DICOM by header, series by series, and picking the T1w series by rules on the headers.

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

LEAST_SLICES = 60
LEAST_EXTENT = 120.0  # mm along each axis: the whole head of an adult, or of a child with air
LARGEST_VOXEL = 3.0  # mm
LONGEST_ECHO = 15.0  # ms
LONGEST_REPETITION = 4000.0  # ms, from one inversion to the next
# Without an inversion, a spoiled gradient echo is T1-weighted by a short repetition time and a
# flip angle beyond that of proton density; quicker ones are scouts.
SPOILED_REPETITION = (5.0, 50.0)  # ms
SPOILED_FLIP = 8.0  # degrees

# Words of the protocol, after everything but letters and digits has become a space. "mpr" is not
# among the reformats: many an MPRAGE is called so; reformats are DERIVED by their image type.
OTHER_KINDS = {
    "localizer": r"\b(localizer|localiser|loc|\w*scout\w*|aahead\w*|survey|smartbrain|3 ?plane)\b",
    "MP2RAGE": r"mp2 ?rage",
    "FLAIR": r"flair|\btirm\b|dark ?fluid",
    "field map": r"field ?map|\bfmap\b|\bb[01] ?map",
    "map of T1 or T2": r"\bt[12] ?map",
    "susceptibility": r"\b(swi|swan|swip|qsm|hemo)\b|suscept",
    "T2": r"\bt2",
    "proton density": r"\bpdw?\b|proton",
    "diffusion": r"\b(dwi|dti|dki|adc|trace|tracew|hardi|noddi|diff|ep2d)\b|diffusion|tensor",
    "functional": r"\b(bold|fmri|rsfmri|rest|resting|task|epi)\b",
    "angiography": r"\b(tof|mra|mrv|mip)\b|angio|venogra",
    "perfusion": r"\b(p?c?asl|dsc|dce|cbf|cbv)\b|perf",
    "spectroscopy": r"\b(mrs|csi|svs)\b|spectro",
    "magnetization transfer": r"(?<!no )(?<!non )\bmt[cw]?\b(?! off)|magneti[sz]ation transfer",
    "steady state": r"\b(ciss|fiesta|trufi|bssfp)\b",
    "another part of the body": r"\b(\w?spine|(?<!head )neck|cervical|thoracic|lumbar|knee|shoulder"
    r"|hip|foot|abdomen|pelvis|breast|prostate|heart|cardiac|liver|orbits?|pituitary)\b",
}
T1_KINDS = {
    "MPRAGE": r"mp ?rage|\bmpr\b|\btfl ?3d|\btfl\b",
    "BRAVO": r"bravo",
    "SPGR": r"spgr",
    "TFE": r"\b(t1)?tfe\b|\b3d ?tfe\b",
    "FLASH": r"flash|\bfl3d",
    "T1": r"\bt1|\b3dt1",
}
AGENTS = r"gado?\w*|gd|ce|km|dotarem|clariscan|magnevist|prohance|omniscan|multihance"
WITHOUT_AGENT = rf"\b(without|w ?o|no|non|pre) ?(contrast|con|{AGENTS})\b"
# "post" alone is after the agent, unless it is after something else.
WITH_AGENT = (
    rf"\b(post)?({AGENTS}|contrast)\b|\bpostcon\b|\bpost\b(?! (op|surg|treat|ther|ictal|trauma))"
    r"|\+ ?(c|gd|km)\b|\bc ?\+"
)
# What stands in the header's field of the agent where none was given.
NO_AGENT = r"(no|none|nil|not|without)\b.*|non contrast.*|n( a)?|[0 ]+(ml)?"


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

    @property
    def kinds(self) -> str:
        """Known words of the protocol's name: the name itself may hold anything."""
        known = {**T1_KINDS, **OTHER_KINDS}
        return ", ".join(kind for kind, words in known.items() if re.search(words, self.text))


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
        agent=_agent(_text(first["ContrastBolusAgent"]), text),
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


def _agent(named: str, text: str) -> bool:
    given = re.sub(r"[\W_]+", " ", named.casefold()).strip()
    if given and not re.fullmatch(NO_AGENT, given):
        return True
    return bool(re.search(WITH_AGENT, text)) and not re.search(WITHOUT_AGENT, text)


def _scanner(model: str, field: Any) -> str | None:
    """Model and nominal field strength: no station, no serial number, no place."""
    tesla = _number(field)
    if tesla is not None and tesla > 100:  # old scanners give Gauss
        tesla /= 10000
    strength = f"{round(2 * tesla) / 2:g}T" if tesla else ""
    return " ".join([*model.split(), strength]).strip() or None


def reason_aside(series: Series) -> str | None:
    """Say why a series is no T1w image of a whole head; ``None`` for one that is.

    The rules, in this order; the first that is broken is the reason. A T1w image is

    1. of modality MR, and original: not derived, reformatted, projected, and neither phase nor
       another part of a complex image;
    2. not named as another kind of image (T2, FLAIR, diffusion, localizer and so on);
    3. acquired in 3D by a gradient echo that is neither a spin echo nor echo planar;
    4. of one short echo time, and T1-weighted: by an inversion, by its name (MPRAGE, BRAVO, SPGR,
       TFE, FLASH, T1), or as a spoiled gradient echo by repetition time and flip angle;
    5. of at least 60 slices without gaps and whole files, of voxels of at most 3 mm, that cover
       at least 120 mm along each axis.

    Parameters
    ----------
    series
        A series by its header.

    Returns
    -------
    str or None
        The reason in words, without any value of the header but numbers of the acquisition.
    """
    if series.modality != "MR":
        return "no MR image"
    kinds = set(series.image_type)
    for sign, reason in (
        ("DERIVED", "derived from another series"),
        ("LOCALIZER", "localizer"),
        ("MPR", "reformatted"),
        ("PROJECTION IMAGE", "projection"),
    ):
        if sign in kinds:
            return reason
    if kinds & {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY", "UNI", "INV1", "INV2"}:
        return "phase or another part of a complex image"
    for kind, words in OTHER_KINDS.items():
        if re.search(words, series.text):
            return f"by its name: {kind}"
    if series.acquisition_type == "2D":
        return "acquired in 2D"
    if "EP" in series.sequence:
        return "echo planar"
    if "SE" in series.sequence:
        return "spin echo"
    if len(series.echoes) > 1:
        return f"{len(series.echoes)} echoes in one series"
    if series.echoes and series.echoes[0] > LONGEST_ECHO:
        return f"echo time of more than {LONGEST_ECHO:g} ms"
    if (series.repetition or 0) > LONGEST_REPETITION:
        return f"repetition time of more than {LONGEST_REPETITION:g} ms"
    if not _is_t1_weighted(series):
        return "no sign of T1 weighting in its header"
    if series.images < LEAST_SLICES:
        return f"fewer than {LEAST_SLICES} slices"
    if series.fault:
        return series.fault
    if max(series.voxel) > LARGEST_VOXEL:
        return f"voxels larger than {LARGEST_VOXEL:g} mm"
    if min(series.extent) < LEAST_EXTENT:
        return f"covers less than {LEAST_EXTENT:g} mm of the head along an axis"
    return None


def _is_t1_weighted(series: Series) -> bool:
    inverted = "IR" in series.sequence or (series.inversion or 0) >= 200
    if inverted or any(re.search(words, series.text) for words in T1_KINDS.values()):
        return True
    shortest, longest = SPOILED_REPETITION
    return (
        "GR" in series.sequence
        and shortest <= (series.repetition or 0) <= longest
        and (series.flip or 0) >= SPOILED_FLIP
    )


def pick_t1w(series: Sequence[Series]) -> tuple[list[Series], list[tuple[Series, str]]]:
    """Pick the T1w series of one session.

    Of the images that a scanner reconstructs from one acquisition, the one with its intensity
    normalisation is kept, then the one with its distortion correction. Series with a contrast
    agent are left aside where there is one without.

    Parameters
    ----------
    series
        All series of the session.

    Returns
    -------
    picked : list of Series
        In order of acquisition.
    aside : list of (Series, str)
        The others, each with its reason.
    """
    picked, aside = [], []
    for one in series:
        reason = reason_aside(one)
        if reason is None:
            picked.append(one)
        else:
            aside.append((one, reason))
    if any(not one.agent for one in picked):
        aside += [(one, "with a contrast agent") for one in picked if one.agent]
        picked = [one for one in picked if not one.agent]
    for one in list(picked):
        same = [
            other
            for other in picked
            if one.time
            and (other.study, other.time, other.extent) == (one.study, one.time, one.extent)
        ]
        # Two series of one image type are two runs, even where the times were taken out.
        if same and max(same, key=_corrections).image_type != one.image_type:
            picked.remove(one)
            aside.append((one, "another reconstruction of an acquisition that is kept"))
    return sorted(picked, key=lambda s: (s.date, s.time, s.number or 0)), aside


def _corrections(series: Series) -> tuple[bool, bool, bool]:
    kinds = set(series.image_type)
    return "NORM" in kinds, "DIS3D" in kinds, "DIS2D" in kinds
