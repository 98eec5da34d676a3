"""What is done to one scan, in a process of its own: registration where needed, and measures."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from brainage.core.derivatives import DERIVATIVES, OF_WARP, QUALITY, derivative
from brainage.core.files import (
    InputError,
    MachineFault,
    patiently,
    require_room,
    write_json,
)
from brainage.imaging import measure, registration
from brainage.imaging.faults import ScanFault, is_machine_fault, unexpected
from brainage.imaging.raw_file import Limits, raw_hash
from brainage.imaging.reading import Head, read
from brainage.imaging.registered import RegisteredScan, read_registered
from brainage.imaging.template import Template

ROOM = 2**26  # bytes: more than a library leaves unwritten on a full disk
LIBRARIES = ("antspyx", "nibabel", "numpy", "pillow", "scipy")


@dataclass(frozen=True)
class Recipe:
    """What all scans of a run share.

    Attributes
    ----------
    folder
        Folder of all imaging results.
    settings
        The section ``imaging`` of the config.
    template
        The template.
    fingerprint
        Of registration: hashes of its settings and of its code.
    measures
        Hash of the code of each measure that is taken.
    """

    folder: Path
    settings: dict[str, Any]
    template: Template
    fingerprint: Mapping[str, str]
    measures: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """One scan that has something to be done.

    Attributes
    ----------
    scan_id, path
        Its name and raw image.
    raw_sha256
        Hash of the file.
    kept
        Its quality file, where registration is done and measures alone are missing.
    """

    scan_id: str
    path: Path
    raw_sha256: str
    kept: Mapping[str, Any] | None = None


@dataclass
class Outcome:
    """What came out of one scan: measures, or the fault that set it aside.

    Attributes
    ----------
    voxels_sha256
        Hash of the voxels, where they could be read.
    registered
        Whether it came as far as being registered; then its files count, whatever is wrong with
        its measures.
    measures
        By name.
    fault
        In words.
    limit
        The config's key whose limit the scan crossed, if it did, and its value: with another the
        scan is tried again.
    """

    voxels_sha256: str | None = None
    registered: bool = False
    measures: dict[str, float | None] = field(default_factory=dict)
    fault: str | None = None
    limit: dict[str, float] | None = None


def process(job: Job, recipe: Recipe, scratch: Path) -> None:
    """Do what is to be done to a scan, and put its files in their places.

    Parameters
    ----------
    job, recipe
        What is to be done.
    scratch
        Empty folder on the same disk as the results.
    """
    if job.kept is not None and not _is_whole(job, recipe):
        print(f"imaging: {job.scan_id}: damaged files, registered again", file=sys.stderr)
        job = replace(job, kept=None)
    if job.kept is None:
        # While images are replaced there is no quality file that vouches for them.
        derivative(recipe.folder, job.scan_id, QUALITY).unlink(missing_ok=True)
    record(attempt(job, recipe, scratch), job, recipe, scratch)


def record(outcome: Outcome, job: Job, recipe: Recipe, scratch: Path) -> None:
    """Put what came out of a scan in its place: its files, and then its quality file."""
    if job.kept is None or not outcome.registered:
        _put_in_place(job.scan_id, recipe, scratch, outcome.registered)
    versions = {name: version(name).partition("+")[0] for name in LIBRARIES}
    content = {
        "scan_id": job.scan_id,
        "fault": outcome.fault,
        "limit": outcome.limit,
        "measures": dict(sorted(outcome.measures.items())),
        "measures_code": dict(sorted(recipe.measures.items())) if outcome.registered else None,
        "measures_versions": versions if outcome.registered else None,
        "raw_sha256": job.raw_sha256,
        "voxels_sha256": outcome.voxels_sha256,
        "skull_stripping": recipe.settings["skull_stripping"],
        "registration": recipe.settings["registration"],
        "versions": versions if job.kept is None else job.kept["versions"],
        **recipe.fingerprint,
    }
    write_json(scratch / QUALITY, content)
    (scratch / QUALITY).replace(derivative(recipe.folder, job.scan_id, QUALITY))


def attempt(job: Job, recipe: Recipe, scratch: Path) -> Outcome:
    """Register a scan as far as needed and measure it; a fault of the scan is an outcome.

    So is whatever nobody foresaw: one scan is set aside by it and all others go on. Only a fault
    of the machine is raised.
    """
    outcome = Outcome()
    try:
        head = _read(job, recipe)
        outcome.voxels_sha256 = head.voxel_hash
        scan = _registered(head, job, recipe, scratch)
        outcome.registered = True
        outcome.measures = _measured(scan, job, recipe)
    except ScanFault as fault:
        outcome.fault = str(fault)
        if fault.limit is not None:
            outcome.limit = {fault.limit: recipe.settings[fault.limit]}
    except Exception as error:
        if is_machine_fault(error):
            raise
        require_room(scratch, ROOM)  # ITK and others have no words for a full disk
        traceback.print_exc()
        names = [job.scan_id, job.path.name.partition(".")[0], *job.scan_id.split("_")]
        outcome.fault = unexpected(error, names)
        print(f"imaging: {job.scan_id} is set aside: {outcome.fault}", file=sys.stderr, flush=True)
    return outcome


def _read(job: Job, recipe: Recipe) -> Head:
    """Read the raw image; a fault is one of the scan only where the file stayed as it was."""
    limits = Limits.of(recipe.settings)
    try:
        return patiently(lambda: read(job.path, limits), job.path)
    except ScanFault:
        if patiently(lambda: raw_hash(job.path, limits), job.path) != job.raw_sha256:
            raise MachineFault(
                f"{job.path}: changed while it was read; run the same command again"
            ) from None
        raise


def _registered(head: Head, job: Job, recipe: Recipe, scratch: Path) -> RegisteredScan:
    if job.kept is None:
        return registration.register_scan(head, recipe.template, recipe.settings, scratch)

    def place(ending: str) -> Path:
        return derivative(recipe.folder, job.scan_id, ending)

    return read_registered(head, recipe.template, place, recipe.settings)


def _is_whole(job: Job, recipe: Recipe) -> bool:
    """Whether what an earlier registration left can be read."""
    try:
        _registered(_read(job, recipe), job, recipe, recipe.folder)
    except ScanFault:
        return True  # of the raw head, which is told as one
    except Exception as error:
        if is_machine_fault(error) and not isinstance(error, InputError):
            raise
        return False
    return True


def _measured(scan: RegisteredScan, job: Job, recipe: Recipe) -> dict[str, float | None]:
    """Measures that are wanted: as they were where their code is the same, else taken now."""
    kept = job.kept or {"measures": {}}
    found = {}
    for name, how in measure.of_scans(recipe.settings["registration"]).items():
        if name in recipe.measures:
            # After a measure that broke off none is kept, though the registration is.
            same = name in kept["measures"] and kept["measures_code"][name] == recipe.measures[name]
            found[name] = kept["measures"][name] if same else how.taken(scan)
    return found


def _put_in_place(scan_id: str, recipe: Recipe, scratch: Path, registered: bool) -> None:
    made = registration.files(recipe.settings) if registered else ()
    for ending in (*DERIVATIVES, *OF_WARP):
        final = derivative(recipe.folder, scan_id, ending)
        if ending in made:
            with (scratch / ending).open("rb") as written:
                os.fsync(written.fileno())
            (scratch / ending).replace(final)
        elif ending != QUALITY:
            final.unlink(missing_ok=True)
