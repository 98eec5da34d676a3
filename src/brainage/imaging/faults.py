"""Whether an exception is a fault of the machine or of the scan."""

from __future__ import annotations

import errno
import re

from brainage.core.contracts.imaging import UNEXPECTED
from brainage.core.files import DISK_FAULTS, InputError, MachineFault

MAX_WORDS = 200  # characters of an exception's own words
MIN_NAME = 3  # characters: shorter names of scans are words of the language too
# A full disk, a mount that went away, a limit of the system: another scan would fail as well.
MACHINE = {*DISK_FAULTS, errno.ENOMEM, errno.EMFILE, errno.ENFILE} - {errno.EACCES}


class ScanFault(Exception):
    """Something is wrong with one scan; the message says what, in plain words.

    Parameters
    ----------
    words
        What is wrong.
    limit
        The key of the section ``imaging`` whose limit the scan crosses, if it does: with another
        limit it is tried again.
    """

    def __init__(self, words: str, limit: str | None = None) -> None:
        super().__init__(words)
        self.limit = limit


def is_machine_fault(error: BaseException) -> bool:
    """Tell whether an exception is never a verdict on the scan at hand.

    Also a library that is missing and a wrong config count: every scan would meet them.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, MemoryError | ImportError | InputError | MachineFault):
            return True
        if isinstance(cause, OSError) and cause.errno in MACHINE:
            return True
        # ITK and torch say so in words only.
        if isinstance(cause, RuntimeError) and re.search("alloc|memory", str(cause).lower()):
            return True
        cause = cause.__cause__ or cause.__context__
    return not isinstance(error, Exception)


def unexpected(error: Exception, identifiers: list[str]) -> str:
    """Describe an unexpected exception in one line, for tables and pages.

    Parameters
    ----------
    error
        The exception.
    identifiers
        Names of the scan and of its file; like paths they are left out of the line.
    """
    own_words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    names = "|".join(re.escape(name) for name in identifiers if len(name) >= MIN_NAME)
    hidden = re.compile(r"[/\\]" + (rf"|\b({names})\b" if names else ""))
    text = " ".join("…" if hidden.search(word) else word for word in own_words.split())
    text = text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"
    return f"{UNEXPECTED} {type(error).__name__}" + (f": {text}" if text else "")
