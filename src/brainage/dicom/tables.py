"""The tables of images converted from DICOM, and the user's table that overrides the headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from brainage.core.demographics import parse_age, parse_sex
from brainage.core.files import InputError, write_json, write_text
from brainage.core.tsv import read_rows
from brainage.core.wording import few
from brainage.dicom.people import Participant, Session, parse_date
from brainage.dicom.rules import known_words
from brainage.dicom.series import Person

SET_ASIDE = Path("sourcedata") / "set_aside.tsv"
# BIDS asks for 89+ from this age on: older people are few enough to be recognised.
TOP_CODED_AGE = 89.0
MAX_AGE = 110.0  # an age above is a placeholder of the birth date
# What is written where a birth date was taken out; the day of the scan is another such date.
PLACEHOLDERS = ("00010101", "18000101", "19000101")
MIN_DAYS = 28  # days
DAYS = 365.25
AGE_UNITS = {"Y": 1.0, "M": 1 / 12, "W": 7 / DAYS, "D": 1 / DAYS}
PEOPLE = ("age", "sex", "site", "scanner", "diagnosis")  # columns of the table of people

COLUMNS = {
    "participant_id": {"Description": "the person"},
    "session_id": {"Description": "the session"},
    "age": {
        "Description": (
            "age at the scan (in participants.tsv: at the first scan); 89+ is 89 or more"
        ),
        "Units": "years",
    },
    "sex": {"Description": "sex", "Levels": {"F": "female", "M": "male", "O": "other"}},
    "site": {"Description": "where the person was scanned"},
    "scanner": {"Description": "model of the scanner and its field strength"},
    "diagnosis": {"Description": "diagnosis"},
}
Given = dict[tuple[str, str | None], dict[str, str | None]]


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
    born, scanned = parse_date(person.birth_date), parse_date(date)
    days = (scanned - born).days if born and scanned else None
    remark = None
    if person.birth_date.replace(".", "") in PLACEHOLDERS or (
        days is not None and 0 <= days < MIN_DAYS
    ):
        days = None
        remark = "placeholders for a birth date, as 19000101 or the day of the scan: not used"
    by_dates = None if days is None else days / DAYS
    if by_dates is not None and by_header is not None and abs(by_dates - by_header) > 1:
        return None, "ages from birth date and from PatientAge differ by more than a year: n/a"
    age = by_header if by_dates is None else by_dates
    if age is not None and not 0 <= age <= MAX_AGE:
        return None, f"ages below 0 or above {MAX_AGE:g}, as of a birth date that is not one: n/a"
    return None if age is None else round(age, 2), remark


def read_people_table(path: Path) -> Given:
    """Read the user's table of people, by participant and session (``None``: all sessions)."""
    header, rows = read_rows(path)
    known = ("participant_id", "session_id", *PEOPLE)
    if "participant_id" not in header:
        raise InputError(f"{path}: column 'participant_id' is missing; known: {', '.join(known)}")
    for name in header:
        if name not in known:
            raise InputError(
                f"{path}: column {name!r} is not known; rename or remove it; known: "
                f"{', '.join(known)}"
            )
    table: Given = {}
    lines: dict[tuple[str, str | None], int] = {}
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
            raise InputError(
                f"{path}: rows {lines[key]} and {line} are both for "
                f"{' '.join(filter(None, key))}; keep one"
            )
        lines[key] = line
        parse_age(values.get("age"), where)
        values["sex"] = parse_sex(values.get("sex"), {}, where)
        table[key] = values
    return table


def check_given(given: Given, people: Sequence[Participant], path: Path | None) -> None:
    """Check that the sessions the user's table speaks of are there, and each has its own age."""
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
                f"{path}: one age for {person}, who has {len(has)} sessions; give each session "
                f"its own row, with session_id ({', '.join(label or '' for label in has)})"
            )


def write_tables(folder: Path, people: Sequence[Participant], given: Given) -> list[str]:
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
    return [f"{len(names)} {what} ({few(names)})" for what, names in said.items()]


def _of_headers(session: Session, say: Callable[[str], None]) -> dict[str, str | None]:
    """What the headers of a session's T1w series say, and what is doubtful about it."""
    first = session.picked[0]
    age, remark = age_at_scan(first.person, first.date)
    if remark:
        say(remark)
    if first.unknown_model:
        say("sessions on a scanner whose model is not known here: left out (give it in --people)")
    top_coded = age is not None and age >= TOP_CODED_AGE
    return {
        "age": None if age is None else f"{TOP_CODED_AGE:g}+" if top_coded else f"{age:g}",
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


def write_set_aside(path: Path, people: Sequence[Participant]) -> None:
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
                    "protocol": known_words(series) or None,
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
