"""The workflow itself, whole, on a small simulated cohort: the same bytes however it went."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from brainage.core.contracts.imaging import QC
from brainage.core.files import sha256
from brainage.core.tables import read_table
from tests.conftest import ROOT
from tests.workflow.surroundings import NAME, confined, copy_tree

pytestmark = pytest.mark.workflow
CONFIG = ROOT / "tests" / "workflow" / "mini.yaml"
# Logs and benchmarks hold times, and settings the folder of results; the locks and records of
# Snakemake are in .snakemake.
NOT_RESULTS = ("logs", "benchmarks", "config")


def command(folder, cores, *more, tree=ROOT, config=CONFIG):
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(tree / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(config), "--cores", str(cores), *more),
    ]


def run(folder, cores, *more):
    folder.mkdir(exist_ok=True)
    return finish(command(folder, cores, *more))


def finish(command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def files(results):
    return {
        str(path.relative_to(results)): sha256(path)
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in NOT_RESULTS
    }


def planned(done):
    return {line.split()[0] for line in done.splitlines() if line and line.split()[-1].isdigit()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(folder, 2)
    return folder


def test_everything_that_rule_all_promises_is_there(finished):
    made = files(finished / "results")
    for path in ("report/index.html", "report/qc/index.html", "report/people/index.html"):
        assert path in made
    assert not [path for path in made if path.rsplit("/", 1)[-1].startswith(".")]
    assert not (finished / "results" / "checkpoints").exists() or not any(
        p.is_file() for p in (finished / "results" / "checkpoints").rglob("*")
    )


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in run(finished, 2, "-n")


def test_killed_in_the_middle_and_elsewhere_it_ends_with_the_same_bytes(finished, tmp_path):
    """Killed while it trains and finished on one core; in folders whose names mean something to a
    shell, without a network or a home that can be written, with other threads, locale and umask.
    """
    tree, folder = copy_tree(tmp_path / f"clone {NAME}"), tmp_path / f"run {NAME}"
    folder.mkdir()
    config = tmp_path / "mini.yaml"
    results = folder / f"results {NAME}"
    config.write_text(f"{CONFIG.read_text()}\nresults: {json.dumps(results.name)}\n")

    def elsewhere(cores, *more):
        return command(folder, cores, *more, tree=tree, config=config)

    begun, environment = confined(elsewhere(2), tmp_path)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            begun, stdout=log, stderr=log, start_new_session=True, env=environment
        )
    # Killed while an encoder is trained, after at least one checkpoint was written.
    deadline = time.monotonic() + 600
    while not list((results / "checkpoints").glob("*.pt")):
        assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finish(elsewhere(1, "--unlock"))
    # That finished epochs are not repeated is shown in tests/learning/test_pretrain.py.
    finish(*confined(elsewhere(1, "--rerun-incomplete"), tmp_path))
    assert files(results) == files(finished / "results")


def test_a_corrected_age_runs_nobodys_imaging(finished):
    """The age is read from participants.tsv and sessions.tsv: neither goes into imaging."""
    done = run(finished, 2, "-n", "--forcerun", "index", "--quiet", "rules")
    jobs = planned(done)
    assert "split" in jobs
    assert not jobs & {"simulate_images", "preprocess"}


def test_a_manual_decision_counts_and_runs_nobodys_imaging(finished, tmp_path):
    folder = tmp_path / "decided"
    shutil.copytree(finished, folder)
    before = read_table(folder / "results" / "imaging" / "qc.tsv", QC)
    scan_id = before.loc[before["verdict"] == "pass", "scan_id"].iloc[0]
    decisions = folder / "qc_decisions.tsv"
    more = ("--config", "quality={decisions: qc_decisions.tsv}")

    decisions.write_text(f"scan_id\tdecision\n{scan_id}\tdrop\n")
    jobs = planned(run(folder, 2, "-n", "--quiet", "rules", *more))
    assert {"quality", "quality_page", "split", "pretrain", "study_page"} <= jobs
    assert not jobs & {"simulate_images", "preprocess", "index"}
    qc, page = "results/imaging/qc.tsv", "results/report/qc/index.html"
    run(folder, 2, qc, page, *more)
    after = read_table(folder / qc, QC)
    dropped = after[after["verdict"] != before["verdict"]]
    assert dropped["scan_id"].to_list() == [scan_id]
    said = "dropped by manual decision; automatic verdict: pass"
    assert dropped["reason"].to_list() == [said]
    assert "Dropped by manual decision" in (folder / page).read_text()

    # Another decision in the same file is seen as well.
    assert "Nothing to be done" in run(folder, 2, "-n", qc, page, *more)
    decisions.write_text(f"scan_id\tdecision\n{scan_id}\tkeep\n")
    jobs = planned(run(folder, 2, "-n", qc, page, "--quiet", "rules", *more))
    assert jobs & {"quality", "preprocess"} == {"quality"}


def test_a_grid_adds_its_cells_and_nothing_else(tmp_path):
    """Each cell is a training of its own; the same jobs as ever for all else."""
    text = CONFIG.read_text(encoding="utf-8")
    grid = tmp_path / "grid.yaml"
    grid.write_text(text + "\ngrid: {experiments: [lexp], fractions: [0.6]}\n", encoding="utf-8")
    counts = []
    for more in ((), ("--configfile", str(grid))):
        done = run(tmp_path / "run", 2, "-n", "--quiet", "rules", *more)
        rows = [line.split() for line in done.splitlines() if line and line.split()[-1].isdigit()]
        counts.append({row[0]: int(row[1]) for row in rows if len(row) == 2})
    plain, gridded = counts
    added = {name: count - plain.get(name, 0) for name, count in gridded.items()}
    assert {name: count for name, count in added.items() if count and name != "total"} == {
        **{"pretrain": 2, "embed": 2, "probe_age": 2, "probe_site": 2, "probe_diagnosis": 2},
        **{"gather_grid": 3, "grid": 1},
    }
    assert set(plain) <= set(gridded)
