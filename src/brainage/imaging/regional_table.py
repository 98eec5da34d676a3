"""The regional volumes of all scans in one table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from brainage.core.contracts import imaging as contract
from brainage.core.derivatives import REGIONS, derivative
from brainage.core.files import InputError
from brainage.core.tables import read_table, write_table


def gather(qc: Path, folder: Path, out: Path) -> None:
    """Put the regional volumes of all scans that have them in one table.

    Parameters
    ----------
    qc
        As :data:`contract.QC`.
    folder
        Folder of all imaging results.
    out
        As :data:`contract.REGIONS`; without a row for a scan with a fault.

    Raises
    ------
    InputError
        Where the volumes of a scan without a fault are missing.
    """
    verdicts = read_table(qc, contract.QC)
    rows = []
    for scan_id in verdicts.loc[verdicts["fault"].isna(), "scan_id"]:
        path = derivative(folder, scan_id, REGIONS)
        try:
            own = pd.read_csv(path, sep="\t", index_col="region")["volume_mm3"]
        except (FileNotFoundError, ValueError, KeyError):
            raise InputError(f"{path}: the regional volumes of {scan_id} are missing") from None
        rows.append({"scan_id": scan_id, **own.to_dict()})
    frame = pd.DataFrame(rows, columns=None if rows else ["scan_id"])
    write_table(frame, out, contract.REGIONS)
