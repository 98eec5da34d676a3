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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Faults of the disk that a user can mend.
DISK_FAULTS = {
    errno.ENOSPC: "free some disk space and run the same command again",
    errno.EDQUOT: "your disk quota is exceeded; free some space and run the same command again",
    errno.EROFS: "this folder cannot be written to; choose another with the key results",
    errno.EACCES: "permission to read or write is denied; change it, or the key results",
}


class InputError(Exception):
    """Something that the user gave is wrong.

    The message names the file, the row or the key, and says what to do.
    """


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` on success.

    The temporary name follows from `path`, so what a killed writer left behind is gone when the
    same file is written again. It also means one writer a file at a time, as in the workflow.

    Parameters
    ----------
    path
        The final name. Its folder is made where it is missing.

    Yields
    ------
    Path
        A temporary path in the same folder, with the same file ending (libraries choose a
        format by it). On an exception it is deleted and `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith(".gz") else path.suffix
    temporary = path.with_name(f".{path.name}.partial{suffix}")
    temporary.write_bytes(b"")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
