"""The workflow itself, whole, on a small simulated cohort: the same bytes however it went."""

import os
import signal
import subprocess
import sys
import time

import pytest

from brainage.files import sha256
from tests.conftest import ROOT

pytestmark = pytest.mark.workflow
CONFIG = ROOT / "tests" / "workflow" / "mini.yaml"
# Logs and benchmarks hold times; the locks and records of Snakemake are in .snakemake.
NOT_RESULTS = ("logs", "benchmarks")


def command(folder, cores, *more):
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(CONFIG), "--cores", str(cores), *more),
    ]


def run(folder, cores, *more):
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        command(folder, cores, *more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def files(folder):
    results = folder / "results"
    return {
        str(path.relative_to(results)): sha256(path)
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in NOT_RESULTS
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(folder, 2)
    return folder


def test_everything_that_rule_all_promises_is_there(finished):
    made = files(finished)
    for path in ("report/index.html", "report/qc/index.html", "report/people/index.html"):
        assert path in made
    assert not [path for path in made if path.rsplit("/", 1)[-1].startswith(".")]
    assert not (finished / "results" / "checkpoints").exists() or not any(
        p.is_file() for p in (finished / "results" / "checkpoints").rglob("*")
    )


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in run(finished, 2, "-n")


def test_killed_in_the_middle_and_on_one_core_it_ends_with_the_same_bytes(finished, tmp_path):
    folder = tmp_path / "killed"
    folder.mkdir()
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        command(folder, 2), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    # Killed while an encoder is trained, after at least one checkpoint was written.
    deadline = time.monotonic() + 600
    while not list(folder.glob("results/checkpoints/*/*")):
        assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run(folder, 1, "--unlock")
    # That finished epochs are not repeated is shown in tests/learning/test_pretrain.py.
    run(folder, 1, "--rerun-incomplete")
    assert files(folder) == files(finished)


def test_a_corrected_age_runs_nobodys_imaging(finished):
    """The age is read from participants.tsv and sessions.tsv: neither goes into imaging."""
    done = run(finished, 2, "-n", "--forcerun", "index", "--quiet", "rules")
    jobs = {line.split()[0] for line in done.splitlines() if line and line.split()[-1].isdigit()}
    assert "split" in jobs
    assert not jobs & {"simulate_images", "preprocess"}


def test_a_dry_run_writes_nothing_outside_snakemakes_folder(tmp_path):
    run(tmp_path, 2, "-n")
    assert [path.name for path in tmp_path.iterdir()] == [".snakemake"]
