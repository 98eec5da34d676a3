"""A chunk of scans: what is done already is found, the rest is done, and a table is written.

A fault of the scan is written down and the chunk goes on; a fault of the machine is never a
verdict.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from brainage.core.contracts.imaging import MEASURES, UNEXPECTED
from brainage.core.derivatives import QUALITY, derivative
from brainage.core.files import patiently
from brainage.core.tables import write_table
from brainage.core.tsv import read_rows
from brainage.imaging import children, registration, strip
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.measure import of_scans
from brainage.imaging.one_scan import Job, Recipe
from brainage.imaging.raw_file import Limits, raw_hash
from brainage.imaging.template import load_template, template_hash

# What crosses a limit has no image; all others have the same whatever the limit is.
LIMITS = ("max_voxels", "max_unpacked_gib", "max_cpu_seconds")
NOT_OF_THE_IMAGE = ("chunk_size", "exclude", "template", "template_mask", *LIMITS)


@dataclass(frozen=True)
class Code:
    """Hashes of code: results of other code are made anew.

    Attributes
    ----------
    registration
        Of :mod:`brainage.imaging.registration` and all that it imports.
    measures
        By name, of the module of each measure that is wanted and all that it imports.
    """

    registration: str
    measures: Mapping[str, str]


def read_scans(images: Path) -> list[tuple[str, str]]:
    """Read which scans simulate-images made: scan_id, and path below the data set's folder."""
    header, rows = read_rows(images)
    named = (dict(zip(header, row, strict=True)) for _, row in rows)
    return [(row["scan_id"], row["t1w"]) for row in named]


def preprocess_scans(
    scans: Sequence[tuple[str, Path]],
    folder: Path,
    table: Path,
    settings: dict[str, Any],
    code: Code,
    processes: int = 1,
    exclude: Mapping[str, str] | None = None,
) -> None:
    """Process a chunk of scans and write its table.

    A scan that was registered from the same raw file, with the same settings, template and code,
    and whose images are there, is not registered again; of its measures those are taken that are
    new or whose code is another.

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
    code
        Hashes of the code.
    processes
        How many scans at a time.
    exclude
        Scans that are not read, with what the table says of them. What was made of them before
        stays.

    Raises
    ------
    MachineFault
        Where the machine failed a scan, or a raw file is not there any more, also after some
        waiting. Finished scans stay, and the table isn't written.
    InputError
        Where the template or deepbet is missing.
    """
    folder = Path(folder)
    if settings["skull_stripping"] == "deepbet":
        strip.require_deepbet()
    fingerprint = _fingerprint(settings, code.registration)
    known = of_scans(settings["registration"])
    measures = {name: code.measures[name] for name in known if name in code.measures}
    images = registration.files(settings)
    exclude = exclude or {}
    wanted = [(scan_id, Path(path)) for scan_id, path in scans if scan_id not in exclude]
    jobs = []
    for scan_id, path in wanted:
        # Of a run killed before.
        shutil.rmtree(children.scratch_of(folder, scan_id), ignore_errors=True)
        hashed = patiently(partial(raw_hash, path, Limits.of(settings)), path)
        found = _found(folder, scan_id, {"raw_sha256": hashed, **fingerprint}, images)
        if found is not None and not _same_limit(found, settings):
            found = None
        # What could not be registered has no measures.
        if found is None or found["measures_code"] not in (measures, None):
            jobs.append(Job(scan_id, path, hashed, found))
    if jobs:
        # Imported here, once, and not by every child; a chunk with nothing left does without.
        import_ants()
        for name in ("nibabel", "PIL.Image", "PIL.ImageDraw", "PIL.PngImagePlugin"):
            importlib.import_module(name)
        recipe = Recipe(folder, settings, load_template(settings), fingerprint, measures)
        children.run_all(jobs, recipe, max(1, processes))
    _log_work(jobs, len(wanted), len(scans))
    rows = [
        {"scan_id": scan_id, "fault": exclude[scan_id], "voxels_sha256": None}
        if scan_id in exclude
        else _row(scan_id, folder)
        for scan_id, _ in scans
    ]
    _log_unexpected(rows)
    frame = pd.DataFrame(rows)
    measures_found = sorted(set(frame.columns) - set(MEASURES.names))
    write_table(frame[[*MEASURES.names, *measures_found]], table, MEASURES)


def _fingerprint(settings: dict[str, Any], code: str) -> dict[str, str]:
    counted = {name: value for name, value in settings.items() if name not in NOT_OF_THE_IMAGE}
    counted["template"] = template_hash(settings)
    text = json.dumps(counted, sort_keys=True)
    return {"settings_hash": hashlib.sha256(text.encode()).hexdigest()[:16], "code_hash": code}


def _found(
    folder: Path, scan_id: str, wanted: Mapping[str, str | None], images: Sequence[str]
) -> dict[str, Any] | None:
    """Return the quality file of a scan that was registered like this, and left its images."""
    try:
        text = derivative(folder, scan_id, QUALITY).read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
    except (FileNotFoundError, ValueError):
        return None
    if any(found.get(name) != value for name, value in wanted.items()):
        return None
    registered = found["measures_code"] is not None
    paths = [derivative(folder, scan_id, ending) for ending in images] if registered else []
    return found if all(path.is_file() for path in paths) else None


def _same_limit(found: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether the limit that set a scan aside, if one did, is as it was."""
    crossed = found["limit"] or {}
    return all(settings[key] == value for key, value in crossed.items())


def _log_work(jobs: Sequence[Job], wanted: int, scans: int) -> None:
    """Say how many scans were registered (and measured), only measured, and done before."""
    registered = sum(job.kept is None for job in jobs)
    excluded = f", {scans - wanted} not read" if scans > wanted else ""
    print(
        f"imaging: registered {registered}, measured {len(jobs) - registered}, "
        f"found {wanted - len(jobs)} of {scans} scans{excluded}",
        file=sys.stderr,
        flush=True,
    )


def _log_unexpected(rows: Sequence[Mapping[str, Any]]) -> None:
    names = [row["scan_id"] for row in rows if str(row["fault"]).startswith(UNEXPECTED)]
    if names:
        print(
            f"imaging: WARNING: unexpected exceptions: {len(names)} of {len(rows)} scans are set "
            f"aside: {', '.join(names)}; please report it",
            file=sys.stderr,
            flush=True,
        )


def _row(scan_id: str, folder: Path) -> dict[str, Any]:
    found = json.loads(derivative(folder, scan_id, QUALITY).read_text(encoding="utf-8"))
    known = {name: found[name] for name in ("scan_id", "fault", "voxels_sha256")}
    return known | found["measures"]
