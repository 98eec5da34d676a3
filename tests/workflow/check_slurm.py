"""The workflow on a cluster: jobs end, are killed and wait, and the bytes are a laptop's."""

import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from brainage.resources import GPU_MEMORY_MB
from tests.conftest import ROOT
from tests.workflow.slurm_node import ask, missing, slurm
from tests.workflow.surroundings import copy_tree
from tests.workflow.test_resources import jobs as planned_jobs
from tests.workflow.test_resources import snakemake

pytestmark = pytest.mark.workflow
CONFIG = ROOT / "tests" / "workflow" / "slurm.yaml"
PROFILE = ROOT / "profiles" / "slurm" / "config.yaml"
# Embedding needs more, so that Slurm kills its first attempt; the second asks for twice as much.
TOO_LITTLE_MB = 400
WATCHED = "%i|%T|%P|%m|%k"


def command(tree, folder, *more):
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(tree / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(CONFIG), *more),
    ]


def clustered(folder):
    """A copy of the tree: a partition of GPUs, and one rule that asks for too little."""
    copy_tree(folder)
    profile = folder / "profiles" / "slurm" / "config.yaml"
    text = profile.read_text()
    assert "  # gpu_partition: gpu\n" in text
    profile.write_text(text.replace("  # gpu_partition: gpu\n", "  gpu_partition: gpu\n"))
    table = folder / "workflow" / "resources.yaml"
    text, changed = re.subn(
        r"(?m)^(embed:.*\n  mem_mb:) .*$", rf"\1 {{base: {TOO_LITTLE_MB}}}", table.read_text()
    )
    assert changed == 1
    table.write_text(text)
    return folder


def jobs(environment):
    """The jobs in the queue, as Slurm lists them."""
    names = ("number", "state", "partition", "memory", "rule")
    lines = ask(environment, "squeue", "--noheader", f"--format={WATCHED}").splitlines()
    return [SimpleNamespace(**dict(zip(names, line.split("|"), strict=True))) for line in lines]


