"""Rows of a tab-separated table as text, without a library that takes long to load."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

from brainage.core.contract import Table
from brainage.core.files import InputError


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
        hint = "; the link to it has no content (with DataLad: datalad get)"
        raise InputError(
            f"{path}: there is no such file{hint if path.is_symlink() else ''}"
        ) from None
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
                "correct the row (values are separated by tabs)"
            )
        yield line, row


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


def read_checked(path: Path, table: Table) -> list[dict[str, str | None]]:
    """Read a small table as text and check it against its contract.

    Parameters
    ----------
    path
        The table.
    table
        Its contract: columns, allowed values and key are checked, numbers are not.

    Returns
    -------
    list of dict
        One a row, in the file's order; ``None`` for n/a.

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
        found.append(values)
    return found
