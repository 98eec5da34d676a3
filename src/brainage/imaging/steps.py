"""The steps of imaging as the workflow asks for them, by the layout of its results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from brainage.core.derivatives import write_description
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.imaging.chunk import Code, preprocess_scans, read_scans
from brainage.imaging.quality import assess


def preprocess_chunk(files: Layout, chunk: str, settings: dict[str, Any], processes: int) -> None:
    """Process a chunk of scans as the workflow asks for it (see :func:`preprocess_scans`).

    Parameters
    ----------
    files
        The results.
    chunk
        ``dataset_number``.
    settings
        ``imaging``, ``code`` and ``exclude`` as below; ``folder``, that of the data set; ``scans``,
        each scan_id with the image's path in it; of a simulated data set None, and then those
        that the table of its images has.
    processes
        How many scans at a time.
    """
    dataset, _, number = chunk.rpartition("_")
    scans = settings["scans"]
    if scans is None:
        scans = read_scans(files.file("simulated_images", dataset=dataset, chunk=number))
    else:
        wanted = [path for scan_id, path in scans if scan_id not in settings["exclude"]]
        _require_there(Path(settings["folder"]), wanted)
    preprocess_scans(
        [(scan_id, Path(settings["folder"]) / path) for scan_id, path in scans],
        files.folder("imaging"),
        files.file("measures", dataset=dataset, chunk=number),
        settings["imaging"],
        Code(**settings["code"]),
        processes,
        settings["exclude"],
    )


def _require_there(folder: Path, images: list[str]) -> None:
    """Refuse to take images for faulty that were listed when the run was planned."""
    gone = [path for path in images if not os.path.lexists(folder / path)]
    if gone:
        raise InputError(
            f"{folder / gone[0]}: was there when the run was planned, and is not any more "
            f"({len(gone)} of the chunk's {len(images)} images); if a disk or network drive went "
            "away, run the same command again when it is back, else plan anew"
        )


def assess_study(files: Layout, settings: dict[str, Any]) -> None:
    """Judge the scans of a study and write qc.tsv (see :func:`assess`).

    Parameters
    ----------
    files
        The results.
    settings
        ``quality``: the section of the config. ``chunks``: numbers of the chunks by data set.
    """
    # Not by the chunks, which run side by side: a file has one writer.
    write_description(files.folder("imaging"))
    tables = [
        files.file("measures", dataset=dataset, chunk=chunk)
        for dataset, chunks in settings["chunks"].items()
        for chunk in chunks
    ]
    assess(tables, files.file("scans"), files.file("qc"), settings["quality"])
