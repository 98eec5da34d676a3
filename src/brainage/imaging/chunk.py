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
from pathlib import Path
from typing import Any

import pandas as pd

from brainage.core.contracts.imaging import MEASURES
from brainage.core.derivatives import QUALITY, derivative
from brainage.core.files import sha256
from brainage.core.tables import write_table
from brainage.core.tsv import read_rows
from brainage.imaging import children, registration, strip
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.measure import of_scans
from brainage.imaging.one_scan import Job, Recipe
from brainage.imaging.template import load_template, template_hash

NOT_OF_THE_IMAGE = ("chunk_size", "template", "template_mask")


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
    fingerprint = _fingerprint(settings, code.registration)
    known = of_scans(settings["registration"])
    measures = {name: code.measures[name] for name in known if name in code.measures}
    images = registration.files(settings)
    jobs = []
    for scan_id, path in scans:
        # Of a run killed before.
        shutil.rmtree(children.scratch_of(folder, scan_id), ignore_errors=True)
        raw_hash = sha256(path) if Path(path).is_file() else None
        found = _found(folder, scan_id, {"raw_sha256": raw_hash, **fingerprint}, images)
        # What was not registered has no measures.
        if found is None or found.get("measures_code") not in (measures, None):
            kept = None if found is None or found["fault"] is not None else found
            jobs.append(Job(scan_id, Path(path), raw_hash, kept))
    if jobs:
        # Imported here, once, and not by every child; a chunk with nothing left does without.
        import_ants()
        for name in ("nibabel", "PIL.Image", "PIL.ImageDraw", "PIL.PngImagePlugin"):
            importlib.import_module(name)
        recipe = Recipe(folder, settings, load_template(settings), fingerprint, measures)
        children.run_all(jobs, recipe, max(1, processes))
    _log_work(jobs, len(scans))
    write_table(_rows([scan_id for scan_id, _ in scans], folder), table, MEASURES)


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
    if found["fault"] is None and not all(
        derivative(folder, scan_id, ending).is_file() for ending in images
    ):
        return None
    return found


def _log_work(jobs: Sequence[Job], scans: int) -> None:
    """Say how many scans were registered (and measured), only measured, and done before."""
    registered = sum(job.kept is None for job in jobs)
    print(
        f"imaging: registered {registered}, measured {len(jobs) - registered}, "
        f"found {scans - len(jobs)} of {scans} scans",
        file=sys.stderr,
        flush=True,
    )


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
