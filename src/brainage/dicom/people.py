"""From the folder of DICOM to people: whose the files are, and which sessions they have.

No message repeats a value of a header, and folders named after the person are refused.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from brainage.core.files import InputError
from brainage.dicom.headers import file_names_unsaid, is_dicom
from brainage.dicom.rules import pick_t1w
from brainage.dicom.series import Series, read_series

LABEL = re.compile(r"[A-Za-z0-9]+")
LAYOUT = (
    "lay the folder out as FOLDER/PARTICIPANT/..., one folder for each person, named by a "
    "participant_id of letters and digits (or FOLDER/PARTICIPANT/ses-SESSION/...)"
)

# Label of a session, its series, and the number of files of no series by reason.
_Read = tuple[str | None, list[Series], dict[str, int]]


@dataclass
class Session:
    """What one session of a person has: T1w series, and everything set aside with its reason."""

    label: str | None
    picked: list[Series]
    aside: list[tuple[Series, str]]
    unread: dict[str, int] = field(default_factory=dict)


@dataclass
class Participant:
    """One person's sessions, and remarks about the headers."""

    participant_id: str
    sessions: list[Session]
    remarks: list[str]


def find_people(folder: Path) -> dict[str, Path]:
    """Folders of the people by participant_id."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    places = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if any(path.is_file() and is_dicom(path) and path.name != "DICOMDIR" for path in places):
        raise InputError(f"{folder}: it contains DICOM files outside any person's folder; {LAYOUT}")
    places = [path for path in places if path.is_dir()]
    if not places:
        raise InputError(f"{folder}: there is no folder in it; {LAYOUT}")
    people: dict[str, Path] = {}
    for number, place in enumerate(places, start=1):
        label = place.name.removeprefix("sub-")
        if not LABEL.fullmatch(label):
            # Such a name may be the person's, so it is not repeated.
            raise InputError(
                f"{folder}: the name of folder {number} of {len(places)} (in alphabetical order) "
                f"is not a valid participant_id; {LAYOUT}"
            )
        if f"sub-{label}" in people:
            raise InputError(
                f"{folder}: folder {number} of {len(places)} (in alphabetical order) and another "
                "belong to the same person (with and without sub-); merge them"
            )
        people[f"sub-{label}"] = place
    return dict(sorted(people.items()))


def _files(place: Path) -> list[Path]:
    """All files below a folder, links to folders followed; each folder counts once."""

    def fail(error: OSError) -> None:
        raise error

    files: list[Path] = []
    # A link to a folder above would lead to other people's.
    seen = {str(above) for above in Path(os.path.realpath(place)).parents}
    for parent, folders, names in os.walk(place, onerror=fail, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        files += [Path(parent) / name for name in names if not name.startswith(".")]
    return files


def read_participant(item: tuple[str, Path]) -> Participant:
    """Read all headers of a person, check that they are one person's, and pick the T1w series."""
    with file_names_unsaid(item[0]):
        return _participant(*item)


def _participant(participant_id: str, place: Path) -> Participant:
    named = sorted(path for path in place.iterdir() if path.is_dir() and path.name[:4] == "ses-")
    inside = {path.name for path in named}
    others = [f for f in _files(place) if f.relative_to(place).parts[0] not in inside]
    read: list[_Read] = [(path.name, *read_series(_files(path))) for path in named]
    beside, unread = read_series(others)
    everything = [one for _, series, _ in read for one in series] + beside
    # Before all that could be said of this folder: what is said repeats its name.
    _refuse_named_after(everything, [place.name, *inside])
    for path in named:
        if not LABEL.fullmatch(path.name.removeprefix("ses-")):
            raise InputError(
                f"{participant_id}: the name of a session's folder has characters other than "
                "letters and digits after ses-; rename it"
            )
    if named:
        if any(is_dicom(path) for path in others):
            raise InputError(
                f"{participant_id}: there are DICOM files outside its session folders (ses-...); "
                "move them into one"
            )
        for path, (_, series, _) in zip(named, read, strict=True):
            _refuse_two_people(series, f"{participant_id}/{path.name}")
            if any(one.date and one.date in path.name for one in series):
                raise InputError(
                    f"{participant_id}: a session's folder is named after the date of the scan, "
                    "which would be in every file's name; rename it to ses-1, ses-2 ..., or "
                    "remove the ses-: then the sessions are ordered by date"
                )
    else:
        _refuse_two_people(beside, participant_id)
        read = _sessions_by_date(beside, unread, participant_id)
    sessions = [Session(label, *pick_t1w(series), unread) for label, series, unread in read]
    return Participant(participant_id, sessions, _doubts(everything, place.name))


