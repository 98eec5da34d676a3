"""From a folder of DICOM series to a BIDS folder that holds T1w images and no identifiers.

The folder has one subfolder for each person, named by the participant_id; in it, either one
folder for each session, named ``ses-...``, or files at any depth, which the study date then puts
into sessions. First all headers are read and checked, then the T1w series are converted.
"""

from __future__ import annotations

import datetime
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from brainage import __version__
from brainage.cohort import bids
from brainage.cohort.dicom_convert import (
    SOURCE,
    ConversionError,
    ConversionFault,
    convert,
    find_dcm2niix,
    is_converted,
    sidecar_of,
    source_hash,
)
from brainage.cohort.dicom_series import (
    Person,
    Series,
    file_names_unsaid,
    is_dicom,
    pick_t1w,
    read_series,
)
from brainage.files import InputError, read_json, write_json, write_text

Item, Result = TypeVar("Item"), TypeVar("Result")
MADE_BY = "brainage dicom"
LABEL = re.compile(r"[A-Za-z0-9]+")
LAYOUT = (
    "lay the folder out as FOLDER/PARTICIPANT/..., one folder for each person, named by a "
    "participant_id of letters and digits (or FOLDER/PARTICIPANT/ses-SESSION/...)"
)
LEFT_ASIDE = Path("sourcedata") / "left_aside.tsv"
# BIDS asks for 89+ from this age on: older people are few enough to be recognised.
TOP_CODED_FROM = 89.0
OLDEST = 110.0  # an age above is a placeholder of the birth date
# What is written where a birth date was taken out; the day of the scan is another such date.
PLACEHOLDERS = ("00010101", "18000101", "19000101")
YOUNGEST = 28  # days
DAYS = 365.25
AGE_UNITS = {"Y": 1.0, "M": 1 / 12, "W": 7 / DAYS, "D": 1 / DAYS}
PEOPLE = ("age", "sex", "site", "scanner", "diagnosis")  # columns of the table of people

README = """T1w images, converted from DICOM by brainage {version} with dcm2niix.

Names, numbers, dates and places of the DICOM headers were left behind. The faces are still in the
images: remove them (defacing) before you give the images to anybody.

sourcedata/left_aside.tsv lists every other series with the reason why it is not here.
"""
COLUMNS = {
    "participant_id": {"Description": "the person"},
    "session_id": {"Description": "the session"},
    "age": {
        "Description": "age at the scan (in participants.tsv at the first one); 89+ is 89 or more",
        "Units": "years",
    },
    "sex": {"Description": "sex", "Levels": {"F": "female", "M": "male", "O": "other"}},
    "site": {"Description": "where the person was scanned"},
    "scanner": {"Description": "model of the scanner and its field strength"},
    "diagnosis": {"Description": "diagnosis"},
}


@dataclass
class Session:
    """What one session of a person has: T1w series, and everything left aside with its reason."""

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


def convert_dicom(
    folder: Path, bids_folder: Path, people: Path | None = None, processes: int = 1
) -> list[str]:
    """Convert the T1w series of a folder of DICOM into a BIDS folder.

    Parameters
    ----------
    folder
        One subfolder for each person.
    bids_folder
        The BIDS folder to write: new, empty, or written by an earlier run on the same people.
        What was converted before from the same files is not converted again.
    people
        A table (TSV) with participant_id, where wanted session_id, and any of age, sex, site,
        scanner and diagnosis; what it says goes before the headers.
    processes
        People that are worked on at the same time.

    Returns
    -------
    list of str
        What was done and left aside, in words, and what to do next.

    Raises
    ------
    InputError
        The folder is not laid out as it should be, holds two people in one folder, has no T1w
        series; the BIDS folder holds something else; a row of the table is wrong.
    ConversionError
        The machine failed a conversion; the same command goes on where it stopped.
    """
    folder, bids_folder = Path(folder), Path(bids_folder)
    program, version = find_dcm2niix()
    with file_names_unsaid(str(folder)):
        found = _find_people(folder)
    given = _read_people_table(people) if people is not None else {}
    _refuse_other_data(folder, bids_folder, set(found))

    # All headers first: what is wrong with the input is said before anything is written.
    read = _each(_read_participant, list(found.items()), processes, "headers read")
    _check_given(given, read, people)
    _write_frame(bids_folder)
    job = partial(_convert_participant, folder=bids_folder, program=program, version=version)
    done = _each(job, read, processes, "people done")
    remarks = _write_tables(bids_folder, done, given)
    _write_left_aside(bids_folder / LEFT_ASIDE, done)
    if not any(session.picked for person in done for session in person.sessions):
        raise InputError(
            f"{folder}: no T1w series in it; {bids_folder / LEFT_ASIDE} says of every series why "
            "it is none"
        )
    sites = any(values.get("site") for values in given.values())
    return _summary(bids_folder, done, remarks, sites)