def disturb(environment, process, seen):
    """Drain the node until a job waits for it, and cancel a training beside another."""
    node = ask(environment, "sinfo", "--noheader", "--format=%n").split()[0]
    drained = cancelled = False
    while process.poll() is None:
        listed = jobs(environment)
        seen.jobs |= {job.number: job for job in listed}
        running = [job for job in listed if job.state == "RUNNING"]
        training = [job for job in running if "pretrain" in job.rule]
        if not seen.drained and any("preprocess" in job.rule for job in running):
            ask(environment, "scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
            seen.drained = drained = True
        elif drained and any(job.state == "PENDING" for job in listed):
            seen.waited = ask(environment, "sinfo", "--noheader", "--format=%T").split()
            ask(environment, "scontrol", "update", f"nodename={node}", "state=resume")
            drained = False
        elif not cancelled and len(training) == 2:
            shown = [ask(environment, "scontrol", "show", "job", "-d", t.number) for t in training]
            seen.cards = {re.search(r"GRES=gpu:1\(IDX:(\d)\)", text)[1] for text in shown}
            ask(environment, "scancel", training[0].number)
            seen.cancelled, cancelled = training[0].number, True
        time.sleep(0.5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same small demo on a laptop and on a disturbed cluster."""
    assert missing() is None, missing()
    base = tmp_path_factory.mktemp("slurm")
    laptop, cluster = base / "laptop", base / "cluster"
    laptop.mkdir()
    cluster.mkdir()
    with (base / "laptop.log").open("w") as log:
        done = subprocess.run(
            command(ROOT, laptop, "--cores", "2"), stdout=log, stderr=log, check=False
        )
    assert done.returncode == 0, (base / "laptop.log").read_text()[-3000:]
    tree = clustered(base / "tree")
    seen = SimpleNamespace(jobs={}, drained=False, waited=[], cards=set(), cancelled=None)
    more = ("--workflow-profile", str(tree / "profiles" / "slurm"), "--latency-wait", "10")
    # Without accounting the queue is asked; and often, since nobody else waits for it.
    more += ("--slurm-status-command", "squeue")
    more += ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks")
    more += ("1",)
    with slurm(base / "node") as environment, (base / "cluster.log").open("w") as log:
        process = subprocess.Popen(
            command(tree, cluster, *more), stdout=log, stderr=log, env=environment
        )
        try:
            disturb(environment, process, seen)
        finally:
            process.terminate()
            process.wait()
    text = (base / "cluster.log").read_text()
    assert process.returncode == 0, text[-5000:]
    return SimpleNamespace(laptop=laptop, cluster=cluster, log=text, seen=seen)


def test_the_bytes_are_those_of_a_laptop(runs):
    script = ROOT / "scripts" / "compare_results.py"
    done = subprocess.run(
        [sys.executable, str(script), str(runs.laptop / "results"), str(runs.cluster / "results")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_jobs_waited_while_the_node_was_drained(runs):
    assert runs.seen.drained
    assert runs.seen.waited
    assert all(state.startswith("drain") for state in runs.seen.waited)


def test_two_trainings_ran_at_once_each_on_a_card_of_its_own(runs):
    assert runs.seen.cards == {"0", "1"}
    on_gpus = {job.rule for job in runs.seen.jobs.values() if job.partition == "gpu"}
    assert {re.search(r"rule_([a-z]+)_", rule)[1] for rule in on_gpus} == {"pretrain", "embed"}


def test_a_cancelled_training_was_submitted_again(runs):
    assert runs.seen.cancelled is not None
    assert f"SLURM-job '{runs.seen.cancelled}' failed, SLURM status is: 'CANCELLED'" in runs.log


def test_a_job_killed_for_its_memory_ended_with_twice_as_much(runs):
    logs = (runs.cluster / ".snakemake" / "slurm_logs").rglob("*.log")
    killed = [path for path in logs if "exceeded memory limit" in path.read_text()]
    assert killed
    assert all("embed" in str(path) for path in killed)
    asked = {job.memory for job in runs.seen.jobs.values() if "rule_embed" in job.rule}
    assert asked == {f"{TOO_LITTLE_MB}M", f"{2 * TOO_LITTLE_MB}M"}


def test_chunks_of_images_and_all_tables_and_pages_are_one_job_each(runs):
    rules = [job.rule for job in runs.seen.jobs.values()]
    assert sum("preprocess" in rule for rule in rules) == 1
    # Slurm shows the beginning of the list; the quality page waits for no table.
    assert sum("report_accuracy" in rule for rule in rules) == 1
    assert len(rules) <= 18


@pytest.mark.parametrize(
    ("partition", "device"), [("cards", "auto"), ("cards", "cpu"), (None, "auto")]
)
def test_trainings_go_to_the_partition_of_gpus_where_the_profile_names_one(
    tmp_path, partition, device
):
    text = PROFILE.read_text().replace("  # slurm_partition: short", "  slurm_partition: short")
    if partition:
        text = text.replace("  # gpu_partition: gpu\n", f"  gpu_partition: {partition}\n")
        assert "cards" in text
    (tmp_path / "config.yaml").write_text(text)
    more = ("-n", "--workflow-profile", str(tmp_path), "--config", f"learning={{device: {device}}}")
    planned = planned_jobs(snakemake(tmp_path, *more))
    wanted = ("1", partition) if partition and device == "auto" else ("0", "short")
    trained = [asked for rule, _, asked in planned if rule in ("pretrain", "embed")]
    assert {(asked["gpu"], asked["slurm_partition"]) for asked in trained} == {wanted}
    # The batch of a training is in the card's memory or in the node's.
    memory = {int(asked["mem_mb"]) for rule, _, asked in planned if rule == "pretrain"}
    assert (memory == {GPU_MEMORY_MB}) == (wanted[0] == "1")
    others = [asked for rule, _, asked in planned if rule in ("store", "preprocess")]
    assert {(asked.get("gpu"), asked["slurm_partition"]) for asked in others} == {(None, "short")}
