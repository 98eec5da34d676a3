"""Commands of imaging."""

from __future__ import annotations

from brainage.core.command import Settings, processes, step
from brainage.core.layout import Layout


@processes
@step(of="chunk")
def preprocess(files: Layout, chunk: str, settings: Settings, processes: int) -> None:
    """Register raw heads to the template and extract the brains, in one forked child per scan."""
    from brainage.imaging.steps import preprocess_chunk

    preprocess_chunk(files, chunk, settings, processes)


@step()
def quality(files: Layout, settings: Settings) -> None:
    """Give each scan an automatic or manual verdict with its reason: qc.tsv."""
    from brainage.imaging.steps import assess_study

    assess_study(files, settings)


@step(settings=False)
def regions(files: Layout) -> None:
    """Gather the regional volumes of all scans in one table."""
    from brainage.imaging.regional_table import gather

    gather(files.file("qc"), files.folder("imaging"), files.file("regions"))
