"""A chunk of scans: ANTs is imported once, and each scan has a forked child of its own.

ANTs leaves temporary files behind and its memory grows over a loop; a child's end gives both
back. A fault of the scan is written down and the chunk goes on; a fault of the machine (a child
killed, no memory, a full disk) stops the chunk and names the scan: it is never a verdict.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from brainage.core.contracts.imaging import MEASURES
from brainage.core.derivatives import BRAIN, MASK, OF_WARP, PICTURE, QUALITY, TRANSFORM, derivative
from brainage.core.files import sha256, write_json
from brainage.core.tables import write_table
from brainage.imaging import nonlinear, preprocess, strip
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.template import Template, load_template, template_hash

IMAGES = (BRAIN, MASK, TRANSFORM, PICTURE)
NOT_OF_THE_IMAGE = ("chunk_size", "template", "template_mask")
DIED_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class ScanJobError(RuntimeError):
    """The machine failed one scan's job (killed, out of memory, disk full): run it again."""


def preprocess_scans(
    scans: Sequence[tuple[str, Path]],
    folder: Path,
    table: Path,
    settings: dict[str, Any],
    code_hash: str,
    processes: int = 1,
) -> None:
    """Process a chunk of scans and write its table.

    A scan whose quality file was made from the same raw file, settings, template and code, and
    whose images are there, is not processed again.

    Parameters
    ----------
    scans
        (scan_id, path of the raw image) of each scan.
    folder
        Folder of all imaging results.
    table
        Where the chunk's table goes (:data:`MEASURES`).
    settings
        The section ``imaging`` of the config.
    code_hash
        Hash of this room's code; results of other code are made anew.
    processes
        How many scans at a time.

    Raises
    ------
    ScanJobError
        Where the machine failed a scan. Finished scans stay, and the table isn't written.
    InputError
        Where the template or deepbet is missing.
    """
    folder = Path(folder)
    if settings["skull_stripping"] == "deepbet":
        strip.require_deepbet()
    recipe = _recipe(settings, code_hash)
    todo = []
    for scan_id, path in scans:
        shutil.rmtree(_scratch(folder, scan_id), ignore_errors=True)  # of a run killed before
        raw_hash = sha256(path) if Path(path).is_file() else None
        if not _is_done(folder, scan_id, raw_hash, recipe, _images(settings)):
            todo.append((scan_id, Path(path), raw_hash))
    if todo:
        print(
            f"imaging: {len(scans) - len(todo)} of {len(scans)} scans done before", file=sys.stderr
        )
        # Imported here, once, and not by every child; a chunk with nothing left does without.
        import_ants()
        for name in ("nibabel", "PIL.Image", "PIL.ImageDraw", "PIL.PngImagePlugin"):
            importlib.import_module(name)
        _run_all(todo, folder, settings, recipe, load_template(settings), max(1, processes))
    write_table(_rows([scan_id for scan_id, _ in scans], folder), table, MEASURES)


def _recipe(settings: dict[str, Any], code_hash: str) -> dict[str, str]:
    counted = {name: value for name, value in settings.items() if name not in NOT_OF_THE_IMAGE}
    counted["template"] = template_hash(settings)
    text = json.dumps(counted, sort_keys=True)
    return {"settings_hash": hashlib.sha256(text.encode()).hexdigest()[:16], "code_hash": code_hash}


def _scratch(folder: Path, scan_id: str) -> Path:
    """Beside the results, so that moving them into place is one rename."""
    place = derivative(folder, scan_id, "scratch")
    return place.with_name(f".{place.name}")


def _images(settings: dict[str, Any]) -> tuple[str, ...]:
    return (*IMAGES, *nonlinear.files(settings))


