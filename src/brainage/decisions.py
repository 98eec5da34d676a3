"""A person's decisions on scans, which count instead of the machine's verdict."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from brainage.contracts.imaging import QC_DECISIONS
from brainage.files import InputError
from brainage.tables import read_table


def read_decisions(path: str | os.PathLike[str], scan_ids: Collection[str]) -> pd.DataFrame:
    """Read a person's decisions on scans and check that each is on a scan that there is.

    Parameters
    ----------
    path
        As :data:`QC_DECISIONS`.
    scan_ids
        All scans of the study.

    Returns
    -------
    pandas.DataFrame
        Columns decision and comment, the index is scan_id.

    Raises
    ------
    InputError
        Naming the file, the row and what to do.
    """
    if not Path(path).is_file():
        raise InputError(
            f"quality.decisions: there is no file {path}; put the qc_decisions.tsv that the "
            "quality page saves there, or leave the key empty"
        )
    frame = read_table(path, QC_DECISIONS)
    for row, comment in enumerate(frame["comment"], start=2):
        if isinstance(comment, str) and re.search(r"[\t\r\n]", comment):
            raise InputError(
                f"{path}: row {row}: a quotation mark is left open there, so that the comment "
                "takes in what follows; close it or take it out"
            )
    known = set(scan_ids)
    for row, scan_id in enumerate(frame["scan_id"], start=2):
        if scan_id not in known:
            near = difflib.get_close_matches(scan_id, sorted(known), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{path}: row {row}: there is no scan {scan_id!r}{hint}; correct the scan_id or "
                "take the row out"
            )
    return frame.set_index("scan_id")
