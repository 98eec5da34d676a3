"""The scans of one data set, whatever its layout, as the table of scans takes them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any

from brainage.core.choices import module
from brainage.core.derivatives import SCAN_ID_PATTERN
from brainage.core.files import InputError
from brainage.core.subjects import site_key

_DENIED = "a file that may not be read (permission denied)"
_LABEL = re.compile(r"[A-Za-z0-9+-]+")


def read_dataset(
    dataset: str, settings: dict[str, Any], run: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Read a data set by the reader of its kind.

    Parameters
    ----------
    dataset
        Its name in the config.
    settings
        Its entry in the config, `path` being its folder.
    run
        ``first`` or ``last``: which run of a session counts.

    Returns
    -------
    rows : list of dict
        As :data:`~brainage.core.contracts.cohort.DATASET_SCANS`, sorted by scan_id.
    remarks : list of str
        What is not an error but should be said.

    Raises
    ------
    InputError
        A fault of a table or of a name; the message names the file, the row and what to do.
    """
    reader = module("brainage.datasets.readers", settings["kind"])
    folder = Path(settings["path"])
    rows, remarks = reader.read(folder, dataset, settings)
    for row in rows:
        row["dataset"] = dataset
        row["scan_id"] = scan_id(dataset, row["participant_id"], row["session_id"], row["run"])
        row["site"] = site_key(dataset, row["site"] or settings.get("site"))
    _keep_one_run(rows, run)
    found: dict[str, str] = {}
    for row in rows:
        other = found.setdefault(row["scan_id"], row["t1w"])
        if other != row["t1w"]:
            raise InputError(
                f"{folder}: {other} and {row['t1w']} are two images of the same scan "
                f"({row['scan_id']}); keep one, or distinguish them by run-"
            )
    return sorted(rows, key=lambda row: row["scan_id"]), remarks


def listing(rows: list[dict[str, Any]]) -> str:
    """Return a hash of the names and paths of scans."""
    text = "".join(f"{row['scan_id']}\t{row['t1w']}\n" for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def unreadable(dataset: str, folder: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Find the scans whose images cannot be opened, though they are listed.

    Parameters
    ----------
    dataset
        Its name in the config.
    folder
        The data set's folder.
    rows
        As :func:`read_dataset`.

    Returns
    -------
    dict
        What the image is instead, by scan_id.

    Raises
    ------
    InputError
        Where none can be opened.
    OSError
        A fault of the machine: an image is not there any more, or the disk does not answer.
    """
    found = {row["scan_id"]: _closed(folder / row["t1w"]) for row in rows}
    closed = {name: why for name, why in found.items() if why is not None}
    if closed and len(closed) == len(rows):
        name, why = next(iter(closed.items()))
        raise InputError(
            f"data set {dataset!r}: none of its {len(rows)} images can be opened; that of {name} "
            f"is {why}"
        )
    return closed


def _closed(path: Path) -> str | None:
    """Return what stands in the place of an image that cannot be opened, else None."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a link that leads back to itself"
        if error.errno == errno.EACCES:
            return _DENIED
        if error.errno not in (errno.ENOENT, errno.ENOTDIR) or not path.is_symlink():
            raise
        return "a link to content that is not there (with DataLad: datalad get)"
    if not stat.S_ISREG(mode):
        return "no file"  # a folder, or a device that would never end
    return None if os.access(path, os.R_OK) else _DENIED


def scan_id(dataset: str, participant_id: str, session_id: str | None, run: str | None) -> str:
    """Return ``dataset_sub-X[_ses-Y][_run-Z]``.

    Raises
    ------
    InputError
        A label with anything but letters, digits, ``+`` and ``-``: it would not be safe as a
        file name.
    """
    parts = [part for part in (dataset, participant_id, session_id, run) if part]
    name = "_".join(parts)
    if SCAN_ID_PATTERN.fullmatch(name) is None:
        bad = next((p for p in parts if not _LABEL.fullmatch(p)), name)
        raise InputError(
            f"data set {dataset!r}: {bad!r} is not a BIDS label; only letters, digits, '+' and '-' "
            "are safe in file names: rename it in the folder and in the tables"
        )
    return name


def _keep_one_run(rows: list[dict[str, Any]], which: str) -> None:
    """Keep one run of each session, the first or the last; the others are set aside."""
    # By number: run-2 is before run-10, and an image without a run before both.
    by_run = sorted(rows, key=lambda row: int((row["run"] or "run--1").removeprefix("run-")))
    kept: set[tuple[str, str | None]] = set()
    for row in by_run if which == "first" else reversed(by_run):
        session = (row["participant_id"], row["session_id"])
        if row["set_aside"] is not None:
            continue  # the session's next run takes its place
        if session in kept:
            row["set_aside"] = f"another run of the session is used (the {which})"
        kept.add(session)
