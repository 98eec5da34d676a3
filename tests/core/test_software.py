import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from brainage.core.choices import modules
from brainage.core.software import LIBRARIES
from brainage.core.versions import step_libraries
from tests.conftest import ROOT

STEPS = {
    "learning": ["embed"],
    "probing": ["probe_age", "probe_site", "probe_diagnosis", "predict_baseline", "gather"],
    "statistics": ["gaps", "accuracy", "groups", "roc", "slopes", "grid"],
}
WRITE = """
import sys
from pathlib import Path

import pandas as pd

from brainage.core.contracts.imaging import QC
from brainage.core.software import write_result

rows = pd.DataFrame({"scan_id": ["d_sub-1"], "verdict": ["pass"], "reason": [None]})
write_result(rows, Path(sys.argv[1]), QC)
"""


@pytest.mark.slow
def test_beside_a_table_lie_the_versions_of_what_its_process_imported(tmp_path):
    # In a process of its own: this one has imported whatever other tests did.
    command = [sys.executable, "-c", WRITE, str(tmp_path / "qc.tsv")]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT / "src")})
    assert (tmp_path / "qc.tsv").read_text().startswith("scan_id\tverdict")
    found = json.loads((tmp_path / "qc.json").read_text())["versions"]
    assert found == {name: version(name).partition("+")[0] for name in ("numpy", "pandas")}


def test_every_library_of_the_steps_that_record_theirs_is_looked_for():
    encoders = list(modules("brainage.learning.encoders").values())
    imported = {
        library
        for package, steps in STEPS.items()
        for step in steps
        for library in step_libraries(f"{package}.{step}", encoders if step == "embed" else ())
    }
    assert set(LIBRARIES) == imported
