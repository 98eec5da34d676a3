"""Fixtures shared by all tests."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]

# As brainage itself does, before numpy is loaded. Otherwise each worker of pytest-xdist has as many
# threads as there are cores, and most of their time goes into waiting for each other.
for name in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{name}_NUM_THREADS", "1")


def lacking(what: str) -> NoReturn:
    """Skip a test for want of a program; in CI, which installs it, that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}: CI should have installed it")
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real heads that lies beside the checkout; skips where it is missing."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real heads (../shared/data) are not here")
    return folder
