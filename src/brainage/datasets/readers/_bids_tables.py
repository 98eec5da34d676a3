"""What the tables of a BIDS folder say of people and sessions, and in which columns and units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from brainage.core.demographics import PER_YEAR, parse_sex
from brainage.core.files import InputError, read_json
from brainage.core.tsv import read_rows
from brainage.core.wording import few

_MISSING = {"", "n/a", "na", "nan", "none", "null"}
COLUMNS = ("age", "sex", "site", "scanner", "diagnosis")
DATE = "acq_time"
Row = dict[str, str | None]

# Other names of columns, without what is no letter. Each means the same without a doubt.
_SYNONYMS = {
    "age": ("ageyears", "ageinyears", "ageyrs", "ageatscan", "ageatvisit", "scanage"),
    "sex": ("gender",),
    "site": ("siteid", "center", "centre"),
    "scanner": (),
    "diagnosis": ("dx",),
}
# These may be diagnoses or anything else; their values tell.
_GROUPS = ("group", "patientgroup", "clinicalgroup", "diagnosticgroup", "diagnosisgroup")
_DIAGNOSES = {
    *("cn", "hc", "nc", "hv", "td", "control", "controls", "healthy", "healthycontrol", "normal"),
    *("healthycontrols", "normalcontrol", "patient", "patients", "case", "cases"),
    *("mci", "emci", "lmci", "smc", "scd", "ad", "dementia", "ftd", "pd", "ms", "scz", "sz"),
    *("schizophrenia", "schz", "bipolar", "mdd", "depression", "adhd", "asd", "autism", "tbi"),
}
_UNIT_WORDS = {
    **dict.fromkeys(("year", "years", "yr", "yrs", "y", "a"), "years"),
    **dict.fromkeys(("month", "months", "mo", "mos"), "months"),
    **dict.fromkeys(("week", "weeks", "wk", "wks"), "weeks"),
    **dict.fromkeys(("day", "days", "d"), "days"),
}


class Rows(dict[str, Row]):
    """The rows of a table by participant or session.

    Each has the columns of :data:`COLUMNS` that the file has, as text (``None`` where missing),
    ``acq_time`` where it has that, and ``line``, the line of the file.

    Attributes
    ----------
    path
        The file.
    header
        All its columns.
    unit
        What it counts ages in, of :data:`~brainage.core.demographics.PER_YEAR`.
    taken
        Ours and the file's name of each column that is taken by another name than ours.
    doubtful
        The same of columns that could be meant but are not taken, with the reason.
    group
        The file's name of a column ``group``, which may be a diagnosis.
    """

    def __init__(self, path: Path, header: list[str]) -> None:
        super().__init__()
        self.path = path
        self.header = header
        self.unit = "years"
        self.taken: dict[str, str] = {}
        self.doubtful: dict[str, tuple[str, str]] = {}
        self.group: str | None = None


def read_people(folder: Path, settings: Mapping[str, Any]) -> Rows:
    """Read participants.tsv of a BIDS data set.

    Parameters
    ----------
    folder
        The data set's folder.
    settings
        The data set's entry in the config: ``columns`` maps our names (age, sex, site, scanner,
        diagnosis) to the file's, ``sex_map`` tells which words for sex are known.

    Raises
    ------
    InputError
        The file or its participant_id is missing, two rows are for one person, two columns could
        be meant by one name, or ages are in an unknown unit.
    """
    path = folder / "participants.tsv"
    return _read(path, "participant_id", "sub-", settings, [path.with_suffix(".json")])


def read_sessions(folder: Path, participant_id: str, settings: Mapping[str, Any]) -> Rows:
    """Read a person's sessions.tsv by session_id, like :func:`read_people`; empty without one."""
    path = sessions_path(folder, participant_id)
    # A link to content that is not there (DataLad) is an error, as the ages may be in it.
    if not path.is_file() and not path.is_symlink():
        return Rows(path, [])
    sidecars = [path.with_suffix(".json"), folder / "sessions.json"]
    return _read(path, "session_id", "ses-", settings, sidecars)


def sessions_path(folder: Path, participant_id: str) -> Path:
    """Return where a person's table of sessions is, if there is one."""
    return folder / participant_id / f"{participant_id}_sessions.tsv"


def _read(
    path: Path, key: str, prefix: str, settings: Mapping[str, Any], sidecars: list[Path]
) -> Rows:
    header, lines = read_rows(path)
    if key not in header:
        raise InputError(f"{path}: column {key!r} is missing; found: {', '.join(header)}")
    table = Rows(path, header)
    whole: list[tuple[int, str, dict[str, str | None]]] = []
    for line, row in lines:
        values = {name: _value(text) for name, text in zip(header, row, strict=True)}
        label = values[key]
        if label is None:
            raise InputError(f"{path}: row {line} has no {key}; write it, or remove the row")
        whole.append((line, label if label.startswith(prefix) else prefix + label, values))
    columns = _columns(table, [values for _, _, values in whole], settings)
    for line, label, values in whole:
        if label in table:
            raise InputError(
                f"{path}: rows {table[label]['line']} and {line} are both for {label}; keep one"
            )
        table[label] = {ours: values[theirs] for ours, theirs in columns.items()}
        table[label]["line"] = str(line)
    if "age" in columns:
        table.unit = _unit(columns["age"], sidecars)
    return table


def _value(text: str) -> str | None:
    text = text.strip()
    return None if text.lower() in _MISSING else text


