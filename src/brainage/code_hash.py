"""A hash of what a room's code does, blind to comments, docstrings and layout."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
SHARED = (
    *("contracts.py", "contracts_grid.py", "decisions.py"),
    *("derivatives.py", "files.py", "tables.py"),
)
# A rule of a verdict is changed more often than what is done to a scan, and costs seconds.
COHORT_LEVEL = {"imaging": "quality.py"}


@cache
def room_hash(room: str, of_each_scan: bool = False) -> str:
    """Hash the syntax trees of a room and of what all rooms share.

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
    modules = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    if of_each_scan:
        modules = [path for path in modules if path.name != COHORT_LEVEL.get(room)]
    digest = hashlib.sha256()
    for path in [*modules, *(PACKAGE / name for name in SHARED)]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0] if node.body else None
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    node.body = node.body[1:]
        digest.update(f"{path.relative_to(PACKAGE)}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:16]
