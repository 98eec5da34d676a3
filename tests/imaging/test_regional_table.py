"""Regional volumes of all scans in one table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from brainage.core.contracts.imaging import QC
from brainage.core.contracts.imaging import REGIONS as TABLE
from brainage.core.derivatives import REGIONS, derivative
from brainage.core.files import InputError
from brainage.core.tables import read_table, write_table
from brainage.imaging import regional_table


def test_all_scans_come_into_one_table(tmp_path: Path) -> None:
    for person, volume in (("A", 10.5), ("B", 20.0)):
        path = derivative(tmp_path, f"demo_sub-{person}", REGIONS)
        path.parent.mkdir(parents=True)
        path.write_text(f"region\tvolume_mm3\nleft_cuneus\t{volume}\nright_cuneus\t1.0\n")
    scan_ids = ["demo_sub-B", "demo_sub-A", "demo_sub-C"]
    qc = pd.DataFrame({"scan_id": scan_ids, "verdict": "pass", "reason": None})
    qc["fault"] = [None, None, "cut short"]
    write_table(qc, tmp_path / "qc.tsv", QC)
    regional_table.gather(tmp_path / "qc.tsv", tmp_path, tmp_path / "regions.tsv")
    table = read_table(tmp_path / "regions.tsv", TABLE)
    assert table["scan_id"].tolist() == ["demo_sub-A", "demo_sub-B"]
    assert table["left_cuneus"].tolist() == [10.5, 20.0]
    derivative(tmp_path, "demo_sub-B", REGIONS).unlink()
    with pytest.raises(InputError, match="regional volumes of demo_sub-B are missing"):
        regional_table.gather(tmp_path / "qc.tsv", tmp_path, tmp_path / "regions.tsv")
