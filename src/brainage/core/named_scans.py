"""What a user says of single scans, in a table: manual decisions, and scans to be excluded."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from brainage.core.contract import Table
from brainage.core.contracts.imaging import EXCLUSIONS, QC_DECISIONS
from brainage.core.files import InputError
from brainage.core.tsv import read_checked

Decision = tuple[str, str | None]


def read_decisions(
    path: str | os.PathLike[str], scan_ids: Collection[str] | None
) -> dict[str, Decision]:
    """Read manual decisions on scans and check that each scan exists.

    Parameters
    ----------
    path
        As :data:`QC_DECISIONS`.
    scan_ids
        All scans of the study; None where they are not known yet.

    Returns
    -------
    dict
        By scan_id: the decision, and the comment or None.

    Raises
    ------
    InputError
        Naming the file, the row and what to do.
    """
    advice = "put the qc_decisions.tsv that the quality page saves there, or leave the key empty"
    found: dict[str, Decision] = {}
    for scan_id, values in _rows(path, QC_DECISIONS, scan_ids, "quality.decisions", advice):
        found[scan_id] = (str(values["decision"]), values["comment"])
    return found


def read_exclusions(
    path: str | os.PathLike[str], scan_ids: Collection[str] | None
) -> dict[str, str | None]:
    """Read which scans are never to be read, and check that each scan exists.

    As :func:`read_decisions`, of :data:`EXCLUSIONS`; returns the reason or None by scan_id.
    """
    rows = _rows(path, EXCLUSIONS, scan_ids, "imaging.exclude", "correct it or leave it empty")
    return {scan_id: values["reason"] for scan_id, values in rows}


def _rows(
    path: str | os.PathLike[str],
    table: Table,
    scan_ids: Collection[str] | None,
    key: str,
    advice: str,
) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Yield scan_id and values of each row of a table, each on a scan of the study."""
    if not Path(path).is_file():
        raise InputError(f"{key}: there is no file {path}; {advice}")
    for line, values in read_checked(Path(path), table):
        scan_id = str(values["scan_id"])
        if scan_ids is not None and scan_id not in scan_ids:
            near = difflib.get_close_matches(scan_id, sorted(scan_ids), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{path}: row {line}: there is no scan {scan_id!r}{hint}; correct the scan_id or "
                "remove the row"
            )
        yield scan_id, values
