"""Reading a BIDS data set: its T1w images and the tables of people and sessions.

Nothing but the standard library is used, so that planning a run can read a folder in any Python.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from brainage.core.choices import Choice
from brainage.core.demographics import parse_age, parse_sex
from brainage.core.wording import counted_names
from brainage.datasets.readers._bids_images import IGNORED, Image, find_images
from brainage.datasets.readers._bids_tables import (
    Rows,
    read_people,
    read_sessions,
    remarks_on_columns,
    require_age,
    require_columns,
    sessions_path,
    take_groups,
)
from brainage.datasets.readers._bids_visits import Visit, refuse_ages_of_other_visits
from brainage.datasets.readers._bidsignore import NAME as BIDSIGNORE

CHOICE = Choice(label="BIDS", sentence="a BIDS folder with participants.tsv")


def read(
    folder: Path, dataset: str, settings: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Join every T1w image of a BIDS data set with what its tables say of it.

    Parameters
    ----------
    folder
        The data set's folder.
    dataset
        Its name in the config.
    settings
        The data set's entry in the config: `columns`, `entities`, `sex_map`, `diagnosis_map` and
        `all_controls`; with `images`, only these paths count.

    Returns
    -------
    rows : list of dict
        One a scan, that is a person, session and run: participant_id, session_id, run, t1w, age
        (years; None where missing), age_top_coded, sex, site (as the data set calls it), scanner,
        diagnosis, sex_original, diagnosis_original, set_aside, never_read (whether it is set aside
        for what the image is, and needs no reading), and known_diagnoses: every diagnosis that
        some table has of this person, also at visits without an image.
    remarks : list of str
        What is not an error but should be said.

    Raises
    ------
    InputError
        As :func:`find_images`, :func:`read_people` and :func:`refuse_ages_of_other_visits`, for a
        value that is no age or sex, and where no table has ages.
    """
    images = find_images(folder, dataset, settings.get("entities"))
    if "images" in settings:
        images = [image for image in images if image.t1w in settings["images"]]
    scans = _one_a_scan(images)
    people = read_people(folder, settings)
    closed: dict[str, str] = {}
    sessions_of = {
        person: _sessions(folder, person, settings, closed)
        for person in dict.fromkeys(scan.participant_id for scan in scans)
    }
    every_table = [people, *sessions_of.values()]
    require_columns(every_table, settings)
    take_groups(every_table, dataset, settings)
    require_age(people, sessions_of.values(), dataset)
    rows = [_row(folder, scan, people, sessions_of, settings) for scan in scans]
    for row in rows:
        if row["participant_id"] in closed:
            # The age of participants.tsv may be that of another visit.
            row["age"], row["set_aside"] = None, row["set_aside"] or closed[row["participant_id"]]
    _check_visits(folder, rows, people, sessions_of)
    remarks = [
        *remarks_on_columns(every_table, dataset),
        *_remarks_on_images(images),
        *_remarks_on_people(scans, people, sessions_of, closed),
    ]
    return rows, [f"{dataset}: {remark}" for remark in remarks]


def tables(folder: Path, participants: list[str]) -> list[Path]:
    """Return the files that are read beside the images."""
    found = [folder / name for name in ("participants.json", "sessions.json", BIDSIGNORE)]
    sessions = [sessions_path(folder, person) for person in participants]
    sessions = [path for path in sessions if _is_there(path)]
    found += [path.with_suffix(".json") for path in sessions]
    there = [path for path in found if path.is_file()]
    return [folder / "participants.tsv", *sessions, *there]


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:
        return False


def _sessions(folder: Path, person: str, settings: dict[str, Any], closed: dict[str, str]) -> Rows:
    """Read a person's table of sessions; of one that may not be read say so in `closed`."""
    try:
        return read_sessions(folder, person, settings)
    except PermissionError as error:
        path = Path(error.filename)
        if path.parent != folder / person:  # one table of all
            raise
        closed[person] = (
            f"table that may not be read: {path.relative_to(folder)} (permission denied)"
        )
        return Rows(path, [])


def _one_a_scan(images: list[Image]) -> list[Image]:
    """Return the image of each person, session and run: where several lie there, the usable one."""
    scans: dict[tuple[str, str | None, int], Image] = {}
    for image in images:
        if image.set_aside == IGNORED:
            continue
        key = (*image.session, image.run_number)
        if key not in scans or (scans[key].set_aside and not image.set_aside):
            scans[key] = image
    return sorted(scans.values(), key=lambda image: image.t1w)


