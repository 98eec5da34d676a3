"""What ``.bidsignore`` leaves out of a BIDS folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from brainage.core.files import InputError

NAME = ".bidsignore"
_PARTS = re.compile(r"(\*\*/|/\*\*$|\*|\?|\[[^\]]+\])")


class Ignored:
    """The patterns of a data set's ``.bidsignore``, written as those of ``.gitignore``.

    Of those ``*``, ``**``, ``?``, ``[...]``, a slash at the end (folders alone), one elsewhere
    (from the data set's folder on) and ``!`` (not ignored after all) count; the last that matches
    decides.

    Parameters
    ----------
    folder
        The data set's folder.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            lines = []
        stripped = [line.strip() for line in lines]
        patterns = [line for line in stripped if line and not line.startswith("#")]
        self._patterns = [_Pattern(line, path) for line in patterns]

    def __contains__(self, path: str) -> bool:
        """Whether a file, given by its path relative to the folder, is left out."""
        if not self._patterns:
            return False
        return any(self._ignores(part, is_folder) for part, is_folder in _with_folders(path))

    def _ignores(self, path: str, is_folder: bool) -> bool:
        ignored = False
        for pattern in self._patterns:
            if pattern.matches(path, is_folder):
                ignored = not pattern.negated
        return ignored


class _Pattern:
    def __init__(self, line: str, path: Path) -> None:
        self.negated = line.startswith("!")
        line = line.removeprefix("!")
        self._only_folders = line.endswith("/")
        line = line.rstrip("/")
        anchored = "/" in line
        line = line.removeprefix("/")
        expression = "".join(_translated(part) for part in _PARTS.split(line))
        try:
            self._expression = re.compile(expression if anchored else f"(?:.*/)?{expression}")
        except re.error:
            raise InputError(f"{path}: {line!r} is not a pattern; correct or remove it") from None

    def matches(self, path: str, is_folder: bool) -> bool:
        allowed = is_folder or not self._only_folders
        return allowed and self._expression.fullmatch(path) is not None


def _translated(part: str) -> str:
    known = {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}
    if part in known:
        return known[part]
    if len(part) > 2 and part.startswith("[") and part.endswith("]"):
        inside = part[1:-1].replace("\\", r"\\").replace("[", r"\[")
        return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
    return re.escape(part)


def _with_folders(path: str) -> Iterator[tuple[str, bool]]:
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count]), count < len(parts)
