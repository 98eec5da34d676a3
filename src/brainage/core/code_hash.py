"""A hash of what a room's code does, blind to comments, docstrings and layout."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# A rule of a verdict is changed more often than what is done to a scan, and costs seconds.
COHORT_LEVEL = {"imaging": "quality.py"}
KINDS = (".py", ".html", ".css", ".js")
# What a config says reaches the rules as parameters.
NOT_FOLLOWED = ("config.py", "__init__.py")


@cache
def room_hash(room: str, of_each_scan: bool = False) -> str:
    """Hash the syntax trees of a room and of every module of the package that it imports.

    Rules carry it as a parameter, so that a real change of the code runs them again and a
    change of a comment does not.

    Parameters
    ----------
    room
        Name of a folder of the package, such as ``imaging``, or a module in one, such as
        ``cohort/splits.py``, for a command that needs little of its room.
    of_each_scan
        Leave out what a room does to the whole cohort (:data:`COHORT_LEVEL`).

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    place = PACKAGE / room
    files = set(place.rglob("*")) if place.is_dir() else {place}
    files = {path for path in files if path.suffix in KINDS}
    if of_each_scan:
        files = {path for path in files if path.name != COHORT_LEVEL.get(room)}
    todo = list(files)
    while todo:
        found = set(_read(todo.pop())[1]) - files
        files |= found
        todo += found
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(PACKAGE)}\n{_read(path)[0]}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _read(path: Path) -> tuple[str, tuple[Path, ...]]:
    """What a file does, as text, and which modules of the package it imports."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":  # a template of a page
        return text, ()
    tree = ast.parse(text)
    imported = tuple(_imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree), imported


def _imported(tree: ast.Module) -> Iterator[Path]:
    """Modules of the package imported anywhere in a module, also inside functions."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            package, *parts = name.split(".")
            path = PACKAGE.joinpath(*parts).with_suffix(".py")
            if package == "brainage" and path.name not in NOT_FOLLOWED and path.is_file():
                yield path