def _is_done(
    folder: Path,
    scan_id: str,
    raw_hash: str | None,
    recipe: dict[str, str],
    images: tuple[str, ...],
) -> bool:
    try:
        found = json.loads(derivative(folder, scan_id, QUALITY).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    if found.get("raw_sha256") != raw_hash or any(found.get(k) != v for k, v in recipe.items()):
        return False
    if found.get("fault") is not None:
        return True
    return all(derivative(folder, scan_id, ending).is_file() for ending in images)


def _run_all(
    todo: list[tuple[str, Path, str | None]],
    folder: Path,
    settings: dict[str, Any],
    recipe: dict[str, str],
    template: Template,
    processes: int,
) -> None:
    running: dict[int, str] = {}
    waiting = list(reversed(todo))
    done = 0
    with _terminated_as_exit():
        try:
            while waiting or running:
                while waiting and len(running) < processes:
                    scan_id, path, raw_hash = waiting.pop()
                    scratch = _scratch(folder, scan_id)
                    scratch.mkdir(parents=True)
                    running[
                        _fork(scan_id, path, raw_hash, folder, scratch, settings, recipe, template)
                    ] = scan_id
                pid, status = os.wait()
                if pid not in running:
                    continue
                scan_id = running.pop(pid)
                try:
                    _judge(scan_id, status, _scratch(folder, scan_id))
                finally:
                    shutil.rmtree(_scratch(folder, scan_id), ignore_errors=True)
                done += 1
                print(f"imaging: {done}/{len(todo)} {scan_id}", file=sys.stderr, flush=True)
        finally:
            for pid, scan_id in running.items():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
                shutil.rmtree(_scratch(folder, scan_id), ignore_errors=True)


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


def _fork(
    scan_id: str,
    path: Path,
    raw_hash: str | None,
    folder: Path,
    scratch: Path,
    settings: dict[str, Any],
    recipe: dict[str, str],
    template: Template,
) -> int:
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
        # Everything that libraries write on the way goes into the scan's own folder.
        os.environ["TMPDIR"] = str(scratch)
        tempfile.tempdir = str(scratch)
        _child(scan_id, path, raw_hash, folder, scratch, settings, recipe, template)
        code = 0
    except BaseException:
        with contextlib.suppress(OSError):
            (scratch / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        with contextlib.suppress(OSError, ValueError):
            traceback.print_exc()
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


def _child(
    scan_id: str,
    path: Path,
    raw_hash: str | None,
    folder: Path,
    scratch: Path,
    settings: dict[str, Any],
    recipe: dict[str, str],
    template: Template,
) -> None:
    quality = derivative(folder, scan_id, QUALITY)
    # While images are replaced there is no quality file that vouches for them.
    quality.unlink(missing_ok=True)
    outcome = preprocess.preprocess_scan(path, template, settings, scratch)
    made = _images(settings) if outcome.fault is None else ()
    for ending in (*IMAGES, *OF_WARP):
        final = derivative(folder, scan_id, ending)
        if ending in made:
            with (scratch / ending).open("rb") as written:
                os.fsync(written.fileno())
            (scratch / ending).replace(final)
        else:
            final.unlink(missing_ok=True)
    content = {
        "scan_id": scan_id,
        "fault": outcome.fault,
        "measures": outcome.measures,
        "raw_sha256": raw_hash,
        "voxels_sha256": outcome.voxel_hash,
        "skull_stripping": settings["skull_stripping"],
        "registration": settings["registration"],
        **recipe,
    }
    temporary = scratch / QUALITY
    write_json(temporary, content)
    temporary.replace(quality)


def _judge(scan_id: str, status: int, scratch: Path) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name
        hint = " (out of memory?)" if number == signal.SIGKILL else ""
        raise ScanJobError(f"{scan_id}: its job was ended by {name}{hint}; run it again")
    if os.WEXITSTATUS(status) != 0:
        with contextlib.suppress(OSError):
            lines = (scratch / "error.txt").read_text(encoding="utf-8").strip().splitlines()
            raise ScanJobError(f"{scan_id}: its job failed: {lines[-1]}")
        raise ScanJobError(f"{scan_id}: its job failed and could not say why (disk full?)")


def _rows(scan_ids: list[str], folder: Path) -> pd.DataFrame:
    rows = []
    for scan_id in scan_ids:
        found = json.loads(derivative(folder, scan_id, QUALITY).read_text(encoding="utf-8"))
        rows.append(
            {
                "scan_id": scan_id,
                "fault": found["fault"],
                "voxels_sha256": found["voxels_sha256"],
                **found["measures"],
            }
        )
    frame = pd.DataFrame(rows)
    measures = sorted(set(frame.columns) - {"scan_id", "fault", "voxels_sha256"})
    return frame[["scan_id", "fault", "voxels_sha256", *measures]]