def _each(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, what: str
) -> list[Result]:
    """Do the same to all items, some at a time; results in the items' order."""

    def count(results: Iterable[Result]) -> list[Result]:
        done: list[Result] = []
        for result in results:
            done.append(result)
            if len(done) % 20 == 0 or len(done) == len(items):
                print(f"dicom: {what}: {len(done)} of {len(items)}", file=sys.stderr, flush=True)
        return done

    if processes <= 1 or len(items) <= 1:
        return count(map(work, items))
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return count(pool.map(work, items))


def _find_people(folder: Path) -> dict[str, Path]:
    """Folders of the people by participant_id."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    places = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if any(path.is_file() and is_dicom(path) and path.name != "DICOMDIR" for path in places):
        raise InputError(f"{folder}: DICOM files lie in it without a person's folder; {LAYOUT}")
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
                f"is no participant_id; {LAYOUT}"
            )
        if f"sub-{label}" in people:
            raise InputError(
                f"{folder}: folder {number} of {len(places)} (in alphabetical order) and another "
                "are of one person (with and without sub-); put them into one"
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


def _read_participant(item: tuple[str, Path]) -> Participant:
    """Read all headers of a person, check that they are one person's, and pick the T1w series."""
    with file_names_unsaid(item[0]):
        return _participant(*item)


def _participant(participant_id: str, place: Path) -> Participant:
    named = sorted(path for path in place.iterdir() if path.is_dir() and path.name[:4] == "ses-")
    inside = {path.name for path in named}
    others = [f for f in _files(place) if f.relative_to(place).parts[0] not in inside]
    read = [(path.name, *read_series(_files(path))) for path in named]
    beside, unread = read_series(others)
    everything = [one for _, series, _ in read for one in series] + beside
    # Before all that could be said of this folder: what is said repeats its name.
    _refuse_named_after(everything, [place.name, *inside])
    for path in named:
        if not LABEL.fullmatch(path.name.removeprefix("ses-")):
            raise InputError(
                f"{participant_id}: a session's folder has other characters than letters and "
                "digits behind ses-; rename it"
            )
    if named:
        if any(is_dicom(path) for path in others):
            raise InputError(
                f"{participant_id}: DICOM files lie beside the folders of its sessions (ses-...); "
                "move them into one"
            )
        for label, series, _ in read:
            _refuse_two_people(series, f"{participant_id}/{label}")
            if any(one.date and one.date in label for one in series):
                raise InputError(
                    f"{participant_id}: a session's folder is named by the date of the scan, which "
                    "would be in every file's name; rename it to ses-1, ses-2 ..., or take the "
                    "ses- off: then the dates put the sessions in order"
                )
    else:
        _refuse_two_people(beside, participant_id)
        read = _sessions_by_date(beside, unread, participant_id)
    sessions = [Session(label, *pick_t1w(series), unread) for label, series, unread in read]
    return Participant(participant_id, sessions, _doubts(everything, place.name))


def _sessions_by_date(
    series: Sequence[Series], unread: dict[str, int], participant_id: str
) -> list[tuple[str | None, list[Series], dict[str, int]]]:
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
    parted = [
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
                f"PatientID or PatientName); {LAYOUT}; a second visit under another number goes "
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
                or (_date(born) and born in label)
            ):
                raise InputError(
                    "a person's folder, or a session's in it, has the person's name or birth "
                    "date; name all folders by participant_ids that say nothing about anybody"
                )


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


