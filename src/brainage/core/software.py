"""Tables of results with the versions of the libraries that made them.

Beside each table of embeddings, probing and statistics lies a JSON file of the same name with
``versions``: those that the step really imported, whatever the lock file pins or is installed
when the page is made.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from brainage.core.contract import Table
from brainage.core.files import write_json
from brainage.core.tables import write_table
from brainage.core.versions import imported_versions

# What the steps import that write such tables.
LIBRARIES = (
    "monai",
    "nibabel",
    "numpy",
    "pandas",
    "safetensors",
    "scipy",
    "sklearn",
    "statsmodels",
    "torch",
)


def write_result(frame: pd.DataFrame, path: Path, table: Table) -> None:
    """Write a table (see :func:`~brainage.core.tables.write_table`) and the versions beside it.

    Raises
    ------
    InputError
        Where the frame breaks the contract.
    """
    write_table(frame, path, table)
    write_json(versions_of(path), {"versions": imported_versions(LIBRARIES)})


def versions_of(path: Path) -> Path:
    """Return where the versions behind a table are recorded."""
    return path.with_suffix(".json")
