"""The tables of all trainings in one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from brainage.core.contract import Table
from brainage.core.contracts.probing import DIAGNOSIS_SCORES, PREDICTIONS, SITE_PROBE
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.software import write_result
from brainage.core.tables import read_table

TABLES = {
    "predictions": PREDICTIONS,
    "site_probe": SITE_PROBE,
    "diagnosis_scores": DIAGNOSIS_SCORES,
}


def gather_trainings(files: Layout, name: str, trainings: Sequence[str]) -> None:
    """Put a table of several trainings together.

    Parameters
    ----------
    files
        Where the tables lie.
    name
        One of :data:`TABLES`, or that of the grid, such as ``grid_predictions``.
    trainings
        Their names, such as ``lexp/fold-0_seed-1``.

    Raises
    ------
    InputError
        There is no table of that name, or as :func:`gather`.
    """
    kind = name.removeprefix("grid_")
    if kind not in TABLES:
        names = ", ".join([*TABLES, *(f"grid_{known}" for known in TABLES)])
        raise InputError(f"table {name!r} is not one of {names}")
    paths = [files.file(f"{kind}_of", training=training) for training in trainings]
    gather(paths, files.file(name), TABLES[kind])


def gather(paths: Sequence[Path], out: Path, table: Table) -> None:
    """Concatenate tables of one kind.

    Parameters
    ----------
    paths
        The tables.
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
    write_result(pd.concat(frames, ignore_index=True) if frames else empty, out, table)
