"""Reading files, and writing them atomically.

Everything that brainage writes goes beside its final name first and is renamed
when it is whole. A user's mistake is raised as :class:`InputError`, which the
command line prints as one message without a traceback.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

T = TypeVar("T")

# Faults of the disk that a user can mend.
_AWAY = "the disk or network drive does not answer; run the same command again when it does"
DISK_FAULTS = {
    errno.ENOSPC: "free some disk space and run the same command again",
    errno.EDQUOT: "your disk quota is exceeded; free some space and run the same command again",
    errno.EFBIG: "files may not be as large here; raise the limit (ulimit -f) and run it again",
    errno.EROFS: "this folder cannot be written to; choose another with the key results",
    errno.EACCES: "permission to read or write is denied; change it, or the key results",
    **{
        getattr(errno, name): _AWAY
        for name in (
            *("EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "ENODEV", "ENXIO", "EREMOTEIO"),
            *("EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ECONNRESET"),
        )
        if hasattr(errno, name)  # not every system has every number
    },
}
WAITS = (1, 4, 15)  # seconds: a network drive is often back after some
_ROOM = 2**20  # bytes: with less left a disk counts as full


class InputError(Exception):
    """Something that the user gave is wrong.

    The message names the file, the row or the key, and says what to do.
    """


class MachineFault(Exception):
    """The machine failed: a disk that went away, a process that was killed.

    Never a verdict on a scan; the same command may succeed later. The message says what to do.
    """


def is_away(error: OSError) -> bool:
    """Tell whether a file that is known cannot be reached now, whatever is in it."""
    # nibabel raises the first without its number.
    kinds = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
    return isinstance(error, kinds) or error.errno in {*DISK_FAULTS, errno.ELOOP}


def patiently(read: Callable[[], T], path: str | os.PathLike[str]) -> T:
    """Read what was there when the run was planned; wait and try again while it is not.

    Parameters
    ----------
    read
        Reads it.
    path
        The file or folder, for messages.

    Raises
    ------
    MachineFault
        Where it stays away.
    """
    for seconds in (*WAITS, None):
        try:
            return read()
        except OSError as error:
            if not is_away(error):
                raise
            why = error.strerror or type(error).__name__
            if seconds is None:
                raise MachineFault(
                    f"{path}: cannot be read any more ({why}), and was there when the run was "
                    "planned; see whether its disk or network drive is there and run the same "
                    "command again"
                ) from error
            print(f"{path}: {why}; trying again in {seconds} s", file=sys.stderr, flush=True)
            time.sleep(seconds)
    raise AssertionError  # the last attempt returns or raises


def disk_fault(error: BaseException) -> str | None:
    """Say in one line which fault of the disk an exception comes from, and what to do.

    Libraries raise their own exceptions while they handle that of the system, so the exceptions
    before it are looked at too. None where there is no fault of the disk.
    """
    cause = disk_error(error)
    return f"{cause}; {DISK_FAULTS[cause.errno]}" if cause is not None and cause.errno else None


def disk_error(error: BaseException) -> OSError | None:
    """Return the fault of the disk that an exception comes from, or None."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK_FAULTS:
            return cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], writer: str = "") -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` on success.

    The temporary name follows from `path`, so what a killed writer left behind is gone when the
    same file is written again. It also means one writer a file at a time, as in the workflow, or
    that each has a name.

    Parameters
    ----------
    path
        The final name. Its folder is made where it is missing.
    writer
        Who writes, where several may write the same file.

    Yields
    ------
    Path
        A temporary path in the same folder, with the same file ending (libraries choose a
        format by it). On an exception it is deleted and `path` stays as it was.

    Raises
    ------
    OSError
        A fault of the disk, with its number and `path`, also where a library hides it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith(".gz") else path.suffix
    temporary = path.with_name(f".{path.name}.{writer}partial{suffix}")
    try:
        temporary.write_bytes(b"")
        mode = temporary.stat().st_mode
        try:
            yield temporary
        except Exception as error:
            _require_room(temporary, error)
            raise
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # Some libraries put a file of their own there, which nobody else may read.
        if temporary.stat().st_mode != mode:
            temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, os.fspath(temporary)):
            error.filename = os.fspath(path)
        raise
    finally:
        with contextlib.suppress(OSError):  # it would hide what went wrong
            temporary.unlink(missing_ok=True)


def require_room(folder: Path, size: int = _ROOM) -> None:
    """Raise OSError where a folder does not take a file of so many bytes."""
    with tempfile.TemporaryFile(dir=folder) as file:
        reserve(file, size)


def reserve(file: IO[bytes], size: int) -> None:
    """Make an empty open file `size` bytes long, all on the disk; OSError where it is too small.

    Else a full disk is met half-way, and where the file is mapped to memory by a bus error.
    """
    try:
        os.posix_fallocate(file.fileno(), 0, size)
        return
    except AttributeError:
        pass  # a system without it
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise
    for start in range(0, size, _ROOM):
        file.write(bytes(min(_ROOM, size - start)))
    file.flush()
    file.seek(0)


def _require_room(temporary: Path, error: Exception) -> None:
    """Raise OSError where a disk is full that a library had other words for, or none."""
    if isinstance(error, InputError) or disk_fault(error) is not None:
        return
    # What was written stays meanwhile, or there would be room again.
    with temporary.open("ab") as file:
        file.write(bytes(_ROOM))


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as JSON, keys sorted, so that the same content gives the same bytes."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file; raise :class:`InputError` naming it where that fails."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal text."""
    with Path(path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
