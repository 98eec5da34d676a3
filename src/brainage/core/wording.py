"""Numbers and names in the sentences that steps print and write into tables."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: ``1 person`` or ``3 people``."""
    return f"{number} {one if number == 1 else many}"


def few(names: Iterable[str]) -> str:
    """Name at most five."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def counted_names(names: Iterable[str], one: str, many: str) -> str:
    """Return ``1 scan is late: A`` or ``2 scans are late: A, B``."""
    names = list(names)
    return f"{counted(len(names), one, many)}: {few(names)}"
