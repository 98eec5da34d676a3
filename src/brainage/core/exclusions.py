"""Scans that a user has excluded: they are never read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection
from pathlib import Path

from brainage.core.contracts.imaging import EXCLUSIONS
from brainage.core.files import InputError
from brainage.core.tsv import read_checked


def read_exclusions(
    path: str | os.PathLike[str], scan_ids: Collection[str] | None
) -> dict[str, str | None]:
    """Read which scans are excluded and check that there are such scans.

    Parameters
    ----------
    path
        As :data:`EXCLUSIONS`.
    scan_ids
        All scans of the study; None where they are not known yet.

    Returns
    -------
    dict
        By scan_id: the reason, or None.

    Raises
    ------
    InputError
        Naming the file, the row and what to do.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"imaging.exclude: there is no file {path}; correct it or leave it empty")
    found: dict[str, str | None] = {}
    for row, values in enumerate(read_checked(path, EXCLUSIONS), start=2):
        scan_id = str(values["scan_id"])
        if scan_ids is not None and scan_id not in scan_ids:
            near = difflib.get_close_matches(scan_id, sorted(scan_ids), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{path}: row {row}: there is no scan {scan_id!r}{hint}; correct the scan_id or "
                "remove the row"
            )
        found[scan_id] = values["reason"]
    return found