def _columns(
    table: Rows, rows: list[dict[str, str | None]], settings: Mapping[str, Any]
) -> dict[str, str]:
    """Return which column is read as which of ours, and say in `table` what was not plain."""
    found = {DATE: DATE} if DATE in table.header else {}
    for ours in COLUMNS:
        given = settings["columns"].get(ours)
        if given:
            found |= {ours: given} if given in table.header else {}
            continue
        own, others = _called(table, [ours]), _called(table, _SYNONYMS[ours])
        if len(own) > 1:
            raise InputError(
                f"{table.path}: columns {own[0]!r} and {own[1]!r} could both be the {ours}; say "
                f"which in the config (datasets.X.columns: {{{ours}: {own[0]}}}), or remove one"
            )
        meant = own or others
        if not meant:
            continue
        doubt = f"{others[1]!r} could be meant too" if not own and len(others) > 1 else None
        if ours == "sex" and not own and not doubt:
            doubt = _unknown_sex(others[0], rows, settings)
        if doubt:
            table.doubtful[ours] = (meant[0], doubt)
            continue
        found[ours] = meant[0]
        if meant[0] != ours:
            table.taken[ours] = meant[0]
    groups = _called(table, _GROUPS)
    if groups and "diagnosis" not in {*found, *settings["columns"]}:
        found["group"] = table.group = groups[0]
    return found


def _called(table: Rows, names: Iterable[str]) -> list[str]:
    """Return the columns whose name is one of some, but for case and what is no letter in it."""
    return [name for name in table.header if _plain(name) in names]


@cache
def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _unknown_sex(
    column: str, rows: list[dict[str, str | None]], settings: Mapping[str, Any]
) -> str | None:
    for row in rows:
        try:
            parse_sex(row[column], settings.get("sex_map", {}), "")
        except InputError:
            return f"it has {row[column]!r}, which sex_map would have to explain"
    return None


def _unit(column: str, sidecars: list[Path]) -> str:
    """Return the unit of ages that the first description of the column gives; years without one."""
    for path in sidecars:
        if not path.is_file():
            continue
        described = read_json(path)
        about = described.get(column) if isinstance(described, dict) else None
        said = about.get("Units") if isinstance(about, dict) else None
        if said is None or str(said).strip().lower() in _MISSING:
            continue
        word = re.sub(r"^in | (old|of age)$", "", str(said).strip().lower())
        if word not in _UNIT_WORDS:
            raise InputError(
                f"{path}: {column}.Units is {said!r}, which is no known unit of age; "
                f"write one of: {', '.join(PER_YEAR)}"
            )
        return _UNIT_WORDS[word]
    return "years"


def require_columns(tables: Iterable[Rows], settings: Mapping[str, Any]) -> None:
    """Refuse a column named in the config that no table has."""
    tables = list(tables)
    people = tables[0]
    for ours, theirs in settings["columns"].items():
        if not any(theirs in table.header for table in tables):
            raise InputError(
                f"{people.path}: column {theirs!r} is missing (columns.{ours} in the config); "
                f"known there: {', '.join(people.header)}"
            )


def require_age(people: Rows, sessions: Iterable[Rows], dataset: str) -> None:
    """Refuse a data set none of whose tables has a column of ages."""
    if not any("age" in row for table in (people, *sessions) for row in table.values()):
        raise InputError(
            f"{people.path}: no column 'age' (years at the scan), and no sessions.tsv with one; "
            f"known there: {', '.join(people.header)}; name it in the config: "
            f"datasets.{dataset}.columns: {{age: YOUR_COLUMN}}"
        )


def take_groups(tables: Iterable[Rows], dataset: str, settings: Mapping[str, Any]) -> None:
    """Take a group as the diagnosis where there is none, lest patients count as healthy.

    Nothing is taken where some table has diagnoses, or where the config says of everybody whether
    they are healthy controls (``all_controls``).

    Raises
    ------
    InputError
        No value of such a column is a word for patients or controls.
    """
    tables = list(tables)
    grouped = [table for table in tables if table.group]
    known = any("diagnosis" in row for table in tables for row in table.values())
    if known or not grouped or settings.get("all_controls") is not None:
        return
    words = {row["group"] for table in grouped for row in table.values()} - {None}
    first = grouped[0]
    if words and not any(_plain(str(word)) in _DIAGNOSES for word in words):
        raise InputError(
            f"{first.path}: column {first.group!r} may be the diagnosis (it has "
            f"{few(sorted(map(str, words)))}); say so in the config, datasets.{dataset}.columns: "
            f"{{diagnosis: {first.group}}}, or else whether everybody is a healthy control, "
            f"datasets.{dataset}.all_controls: true or false"
        )
    for table in grouped:
        table.taken["diagnosis"] = str(table.group)
        for row in table.values():
            row["diagnosis"] = row["group"]


def remarks_on_columns(tables: Iterable[Rows], dataset: str) -> list[str]:
    """Say which columns were taken by another name or not taken, and which units converted."""
    said: dict[str, None] = {}
    for table in tables:
        name = "participants.tsv" if table.path.name == "participants.tsv" else "sessions.tsv"
        for ours, theirs in table.taken.items():
            line = f"datasets.{dataset}.columns: {{{ours}: {theirs}}}"
            said[f"{name}: column {theirs!r} is read as {ours}, as {line} would say"] = None
        for ours, (theirs, doubt) in table.doubtful.items():
            line = f"datasets.{dataset}.columns: {{{ours}: {theirs}}}"
            said[
                f"{name}: column {theirs!r} is not read, as {doubt}; if it is the {ours}, write "
                f"{line} into the config"
            ] = None
        if table.unit != "years":
            said[f"{name}: ages are in {table.unit} and were converted to years"] = None
    return list(said)
