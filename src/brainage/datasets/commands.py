"""Commands that read data sets."""

from __future__ import annotations

from typing import Any

from brainage.core.command import step
from brainage.core.layout import Layout


@step(of="dataset")
def read_dataset(files: Layout, dataset: str, settings: dict[str, Any]) -> None:
    """Join every T1w image of a data set with its person."""
    from brainage.datasets.table import write_dataset

    write_dataset(files, dataset, settings)


COMMANDS = [read_dataset]
