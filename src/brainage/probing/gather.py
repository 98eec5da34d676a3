"""The tables of all runs in one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from brainage.core.contract import Table
from brainage.core.tables import read_table, write_table


def gather(paths: Sequence[Path], out: Path, table: Table) -> None:
    """Put the tables of several runs below each other.

    Parameters
    ----------
    paths
        Tables of one kind.
    out
        The table of all their rows, in the order of its key.
    table
        Their contract.

    Raises
    ------
    InputError
        A table breaks its contract, or two tables have a row for one key.
    """
    frames = [read_table(path, table) for path in paths]
    frames = [frame for frame in frames if len(frame)]
    empty = pd.DataFrame(columns=list(table.names))
    write_table(pd.concat(frames, ignore_index=True) if frames else empty, out, table)
