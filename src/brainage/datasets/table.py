"""The table of one data set's scans, on disk."""

from __future__ import annotations

import errno
import json
from typing import Any

import pandas as pd

from brainage.core.contracts.cohort import DATASET_SCANS
from brainage.core.files import InputError, patiently, write_json
from brainage.core.layout import Layout
from brainage.core.tables import write_table
from brainage.core.tsv import read_rows
from brainage.datasets.scans import listing, read_dataset


def write_dataset(files: Layout, dataset: str, settings: dict[str, Any]) -> None:
    """Read a data set and write its scans and the remarks on it.

    Parameters
    ----------
    files
        The results: ``dataset_scans`` and ``dataset_remarks`` are written.
    dataset
        Its name in the config.
    settings
        ``dataset``: its entry in the config. ``run``: which run of a session counts. ``chunks``:
        of a simulated data set, whose folder lies in the results, the numbers of its chunks.
        ``listing``: hash of the scans that planning found, if it did.

    Raises
    ------
    InputError
        As :func:`~brainage.datasets.scans.read_dataset`.
    MachineFault
        The folder is not there any more, or has other images than when the run was planned.
    """
    own = dict(settings["dataset"])
    if own["kind"] == "simulated":
        own |= {"kind": "bids", "path": str(files.folder("simulated", dataset=dataset))}
        # Heads of an earlier, larger plan may lie there too; nothing has been done with them.
        own["images"] = {
            row[header.index("t1w")]
            for chunk in settings["chunks"]
            for header, rows in [
                read_rows(files.file("simulated_images", dataset=dataset, chunk=chunk))
            ]
            for _, row in rows
        }
    planned = settings.get("listing")
    scans, remarks = patiently(lambda: _read(dataset, own, settings["run"], planned), own["path"])
    for row in scans:
        row["known_diagnoses"] = json.dumps(row["known_diagnoses"], ensure_ascii=False)
    frame = pd.DataFrame(scans, columns=list(DATASET_SCANS.names), dtype=object)
    write_table(frame, files.file("dataset_scans", dataset=dataset), DATASET_SCANS)
    write_json(files.file("dataset_remarks", dataset=dataset), remarks)


def _read(
    dataset: str, own: dict[str, Any], run: str, planned: str | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Read a data set; raise OSError where it is not as planning found it."""
    try:
        scans, remarks = read_dataset(dataset, own, run)
    except InputError as error:
        if planned is None:
            raise
        raise OSError(errno.ESTALE, str(error)) from error  # planning read the same tables
    if planned not in (None, listing(scans)):
        raise OSError(errno.ESTALE, "its images are not those of when the run was planned")
    return scans, remarks
