"""Reading a BIDS data set: its T1w images and the tables of people and sessions.

Nothing but the standard library is used, so that planning a run can read a folder in any Python.
"""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from brainage.core.choices import Choice
from brainage.core.demographics import parse_age, parse_sex
from brainage.core.files import InputError
from brainage.core.tsv import read_rows

CHOICE = Choice(label="BIDS", sentence="a BIDS folder with participants.tsv")

_MISSING = {"", "n/a", "na", "nan", "none", "null"}
Row = dict[str, str | None]
COLUMNS = ("age", "sex", "site", "scanner", "diagnosis")
# Entities between the session and the suffix, such as acq-X; of them only the run is kept apart.
_NAME = re.compile(
    r"(?P<participant>sub-[^_]+)(?:_(?P<session>ses-[^_]+))?"
    r"(?P<entities>(?:_[A-Za-z]+-[^_]+)*)_T1w\.nii(?:\.gz)?"
)
_RUN = re.compile(r"_(run-[0-9]+)(?:_|$)")


class Image(NamedTuple):
    """One T1w image of a BIDS folder: whose it is, and its path relative to the folder."""

    participant_id: str
    session_id: str | None
    run: str | None
    t1w: str


def find_images(folder: Path, dataset: str) -> list[Image]:
    """List the T1w images of a BIDS folder.

    Parameters
    ----------
    folder
        The data set's folder, the one that holds ``participants.tsv``.
    dataset
        Its name in the config.

    Returns
    -------
    list of Image
        Sorted by path. Derivatives inside the folder are not looked at.

    Raises
    ------
    InputError
        The folder is not there, cannot be read, has no T1w image, or one whose name is another
        person's or session's than that of its folder.
    """
    if not folder.is_dir():
        raise InputError(
            f"data set {dataset!r}: there is no folder {folder} (key datasets.{dataset}.path)"
        )
    if not (folder / "dataset_description.json").is_file():
        raise InputError(
            f"{folder / 'dataset_description.json'}: there is no such file; BIDS asks for it "
            '(at least: {"Name": "...", "BIDSVersion": "1.10.0"})'
        )
    images = sorted(_images(folder), key=lambda image: image.t1w)
    if not images:
        raise InputError(f"{folder}: no image named sub-*/[ses-*/]anat/*_T1w.nii[.gz] in it")
    return images


def _images(folder: Path) -> Iterator[Image]:
    for person in _folders(folder, "sub-"):
        yield from _anatomical(folder, person.name, None)
        for session in _folders(folder / person.name, "ses-"):
            yield from _anatomical(folder, person.name, session.name)