def _refuse_other_data(folder: Path, bids_folder: Path, people: set[str]) -> None:
    inner, outer = bids_folder.resolve(), folder.resolve()
    if inner == outer or inner in outer.parents or outer in inner.parents:
        raise InputError(
            f"{bids_folder}: the BIDS folder and the DICOM folder lie in each other; headers with "
            "names don't belong beside the images: give another folder"
        )
    if bids_folder.exists() and not bids_folder.is_dir():
        raise InputError(f"{bids_folder}: this is a file; give a folder to write")
    if not bids_folder.exists() or not any(bids_folder.iterdir()):
        return
    description = bids_folder / "dataset_description.json"
    content = read_json(description) if description.is_file() else {}
    makers = content.get("GeneratedBy", []) if isinstance(content, dict) else []
    if not any(isinstance(maker, dict) and maker.get("Name") == MADE_BY for maker in makers):
        raise InputError(
            f"{bids_folder}: there is something in this folder that brainage dicom didn't write; "
            "give a new folder"
        )
    gone = sorted({path.name for path in bids_folder.glob("sub-*")} - people)
    if gone:
        raise InputError(
            f"{bids_folder}: it holds {gone[0]}, who has no folder in {folder}; give a new folder, "
            "or all people in one DICOM folder"
        )


def _write_frame(folder: Path) -> None:
    write_json(
        folder / "dataset_description.json",
        {
            "Name": folder.resolve().name,
            "BIDSVersion": "1.9.0",
            "DatasetType": "raw",
            "GeneratedBy": [{"Name": MADE_BY, "Version": __version__}],
        },
    )
    write_text(folder / "README", README.format(version=__version__))


def _convert_participant(
    person: Participant, folder: Path, program: str, version: str
) -> Participant:
    """Convert a person's T1w series; what cannot be converted goes to those left aside."""
    written: set[Path] = set()
    for session in person.sessions:
        converted: list[Series] = []
        place = folder / person.participant_id / (session.label or "") / "anat"
        stem = "_".join(part for part in (person.participant_id, session.label) if part)
        # A run's number stays what it is when another run cannot be converted.
        several = len(session.picked) > 1
        for number, series in enumerate(session.picked, start=1):
            run = f"_run-{number}" if several else ""
            image = place / f"{stem}{run}_T1w.nii.gz"
            with file_names_unsaid(person.participant_id):
                wanted = source_hash(series.files, version)
            try:
                if not is_converted(image, wanted):
                    _begin_change(folder)
                    convert(series.files, image, program, wanted)
            except ConversionFault as fault:
                session.aside.append((series, str(fault)))
                continue
            except ConversionError as error:
                raise ConversionError(
                    f"{person.participant_id}, series {series.number}: {error}; run it again"
                ) from None
            written |= {image, sidecar_of(image)}
            converted.append(series)
        session.picked = converted
    _remove_outdated(folder / person.participant_id, written)
    return person


def _begin_change(folder: Path) -> None:
    """Take participants.tsv away until all is done: its ages are of the images before."""
    (folder / "participants.tsv").unlink(missing_ok=True)


