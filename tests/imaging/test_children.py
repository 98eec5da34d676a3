"""What goes wrong with a scan or with the machine: a verdict, or a job that fails and says why."""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brainage.core.contracts.imaging import MEASURES
from brainage.core.derivatives import BRAIN, QUALITY, derivative
from brainage.core.files import MachineFault
from brainage.core.tables import read_table
from brainage.imaging import children, chunk, one_scan, registration
from brainage.imaging.reading import Head
from tests.imaging.conftest import CODE, Scans, content, run

pytestmark = [pytest.mark.usefixtures("loaded_once"), pytest.mark.slow]


def test_a_killed_child_is_the_machines_fault_and_leaves_the_others(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = one_scan.attempt

    def killed(job: one_scan.Job, recipe: one_scan.Recipe, scratch: Path) -> Any:
        if job.path.name == "b.nii.gz":
            (scratch / "half-written").write_text("...")
            os.kill(os.getpid(), signal.SIGKILL)
        return real(job, recipe, scratch)

    monkeypatch.setattr(one_scan, "attempt", killed)
    with pytest.raises(children.ScanJobError, match="demo_sub-B_ses-1.*SIGKILL"):
        run(tmp_path, scans, settings)
    assert derivative(tmp_path, scans[0][0], QUALITY).is_file()
    assert not derivative(tmp_path, scans[1][0], QUALITY).exists()
    assert not (tmp_path / "chunks/0.tsv").exists()
    assert not list(tmp_path.rglob(".*"))
    monkeypatch.undo()
    run(tmp_path, scans, settings)
    assert content(tmp_path) == content(done)


def endless(_scratch: Path) -> None:
    while True:
        pass


def crash(_scratch: Path) -> None:
    faulthandler.disable()  # pytest's, which would print where
    os.kill(os.getpid(), signal.SIGSEGV)


def crash_once(scratch: Path) -> None:
    mark = scratch.parents[3] / "crashed"
    if not mark.exists():
        mark.touch()
        faulthandler.disable()
        os.kill(os.getpid(), signal.SIGABRT)


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        (endless, "it takes more than 2 CPU seconds, the limit of imaging: max_cpu_seconds"),
        (crash, "unexpected: native code crashed (SIGSEGV)"),
        (crash_once, None),
    ],
)
def test_what_a_scan_does_to_its_job_reaches_no_other(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: Any,
    fault: str | None,
) -> None:
    real = one_scan.attempt

    def spoilt(job: one_scan.Job, recipe: one_scan.Recipe, scratch: Path) -> Any:
        if job.path.name == "a.nii.gz":
            (scratch / "half-written").write_text("...")
            what(scratch)
        return real(job, recipe, scratch)

    monkeypatch.setattr(one_scan, "attempt", spoilt)
    # An earlier result of it must not stay beside the verdict.
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "chunks")
    derivative(tmp_path, scans[0][0], QUALITY).unlink()
    derivative(tmp_path, scans[1][0], QUALITY).unlink()
    limited = settings | {"max_cpu_seconds": 2 if what is endless else 900}
    run(tmp_path, scans, limited)
    table = read_table(tmp_path / "chunks/0.tsv", MEASURES).set_index("scan_id")
    assert table["fault"].fillna("none").iloc[0] == (fault or "none")
    for mark in tmp_path.rglob("crashed"):
        mark.unlink()
    assert derivative(tmp_path, scans[0][0], BRAIN).exists() == (fault is None)
    others = [derivative(Path(), scan_id, QUALITY) for scan_id, _ in scans[1:]]
    assert all((tmp_path / path).read_bytes() == (done / path).read_bytes() for path in others)
    monkeypatch.undo()
    # Another limit tries again; a crash is believed until the code is another.
    run(tmp_path, scans, settings)
    assert (content(tmp_path) == content(done)) == (what is not crash)


