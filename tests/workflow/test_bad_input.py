"""What a user gives wrongly ends before any work, with one message that says what to do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from brainage.core.locks import only_writer
from tests.conftest import ROOT
from tests.datasets.readers.test_bids import make
from tests.workflow.surroundings import copy_tree


def plan(folder, config, *more, tree=ROOT, env=None):
    path = folder / "my.yaml"
    path.write_text(config)
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(tree / "Snakefile"), "-n"),
            *("--directory", str(folder), "--configfile", str(path), *more),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    make(data, "sub-1/anat/sub-1_T1w.nii.gz", "sub-2/anat/sub-2_T1w.nii.gz")
    (data / "participants.tsv").write_text("participant_id\tage\nsub-1\t20\nsub-2\t30\n")
    return tmp_path


CONFIG = "datasets:\n  mine:\n    kind: bids\n    path: data\n"


def assert_one_message(done, message):
    """The run was refused by one line that says this, and by no stack."""
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("brainage: ")]
    assert len(said) == 1
    assert message in said[0]
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("config", "table", "message"),
    [
        (CONFIG + "imaging:\n  voxelsize: 2\n", None, "line 6: imaging.voxelsize"),
        (CONFIG.replace("data\n", "gone\n"), None, "there is no folder gone"),
        (CONFIG + "probing: {regions: gone.tsv}\n", None, "gone.tsv: there is no such file"),
        (CONFIG, "participant_id\tyears\nsub-1\t20\n", "no column 'age'"),
        (CONFIG, "participant_id\tage\nsub-1\t720\n", "row 2: age 720"),
        (CONFIG, "participant_id\tage\nsub-1\t20\nsub-1\t21\n", "rows 2 and 3 are both for sub-1"),
        (
            CONFIG + "statistics: {groups: [CN, AD]}\n",
            "participant_id\tage\tdiagnosis\nsub-1\t20\tCN\nsub-2\t30\tCN\n",
            "statistics.groups names 'AD'",
        ),
    ],
)
def test_one_message_and_nothing_done(folder, config, table, message):
    if table is not None:
        (folder / "data" / "participants.tsv").write_text(table)
    done = plan(folder, config)
    assert_one_message(done, message)
    assert not (folder / "results").exists()


def test_an_image_without_a_row_and_a_row_without_an_image_are_said_and_no_error(folder):
    make(folder / "data", "sub-7/anat/sub-7_T1w.nii.gz")
    with (folder / "data" / "participants.tsv").open("a") as table:
        table.write("sub-9\t40\n")
    done = plan(folder, CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 image has no row in participants.tsv: sub-7" in done.stderr
    assert "1 person of participants.tsv has no T1w image: sub-9" in done.stderr


def test_results_that_cannot_be_written_are_said_before_any_work(folder):
    (folder / "taken").write_text("a file where the folder should be")
    done = plan(folder, CONFIG + "results: taken\n")
    assert done.returncode != 0
    assert "taken is not a folder that can be written" in done.stderr


def test_a_folder_with_a_name_beyond_ascii_is_read(folder):
    (folder / "data").rename(folder / "dätä Ω")
    done = plan(folder, CONFIG.replace("path: data", "path: dätä Ω"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_braces_in_paths_of_the_user_are_no_wildcards(folder):
    """Of the images, of their names, and of tables: none is an input of a rule."""
    (folder / "data").rename(folder / "d{a}ta")
    place = folder / "d{a}ta" / "sub-1" / "anat"
    (place / "sub-1_T1w.nii.gz").rename(place / "sub-1_acq-{x}_T1w.nii.gz")
    (folder / "{decisions}.tsv").write_text("scan_id\tdecision\nmine_sub-1\tdrop\n")
    (folder / "{r}.tsv").write_text("scan_id\tVolume\nmine_sub-1\t1.0\n")
    more = 'quality: {decisions: "{decisions}.tsv"}\nprobing: {regions: "{r}.tsv"}\n'
    done = plan(folder, CONFIG.replace("path: data", 'path: "d{a}ta"') + more)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_clone_in_a_folder_with_braces_is_refused(folder):
    tree = copy_tree(folder / "cl{o}ne")
    assert_one_message(plan(folder, CONFIG, tree=tree), "the path of this clone has braces")


WITH_DECISIONS = CONFIG + "quality: {decisions: qc_decisions.tsv}\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "quality.decisions: there is no file qc_decisions.tsv"),
        ("mine_sub-3\tdrop\tn/a\n", "qc_decisions.tsv: row 2: there is no scan 'mine_sub-3'"),
        (
            "mine_sub-1\tdrop\tx\nmine_sub-1\tkeep\tx\n",
            "qc_decisions.tsv: rows 2 and 3 have the same key",
        ),
        ("mine_sub-1\tperhaps\tn/a\n", "'perhaps' is not one of keep, drop"),
    ],
)
def test_wrong_decisions_stop_before_any_work(folder, rows, message):
    if rows is not None:
        (folder / "qc_decisions.tsv").write_text("scan_id\tdecision\tcomment\n" + rows)
    done = plan(folder, WITH_DECISIONS)
    assert_one_message(done, message)


def test_decisions_go_into_quality_and_nowhere_before(folder):
    """By what is in them: other decisions are other settings of that step alone."""
    found = []
    for decision in ("drop", "keep"):
        (folder / "qc_decisions.tsv").write_text(f"scan_id\tdecision\nmine_sub-1\t{decision}\n")
        done = plan(folder, WITH_DECISIONS, "-p")
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(set(re.findall(r"results/config/(\w+)-(\w+)\.json", done.stdout)))
    assert {step for step, _ in found[0] ^ found[1]} == {"quality"}
    assert "preprocess" in {step for step, _ in found[0]}


def test_a_warp_brings_regional_volumes_and_grey_matter_into_the_plan(folder):
    done = plan(folder, CONFIG)
    assert done.returncode == 0 and "ridge_regions" not in done.stdout
    more = (
        "imaging: {registration: syn, grey_matter: true}\n"
        "experiments: {lexp: {loss: exp, channels: [brain, grey_matter]}}\n"
    )
    done = plan(folder, CONFIG + more, "-p")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "predict-baseline results ridge_regions/fold-0_seed-1" in done.stdout
    assert "brainage regions results" in done.stdout
    assert "learning/store/grey_matter.npy" in done.stdout


def test_a_site_that_two_data_sets_have_is_asked_for_by_both_names(folder):
    (folder / "other").mkdir()
    make(folder / "other", "sub-1/anat/sub-1_T1w.nii.gz")
    table = "participant_id\tage\tsite\nsub-1\t20\t1\n"
    (folder / "other" / "participants.tsv").write_text(table)
    (folder / "data" / "participants.tsv").write_text(table + "sub-2\t30\t2\n")
    two = CONFIG + "  other:\n    kind: bids\n    path: other\n"
    done = plan(folder, two + "splits: {external_sites: ['1']}\n")
    assert_one_message(done, "'1', which several data sets have; write one of: mine/1, other/1")
    done = plan(folder, two + "splits: {external_sites: ['other/1', '2']}\n")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "imaging.exclude: there is no file exclude.tsv"),
        ("mine_sub-3\n", "exclude.tsv: row 2: there is no scan 'mine_sub-3'"),
    ],
)
def test_wrong_exclusions_stop_before_any_work(folder, rows, message):
    if rows is not None:
        (folder / "exclude.tsv").write_text("scan_id\n" + rows)
    assert_one_message(plan(folder, CONFIG + "imaging: {exclude: exclude.tsv}\n"), message)


@pytest.mark.parametrize(
    ("device", "card", "wanted"),
    [("auto", True, 1), ("auto", False, 0), ("cuda", False, 1), ("cpu", True, 0)],
)
def test_trainings_ask_for_a_gpu_where_they_will_use_one(folder, monkeypatch, device, card, wanted):
    programs = folder / "programs"
    programs.mkdir()
    for path in filter(None, map(shutil.which, ("bash", "which"))):  # Slurm's plugin calls which
        (programs / Path(path).name).symlink_to(path)
    if card:
        (programs / "nvidia-smi").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    done = plan(folder, CONFIG + f"learning: {{device: {device}}}\n")
    assert done.returncode == 0, done.stdout + done.stderr
    plans = done.stdout.split("\nrule ")
    asked = {f"gpu={wanted}" in rule for rule in plans if rule.startswith(("pretrain:", "embed:"))}
    assert asked == {True}


def test_links_without_content_are_counted_and_do_not_stop_the_run(folder):
    image = folder / "data/sub-2/anat/sub-2_T1w.nii.gz"
    image.unlink()
    image.symlink_to("../../.git/annex/objects/x")
    done = plan(folder, CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 scan is set aside" in done.stderr and "datalad get" in done.stderr


def test_a_home_folder_that_cannot_be_written_is_not_needed(folder):
    """Snakemake would end in a traceback for want of a place for its cache."""
    nowhere = {**os.environ, "HOME": "/dev/null/home"}
    nowhere.pop("XDG_CACHE_HOME", None)
    done = plan(folder, CONFIG, env=nowhere)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_run_into_the_same_results_is_refused(folder):
    """From another folder, where Snakemake's own lock does not hold."""
    results = folder / "results"
    (folder / "elsewhere").mkdir()
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores"),
        *("1", "--directory", str(folder / "elsewhere"), "--configfile"),
        *(str(ROOT / "tests" / "workflow" / "mini.yaml"), "--config", f"results={results}", "--"),
        str(results / "simulated" / "mini" / "participants.tsv"),
    ]
    with only_writer(results / "logs" / "locks" / "run.lock", "x"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"brainage: results: {results}: process {os.getpid()} on " in said
    assert "Traceback" not in said
    assert [path for path in results.rglob("*") if path.is_file()] == []
    # Nothing is left that keeps the next one off.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list((results / "logs" / "locks").iterdir())
