"""Make and its scripts in a clone whose path means something to a shell."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT
from tests.workflow.surroundings import BRACES

# It stands for the Python of the virtual environment: it writes down how it was called.
STAND_IN = """#!/bin/sh
printf '%s\\037' "$0" "$PWD" "$XDG_CACHE_HOME" "$@" >>"$RECORD"
echo >>"$RECORD"
"""


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / f"clone {BRACES}"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "scripts", "requirements"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    python = folder / ".venv" / "bin" / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    for name in ("workflow.done", "test.done"):
        (folder / ".venv" / name).touch()
    return folder


def make(clone, *words):
    """Return what the environment's Python was called with, call by call."""
    record = clone.parent / "record"
    record.unlink(missing_ok=True)
    done = subprocess.run(
        ["make", *words],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "RECORD": str(record), "HOME": "/proc/none"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    calls = [line.split("\x1f")[:-1] for line in record.read_text().splitlines()]
    for call in calls:
        assert clone.samefile(call[1])
        assert (clone / ".venv/bin/python").samefile(clone / call[0])
    return calls


def test_the_demo_runs_by_the_clones_own_python(clone):
    calls = make(clone, "demo", "CORES=3")
    words = ["-m", "snakemake", "--cores", "3", "--rerun-incomplete"]
    assert [call[3:] for call in calls] == [
        words,
        ["-m", "snakemake", "--report", "results/report.html"],
    ]
    # Where the home cannot be written, Snakemake's cache lies in the clone.
    assert {call[2] for call in calls} == {f"{clone}/.snakemake/cache"}


def test_the_folder_of_the_images_reaches_snakemake_whole(clone):
    folder = f"/data/{BRACES}"
    calls = make(clone, "ixi-grid", f"BIDS={folder}")
    assert [call[-1] for call in calls] == [f"bids={folder}", "results/ixi-grid"]


def test_lint_and_tests_start(clone):
    assert len(make(clone, "lint")) == 6
    assert make(clone, "test-fast")[0][3:5] == ["-m", "pytest"]
