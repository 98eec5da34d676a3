"""Whose fault an exception is, and what is said of one that nobody foresaw."""

from __future__ import annotations

import errno

import pytest

from brainage.core.files import InputError
from brainage.imaging.faults import is_machine_fault, unexpected


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.ESTALE, "Stale file handle"),
        caused(ValueError("cannot be read"), OSError(errno.EIO, "Input/output error")),
        RuntimeError("Failed to allocate memory for image."),
        ImportError("no module named ants"),
        InputError("imaging: the labels are missing"),
        KeyboardInterrupt(),
        SystemExit(143),
    ],
)
def test_faults_of_the_machine(error: BaseException) -> None:
    assert is_machine_fault(error)


@pytest.mark.parametrize(
    "error",
    [IndexError("out of bounds"), RuntimeError("singular"), PermissionError(13, "denied", "/x")],
)
def test_faults_of_the_scan(error: Exception) -> None:
    assert not is_machine_fault(error)


def test_one_line_without_paths_and_identifiers() -> None:
    error = ValueError("sub-12 in /data/secret/a.nii.gz\n has\tno axis 3")
    assert unexpected(error, ["demo_sub-12", "sub-12"]) == (
        "unexpected: ValueError: … in … has no axis 3"
    )
    assert unexpected(PermissionError(13, "Permission denied", "/x/y"), []) == (
        "unexpected: PermissionError: Permission denied"
    )
    assert unexpected(KeyError(), []) == "unexpected: KeyError"
    assert len(unexpected(ValueError("word " * 1000), [])) < 250