def _row(
    folder: Path,
    image: Image,
    people: Rows,
    sessions_of: dict[str, Rows],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Say what is known of a scan: the session's own row first, then the person's."""
    person, session = image.participant_id, image.session_id
    sources = []
    if session is not None and session in sessions_of[person]:
        sources.append((sessions_of[person], sessions_of[person][session]))
    if person in people:
        sources.append((people, people[person]))

    def known(column: str) -> tuple[str | None, str, str]:
        for table, row in sources:
            # Age and diagnosis of a person are those of one visit: they are not lent to another
            # where they are n/a.
            own = column in ("age", "diagnosis") and column in row
            if row.get(column) is not None or own:
                return row[column], f"{table.path}: row {row['line']}", table.unit
        return None, str(folder), "years"

    age, top_coded = parse_age(*known("age"))
    sex, sex_where, _ = known("sex")
    diagnosis = known("diagnosis")[0]
    mapped = settings["diagnosis_map"]
    own = [people.get(person, {}), *sessions_of[person].values()]
    diagnoses = {mapped.get(row.get("diagnosis"), row.get("diagnosis")) for row in own}
    no_row = None if person in people else "no row in participants.tsv"
    return {
        "participant_id": person,
        "session_id": session,
        "run": image.run,
        "t1w": image.t1w,
        "age": None if age != age else age,
        "age_top_coded": top_coded,
        "sex": parse_sex(sex, settings["sex_map"], sex_where),
        "site": known("site")[0],
        "scanner": known("scanner")[0],
        "diagnosis": mapped.get(diagnosis, diagnosis),
        "sex_original": sex,
        "diagnosis_original": diagnosis,
        "set_aside": image.set_aside or no_row,
        "never_read": image.set_aside is not None,
        "known_diagnoses": sorted(diagnoses - {None}),
    }


def _check_visits(
    folder: Path, rows: list[dict[str, Any]], people: Rows, sessions_of: dict[str, Rows]
) -> None:
    """Refuse ages of participants.tsv that cannot be those of the visits."""
    ages: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["session_id"] is not None and row["age"] is not None:
            ages.setdefault(row["participant_id"], {})[row["session_id"]] = row["age"]
    for person, of_images in ages.items():
        table = sessions_of[person]
        visits = [
            Visit(session, age, "age" not in table.get(session, {}))
            for session, age in of_images.items()
        ]
        for session, own in table.items():
            if session not in of_images and own.get("age") is not None:
                where = f"{table.path}: row {own['line']}"
                visits.append(Visit(session, parse_age(own["age"], where, table.unit)[0], False))
        refuse_ages_of_other_visits(folder, person, visits, table, people)


def _remarks_on_images(images: list[Image]) -> list[str]:
    """Count the images that are set aside by the kind of reason."""
    kinds: dict[str, list[str]] = {}
    for image in images:
        if image.set_aside is not None:
            kinds.setdefault(image.set_aside.partition(": ")[0], []).append(image.t1w)
    return [
        counted_names(paths, f"image is set aside ({kind})", f"images are set aside ({kind})")
        for kind, paths in sorted(kinds.items())
    ]


def _remarks_on_people(
    scans: list[Image], people: Rows, sessions_of: dict[str, Rows], closed: dict[str, str]
) -> list[str]:
    there = {scan.session for scan in scans}
    imaged = {scan.participant_id for scan in scans}
    remarks: list[tuple[list[str], str, str]] = [
        (
            [person for person in people if person not in imaged],
            "person of participants.tsv has no T1w image",
            "people of participants.tsv have no T1w image",
        ),
        (
            [f"{p}_{s}" for p, table in sessions_of.items() for s in table if (p, s) not in there],
            "session has no T1w image",
            "sessions have no T1w image",
        ),
        (
            [
                f"{person}_{session}"
                for person, session in sorted(there, key=str)
                if session and sessions_of[person] and session not in sessions_of[person]
                and person in people
            ],
            "session has no row in sessions.tsv, and age and diagnosis are those of "
            "participants.tsv; give them for each session",
            "sessions have no row in sessions.tsv, and age and diagnosis are those of "
            "participants.tsv; give them for each session",
        ),
        (
            _one_age_for_several({s for s in there if s[0] not in closed}, people, sessions_of),
            "person has the same age, that of participants.tsv, at several sessions; give the "
            "age at each session in sessions.tsv",
            "people have the same age, that of participants.tsv, at several sessions; give the "
            "age at each session in sessions.tsv",
        ),
        (
            [scan.participant_id for scan in scans if scan.participant_id not in people],
            "image has no row in participants.tsv",
            "images have no row in participants.tsv",
        ),
        (
            [p for p in closed if any(s.participant_id == p and not s.set_aside for s in scans)],
            "person is set aside, as the person's own table may not be read",
            "people are set aside, as their own tables may not be read",
        ),
    ]  # fmt: skip
    return [counted_names(*remark) for remark in remarks if remark[0]]


def _one_age_for_several(
    sessions: set[tuple[str, str | None]], people: Rows, sessions_of: dict[str, Rows]
) -> list[str]:
    """People more than one of whose imaged sessions take their age from participants.tsv."""
    without = Counter(p for p, s in sessions if "age" not in sessions_of[p].get(s or "", {}))
    known = {p for p, row in people.items() if row.get("age") is not None}
    return sorted(p for p, count in without.items() if count > 1 and p in known)
