"""CPU time and memory of planning: over many scans, again when all is done, and in a cluster's job.

    python benchmarks/planning.py [SCANS ...] [--plain]

Two sessions a person, images that are empty files: planning never opens one. Of each size:

- `first`: `snakemake -n` over nothing but the data,
- `again`: the same when every output is there and recorded, so that there is nothing to do,
- `job`: what a job of a cluster does before its command: it parses the workflow anew,
- with `--plain`, `first` and `again` of a workflow of four rules a scan and one that gathers them.

Printed are jobs, CPU seconds (those of the process and its children, as the wall time is that of
a busy machine) and peak resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLAIN = """
from pathlib import Path
SCANS = sorted(p.relative_to("data").as_posix() for p in Path("data").rglob("*_T1w.nii.gz"))

rule all:
    input: "results/all.tsv"

rule strip:
    input: "data/{scan}"
    output: "results/strip/{scan}"
    shell: "cp {input} {output}"

rule register:
    input: "results/strip/{scan}"
    output: "results/register/{scan}"
    shell: "cp {input} {output}"

rule smooth:
    input: "results/register/{scan}"
    output: "results/smooth/{scan}"
    shell: "cp {input} {output}"

rule measure:
    input: "results/smooth/{scan}"
    output: "results/measure/{scan}.tsv"
    shell: "cp {input} {output}"

rule gather:
    input: expand("results/measure/{scan}.tsv", scan=SCANS)
    output: "results/all.tsv"
    shell: "touch {output}"
"""
# As an executor of a cluster calls it; a dry run, as the parsing is meant and not the job.
JOB = (
    *("-n", "--cores", "1", "--mode", "remote", "--force", "--nolock", "--ignore-incomplete"),
    *("--no-hooks", "--target-files-omit-workdir-adjustment", "--max-inventory-time", "0"),
    *("--allowed-rules", "preprocess"),
)


def make_folder(folder: Path, scans: int) -> None:
    """Write a BIDS folder with so many empty images."""
    folder.mkdir()
    description = {"Name": "many", "BIDSVersion": "1.10.0"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    rows = ["participant_id\tage\tsex\tsite"]
    for person in range(scans // 2):
        name = f"sub-{person:06d}"
        rows.append(f"{name}\t{20 + person % 60}\t{'FM'[person % 2]}\tsite-{person % 20}")
        for session in ("ses-1", "ses-2"):
            anat = folder / name / session / "anat"
            anat.mkdir(parents=True)
            (anat / f"{name}_{session}_T1w.nii.gz").touch()
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")


def measured(command: list[str]) -> tuple[str, float, float]:
    """Run a command; return what it printed, its CPU seconds and its peak memory in MiB."""
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        printed.seek(0)
        text = printed.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(text[-3000:])
    return text, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def finish(snakemake: Callable[..., tuple[str, float, float]], work: Path) -> None:
    """Put an empty file in the place of every output, and have Snakemake record them as made."""
    listed = snakemake("--summary")[0].splitlines()
    for line in listed[[row.startswith("output_file\t") for row in listed].index(True) + 1 :]:
        path = work / line.split("\t")[0]
        if "\t" in line and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    # All by force: of what is newer than its inputs nothing would be recorded.
    snakemake("--touch", "--forceall", "--cores", "1", "--quiet", "all")


def plan(scans: int, plain: bool) -> None:
    """Plan runs over so many scans and print what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        make_folder(work / "data", scans)
        config = work / "config.yaml"
        config.write_text("datasets:\n  many:\n    kind: bids\n    path: data\n")
        (work / "Plain").write_text(PLAIN)
        ours = ("--snakefile", str(ROOT / "Snakefile"), "--configfile", str(config))
        workflows = {"": ours}
        if plain:
            workflows["plain "] = ("--snakefile", str(work / "Plain"))
        for name, own in workflows.items():

            def snakemake(*more: str, own: tuple[str, ...] = own) -> tuple[str, float, float]:
                command = [sys.executable, "-m", "snakemake", *own, "--directory", str(work)]
                return measured([*command, *more])

            text, *took = snakemake("-n", "--quiet", "rules")
            jobs = next(line for line in text.splitlines() if line.startswith("total")).split()[-1]
            show(scans, f"{name}first", jobs, *took)
            if not name:
                took = list(snakemake(*JOB, "--target-jobs", "preprocess:dataset=many,chunk=0"))[1:]
                show(scans, "job", "1", *took)
            finish(snakemake, work)
            text, *took = snakemake("-n", "--quiet", "rules")
            if "Nothing to be done" not in text:
                sys.exit(f"{name}again: there is something to be done:\n{text[-3000:]}")
            show(scans, f"{name}again", jobs, *took)


def show(scans: int, name: str, jobs: str, seconds: float, peak: float) -> None:
    """Print a row."""
    print(f"{scans}\t{name}\t{jobs}\t{seconds:.1f}\t{peak:.0f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("scans", nargs="*", type=int, default=[1000, 20000])
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    print("scans\tplanned\tjobs\tcpu_seconds\tpeak_mib")
    for size in given.scans:
        plan(size, given.plain)
