"""Reading a BIDS data set: its T1w images and the tables of people and sessions."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from brainage.contracts.columns import SEXES
from brainage.files import InputError

OLDEST = 130.0  # no person was ever documented to have lived longer
_SEX_WORDS = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}
_MISSING = {"", "n/a", "na", "nan", "none", "null"}
_TOP_CODED = re.compile(r"(\d+(?:\.\d+)?)\s*\+")
Row = dict[str, str | None]
COLUMNS = ("age", "sex", "site", "scanner", "diagnosis")


def find_images(folder: Path, dataset: str) -> pd.DataFrame:
    """List the T1w images of a BIDS folder.

    Parameters
    ----------
    folder
        The data set's folder, the one that holds ``participants.tsv``.
    dataset
        Its name in the config.

    Returns
    -------
    pandas.DataFrame
        participant_id, session_id, run (``None`` where the file name has none) and t1w, the path
        relative to `folder`, sorted. Derivatives inside the folder are not looked at.

    Raises
    ------
    InputError
        The folder is not there, cannot be read or has no T1w image.
    """
    # bids2table brings pyarrow and the BIDS schema: only loaded where a folder is really indexed.
    import bids2table

    if not folder.is_dir():
        raise InputError(
            f"data set {dataset!r}: there is no folder {folder} (key datasets.{dataset}.path)"
        )
    if not (folder / "dataset_description.json").is_file():
        raise InputError(
            f"{folder / 'dataset_description.json'}: there is no such file; BIDS asks for it "
            '(the least: {"Name": "...", "BIDSVersion": "1.10.0"})'
        )
    table = bids2table.index_dataset(folder)
    wanted = ("sub", "ses", "run", "suffix", "ext", "datatype", "path")
    found = pd.DataFrame({name: table.column(name).to_pylist() for name in wanted}, dtype=object)
    found = found[
        (found["suffix"] == "T1w")
        & (found["datatype"] == "anat")
        & found["ext"].isin([".nii.gz", ".nii"])
    ]
    if found.empty:
        raise InputError(f"{folder}: no image named sub-*/[ses-*/]anat/*_T1w.nii[.gz] in it")

    def entity(name: str, values: pd.Series) -> list[str | None]:
        return [None if v is None or v != v else f"{name}-{v}" for v in values]

    # The label of a run keeps its leading zeros, which bids2table reads as a number.
    runs = [re.search(r"_(run-[0-9]+)", path) for path in found["path"]]
    images = pd.DataFrame(
        {
            "participant_id": entity("sub", found["sub"]),
            "session_id": entity("ses", found["ses"]),
            "run": [None if match is None else match[1] for match in runs],
            "t1w": found["path"].astype(str).to_list(),
        },
        dtype=object,
    )
    return images.sort_values("t1w", kind="stable").reset_index(drop=True)


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
    return _read(path, "session_id", "ses-", settings) if path.is_file() else {}


def read_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Read a table (TSV), all of whose rows must have as many values as its header.

    Parameters
    ----------
    path
        The table, in UTF-8 with or without a byte-order mark.

    Returns
    -------
    header : list of str
        Names of the columns.
    rows : iterator of (int, list of str)
        Line (from 2) and values of each row; empty rows are left out.

    Raises
    ------
    InputError
        There is no such file, or it is no table in UTF-8; while the rows are gone through: one
        has another number of values than the header.
    """
    try:
        # utf-8-sig takes a byte-order mark away, universal newlines Windows line ends. The csv
        # module, because a table for each person is read: pandas takes 2 ms for every one.
        with path.open(encoding="utf-8-sig") as lines:
            header, *rows = list(csv.reader(lines, delimiter="\t"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except (csv.Error, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a tab-separated table: {error}") from None
    return header, _whole_rows(path, header, rows)


def _whole_rows(
    path: Path, header: list[str], rows: list[list[str]]
) -> Iterator[tuple[int, list[str]]]:
    for line, row in enumerate(rows, start=2):
        if not any(row):
            continue
        if len(row) != len(header):
            raise InputError(
                f"{path}: row {line} has {len(row)} values, the header {len(header)}; "
                "mend the row (values are parted by tabs)"
            )
        yield line, row


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


def parse_age(text: str | None, where: str) -> tuple[float, bool]:
    """Return an age in years and whether it was a lower bound ('89+').

    Parameters
    ----------
    text
        The value in the table; ``None`` for missing gives NaN.
    where
        File, row and column for the message.

    Raises
    ------
    InputError
        Not a number, negative, or above 130 (months or days given for years).
    """
    if text is None:
        return float("nan"), False
    top_coded = _TOP_CODED.fullmatch(text)
    try:
        age = float(top_coded[1] if top_coded else text)
    except ValueError:
        raise InputError(f"{where}: age {text!r} is not a number of years") from None
    if not 0 <= age <= OLDEST:
        hint = "; were months given for years?" if OLDEST < age <= OLDEST * 12 else ""
        raise InputError(f"{where}: age {text} is not between 0 and {OLDEST:g} years{hint}")
    return age, top_coded is not None


def parse_sex(text: str | None, sex_map: dict[str, str], where: str) -> str | None:
    """Return F, M, O or ``None``; words only by `sex_map` where they are not plain ones.

    Raises
    ------
    InputError
        A value that is neither M/F/O, male/female/other, nor in `sex_map`.
    """
    if text is None:
        return None
    if text in sex_map:
        return sex_map[text]
    known = _SEX_WORDS.get(text.lower())
    if known is None:
        raise InputError(
            f"{where}: sex {text!r} is not known; known are M, F, O, male, female, other; "
            f"map it in the config, for example sex_map: {{{text!r}: {SEXES[0]}}}"
        )
    return known