def _remove_outdated(place: Path, written: set[Path]) -> None:
    """Remove what an earlier run made of a person under a name that is no longer theirs."""
    if not place.is_dir():
        return
    for path in sorted(place.rglob("*_T1w.json")):
        if path not in written and SOURCE in path.read_text(encoding="utf-8"):
            _begin_change(place.parent)
            path.with_name(path.name.removesuffix(".json") + ".nii.gz").unlink(missing_ok=True)
            path.unlink()
    for path in sorted(place.rglob(".sub-*_T1w*")):
        path.unlink()  # of a run that was killed
    if not written:
        (place / f"{place.name}_sessions.tsv").unlink(missing_ok=True)
    for path in [*sorted(place.rglob("*"), reverse=True), place]:
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def age_at_scan(person: Person, date: str) -> tuple[float | None, str | None]:
    """Work out a person's age from one header.

    Parameters
    ----------
    person
        What the header says of the person.
    date
        Date of the study, ``YYYYMMDD``.

    Returns
    -------
    age : float or None
        In years, two decimals by the dates, else as the header's age has it.
    remark : str or None
        What was wrong, where something was: why there is none, or comes from PatientAge.
    """
    stated = re.fullmatch(r"(\d{1,3})([YMWD]?)", person.age)
    # 000Y is what headers say where nobody filled it in.
    by_header = int(stated[1]) * AGE_UNITS[stated[2] or "Y"] if stated else None
    by_header = by_header or None
    born, scanned = _date(person.birth_date), _date(date)
    days = (scanned - born).days if born and scanned else None
    remark = None
    if person.birth_date.replace(".", "") in PLACEHOLDERS or (
        days is not None and 0 <= days < YOUNGEST
    ):
        days = None
        remark = "placeholders for a birth date, as 19000101 or the day of the scan: not used"
    by_dates = None if days is None else days / DAYS
    if by_dates is not None and by_header is not None and abs(by_dates - by_header) > 1:
        return None, "ages by birth date and by PatientAge differ by more than a year: n/a"
    age = by_header if by_dates is None else by_dates
    if age is not None and not 0 <= age <= OLDEST:
        return None, f"ages below 0 or above {OLDEST:g}, as of a birth date that is not one: n/a"
    return None if age is None else round(age, 2), remark


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(text.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


Given = dict[tuple[str, str | None], dict[str, str | None]]


def _read_people_table(path: Path) -> Given:
    """Read the user's table of people, by participant and session (``None``: all sessions)."""
    header, rows = bids.read_rows(path)
    known = ("participant_id", "session_id", *PEOPLE)
    if "participant_id" not in header:
        raise InputError(f"{path}: column 'participant_id' is missing; known: {', '.join(known)}")
    for name in header:
        if name not in known:
            raise InputError(
                f"{path}: column {name!r} is not known; rename it or take it out; "
                f"known: {', '.join(known)}"
            )
    table: Given = {}
    for line, row in rows:
        where = f"{path}: row {line}"
        values: dict[str, str | None] = {
            name: None if value.strip().lower() in ("", "n/a") else value.strip()
            for name, value in zip(header, row, strict=True)
        }
        person, session = values.pop("participant_id"), values.pop("session_id", None)
        if person is None:
            raise InputError(f"{where}: participant_id is missing")
        key = (
            f"sub-{person.removeprefix('sub-')}",
            None if session is None else f"ses-{session.removeprefix('ses-')}",
        )
        if key in table:
            raise InputError(f"{where}: a second row for {' '.join(filter(None, key))}; keep one")
        bids.parse_age(values.get("age"), where)
        values["sex"] = bids.parse_sex(values.get("sex"), {}, where)
        table[key] = values
    return table


def _check_given(given: Given, people: Sequence[Participant], path: Path | None) -> None:
    sessions = {p.participant_id: [s.label for s in p.sessions] for p in people}
    for (person, session), values in given.items():
        has = sessions.get(person)
        if has is None:
            continue  # a table of more people than these: said at the end
        if session is not None and session not in has:
            names = ", ".join(label or "no session (leave session_id n/a)" for label in has)
            raise InputError(f"{path}: {person} has no {session} here; it has {names}")
        if session is None and len(has) > 1 and values.get("age") is not None:
            raise InputError(
                f"{path}: one age for {person}, who has {len(has)} sessions; give each its row, "
                f"with session_id ({', '.join(label or '' for label in has)})"
            )


def _write_tables(folder: Path, people: Sequence[Participant], given: Given) -> list[str]:
    """Write participants.tsv and everyone's sessions.tsv; return what is to be said."""
    said: dict[str, list[str]] = {}

    def say(what: str, who: str) -> None:
        said.setdefault(what, []).append(who)

    columns = [
        c for c in PEOPLE if c != "diagnosis" or any("diagnosis" in v for v in given.values())
    ]
    participants = []
    for person in people:
        name = person.participant_id
        for remark in person.remarks:
            say(remark, name)
        with_image = [session for session in person.sessions if session.picked]
        rows = []
        for session in with_image:
            who = " ".join(filter(None, (name, session.label)))
            values = _of_headers(session, partial(say, who=who))
            for key in ((name, None), (name, session.label)):
                values |= {c: v for c, v in given.get(key, {}).items() if v is not None}
            if values["age"] is None:
                say("sessions without an age (give it in --people)", who)
            rows.append({"session_id": session.label, **values})
        table = folder / name / f"{name}_sessions.tsv"
        if not rows or with_image[0].label is None:
            table.unlink(missing_ok=True)  # of an earlier run, when there were sessions
        if not rows:
            say("people without a T1w image", name)
            continue
        sexes = {row["sex"] for row in rows} - {None}
        if len(sexes) > 1:
            say("people whose headers differ in sex: n/a", name)
        first = {**rows[0], "sex": sexes.pop() if len(sexes) == 1 else None}
        participants.append({"participant_id": name, **first})
        if with_image[0].label is not None:
            _write_tsv(table, ["session_id", *(c for c in columns if c != "sex")], rows)
    _write_tsv(folder / "participants.tsv", ["participant_id", *columns], participants)
    shown = {name: COLUMNS[name] for name in columns}
    write_json(folder / "participants.json", {"participant_id": COLUMNS["participant_id"], **shown})
    unknown = sorted({p for p, _ in given} - {person.participant_id for person in people})
    for name in unknown:
        say("people of the table have no DICOM folder", name)
    return [f"{len(names)} {what} ({_few(names)})" for what, names in said.items()]


def _of_headers(session: Session, say: Callable[[str], None]) -> dict[str, str | None]:
    """What the headers of a session's T1w series say, and what is doubtful about it."""
    first = session.picked[0]
    age, remark = age_at_scan(first.person, first.date)
    if remark:
        say(remark)
    top_coded = age is not None and age >= TOP_CODED_FROM
    return {
        "age": None if age is None else f"{TOP_CODED_FROM:g}+" if top_coded else f"{age:g}",
        "sex": first.person.sex if first.person.sex in ("F", "M", "O") else None,
        "site": None,  # an institution's name says where a person lives
        "scanner": first.scanner,
        "diagnosis": None,
    }


def _write_tsv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    lines = [columns, *([row.get(c) for c in columns] for row in rows)]
    text = [
        "\t".join("n/a" if v is None else re.sub(r"\s+", " ", str(v)) for v in line)
        for line in lines
    ]
    write_text(path, "\n".join(text) + "\n")


def _write_left_aside(path: Path, people: Sequence[Participant]) -> None:
    """List every series that has no image, with the reason.

    Of the protocol's name only known words are written: it is free text that may hold anything.
    """
    columns = ["participant_id", "session_id", "series_number", "protocol", "images", "reason"]
    rows = []
    for person in people:
        for session in person.sessions:
            who = {"participant_id": person.participant_id, "session_id": session.label}
            aside = sorted(session.aside, key=lambda pair: (pair[0].number or 0, pair[1]))
            rows += [
                {
                    **who,
                    "series_number": series.number,
                    "protocol": series.kinds or None,
                    "images": series.images,
                    "reason": reason,
                }
                for series, reason in aside
            ]
            rows += [
                {**who, "images": count, "reason": reason}
                for reason, count in sorted(session.unread.items())
            ]
    _write_tsv(path, columns, rows)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _summary(
    folder: Path, people: Sequence[Participant], remarks: Sequence[str], sites: bool
) -> list[str]:
    sessions = [s for person in people for s in person.sessions]
    with_image = [person for person in people if any(s.picked for s in person.sessions)]
    images = sum(len(session.picked) for session in sessions)
    agents = sum(series.agent for session in sessions for series in session.picked)
    kinds: dict[str, int] = {}
    for session in sessions:
        for _, reason in session.aside:
            kinds[reason] = kinds.get(reason, 0) + 1
    files: dict[str, int] = {}
    for session in sessions:
        for reason, count in session.unread.items():
            files[reason] = files.get(reason, 0) + count
    lines = [
        f"{len(with_image)} people, {sum(bool(s.picked) for s in sessions)} sessions, {images} T1w "
        f"images in {folder}"
    ]
    if kinds:
        listed = "; ".join(
            f"{n} {k}" for k, n in sorted(kinds.items(), key=lambda i: (-i[1], i[0]))
        )
        lines.append(f"series left aside: {listed}")
    lines += [f"files left aside: {count} {reason}" for reason, count in sorted(files.items())]
    if kinds or files:
        lines.append(f"every one of them with its reason: {folder / LEFT_ASIDE}")
    if agents:
        lines.append(f"{agents} images are with a contrast agent: their sessions have none without")
    lines += remarks
    if not sites:
        lines.append("no site is known: give it in --people, or as the key site of the data set")
    name = re.sub(r"[^A-Za-z0-9-]+", "", folder.resolve().name) or "mine"
    lines += [
        "The faces are still in the images: deface them before you give them to anybody.",
        "Next, in your config:",
        "  datasets:",
        f"    {name}: {{kind: bids, path: {folder}}}",
    ]
    return lines
