"""DICOM series, made of the headers of their files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainage.dicom.agents import agent_given
from brainage.dicom.geometry import slice_geometry
from brainage.dicom.headers import (
    Header,
    as_list,
    as_number,
    as_text,
    quiet_pydicom,
    read_header,
)
from brainage.dicom.scanners import known_scanner


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
    scanner, unknown_model
        Model, as far as its words are known, and field strength; whether the header names a model
        of which no word is known.
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
    unknown_model: bool
    images: int
    voxel: tuple[float, ...]
    extent: tuple[float, ...]
    fault: str | None


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
    groups: dict[tuple[str, tuple[str, ...]], list[Header]] = {}
    unread: dict[str, int] = {}
    seen = set()
    with quiet_pydicom():
        for path in sorted(files):
            header = read_header(path)
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


def _join(headers: Sequence[Header]) -> Series:
    """Make one series of the headers of its files."""
    geometry = slice_geometry(headers)
    headers = [headers[i] for i in geometry.order]
    first = min(headers, key=_time).values
    names = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")
    # Not the body part: many a head is filed under another one.
    text = re.sub(r"[^a-z0-9+]+", " ", " ".join(as_text(first[name]) for name in names).lower())
    sequence = {as_text(part).upper() for part in as_list(first["ScanningSequence"])}
    enhanced = {"GRADIENT": {"GR"}, "SPIN": {"SE"}, "BOTH": {"GR", "SE"}}
    if not sequence:
        sequence = set(enhanced.get(as_text(first["EchoPulseSequence"]).upper(), ()))
        sequence |= {"EP"} if as_text(first["EchoPlanarPulseSequence"]).upper() == "YES" else set()
        sequence |= {"IR"} if as_text(first["InversionRecovery"]).upper() == "YES" else set()
    echoes = {as_number(h.values["EchoTime"] or h.values["EffectiveEchoTime"]) for h in headers}
    number = as_number(first["SeriesNumber"])
    model = as_text(first["ManufacturerModelName"])
    return Series(
        files=[header.path for header in headers],
        number=None if number is None else int(number),
        study=as_text(first["StudyInstanceUID"]),
        date=as_text(
            first["StudyDate"]
            or first["AcquisitionDate"]
            or first["SeriesDate"]
            or as_text(first["AcquisitionDateTime"])[:8]
        ).replace(".", ""),
        time=min(_time(header) for header in headers),
        person=Person(
            patient_id=as_text(first["PatientID"]),
            name=as_text(first["PatientName"]),
            birth_date=as_text(first["PatientBirthDate"]),
            sex=as_text(first["PatientSex"]).upper(),
            age=as_text(first["PatientAge"]).upper(),
        ),
        modality=as_text(first["Modality"]).upper(),
        image_type=headers[0].image_type,
        text=text + (" angio" if as_text(first["AngioFlag"]).upper() == "Y" else ""),
        acquisition_type=as_text(first["MRAcquisitionType"]).upper(),
        sequence=frozenset(sequence),
        repetition=as_number(first["RepetitionTime"]),
        inversion=as_number(first["InversionTime"] or first["InversionTimes"]),
        flip=as_number(first["FlipAngle"]),
        echoes=tuple(sorted(e for e in echoes if e is not None)),
        agent=agent_given(as_text(first["ContrastBolusAgent"]), text),
        scanner=_scanner(model, first["MagneticFieldStrength"]),
        unknown_model=bool(model) and not known_scanner(model),
        images=sum(header.frames for header in headers),
        voxel=geometry.voxel,
        extent=geometry.extent,
        fault=_cut_short(headers) or geometry.fault,
    )


def _time(header: Header) -> str:
    """When a file was acquired, as text that can be sorted; "" where its header doesn't say."""
    values = header.values
    whole, time = as_text(values["AcquisitionDateTime"]), as_text(values["AcquisitionTime"])
    return (as_text(values["AcquisitionDate"]) + time if time else "") or whole


def _cut_short(headers: Sequence[Header]) -> str | None:
    count = sum(header.cut_short for header in headers)
    return f"{count} of its {len(headers)} files are cut short" if count else None


def _scanner(model: str, field: Any) -> str | None:
    """Known words of the model, and nominal field strength: the model may hold anything."""
    tesla = as_number(field)
    if tesla is not None and tesla > 100:  # old scanners give Gauss
        tesla /= 10000
    strength = f"{round(2 * tesla) / 2:g}T" if tesla else ""
    return " ".join([known_scanner(model), strength]).strip() or None
