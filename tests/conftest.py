"""Fixtures shared by all tests."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB; skips where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to be filled")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Let no file become larger than so many bytes, which fails as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
