"""The commands of imaging find their files by the layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from brainage.core.config import defaults
from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import MEASURES, QC
from brainage.core.files import write_json
from brainage.core.layout import Layout
from brainage.core.tables import read_table, write_table
from brainage.imaging import commands
from brainage.imaging.template import Template
from tests.imaging.conftest import CODE, write_head

SCAN_ID = "demo_sub-A_ses-1"


def run(command: Any, results: Path, *arguments: str, settings: dict[str, Any]) -> None:
    path = results / "config" / f"{command.name}.json"
    write_json(path, settings)
    given = [str(results), *arguments, "--settings", str(path)]
    CliRunner().invoke(command, given, catch_exceptions=False)


@pytest.mark.usefixtures("loaded_once")
@pytest.mark.parametrize("simulated", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_chunk_and_its_verdicts(
    tmp_path: Path, template: Template, settings: dict[str, Any], simulated: bool
) -> None:
    files = Layout(tmp_path)
    folder = files.folder("simulated", dataset="demo") if simulated else tmp_path / "own ü"
    write_head(folder / "anat/a.nii.gz", template, 1)
    table = files.file("simulated_images", dataset="demo", chunk=3)
    table.parent.mkdir(parents=True)
    table.write_text(f"scan_id\tt1w\tsha256\n{SCAN_ID}\tanat/a.nii.gz\t0\n")
    own = {
        "imaging": settings,
        "scans": None if simulated else [[SCAN_ID, "anat/a.nii.gz"], ["demo_sub-B", "b.nii.gz"]],
        "folder": str(folder),
        "code": {"registration": CODE.registration, "measures": dict(CODE.measures)},
        "exclude": {} if simulated else {"demo_sub-B": "excluded by the user: no consent"},
    }
    run(commands.preprocess, tmp_path, "demo_3", "--processes", "2", settings=own)
    used = files.file("settings_used", step="preprocess", of="demo_3")
    assert used.read_text() == "preprocess.json\n"
    measures = read_table(files.file("measures", dataset="demo", chunk=3), MEASURES)
    assert measures["brain_volume_ml"].iloc[0] > 1000
    scans = pd.DataFrame({name: None for name in SCANS.names}, index=measures.index)
    people = ["sub-A", "sub-B"][: len(scans)]
    scans = scans.assign(
        scan_id=measures["scan_id"], dataset="demo", participant_id=people,
        t1w="x.nii", age_top_coded=False, healthy=True, always_healthy=True,
    )  # fmt: skip
    write_table(scans, files.file("scans"), SCANS)
    asked = {"quality": defaults("quality"), "chunks": {"demo": [3]}}
    run(commands.quality, tmp_path, settings=asked)
    verdicts = read_table(files.file("qc"), QC).set_index("scan_id")
    assert verdicts.loc[SCAN_ID, "verdict"] == "pass"
    if not simulated:
        assert verdicts.loc["demo_sub-B", "reason"] == "excluded by the user: no consent"
