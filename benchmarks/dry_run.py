"""Time and memory of planning: `snakemake -n` over a BIDS folder of many scans.

    python benchmarks/dry_run.py [SCANS ...]

Two sessions a person, images that are empty files: planning never opens one. Prints one line a
size: jobs, wall seconds and peak resident memory of the whole process.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def make_folder(folder: Path, scans: int) -> None:
    """Write a BIDS folder with so many empty images."""
    folder.mkdir()
    description = {"Name": "many", "BIDSVersion": "1.10.0"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    rows = ["participant_id\tage\tsex\tsite"]
    for person in range(scans // 2):
        name = f"sub-{person:05d}"
        rows.append(f"{name}\t{20 + person % 60}\t{'FM'[person % 2]}\tsite-{person % 20}")
        for session in ("ses-1", "ses-2"):
            anat = folder / name / session / "anat"
            anat.mkdir(parents=True)
            (anat / f"{name}_{session}_T1w.nii.gz").touch()
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")


def plan(scans: int) -> None:
    """Plan a run over so many scans and print what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        make_folder(work / "data", scans)
        config = work / "config.yaml"
        config.write_text("datasets:\n  many:\n    kind: bids\n    path: data\n")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(work), "--configfile", str(config), "-n", "--quiet", "rules"]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        jobs = next(line for line in done.stdout.splitlines() if line.startswith("total"))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{scans}\t{jobs.split()[-1]}\t{seconds:.1f}\t{peak:.0f}", flush=True)


if __name__ == "__main__":
    print("scans\tjobs\tseconds\tpeak_mib")
    for size in [int(text) for text in sys.argv[1:]] or [1000, 5000]:
        plan(size)
