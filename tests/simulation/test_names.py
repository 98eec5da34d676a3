"""What planning knows of a simulated cohort without numpy."""

import subprocess
import sys

import pytest

from brainage.simulation import names, plan
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("people", "sites", "troubles"),
    [((8, 4, 6), (4, 2, 2), True), ((0, 0, 2), (0, 0, 5), True), ((3, 0, 7), (4, 0, 2), False)],
)
def test_the_names_are_those_of_the_plan(people, sites, troubles):
    settings = {
        "people": dict(zip(names.PARTS, people, strict=True)),
        "sites": dict(zip(names.PARTS, sites, strict=True)),
        "visits": 1, "voxel_size": 8.0, "seed": 5, "troubles": troubles,
    }  # fmt: skip
    table = plan.make_plan(settings)
    assert sorted(names.participants(settings)) == plan.people(table)
    assert names.sites_with_people(settings) == set(table["site"])
    assert names.diagnoses(settings) == set(table["diagnosis"])
    assert names.planned_scans(settings) == len(table)


def test_planning_imports_no_library():
    script = "import sys; import brainage.simulation.names; sys.exit('numpy' in sys.modules)"
    subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(ROOT / "src")}, check=True
    )
