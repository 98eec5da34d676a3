"""Commands that make the table of scans and the roles of people."""

from __future__ import annotations

from brainage.core.command import Settings, step
from brainage.core.layout import Layout


@step()
def index(files: Layout, settings: Settings) -> None:
    """Join the scans of all data sets: scans.tsv."""
    from brainage.cohort.index import write_index

    tables = {name: files.file("dataset_scans", dataset=name) for name in settings["datasets"]}
    write_index(tables, files.file("scans"), settings)


@step()
def split(files: Layout, settings: Settings) -> None:
    """Assign people to training, validation, calibration and test: splits.tsv."""
    from brainage.cohort.splits import write_splits

    write_splits(files.file("scans"), files.file("qc"), files.file("splits"), settings)
