"""Commands of imaging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainage.core.command import processes, step
from brainage.core.layout import Layout


@processes
@step(of="chunk")
def preprocess(files: Layout, chunk: str, settings: dict[str, Any], processes: int) -> None:
    """Register raw heads to the template and extract the brains, in one forked child per scan."""
    from brainage.imaging.chunk import Code, preprocess_scans, read_scans

    dataset, _, number = chunk.rpartition("_")
    scans = settings["scans"]
    if scans is None:
        scans = read_scans(files.file("simulated_images", dataset=dataset, chunk=number))
    preprocess_scans(
        [(scan_id, Path(settings["folder"]) / path) for scan_id, path in scans],
        files.folder("imaging"),
        files.file("measures", dataset=dataset, chunk=number),
        settings["imaging"],
        Code(**settings["code"]),
        processes,
        settings.get("exclude"),
    )


@step()
def quality(files: Layout, settings: dict[str, Any]) -> None:
    """Give each scan an automatic or manual verdict with its reason: qc.tsv."""
    from brainage.core.derivatives import write_description
    from brainage.imaging.quality import assess

    # Not by the chunks, which run side by side: a file has one writer.
    write_description(files.folder("imaging"))
    tables = [
        files.file("measures", dataset=dataset, chunk=chunk)
        for dataset, chunks in settings["chunks"].items()
        for chunk in chunks
    ]
    assess(tables, files.file("scans"), files.file("qc"), settings["quality"])


@step(settings=False)
def regions(files: Layout) -> None:
    """Gather the regional volumes of all scans in one table."""
    from brainage.imaging.regional_table import gather

    gather(files.file("qc"), files.folder("imaging"), files.file("regions"))


COMMANDS = [preprocess, quality, regions]
