"""Manual decisions on scans, which override the automatic verdict."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection
from pathlib import Path

from brainage.core.contracts.imaging import QC_DECISIONS
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
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"quality.decisions: there is no file {path}; put the qc_decisions.tsv that the "
            "quality page saves there, or leave the key empty"
        )
    found: dict[str, Decision] = {}
    for row, values in enumerate(read_checked(path, QC_DECISIONS), start=2):
        scan_id, comment = str(values["scan_id"]), values["comment"]
        if comment is not None and re.search(r"[\t\r\n]", comment):
            raise InputError(
                f"{path}: row {row}: a quotation mark is not closed, so the comment runs into the "
                "next rows; close it or remove it"
            )
        if scan_ids is not None and scan_id not in scan_ids:
            near = difflib.get_close_matches(scan_id, sorted(scan_ids), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{path}: row {row}: there is no scan {scan_id!r}{hint}; correct the scan_id or "
                "remove the row"
            )
        found[scan_id] = (str(values["decision"]), comment)
    return found
