"""A forked child for each scan: ANTs is imported once, in the parent.

ANTs leaves temporary files behind and its memory grows over a loop; a child's end gives both
back. A fault of the machine (a child killed, no memory, a full disk) stops all and names the scan.
A scan that takes more CPU time than any scan needs, or at which native code crashes twice, is set
aside.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from brainage.core.contracts.imaging import UNEXPECTED
from brainage.core.derivatives import derivative
from brainage.core.files import DISK_FAULTS, MachineFault, disk_error, disk_fault
from brainage.imaging import one_scan
from brainage.imaging.one_scan import Job, Outcome, Recipe

DIED_WITH_PARENT = 1  # PR_SET_PDEATHSIG
# What native code dies of by its own input. SIGBUS may be a mount that went away, SIGILL another
# processor, SIGKILL a lack of memory.
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE)


class ScanJobError(MachineFault):
    """The machine failed one scan's job (killed, out of memory, disk full): run it again."""


def scratch_of(folder: Path, scan_id: str) -> Path:
    """Folder for a scan's work, beside its results: moving them into place is one rename."""
    place = derivative(folder, scan_id, "scratch")
    return place.with_name(f".{place.name}")


def run_all(jobs: Sequence[Job], recipe: Recipe, processes: int) -> None:
    """Run jobs, some at a time.

    Raises
    ------
    ScanJobError
        Where the machine failed one. Finished scans stay.
    """
    running: dict[int, Job] = {}
    waiting = list(reversed(jobs))
    crashed: set[str] = set()
    done = 0
    with _terminated_as_exit():
        try:
            while waiting or running:
                while waiting and len(running) < processes:
                    job = waiting.pop()
                    scratch = scratch_of(recipe.folder, job.scan_id)
                    scratch.mkdir(parents=True)
                    running[_fork(job, recipe, scratch)] = job
                pid, status, usage = os.wait3(0)
                if pid not in running:
                    continue
                job = running.pop(pid)
                scan_id = job.scan_id
                scratch = scratch_of(recipe.folder, scan_id)
                try:
                    outcome = _killed_by_scan(status, usage.ru_utime + usage.ru_stime, recipe)
                    if outcome is None:
                        _check_end(scan_id, status, scratch)
                    elif outcome.limit is None and scan_id not in crashed:
                        crashed.add(scan_id)
                        waiting.append(job)
                        _say(f"{scan_id} {outcome.fault}; it is tried once more")
                        continue
                    else:
                        one_scan.record(outcome, job, recipe, scratch)
                        _say(f"{scan_id} is set aside: {outcome.fault}")
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
                done += 1
                _say(f"{done}/{len(jobs)} {scan_id}")
        finally:
            for pid, job in running.items():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
                shutil.rmtree(scratch_of(recipe.folder, job.scan_id), ignore_errors=True)


def _say(words: str) -> None:
    print(f"imaging: {words}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _terminated_as_exit() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that children are ended and their folders removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fork(job: Job, recipe: Recipe, scratch: Path) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _die_with(parent)
        _limit(int(recipe.settings["max_cpu_seconds"]))
        # Everything that libraries write on the way goes into the scan's own folder.
        os.environ["TMPDIR"] = str(scratch)
        tempfile.tempdir = str(scratch)
        one_scan.process(job, recipe, scratch)
        code = 0
    except BaseException as error:
        said = str(error) if isinstance(error, MachineFault) else disk_fault(error)
        with contextlib.suppress(OSError, ValueError):
            if said is None:
                traceback.print_exc()
        # On a full disk the number of the fault is all that can be left.
        cause = disk_error(error)
        if cause is not None and cause.errno:
            code = cause.errno
        with contextlib.suppress(OSError):
            text = said or traceback.format_exc()
            (scratch / "error.txt").write_text(text, encoding="utf-8")
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    """Have the kernel end this child where its parent is killed (Linux; else do nothing)."""
    try:
        ctypes.CDLL(None).prctl(DIED_WITH_PARENT, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


def _limit(cpu_seconds: int) -> None:
    """Have the kernel end this child after so many CPU seconds, and leave no image of its memory.

    Where the system allows less, its limit stays; whoever exceeds that is the machine's fault.
    """
    for what, wanted in ((resource.RLIMIT_CPU, cpu_seconds), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        if hard == resource.RLIM_INFINITY or hard > wanted:
            resource.setrlimit(what, (wanted, hard))


def _killed_by_scan(status: int, cpu_seconds: float, recipe: Recipe) -> Outcome | None:
    """What is said of a scan at which its job was killed by itself; None for any other end."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    limit = recipe.settings["max_cpu_seconds"]
    if number == signal.SIGXCPU and cpu_seconds > limit - 1:
        words = f"it takes more than {limit} CPU seconds, the limit of imaging: max_cpu_seconds"
        return Outcome(fault=words, limit={"max_cpu_seconds": limit})
    if number in CRASHES:
        return Outcome(fault=f"{UNEXPECTED} native code crashed ({signal.Signals(number).name})")
    return None


def _check_end(scan_id: str, status: int, scratch: Path) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name
        hint = " (out of memory?)" if number == signal.SIGKILL else ""
        raise ScanJobError(f"{scan_id}: its job was killed by {name}{hint}; run it again")
    if os.WEXITSTATUS(status) != 0:
        with contextlib.suppress(OSError):
            lines = (scratch / "error.txt").read_text(encoding="utf-8").strip().splitlines()
            if lines:  # else there was no room for it
                raise ScanJobError(f"{scan_id}: its job failed: {lines[-1]}")
        number = os.WEXITSTATUS(status)
        known = number in DISK_FAULTS
        why = f"{os.strerror(number)}; {DISK_FAULTS[number]}" if known else "it could not say why"
        raise ScanJobError(f"{scan_id}: its job failed: {why}")
