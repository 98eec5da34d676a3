"""A small cohort of round brains whose ventricle grows with age."""

from types import SimpleNamespace

import numpy as np
import pytest

from brainage.core.layout import Layout
from tests.learning.toys import brain, scan_row, write_brain, write_tables


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> SimpleNamespace:
    """Results of 16 people: 10 train (one scanned twice), 3 validation, 3 test."""
    from brainage.learning import store

    files = Layout(tmp_path_factory.mktemp("toy"))
    ages = np.linspace(20, 80, 16)
    names = [f"sub-{number:02d}" for number in range(16)]
    rows = [scan_row(name, float(age)) for name, age in zip(names, ages, strict=True)]
    rows.append(scan_row("sub-00", 22.0, "ses-2"))
    for seed, row in enumerate(rows):
        write_brain(files.folder("imaging"), row["scan_id"], brain(row["age"], seed))
    roles = {
        name: "validation" if i % 5 == 2 else "test" if i % 5 == 4 else "train"
        for i, name in enumerate(names)
    }
    write_tables(files, rows, roles)
    store.build(files)
    return SimpleNamespace(files=files, rows=rows, roles=roles)
