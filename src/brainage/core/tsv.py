"""Rows of a tab-separated table as text, without a library that takes long to load.

A row is a line, whatever quotation marks are in it. Cells that a program wrote whole in quotation
marks, as R does by default and a spreadsheet where a cell holds one, are read without them; any
other mark is text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from brainage.core.contract import Table
from brainage.core.files import InputError

_QUOTED = re.compile(r'"(?:[^"]|"")*"')


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
        There is no such file, it is no table in UTF-8, or two columns have one name; while the
        rows are gone through: one has another number of values than the header.
    """
    try:
        # utf-8-sig takes a byte-order mark away, universal newlines Windows line ends. Not with
        # pandas, which takes 2 ms for a table, and there is one for each person.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        hint = "; the link to it has no content (with DataLad: datalad get)"
        raise InputError(
            f"{path}: there is no such file{hint if path.is_symlink() else ''}"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    first, *lines = text.split("\n")
    header = [name.strip() for name in _cells(first)]
    if not any(header):
        raise InputError(
            f"{path}: cannot be read as a tab-separated table: its first line must name the columns"
        )
    _refuse_two_of_a_name(path, header)
    return header, _whole_rows(path, header, lines)


def _cells(line: str) -> list[str]:
    cells = line.split("\t")
    if '"' not in line:
        return cells
    return [cell[1:-1].replace('""', '"') if _QUOTED.fullmatch(cell) else cell for cell in cells]


def _refuse_two_of_a_name(path: Path, header: list[str]) -> None:
    first: dict[str, int] = {}
    for number, name in enumerate(header, start=1):
        other = first.setdefault(name, number)
        # Nameless columns are what a spreadsheet leaves behind the last one.
        if other != number and name:
            raise InputError(
                f"{path}: columns {other} and {number} are both named {name!r}; rename or remove "
                "one of them"
            )


def _whole_rows(path: Path, header: list[str], lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=2):
        row = _cells(line)
        if not any(row):
            continue
        if len(row) != len(header):
            raise InputError(
                f"{path}: row {number} has {len(row)} values, the header {len(header)}; "
                "correct the row (values are separated by tabs, and a line is a row)"
            )
        yield number, row


def check_columns(header: Sequence[str], table: Table, where: str) -> None:
    """Raise InputError where a header lacks a column of a contract or has another beside them.

    `where` names the file in messages.
    """
    needed = [column.name for column in table.columns if not column.may_lack]
    missing = [name for name in needed if name not in header]
    if missing:
        near = difflib.get_close_matches(missing[0], header, n=1)
        hint = f" (did you mean {near[0]!r} there?)" if near else ""
        raise InputError(
            f"{where}: column {missing[0]!r} is missing{hint}; required: {', '.join(needed)} "
            f"({table.description})"
        )
    extra = [name for name in header if name not in table.names]
    if extra and not table.open_ended:
        raise InputError(f"{where}: unknown column {extra[0]!r}; known: {', '.join(table.names)}")


def read_checked(path: Path, table: Table) -> list[tuple[int, dict[str, str | None]]]:
    """Read a small table as text and check it against its contract.

    Parameters
    ----------
    path
        The table.
    table
        Its contract: columns, allowed values and key are checked, numbers are not.

    Returns
    -------
    list of (int, dict)
        Line and values of each row, in the file's order; ``None`` for n/a.

    Raises
    ------
    InputError
        As :func:`read_rows`, and naming the file, the row and the column that break the contract.
    """
    header, rows = read_rows(path)
    check_columns(header, table, str(path))
    found = []
    lines: dict[tuple[str | None, ...], int] = {}
    for line, row in rows:
        values = {
            name: None if text == "n/a" else text for name, text in zip(header, row, strict=True)
        }
        for column in table.columns:
            value = values.setdefault(column.name, None)
            where = f"{path}: row {line}, column {column.name!r}"
            if value is None and column.required and not column.may_lack:
                raise InputError(f"{where}: a value is required here, found n/a")
            if value is not None and column.allowed and value not in column.allowed:
                raise InputError(f"{where}: {value!r} is not one of {', '.join(column.allowed)}")
        key = tuple(values[name] for name in table.key)
        if key in lines:
            named = ", ".join(f"{name}={values[name]}" for name in table.key)
            raise InputError(
                f"{path}: rows {lines[key]} and {line} have the same key ({named}); keep one"
            )
        lines[key] = line
        found.append((line, values))
    return found