@pytest.mark.parametrize("error", [MemoryError("no memory"), OSError(28, "No space left")])
def test_no_memory_and_no_space_are_never_a_verdict(
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(registration, "register_head", fails)
    with pytest.raises(children.ScanJobError, match=r"demo_sub-A_ses-1.*No|no memory"):
        run(tmp_path, scans[:1], settings)
    assert content(tmp_path) == {}


@pytest.fixture
def away(scans: Scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scans]:
    """A folder of the scans that goes away when a function is called, and comes back or not."""
    folder, gone = tmp_path / "drive", tmp_path / "gone"
    shutil.copytree(scans[0][1].parent, folder)

    def going(module: Any, name: str, path: Path, back: bool) -> Scans:
        real = getattr(module, name)
        went = []

        def function(wanted: Path, *more: Any) -> Any:
            if wanted.name == path.name and not went:
                went.append(folder.rename(gone))
            return real(wanted, *more)

        def sleep(_seconds: float) -> None:
            if back:
                gone.rename(folder)

        monkeypatch.setattr(module, name, function)
        monkeypatch.setattr(time, "sleep", sleep)
        return [(scan_id, folder / path.name) for scan_id, path in scans]

    return going


WHERE = pytest.mark.parametrize(
    # From which scan on, as one that is cut short need not be registered.
    ("module", "name", "first"),
    [(chunk, "raw_hash", 2), (one_scan, "read", 1)],
    ids=["hashed", "read"],
)


@WHERE
def test_a_folder_that_is_away_for_seconds_is_waited_for(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    away: Callable[..., Scans],
    module: Any,
    name: str,
    first: int,
) -> None:
    """Before, every scan of that time had the verdict that there is no such file, and kept it."""
    moved = away(module, name, scans[first][1], True)
    run(tmp_path / "results", moved[first:], settings)
    made, whole = content(tmp_path / "results"), content(done)
    assert len([path for path in made if path.endswith(QUALITY)]) == 3 - first
    assert {path: whole[path] for path in made if "chunks" not in path}.items() <= made.items()


@WHERE
def test_a_folder_that_stays_away_is_named_and_never_a_verdict(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    away: Callable[..., Scans],
    module: Any,
    name: str,
    first: int,
) -> None:
    moved = away(module, name, scans[first][1], False)
    file = f"drive/{scans[first][1].name}"
    with pytest.raises(MachineFault, match=f"{file}: cannot be read any more"):
        run(tmp_path / "results", moved[first:], settings)
    assert content(tmp_path / "results") == {}
    monkeypatch.undo()
    (tmp_path / "gone").rename(tmp_path / "drive")
    run(tmp_path / "results", moved[2:], settings)
    quality = derivative(Path(), scans[2][0], QUALITY)
    assert (tmp_path / "results" / quality).read_bytes() == (done / quality).read_bytes()


def test_a_file_that_changes_while_it_is_read_is_no_damaged_scan(
    scans: Scans, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(scans[0][1].read_bytes())
    real = one_scan.read

    def cut(wanted: Path, *more: Any) -> Head:
        wanted.write_bytes(wanted.read_bytes()[:1000])
        return real(wanted, *more)

    monkeypatch.setattr(one_scan, "read", cut)
    with pytest.raises(MachineFault, match=r"a\.nii\.gz: changed while it was read"):
        run(tmp_path / "results", [(scans[0][0], path)], settings)
    assert content(tmp_path / "results") == {}


def test_a_full_disk_behind_other_words_is_never_a_verdict(
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_disk: Path,
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("ITK: could not write the transform")

    monkeypatch.setattr(registration, "register_head", fails)
    with pytest.raises(children.ScanJobError, match="sub-A_ses-1.*No space left.*free some disk"):
        run(small_disk, scans[:1], settings)
    assert content(small_disk) == {}


def test_a_disk_without_room_for_the_message_is_told_by_its_number(
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file of the message can still be made, and stays empty."""

    def fails(_job: Any, _recipe: Any, scratch: Path) -> None:
        (scratch / "error.txt").touch()
        monkeypatch.setattr(Path, "write_text", full)
        try:
            full()
        except OSError:
            raise RuntimeError("the transform could not be written")  # noqa: B904 - as ITK does

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(one_scan, "process", fails)
    with pytest.raises(children.ScanJobError, match="No space left.*free some disk"):
        run(tmp_path, scans[:1], settings)


def test_what_nobody_foresaw_sets_one_scan_aside(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    real = registration.register_head

    def fails(head: Head, *rest: Any) -> Any:
        if head.voxel_hash == spoilt:
            raise IndexError("index 3 of sub-A is out of bounds in /some/where")
        return real(head, *rest)

    spoilt = json.loads(derivative(done, scans[0][0], QUALITY).read_text())["voxels_sha256"]
    monkeypatch.setattr(registration, "register_head", fails)
    run(tmp_path, scans, settings)
    table = read_table(tmp_path / "chunks/0.tsv", MEASURES).set_index("scan_id")
    words = "unexpected: IndexError: index 3 of … is out of bounds in …"
    assert table["fault"].iloc[0] == words
    assert table["voxels_sha256"].iloc[0] == spoilt
    assert not derivative(tmp_path, scans[0][0], BRAIN).exists()
    # The others as ever; the traceback in the log, and a line that cannot be overlooked.
    path = derivative(Path(), scans[1][0], BRAIN)
    assert (tmp_path / path).read_bytes() == (done / path).read_bytes()
    log = capfd.readouterr().err
    assert "in register_scan" in log and "WARNING" in log and "1 of 3 scans are set aside" in log
    # Other code tries again.
    monkeypatch.undo()
    run(tmp_path, scans[:1], settings, code=chunk.Code("mended", CODE.measures))
    assert read_table(tmp_path / "chunks/0.tsv", MEASURES)["fault"].isna().all()
