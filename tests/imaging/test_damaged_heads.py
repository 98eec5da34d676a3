"""Whatever a damaged head does, the healthy ones beside it come out as alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from brainage.core.contracts.imaging import MEASURES
from brainage.core.derivatives import BRAIN, DERIVATIVES, MASK, QUALITY, derivative
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
    run(folder, mixed, settings | {"max_cpu_seconds": 120}, processes=2)

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


@pytest.mark.slow
def test_values_of_any_size_give_the_same_brain(
    done: Path, scans: Scans, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Before, 1e-10 times a head had an empty brain, and 1e19 times it never came back."""
    image = nibabel.load(scans[0][1])
    values = np.asanyarray(image.dataobj).astype(np.float32)
    spiked = values.copy()
    spiked[0, 0, 0] = 3.4e38
    stored = {
        "power": values * np.float32(2.0**-33),
        "small": values * np.float32(1e-10),
        "large": values * np.float32(1e19),
        "wide": values.astype(np.float64) * 1e36,
        "spiked": spiked,
    }
    sized = []
    for name, data in stored.items():
        path = tmp_path / f"{name}.nii.gz"
        nibabel.Nifti1Image(data, image.affine).to_filename(path)
        sized.append((f"demo_sub-{name}", path))
    run(tmp_path, sized, settings)
    assert read_table(tmp_path / "chunks/0.tsv", MEASURES)["fault"].isna().all()
    first = scans[0][0]
    for ending in (BRAIN, MASK):
        alone = derivative(done, first, ending).read_bytes()
        assert derivative(tmp_path, "demo_sub-power", ending).read_bytes() == alone
    mask = nibabel.load(derivative(done, first, MASK)).get_fdata() > 0
    brain = nibabel.load(derivative(done, first, BRAIN)).get_fdata()
    for scan_id, _ in sized:
        found = nibabel.load(derivative(tmp_path, scan_id, MASK)).get_fdata() > 0
        # A few voxels at the rim move by rounding, or by what is left of the spike.
        assert (found != mask).sum() < 1e-3 * mask.sum()
        found = nibabel.load(derivative(tmp_path, scan_id, BRAIN)).get_fdata()
        both = (found > 0) & (brain > 0)
        assert np.abs(found - brain)[both].max() < 0.02