def _sessions_by_date(
    series: Sequence[Series], unread: dict[str, int], participant_id: str
) -> list[_Read]:
    """Part a person's series by the date of their study; one date needs no session."""
    dates: dict[str, str] = {}
    for one in series:
        if one.date:
            dates[one.study] = min(one.date, dates.get(one.study, one.date))
    undated = {one.study for one in series} - set(dates)
    in_order = sorted(set(dates.values()))
    if undated and len(undated) + len(dates) > 1:
        raise InputError(
            f"{participant_id}: several studies, and not all have a date, so that their order is "
            "not known; put each session into a folder of its own: ses-1, ses-2 ..."
        )
    if len(in_order) <= 1:
        return [(None, list(series), unread)]
    parted: list[_Read] = [
        (f"ses-{number}", [one for one in series if dates[one.study] == date], {})
        for number, date in enumerate(in_order, start=1)
    ]
    # A file that is of no series is of no date either; it is said at the person's first session.
    return [(parted[0][0], parted[0][1], unread), *parted[1:]]


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _refuse_two_people(series: Sequence[Series], where: str) -> None:
    for values in ({_plain(s.person.patient_id) for s in series},
                   {_plain(s.person.name) for s in series}):  # fmt: skip
        if len(values - {""}) > 1:
            raise InputError(
                f"{where}: the headers in this folder name more than one person (different "
                f"PatientID or PatientName); {LAYOUT}; put a second visit under another number "
                "into a folder of its own: ses-2"
            )


def _refuse_named_after(series: Sequence[Series], folders: Sequence[str]) -> None:
    """Refuse folders with the person's name or birth date in theirs; the error repeats neither."""
    labels = [_plain(name.removeprefix("sub-").removeprefix("ses-")) for name in folders]
    for person in {one.person for one in series}:
        parts = [part for part in re.split(r"[\W_]+", person.name.casefold()) if part]
        first = [p for p in parts[:2] if p.isalpha() and len(p) > 1]
        # "=" parts the ways to write a name, "^" the family's from the others.
        families = {
            part
            for written in person.name.casefold().split("=")
            for part in re.split(r"[\W_]+", written.split("^")[0])
            if part.isalpha() and len(part) >= 4
        }
        born = _plain(person.birth_date)
        for label in labels:
            if (
                (len(first) == 2 and all(part in label for part in first))
                or any(part in label for part in families)
                or (parse_date(born) and born in label)
            ):
                raise InputError(
                    "a person's folder, or a session's in it, has the person's name or birth "
                    "date; name all folders by participant_ids that say nothing about anybody"
                )


def parse_date(text: str) -> datetime.date | None:
    """Return the day of a header's date; ``None`` for what is no date."""
    try:
        return datetime.datetime.strptime(text.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


def _doubts(series: Sequence[Series], folder_name: str) -> list[str]:
    """Say what a person's headers contradict."""
    label = _plain(folder_name.removeprefix("sub-"))
    remarks = []
    same = {_plain(s.person.patient_id) for s in series} | {_plain(s.person.name) for s in series}
    if label in same:
        remarks.append(
            "folders with the same name as the PatientID or PatientName in their headers: rename "
            "them if that is a hospital's number and not a study's code"
        )
    for about, values in (
        ("PatientID", {_plain(s.person.patient_id) for s in series}),
        ("PatientName", {_plain(s.person.name) for s in series}),
        ("birth date", {s.person.birth_date for s in series}),
    ):
        if len(values - {""}) > 1:
            remarks.append(f"people whose sessions have different {about}s: is it one person?")
    return remarks
