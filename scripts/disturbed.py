"""Runs of a small study that can be disturbed, for scripts/chaos.py."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from compare_results import compare

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "results" / "chaos"
CONFIG = """
results: {results}
datasets: {{chaos: {{kind: bids, path: {bids}}}}}
imaging: {{voxel_size: 6.0, chunk_size: 10}}
splits: {{external_sites: [external-1], test_sites: [clinical-1], min_train: 10}}
learning: {{encoder: {{name: small}}, epochs: 12, device: cpu, checkpoint_every: 0}}
experiments: {{lexp: {{loss: exp}}}}
seeds: [1]
statistics: {{groups: [CN, MCI, AD]}}
report: {{main_experiment: lexp}}
"""
Outcome = tuple[bool, str]


class Run:
    """The study of one trial: its own folder, and its own copy of the images."""

    def __init__(self, name: str) -> None:
        self.folder = HERE / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.bids = self.folder / "bids"
        shutil.copytree(HERE / "heads", self.bids)
        self.results = self.folder / "results"
        self.config = self.folder / "config.yaml"
        # Paths relative to the folder: the settings that are kept in the results name them.
        self.config.write_text(CONFIG.format(results="results", bids="bids"))
        self.log = self.folder / "log"

    def command(self, *more: str) -> list[str]:
        """Return the command line that runs the study on two cores."""
        return [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(self.folder), "--configfile", str(self.config)),
            *("--cores", "2", "--rerun-incomplete", *more),
        ]

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the study as a group of processes of its own."""
        log = self.log.open("ab")
        return subprocess.Popen(
            self.command(*more), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def finish(self, *more: str) -> int:
        """Run to the end; returns the exit status."""
        subprocess.run(self.command("--unlock"), capture_output=True, check=False)
        return self.start(*more).wait()

    def said(self, *patterns: str) -> bool:
        """Whether the log says each of these."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return all(re.search(pattern, text, flags=re.IGNORECASE) for pattern in patterns)

    def same(self, but: str = "") -> Outcome:
        """Whether the results are those of the undisturbed run."""
        lines = compare(HERE / "whole" / "results", self.results)
        lines = [line for line in lines if not (but and but in line)]
        if lines:
            return False, f"{len(lines)} files are not the same, the first: {lines[0]}"
        return True, "same bytes"


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a run and everything that it started, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(process: subprocess.Popen[bytes], happened: Callable[[], object]) -> bool:
    """Wait until something is there; False where the run ended before."""
    while not happened():
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def mounted(folder: Path, kib: int) -> Iterator[None]:
    """A disk of a size, for a while."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def processes_of(session: int, step: str) -> list[int]:
    """The Python processes of a step in a session, the largest last."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and f"-m brainage {step}" in line:
                pages = int((folder / "statm").read_text().split()[1])
                found.append((pages, int(folder.name)))
    return [pid for _, pid in sorted(found)]