def _folders(place: Path, prefix: str) -> list[os.DirEntry[str]]:
    with os.scandir(place) as entries:
        return [entry for entry in entries if entry.name.startswith(prefix) and _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False  # a link that leads back to itself


def _anatomical(folder: Path, person: str, session: str | None) -> Iterator[Image]:
    place = "/".join(part for part in (person, session, "anat") if part)
    try:
        with os.scandir(folder / place) as entries:
            names = [entry.name for entry in entries]
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        if (match["participant"], match["session"]) != (person, session):
            raise InputError(
                f"{folder / place / name}: the file's name and its folder belong to different "
                "people or sessions; move it to the right folder"
            )
        run = _RUN.search(match["entities"])
        yield Image(person, session, run[1] if run else None, f"{place}/{name}")


def read_people(folder: Path, settings: dict[str, Any]) -> dict[str, Row]:
    """Read participants.tsv of a BIDS data set.

    Parameters
    ----------
    folder
        The data set's folder.
    settings
        ``columns`` maps our names (age, sex, site, scanner, diagnosis) to the file's.

    Returns
    -------
    dict
        By participant_id: the columns of `COLUMNS` that the file has, as text (``None`` where
        missing), and ``line``, the line of the file.

    Raises
    ------
    InputError
        The file or its participant_id is missing, a mapped column is not there, or two rows
        are for one person.
    """
    path = folder / "participants.tsv"
    people = _read(path, "participant_id", "sub-", settings)
    has = next(iter(people.values()), {})
    for ours, theirs in settings["columns"].items():
        if people and ours not in has:
            raise InputError(
                f"{path}: column {theirs!r} is missing (columns.{ours} in the config); "
                f"known there: {', '.join(c for c in has if c != 'line') or 'none'}"
            )
    return people


def read_sessions(folder: Path, participant_id: str, settings: dict[str, Any]) -> dict[str, Row]:
    """Read a person's sessions.tsv by session_id, like :func:`read_people`; empty without one."""
    path = folder / participant_id / f"{participant_id}_sessions.tsv"
    # A link to content that is not there (DataLad) is an error, as the ages may be in it.
    there = path.is_file() or path.is_symlink()
    return _read(path, "session_id", "ses-", settings) if there else {}


def _read(path: Path, key: str, prefix: str, settings: dict[str, Any]) -> dict[str, Row]:
    header, rows = read_rows(path)
    if key not in header:
        raise InputError(f"{path}: column {key!r} is missing; found: {', '.join(header)}")
    names = {ours: settings["columns"].get(ours, ours) for ours in COLUMNS}
    columns = {ours: header.index(theirs) for ours, theirs in names.items() if theirs in header}
    table: dict[str, Row] = {}
    for line, row in rows:
        label = row[header.index(key)].strip()
        label = label if label.startswith(prefix) else prefix + label
        if label in table:
            raise InputError(
                f"{path}: rows {table[label]['line']} and {line} are both for {label}; keep one"
            )
        values = {ours: row[at].strip() for ours, at in columns.items()}
        table[label] = {k: None if v.lower() in _MISSING else v for k, v in values.items()}
        table[label]["line"] = str(line)
    return table


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
        The data set's entry in the config: `columns`, `sex_map` and `diagnosis_map`; with
        `images`, only these paths count.

    Returns
    -------
    rows : list of dict
        One an image: participant_id, session_id, run, t1w, age (years; None where missing),
        age_top_coded, sex, site (as the data set calls it), scanner, diagnosis, sex_original,
        diagnosis_original, set_aside, and known_diagnoses: every diagnosis that some table has of
        this person, also at visits without an image.
    remarks : list of str
        What is not an error but should be said.

    Raises
    ------
    InputError
        As :func:`find_images` and :func:`read_people`, for a value that is no age or sex, and
        where no table has ages.
    """
    images = find_images(folder, dataset)
    if "images" in settings:
        images = [image for image in images if image.t1w in settings["images"]]
    people = read_people(folder, settings)
    sessions_of = {
        person: read_sessions(folder, person, settings)
        for person in dict.fromkeys(image.participant_id for image in images)
    }
    _require_age(folder, dataset, people, sessions_of)
    rows = [_row(folder, image, people, sessions_of, settings) for image in images]
    return rows, _remarks(dataset, images, people, sessions_of)


def tables(folder: Path, participants: list[str]) -> list[Path]:
    """Return the files that are read beside the images."""
    sessions = [folder / person / f"{person}_sessions.tsv" for person in participants]
    return [folder / "participants.tsv", *(path for path in sessions if path.is_file())]


def _require_age(
    folder: Path, dataset: str, people: dict[str, Row], sessions_of: dict[str, dict[str, Row]]
) -> None:
    read = [people, *sessions_of.values()]
    if not any("age" in row for table in read for row in table.values()):
        found = ", ".join(c for c in next(iter(people.values()), {}) if c != "line")
        raise InputError(
            f"{folder / 'participants.tsv'}: no column 'age' (years at the scan), and no "
            f"sessions.tsv with one; known there: {found or 'none'}; name it in the config: "
            f"datasets.{dataset}.columns: {{age: YOUR_COLUMN}}"
        )


def _row(
    folder: Path,
    image: Image,
    people: dict[str, Row],
    sessions_of: dict[str, dict[str, Row]],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Say what is known of a scan: the session's own row first, then the person's."""
    person, session = image.participant_id, image.session_id
    sources = []
    if session in sessions_of[person]:
        path = folder / person / f"{person}_sessions.tsv"
        sources.append((path, sessions_of[person][session]))
    if person in people:
        sources.append((folder / "participants.tsv", people[person]))

    def known(column: str) -> tuple[str | None, str]:
        for path, row in sources:
            # Age and diagnosis of a person are those of one visit: they are not lent to another
            # where they are n/a.
            own = column in ("age", "diagnosis") and column in row
            if row.get(column) is not None or own:
                return row[column], f"{path}: row {row['line']}"
        return None, str(folder)

    age, top_coded = parse_age(*known("age"))
    sex, sex_where = known("sex")
    diagnosis = known("diagnosis")[0]
    return {
        **image._asdict(),
        "age": None if age != age else age,
        "age_top_coded": top_coded,
        "sex": parse_sex(sex, settings["sex_map"], sex_where),
        "site": known("site")[0],
        "scanner": known("scanner")[0],
        "diagnosis": settings["diagnosis_map"].get(diagnosis, diagnosis),
        "sex_original": sex,
        "diagnosis_original": diagnosis,
        "set_aside": None if person in people else "no row in participants.tsv",
        "known_diagnoses": sorted(
            {
                settings["diagnosis_map"].get(own["diagnosis"], own["diagnosis"])
                for own in [people.get(person, {}), *sessions_of[person].values()]
                if own.get("diagnosis") is not None
            }
        ),
    }


def _remarks(
    dataset: str,
    images: list[Image],
    people: dict[str, Row],
    sessions_of: dict[str, dict[str, Row]],
) -> list[str]:
    there = {(image.participant_id, image.session_id) for image in images}
    imaged = {image.participant_id for image in images}
    without_image = [person for person in people if person not in imaged]
    gone = [f"{p}_{s}" for p, table in sessions_of.items() for s in table if (p, s) not in there]
    repeated = _one_age_for_several(there, people, sessions_of)
    unknown = [image.participant_id for image in images if image.participant_id not in people]
    remarks = []
    if without_image:
        remarks.append(
            f"{len(without_image)} people of participants.tsv have no T1w image: "
            + few(without_image)
        )
    if gone:
        remarks.append(f"{len(gone)} sessions have no T1w image: {few(gone)}")
    if repeated:
        remarks.append(
            f"{len(repeated)} people have the same age, that of participants.tsv, at several "
            "sessions; give the age at each session in sessions.tsv: " + few(repeated)
        )
    if unknown:
        remarks.append(f"{len(unknown)} images have no row in participants.tsv: {few(unknown)}")
    return [f"{dataset}: {remark}" for remark in remarks]


def _one_age_for_several(
    sessions: set[tuple[str, str | None]],
    people: dict[str, Row],
    sessions_of: dict[str, dict[str, Row]],
) -> list[str]:
    """People more than one of whose imaged sessions take their age from participants.tsv."""
    without = Counter(p for p, s in sessions if "age" not in sessions_of[p].get(s or "", {}))
    known = {p for p, row in people.items() if row.get("age") is not None}
    return sorted(p for p, count in without.items() if count > 1 and p in known)


def few(names: list[str]) -> str:
    """Name at most five."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
