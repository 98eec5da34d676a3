"""What a plan prints and leaves: short commands, settings that no other plan changes."""

import json
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.datasets.readers.test_bids import make


def snakemake(folder, config, *more):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(folder), "--configfile", str(config), *more),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def bids(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    people = [f"sub-{number:02}" for number in range(60)]
    make(folder, *(f"{person}/anat/{person}_T1w.nii.gz" for person in people))
    rows = "".join(f"{person}\t{20 + i}\n" for i, person in enumerate(people))
    (folder / "participants.tsv").write_text("participant_id\tage\n" + rows)
    return folder


def commands(printed):
    return re.findall(r"^Shell command: (brainage .+)$", printed, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["config.yaml", "ixi.yaml", "ixi-grid.yaml"])
def test_every_command_is_short_enough_to_read_and_type(tmp_path, bids, name):
    where = [] if name == "config.yaml" else ["--config", f"bids={bids}"]
    printed = snakemake(tmp_path, ROOT / "config" / name, "-n", "-p", *where)
    found = commands(printed)
    assert len(found) > 30
    results = "results" if name == "config.yaml" else f"results/{name.removesuffix('.yaml')}"
    for command in found:
        assert len(command.replace(results, "")) < 200, command
        # One name of what it works on, at most, and one file of settings.
        words = command.partition(" 2>&1")[0].split()
        assert len([word for word in words if not word.startswith("--")]) <= 6, command
        # A command takes no settings of another step; figures and pages share theirs.
        step = next(word for word in words[1:] if not word.startswith("--") and not word.isdigit())
        settings = re.search(r"/config/(\w+)-[0-9a-f]{8}\.json", command)
        report = step in ("figures", "truth-recovery", "study-page", "person-pages")
        wanted = "report" if report else step.replace("-", "_")
        assert settings is None or settings[1] == wanted, command


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_dry_run_writes_below_snakemakes_own_folder_only(tmp_path):
    snakemake(tmp_path, ROOT / "config" / "config.yaml", "-n")
    assert {name.partition("/")[0] for name in files(tmp_path)} <= {".snakemake"}


def test_planning_another_config_changes_nothing_that_a_running_job_reads(tmp_path):
    """Settings are written when work starts, each by the hash of its content, and stay."""
    config = (ROOT / "tests" / "workflow" / "mini.yaml").read_text()
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(config)
    second.write_text(config.replace("seed: 7", "seed: 8") + "seed: 3\n")
    truth = "results/simulated/mini_truth.tsv"
    snakemake(tmp_path, first, "--cores", "1", truth)

    def settings():
        return {k: v for k, v in files(tmp_path).items() if k.startswith("results/config")}

    note = "results/config/used/simulate-tables/mini.txt"
    before = settings()
    assert before
    planned = snakemake(tmp_path, second, "-n", "-p")
    assert settings() == before
    # What the other plan would read has other names.
    printed = "\n".join(commands(planned))
    named = set(re.findall(r"results/config/simulate_tables-\w+\.json", printed))
    assert named and not named & set(before)
    snakemake(tmp_path, second, "--cores", "1", truth)
    after = files(tmp_path)
    # All is as it was but the note of what was used last.
    assert before.pop(note) != after[note]
    assert before.items() <= after.items()
    seeds = {
        json.loads(text)["simulation"]["seed"]
        for name, text in after.items()
        if name.startswith("results/config/simulate_tables")
    }
    assert seeds == {7, 8}


def test_snakemake_alone_can_plan(tmp_path, monkeypatch):
    """As one does who runs it with conda: in an environment that holds what Snakemake requires."""
    (tmp_path / "sitecustomize.py").write_text(
        "import pkgutil, sys\n"
        # Slurm's plugin is apart (make slurm), and imports pandas.
        "there = pkgutil.iter_modules\n"
        "pkgutil.iter_modules = lambda *a: (m for m in there(*a) if 'slurm' not in m.name)\n"
        "class Blocked:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.partition('.')[0] in "
        "('numpy', 'pandas', 'pyarrow', 'scipy', 'click', 'nibabel', 'matplotlib', 'torch',\n"
        "         'ants', 'sklearn', 'statsmodels', 'brainage.cli'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "preprocess" in snakemake(tmp_path, ROOT / "config" / "config.yaml", "-n")


def test_commands_find_the_package_where_conda_drops_pythonpath(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    config = ROOT / "tests" / "workflow" / "mini.yaml"
    snakemake(tmp_path, config, "--cores", "1", "results/simulated/mini_truth.tsv")
    for rule in (ROOT / "workflow" / "rules").glob("*.smk"):
        assert "export PYTHONPATH" not in rule.read_text()


APPTAINER = """#!/bin/sh
[ "$1" != --version ] || { echo apptainer version 1.4.0; exit; }
printf '%s\\n' "$*" >>"$RECORD"
while [ "$1" != -c ]; do shift; done
exec bash -c "$2"
"""


def test_a_container_is_used_where_one_is_given_and_asked_for(tmp_path, monkeypatch):
    """By a stand-in of apptainer, which runs the command where it is."""
    programs, record = tmp_path / "programs", tmp_path / "record"
    programs.mkdir()
    for name in ("apptainer", "singularity"):
        (programs / name).write_text(APPTAINER)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("RECORD", str(record))
    (tmp_path / "brainage.sif").touch()
    config = ROOT / "tests" / "workflow" / "mini.yaml"
    truth = "results/simulated/mini_truth.tsv"
    asked = ("--sdm", "apptainer", "--cores", "1", truth)
    snakemake(tmp_path, config, *asked)
    assert not record.exists()  # no default
    (tmp_path / truth).unlink()
    snakemake(tmp_path, config, *asked, "--config", "container=brainage.sif")
    assert "brainage.sif" in record.read_text()
    assert (tmp_path / truth).is_file()
