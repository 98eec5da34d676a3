"""What jobs ask for: measured for every rule, and more with every attempt."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from brainage.resources import MAX_MINUTES, needed, read, terms
from brainage.study import Study
from tests.conftest import ROOT
from tests.datasets.readers.test_bids import make

TABLE = ROOT / "workflow" / "resources.yaml"
MINI = ROOT / "tests" / "workflow" / "mini.yaml"


def snakemake(folder, *more):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(folder), "--configfile", str(MINI), *more),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def jobs(printed):
    """Of each job that a dry run prints: its rule, benchmark and resources."""
    found = []
    for block in re.split(r"(?m)^ *rule ", printed)[1:]:
        benchmark = re.search(r"(?m)^ +benchmark: (\S+)$", block)
        resources = re.search(r"(?m)^ +resources: (.*)$", block)[1]
        asked = dict(each.split("=", 1) for each in resources.split(", "))
        found.append((block.partition(":")[0], benchmark and benchmark[1], asked))
    return found


def test_every_rule_was_measured(tmp_path):
    """A new rule needs a run with it, and then python scripts/fit_resources.py."""
    rules = set(snakemake(tmp_path, "--list-rules").split())
    assert "preprocess" in rules
    table = read(TABLE)
    assert set(table) == rules - {"all"}
    for rule, own in table.items():
        assert set(own) == {"mem_mb", "minutes"}, rule
        assert all(factor > 0 for terms_of in own.values() for factor in terms_of.values()), rule


def test_every_job_has_a_benchmark_of_its_own_and_asks_for_what_the_table_says(tmp_path):
    planned = jobs(snakemake(tmp_path, "-n"))
    benchmarks = [benchmark for rule, benchmark, _ in planned if rule != "all"]
    assert len(benchmarks) > 30 and None not in benchmarks
    assert len(set(benchmarks)) == len(benchmarks)
    study = Study(yaml.safe_load(MINI.read_text()), [MINI])
    table = read(TABLE)["preprocess"]
    asked = next(asked for rule, _, asked in planned if rule == "preprocess")
    job = terms(study, "preprocess", {"dataset": "mini", "chunk": "0"})
    assert int(asked["mem_mb"]) == needed(table["mem_mb"], job)
    assert int(asked["runtime"]) == needed(table["minutes"], job)


@pytest.fixture
def study():
    return Study(yaml.safe_load(MINI.read_text()), [MINI])


def test_a_job_counts_its_own_scans_and_voxels(study):
    everything = terms(study, "store", {})
    # 44 people and 7 troubles; the 6 of the clinical part come twice.
    assert everything["scan"] == 57
    chunks = [terms(study, "preprocess", {"dataset": "mini", "chunk": chunk}) for chunk in "01"]
    assert 0 < chunks[0]["scan"] < 57
    voxels = 193 * 229 * 193 / 6**3 / 1e6
    assert everything["megavoxel"] == pytest.approx(voxels)
    assert everything["scan_megavoxel"] == pytest.approx(57 * voxels)
    training = {"training": "lexp/fold-0_seed-1"}
    trained = terms(study, "pretrain", training)
    assert trained["megavoxel"] == pytest.approx(32 * 2 * voxels)
    assert trained["scan"] == 10 * 57
    assert terms(study, "embed", training) == everything


def test_an_attempt_asks_for_twice_what_the_one_before_did():
    job = {"base": 1, "scan": 10, "megavoxel": 0.5, "scan_megavoxel": 5}
    measured = {"base": 100, "scan": 2, "megavoxel": 40}
    assert [needed(measured, job, attempt) for attempt in (1, 2, 3)] == [140, 280, 560]


def test_no_job_asks_for_more_than_two_days(tmp_path):
    grown = MINI.read_text().replace("epochs: 10", "epochs: 1000000")
    (tmp_path / "config.yaml").write_text(grown)
    planned = jobs(snakemake(tmp_path, "-n", "--configfile", str(tmp_path / "config.yaml")))
    asked = {int(asked["runtime"]) for rule, _, asked in planned if rule == "pretrain"}
    assert asked == {MAX_MINUTES}


@pytest.mark.parametrize(
    ("profile", "times"),
    [
        ((), 1),
        # Its jobs, by the executor of a laptop and without waiting for a shared file system.
        (("--workflow-profile", str(ROOT / "profiles" / "slurm"), "--executor", "local"), 2),
    ],
)
def test_a_job_that_fails_is_tried_again_as_often_as_the_profile_says(tmp_path, profile, times):
    """A number in a rule would win over the profile's."""
    data = tmp_path / "data"
    data.mkdir()
    make(data, "sub-1/anat/sub-1_T1w.nii.gz")
    (data / "participants.tsv").write_text("participant_id\tage\nsub-1\t20\n")
    config = tmp_path / "my.yaml"
    config.write_text("datasets: {mine: {kind: bids, path: data}}\n")
    # A Python that fails where a rule starts it, and is itself where Snakemake does.
    stub = tmp_path / "bin" / "python"
    stub.parent.mkdir()
    real = shlex.quote(sys.executable)
    stub.write_text(f'#!/bin/sh\n[ "$1 $2" = "-m brainage" ] && exit 1\nexec {real} "$@"\n')
    stub.chmod(0o755)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(tmp_path), "--configfile", str(config), "--cores", "1"),
            *(*profile, "--until", "preprocess"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 1
    assert "Error in rule preprocess" in done.stderr
    assert done.stderr.count("Trying to restart job") == times
