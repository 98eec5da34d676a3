"""Commands that read data sets."""

from __future__ import annotations

from brainage.core.command import Settings, step
from brainage.core.layout import Layout


@step(of="dataset")
def read_dataset(files: Layout, dataset: str, settings: Settings) -> None:
    """Join every T1w image of a data set with its person."""
    from brainage.datasets.table import write_dataset

    write_dataset(files, dataset, settings)
