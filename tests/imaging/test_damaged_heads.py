"""Whatever a damaged head does, the healthy ones beside it come out as alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from brainage.core.contracts.imaging import MEASURES
from brainage.core.derivatives import BRAIN, DERIVATIVES, QUALITY, derivative
from brainage.core.tables import read_table
from tests.imaging.conftest import Scans, run
from tests.imaging.damages import write_damaged

NUMBER = 50


@pytest.mark.slow
def test_fifty_damaged_heads_beside_healthy_ones(
    done: Path, scans: Scans, settings: dict[str, Any], tmp_path: Path
) -> None:
    healthy = scans[:2]
    damaged = [(f"demo_sub-{seed:03d}", tmp_path / f"{seed:03d}.nii.gz") for seed in range(NUMBER)]
    for seed, (_, path) in enumerate(damaged):
        write_damaged(path, scans[0][1], seed)
    folder = tmp_path / "imaging"
    half = NUMBER // 2
    mixed = [*damaged[:half], healthy[0], *damaged[half:], healthy[1]]
    run(folder, mixed, settings | {"max_cpu_seconds": 120})

    for scan_id, _ in healthy:
        for ending in DERIVATIVES:
            path = derivative(Path(), scan_id, ending)
            assert (folder / path).read_bytes() == (done / path).read_bytes()
    table = read_table(folder / "chunks/0.tsv", MEASURES).set_index("scan_id")
    assert len(table) == NUMBER + 2
    faults = table["fault"].drop([scan_id for scan_id, _ in healthy])
    assert NUMBER // 2 < faults.notna().sum() < NUMBER
    # Nothing that nobody foresaw, and none needed the limit.
    assert not faults.fillna("").str.contains("unexpected|max_cpu_seconds").any()
    for scan_id, fault in faults.items():
        record = json.loads(derivative(folder, str(scan_id), QUALITY).read_text())
        assert (record["fault"] is None) == (not isinstance(fault, str))
        path = derivative(folder, str(scan_id), BRAIN)
        assert path.exists() == (record["fault"] is None)
        if path.exists():
            brain = nibabel.load(path).get_fdata()
            assert brain.max() > 0 and all(
                value is None or np.isfinite(value) for value in record["measures"].values()
            )
