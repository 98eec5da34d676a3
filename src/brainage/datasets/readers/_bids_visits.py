"""Whether the ages of a person's visits can be those of the visits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from brainage.core.files import InputError
from brainage.core.subjects import label_order
from brainage.core.tsv import read_rows
from brainage.datasets.readers._bids_tables import DATE, Rows, sessions_path

# Ages in whole years are the same for up to a year; the rest allows for rounded dates.
MAX_YEARS = 1.1
_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T.*)?")


class Visit(NamedTuple):
    """A session with a known age.

    Attributes
    ----------
    session_id
        The session.
    age
        In years.
    lent
        Whether it is the age of participants.tsv, which may be that of another visit.
    """

    session_id: str
    age: float
    lent: bool


def refuse_ages_of_other_visits(
    folder: Path, person: str, visits: list[Visit], sessions: Rows, people: Rows
) -> None:
    """Refuse an age that stands at two visits years apart, or that the others contradict.

    Parameters
    ----------
    folder
        The data set's folder.
    person
        participant_id.
    visits
        The person's sessions with an image or an age of their own.
    sessions, people
        The person's table of sessions, and participants.tsv.

    Raises
    ------
    InputError
        Naming both visits.
    """
    one_age = len({visit.age for visit in visits}) < len(visits)
    if len(visits) < 2 or not (one_age or any(visit.lent for visit in visits)):
        return
    dates = {visit.session_id: _date(folder, person, visit, sessions) for visit in visits}
    for one, two in combinations(visits, 2):
        first, second = dates[one.session_id], dates[two.session_id]
        if first is None or second is None:
            continue
        early, late = (one, two) if first <= second else (two, one)
        apart = abs((second - first).days) / 365.25
        passed = late.age - early.age
        same = passed == 0 and apart > MAX_YEARS
        if same or ((one.lent or two.lent) and abs(apart - passed) > MAX_YEARS):
            raise _refusal(folder, person, (early, late), people, f"{apart:.1f} years apart")
    _refuse_by_other_ages(folder, person, visits, people, dates)


def _refuse_by_other_ages(
    folder: Path,
    person: str,
    visits: list[Visit],
    people: Rows,
    dates: Mapping[str, date | None],
) -> None:
    """Refuse a lent age that is years from another visit's own, but for that of the first visit."""
    in_order = sorted(visits, key=lambda visit: label_order(visit.session_id))
    if all(dates.values()):
        in_order.sort(key=lambda visit: dates[visit.session_id] or date.min)
    for visit in in_order:
        if not visit.lent:
            continue
        for other in in_order:
            years = other.age - visit.age
            fits = abs(years) <= MAX_YEARS or (visit is in_order[0] and years > 0)
            if not other.lent and not fits:
                raise _refusal(folder, person, (other, visit), people, "another visit's by years")


def _refusal(
    folder: Path, person: str, pair: tuple[Visit, Visit], people: Rows, how: str
) -> InputError:
    table = sessions_path(folder, person)
    lent = any(visit.lent for visit in pair)
    where = f"{people.path}: row {people[person]['line']}" if lent else f"{table}"
    told = " and ".join(
        f"{visit.age:g} at {visit.session_id}{' (from participants.tsv)' if visit.lent else ''}"
        for visit in pair
    )
    return InputError(
        f"{where}: the age of {person} is {told}, {how}; give the age at each session in "
        f"{table} (column age; n/a where it is not known)"
    )


def _date(folder: Path, person: str, visit: Visit, sessions: Rows) -> date | None:
    """Return when a session was, by its row, its own table of scans or its label."""
    row = sessions.get(visit.session_id, {})
    said = [row.get(DATE), *_of_scans(folder, person, visit.session_id)]
    said.append(visit.session_id.removeprefix("ses-"))
    return next((day for text in said if (day := _day(text)) is not None), None)


def _of_scans(folder: Path, person: str, session: str) -> Iterable[str]:
    path = folder / person / session / f"{person}_{session}_scans.tsv"
    try:
        if not path.is_file():
            return []
        header, rows = read_rows(path)
    except PermissionError:
        return []  # as a date that nobody wrote down
    return [row[header.index(DATE)] for _, row in rows] if DATE in header else []


def _day(text: str | None) -> date | None:
    match = _DAY.fullmatch(text or "")
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None
