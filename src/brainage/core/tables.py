"""Reading and writing the tables of brainage.core.contracts, each checked against its contract.

Conventions: tab-separated, UTF-8, Unix line ends, missing is ``n/a`` (as in BIDS), numbers
with eight significant digits, booleans ``true`` and ``false``, rows in a defined order.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from brainage.core.contract import Column, Table
from brainage.core.files import InputError, atomic_write
from brainage.core.tsv import check_columns, read_rows


def read_table(path: str | os.PathLike[str], table: Table) -> pd.DataFrame:
    """Read a table and check it against its contract.

    Parameters
    ----------
    path
        A tab-separated file.
    table
        Its contract.

    Returns
    -------
    pandas.DataFrame
        Columns typed: text as objects (``None`` for n/a), numbers as float64 (NaN for n/a),
        integers as int64 (float64 where n/a occurs), booleans as bool.

    Raises
    ------
    InputError
        Naming the file, the row (line number in the file) and the column.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file ({table.description})")
    # Not by pandas: to it a quotation mark that is left open swallows the rows that follow.
    header, rows = read_rows(path)
    places, cells = [], []
    for line, row in rows:
        places.append(line - 2)
        cells.append([None if cell == "n/a" else cell for cell in row])
    frame = pd.DataFrame(cells, index=places, columns=header, dtype=object)
    return check_table(frame, table, str(path)).reset_index(drop=True)


def check_table(frame: pd.DataFrame, table: Table, where: str) -> pd.DataFrame:
    """Return `frame` with the columns typed as `table` says; raise InputError where it breaks it.

    `where` names the file in messages; a row is named by its line there, two more than its label
    in the index.
    """
    check_columns(list(frame.columns), table, where)
    lacking = [name for name in table.names if name not in frame.columns]
    frame = frame.assign(**{name: pd.Series(None, frame.index, object) for name in lacking})
    extra = [name for name in frame.columns if name not in table.names]
    typed = {}
    for column in table.columns:
        typed[column.name] = _typed(frame[column.name], column, where)
    for name in extra:
        text = frame[name]
        numbers = pd.to_numeric(text, errors="coerce")
        is_number = bool((numbers.notna() == text.notna()).all())
        typed[name] = numbers.astype(float) if is_number else text.astype(object)
    result = pd.DataFrame(typed, index=frame.index)
    keys = result[list(table.key)]
    double = keys.duplicated().to_numpy()
    if double.any():
        second = keys.iloc[int(double.argmax())]
        same = [keys[name].isin([second[name]]) for name in table.key]
        lines = [place + 2 for place in keys.index[np.logical_and.reduce(same)][:2]]
        values = ", ".join(f"{name}={second[name]}" for name in table.key)
        raise InputError(
            f"{where}: rows {lines[0]} and {lines[1]} have the same key ({values}); keep one"
        )
    return result


def _typed(values: pd.Series, column: Column, where: str) -> pd.Series:
    def fail(position: int, what: str) -> InputError:
        return InputError(
            f"{where}: row {values.index[position] + 2}, column {column.name!r}: {what}"
        )

    present = values.notna().to_numpy()
    if column.required and not present.all():
        raise fail(int((~present).argmax()), "a value is required here, found n/a")
    if column.allowed:
        wrong = present & ~values.isin(column.allowed).to_numpy()
        if wrong.any():
            at = int(wrong.argmax())
            raise fail(at, f"{values.iloc[at]!r} is not one of {', '.join(column.allowed)}")
    if column.kind == "text":
        return values.astype(object).where(values.notna(), None)
    if column.kind == "boolean":
        text = values.astype(str).str.lower()
        wrong = ~text.isin(["true", "false"]).to_numpy()
        if wrong.any():
            at = int(wrong.argmax())
            raise fail(at, f"{values.iloc[at]!r} is not true or false")
        return text == "true"
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = numbers.isna().to_numpy() & present
    if wrong.any():
        at = int(wrong.argmax())
        raise fail(at, f"{values.iloc[at]!r} is not a number")
    if column.kind == "integer" and present.all():
        if bool((numbers % 1 != 0).any()):
            at = int((numbers % 1 != 0).to_numpy().argmax())
            raise fail(at, f"{values.iloc[at]!r} is not a whole number")
        return numbers.astype("int64")
    return numbers.astype(float)


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str], table: Table) -> None:
    """Check `frame` against `table`, sort it by its key and write it, whole or not at all.

    Raises
    ------
    InputError
        Where the frame breaks the contract.
    """
    frame = frame.reset_index(drop=True)
    frame = check_table(_as_text(frame), table, str(path))
    extra = [name for name in frame.columns if name not in table.names]
    frame = frame[[*table.names, *extra]].sort_values(list(table.key), kind="stable")
    with atomic_write(path) as temporary:
        _as_text(frame).to_csv(
            temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n", encoding="utf-8"
        )


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    text = {name: [_cell(value) for value in frame[name].tolist()] for name in frame.columns}
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in text.items()})


def _cell(value: object) -> str | None:
    if isinstance(value, str):
        # A tab or line end inside a value would shift the columns of everyone below it.
        return value if value.isprintable() else re.sub(r"[\t\r\n]+", " ", value)
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, bool | np.bool):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.8g}"
    return re.sub(r"[\t\r\n]+", " ", str(value))
