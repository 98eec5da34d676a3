"""Break runs on purpose and look how each ends: python scripts/chaos.py [--seed N] [--only TRIAL].

A small study on a simulated BIDS folder is run whole once. Then it is run again while something
is done to it: killed at random moments, the disk full, the folder of images taken away, a file
that cannot be read, a process killed as the kernel does when memory is short, a second run in the
same folder. Each trial has to end in one clear message and, once the cause is gone, in the same
bytes. What came out of a trial is kept in results/chaos, so that an interrupted call goes on with
the next trial, unless code or locks have changed since; the table of all is written into
docs/reliability.md.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from disturbed import CONFIG, HERE, ROOT, Outcome, Run, kill, mounted, processes_of, wait_for

from brainage.core.files import write_text

PAGE = ROOT / "docs" / "reliability.md"
HEADS = ("--healthy", "30", "--external", "4", "--clinical", "6", "--healthy-sites", "2")
HEADS += ("--external-sites", "1", "--clinical-sites", "1", "--visits", "2", "--voxel-size", "6")
KILLS = 20


def whole(draw: random.Random) -> Outcome:
    """The study undisturbed: what all others are compared with."""
    run = Run("whole")
    began = time.monotonic()
    status = run.finish()
    seconds = time.monotonic() - began
    write_text(run.folder / "seconds", str(seconds))
    return status == 0, f"finished in {seconds:.0f} s"


def kills(draw: random.Random) -> Outcome:
    """20 kills at random moments, at most five a run."""
    seconds = float((HERE / "whole" / "seconds").read_text())
    done, observed = 0, []
    while done < KILLS:
        run = Run(f"kills-{len(observed)}")
        for _ in range(min(5, KILLS - done)):
            process = run.start()
            with contextlib.suppress(subprocess.TimeoutExpired):
                # Spread so that five of them reach from the first job to the last.
                process.wait(draw.uniform(0.1, 0.4) * seconds)
            if process.poll() is not None:
                break  # it has ended before
            kill(process)
            done += 1
            subprocess.run(run.command("--unlock"), capture_output=True, check=False)
        status = run.finish()
        observed.append(run.same() if status == 0 else (False, f"ended with {status}"))
    bad = [text for fine, text in observed if not fine]
    return not bad, f"{done} kills, {len(observed)} runs: {bad[0] if bad else 'same bytes'}"


def full_disk(draw: random.Random) -> Outcome:
    """A disk that is full at three places, drawn by the seed; then room is made."""
    if os.geteuid() != 0:
        return True, "not tried: only root may mount a small disk"
    observed = []
    size = sum(p.stat().st_size for p in (HERE / "whole/results").rglob("*") if p.is_file())
    for number in range(3):
        run = Run(f"full-{number}")
        kib = int(size * draw.uniform(0.1, 0.9) / 1024)
        with mounted(run.results, kib):
            status = run.finish()
            if status == 0 or not run.said("no space left|disk is full|no room"):
                observed.append((False, f"{kib} KiB: ended with {status} without a word"))
                continue
            remount = f"remount,size={size * 4 // 1024}k"
            subprocess.run(["mount", "-o", remount, str(run.results)], check=True)
            status = run.finish()
            observed.append(run.same() if status == 0 else (False, f"then ended with {status}"))
    bad = [text for fine, text in observed if not fine]
    return not bad, f"said three times; then {bad[0] if bad else 'same bytes'}"


def vanishing(draw: random.Random) -> Outcome:
    """The folder of images is away for seconds in the middle of a chunk."""
    run = Run("vanishing")
    process = run.start()
    there = lambda: len(list(run.results.glob("imaging/chaos/*"))) > draw.randint(2, 6)  # noqa: E731
    if not wait_for(process, there):
        return False, "ended before the folder was taken away"
    away = run.bids.rename(run.folder / "away")
    time.sleep(draw.uniform(2, 5))
    away.rename(run.bids)
    status = process.wait()
    return run.same() if status == 0 else (False, f"ended with {status}")


def vanished(draw: random.Random) -> Outcome:
    """The folder of images goes away in the middle of a chunk and stays away; later it is back."""
    run = Run("vanished")
    process = run.start()
    if not wait_for(process, lambda: len(list(run.results.glob("imaging/chaos/*"))) > 3):
        return False, "ended before the folder was taken away"
    away = run.bids.rename(run.folder / "away")
    status = process.wait()
    if status == 0 or not run.said(r"bids/sub-.*cannot be read any more"):
        return False, f"ended with {status}, without naming the folder"
    away.rename(run.bids)
    status = run.finish()
    fine, text = run.same() if status == 0 else (False, f"ended with {status}")
    return fine, f"the folder is named, the run fails; then {text}"


def unreadable(draw: random.Random) -> Outcome:
    """One image is a link to nothing (a data set without its content)."""
    run = Run("unreadable")
    image = draw.choice(sorted(run.bids.rglob("*_T1w.nii.gz")))
    image.unlink()
    image.symlink_to("../../../.git/annex/objects/nothing")
    status = run.finish()
    if status != 0:
        return False, f"ended with {status}"
    person = image.name.partition("_T1w")[0]
    table = (run.results / "imaging" / "qc.tsv").read_text().splitlines()
    rows = [row for row in table if person in row]
    reason = rows and re.search(r"fail\t.*", rows[0])
    return bool(reason), "set aside with its reason, the others go on" if reason else "no reason"


def out_of_memory(draw: random.Random) -> Outcome:
    """The largest process of a job is killed, as the kernel does when memory is short."""
    run = Run("memory")
    process = run.start()
    killed = 0
    for step in ("preprocess", "pretrain"):
        found: list[int] = []

        def largest(step: str = step, found: list[int] = found) -> list[int]:
            found[:] = processes_of(process.pid, step)
            return found

        if wait_for(process, largest):
            time.sleep(draw.uniform(0.5, 2))
            for pid in processes_of(process.pid, step)[-1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
    status = process.wait()
    fine, text = run.same() if status == 0 else (False, f"ended with {status}")
    return fine and killed > 0, f"{killed} processes killed, each job tried again: {text}"


def two_runs(draw: random.Random) -> Outcome:
    """A second run into the same results, from the same folder and from another."""
    run = Run("two")
    process = run.start()
    if not wait_for(process, lambda: list(run.results.glob("imaging/chaos/*"))):
        return False, "ended too early"
    again = subprocess.run(run.command(), capture_output=True, text=True, check=False)
    elsewhere = run.folder / "elsewhere"
    elsewhere.mkdir()
    other = elsewhere / "config.yaml"
    other.write_text(CONFIG.format(results=run.results, bids=run.bids))
    run.folder, run.config = elsewhere, other
    second = subprocess.run(run.command(), capture_output=True, text=True, check=False)
    status = process.wait()
    if again.returncode == 0 or "lock" not in again.stdout + again.stderr:
        return False, f"a second run in the same folder ended with {again.returncode}"
    # By planning, once something is finished; before that by the first job of the second run.
    said = second.stdout + second.stderr
    words = ("is writing this already", "has no record of")
    if second.returncode == 0 or not any(word in said for word in words):
        last = said.strip().splitlines()[-1:]
        return False, f"a run from another folder ended with {second.returncode}: {last}"
    fine, text = run.same() if status == 0 else (False, f"the first ended with {status}")
    return fine, f"both refused with a word; the first: {text}"


TRIALS: dict[str, tuple[Callable[[random.Random], Outcome], str]] = {
    "whole": (whole, "finished"),
    "kills": (kills, "goes on where it was; same bytes"),
    "full_disk": (full_disk, "one message that the disk is full; then same bytes"),
    "vanishing": (vanishing, "waits and tries again; same bytes"),
    "vanished": (vanished, "fails and names the folder, keeps no verdict; then same bytes"),
    "unreadable": (unreadable, "that scan is set aside with its reason"),
    "out_of_memory": (out_of_memory, "tried again; same bytes"),
    "two_runs": (two_runs, "the second is refused; same bytes"),
}


def table(seed: int) -> str:
    """Return the table of all trials, in Markdown."""
    lines = ["| trial | expected | observed |", "|---|---|---|"]
    for name, (function, expected) in TRIALS.items():
        path = HERE / f"{name}-{seed}.json"
        observed = json.loads(path.read_text())["observed"] if path.is_file() else "not run"
        lines.append(f"| {(function.__doc__ or '').rstrip('.')} | {expected} | {observed} |")
    return "\n".join(lines)


def code_of(tree: Path) -> str:
    """Hash of all that results follow from: code, rules and locks."""
    digest = hashlib.sha256()
    for name in ("Snakefile", "src", "workflow", "requirements"):
        place = tree / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(tree)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def forget_others(code: str) -> None:
    """Remove what other code left: its runs are not to be compared with those of today."""
    note = HERE / "code"
    if HERE.is_dir() and not (note.is_file() and note.read_text() == code):
        shutil.rmtree(HERE)
    HERE.mkdir(parents=True, exist_ok=True)
    write_text(note, code)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", choices=TRIALS, action="append")
    arguments = parser.parse_args()
    seed = arguments.seed
    print(f"seed {seed}", flush=True)
    forget_others(code_of(ROOT))
    if not (HERE / "heads").is_dir():
        made = HERE / "making" / "heads"
        shutil.rmtree(made.parent, ignore_errors=True)
        made.parent.mkdir(parents=True)
        simulate = [
            sys.executable,
            "-m",
            "brainage",
            "simulate",
            str(made),
            *HEADS,
            "--no-troubles",
        ]
        subprocess.run([*simulate, "--processes", "2"], check=True)
        made.rename(HERE / "heads")
    failed = False
    for name in arguments.only or TRIALS:
        path = HERE / f"{name}-{seed}.json"
        if path.is_file() and not arguments.only:
            fine = json.loads(path.read_text())["fine"]
        else:
            fine, observed = TRIALS[name][0](random.Random(f"{seed} {name}"))
            write_text(path, json.dumps({"fine": fine, "observed": observed}))
            print(f"{name}: {'as expected' if fine else 'NOT AS EXPECTED'}: {observed}", flush=True)
        failed |= not fine
        if name == "whole" and failed:
            sys.exit("the undisturbed run failed: results/chaos/whole/log")
    if PAGE.is_file():
        begin, end = "<!-- trials -->\n", "<!-- end of trials -->"
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
        after = rest.partition(end)[2]
        write_text(PAGE, f"{before}{begin}{table(seed)}\n{end}{after}")
    print(table(seed))
    sys.exit(failed)


if __name__ == "__main__":
    main()
