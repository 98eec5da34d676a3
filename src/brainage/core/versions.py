"""The hash of a step's code, and the versions of the libraries that it imports.

Rules carry the hash as a parameter, so that a real change of the code or of a pinned library runs
a step again. Comments, docstrings and layout do not count, and the hash is the same whatever the
Python. Only text is read, and nothing is imported.
"""

from __future__ import annotations

import ast
import atexit
import gc
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from brainage.core.files import write_text
from brainage.core.syntax import Text, serialise, without_type_checking

PACKAGE = Path(__file__).parents[1]
REQUIREMENTS = PACKAGE.parents[1] / "requirements"  # of a clone; a wheel has none
# What a config says reaches the rules as parameters, and where a file lies as inputs and outputs;
# how commands are declared, or what is said of the code, changes no result.
NOT_FOLLOWED = tuple(
    f"brainage.core.{name}" for name in ("command", "config", "layout", "versions")
)
# These steps write labels and sentences into what they make, so that there they count.
SHOWS_WORDS = ("reporting.", "imaging.quality")
# Libraries that are imported by another name than they are installed by.
DISTRIBUTIONS = {"PIL": "pillow", "ants": "antspyx", "sklearn": "scikit-learn", "yaml": "pyyaml"}
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;+]+)", flags=re.MULTILINE)


def step_hash(command: str, choices: Sequence[str] = ()) -> str:
    """Hash what a step of the workflow does.

    Parameters
    ----------
    command
        Package and function, such as ``probing.probe_age``: the function `probe_age` in
        ``brainage/probing/commands.py``, with what it uses and imports, but without its
        neighbours there.
    choices
        Modules that the step loads by name (:mod:`brainage.core.choices`), such as
        ``brainage.learning.losses.exp``.

    Returns
    -------
    str
        16 hexadecimal digits, of the code and of every module of this package that it imports,
        also inside functions, and of the pinned versions of the libraries that those import.
    """
    package, _, function = command.partition(".")
    return _hash((package, function), tuple(sorted(set(choices))))


def module_hash(*modules: str) -> str:
    """Hash modules, such as ``brainage.imaging.tissue``, with all that they import.

    As :func:`step_hash`, without the words that are shown on pages.
    """
    return _hash(None, tuple(sorted(set(modules))))


def step_libraries(command: str, choices: Sequence[str] = ()) -> set[str]:
    """Return the libraries that a step imports, as they are imported (see :func:`step_hash`)."""
    package, _, function = command.partition(".")
    found = _libraries(_parts((package, function), tuple(sorted(set(choices)))))
    return found - set(sys.stdlib_module_names) - {PACKAGE.name}


@dataclass
class _Kept:
    """Hashes that are known of the code as it is: those that were found, and those added since."""

    path: Path | None
    of: str
    hashes: dict[str, str]
    saved: int


_kept: _Kept | None = None


def keep_hashes(path: Path, save: bool) -> None:
    """Take the hashes that an earlier process found of the same code.

    Going through all modules takes a second, and every job of a cluster would do it again.

    Parameters
    ----------
    path
        A file of the working folder. It counts as long as no byte of the package and of the lock
        file is another.
    save
        Write those that are new at the end of this process, or earlier by :func:`save_hashes`.
        Jobs that run side by side don't.
    """
    global _kept
    of = _digest_of_all()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    hashes = found["hashes"] if found.get("of") == of else {}
    _kept = _Kept(path.absolute() if save else None, of, hashes, len(hashes))
    atexit.register(save_hashes)


def save_hashes() -> None:
    """Write the hashes that were found since :func:`keep_hashes` asked for it."""
    if _kept is not None and _kept.path is not None and len(_kept.hashes) > _kept.saved:
        write_text(_kept.path, json.dumps({"of": _kept.of, "hashes": _kept.hashes}))
        _kept.saved = len(_kept.hashes)


def _digest_of_all() -> str:
    digest = hashlib.sha256()
    paths = [Path(folder, name) for folder, _, names in os.walk(PACKAGE) for name in names]
    for path in sorted([*paths, *REQUIREMENTS.glob("*.lock")]):
        if path.suffix != ".pyc" and path.is_file():
            content = path.read_bytes()
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@cache
def _hash(command: tuple[str, str] | None, modules: tuple[str, ...]) -> str:
    if _kept is None:
        return _new_hash(command, modules)
    key = " ".join([".".join(command or ()), *modules])
    if key not in _kept.hashes:
        _kept.hashes[key] = _new_hash(command, modules)
    return _kept.hashes[key]


def _new_hash(command: tuple[str, str] | None, modules: tuple[str, ...]) -> str:
    parts = _parts(command, modules)
    lines = [f"{name} {part.code}" for name, part in sorted(parts.items())]
    if command is not None and ".".join(command).startswith(SHOWS_WORDS):
        lines += [f"{name} {part.words}" for name, part in sorted(parts.items())]
    lines += [f"{name} {digest}" for name, digest in _templates(parts)]
    libraries = _libraries(parts)
    named = {DISTRIBUTIONS.get(name, name.replace("_", "-").lower()) for name in libraries}
    locked = locked_versions()
    lines += [f"{name}=={locked[name]}" for name in sorted(named & set(locked))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _parts(command: tuple[str, str] | None, modules: tuple[str, ...]) -> dict[str, Text]:
    """What a command and modules are made of: themselves and all of ours that they import."""
    parts: dict[str, Text] = {}
    todo = list(modules)
    if command is not None:
        parts["the command"] = _read_function(*command)
        todo += filter(_is_followed, parts["the command"].imports)
    while todo:
        module = todo.pop()
        if module not in parts:
            parts[module] = _read_module(module)
            todo += filter(_is_followed, parts[module].imports)
    return parts


def _libraries(parts: Mapping[str, Text]) -> set[str]:
    return {name.partition(".")[0] for part in parts.values() for name in part.imports}


def _templates(modules: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The templates of pages, of the packages whose module ``pages`` is among those imported."""
    for module in sorted(modules):
        if module.endswith(".pages"):
            for path in sorted((_path(module).parent / "templates").glob("*.*")):
                yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()


def _path(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")


@cache
def _is_followed(name: str) -> bool:
    """Whether a name that is imported is a module of this package that counts."""
    ours = name.startswith(f"{PACKAGE.name}.") and name not in NOT_FOLLOWED
    return ours and _path(name).is_file()


def _parse(path: Path) -> ast.Module:
    collecting = gc.isenabled()
    gc.disable()  # it would look through the growing tree again and again: half of the time
    try:
        return without_type_checking(ast.parse(path.read_text(encoding="utf-8")))
    finally:
        if collecting:
            gc.enable()


@cache
def _read_module(module: str) -> Text:
    return serialise(_parse(_path(module)))


@cache
def _read_function(package: str, name: str) -> Text:
    """The body of a function of a package's commands, with what it uses of the same module."""
    path = PACKAGE / package / "commands.py"
    defined = dict(_definitions(_parse(path).body))
    function = defined.get(name)
    if not isinstance(function, ast.FunctionDef):
        raise ValueError(f"{path} has no function {name}")
    # Its decorators declare it and its annotations are types: neither changes what it does.
    used: dict[str, ast.stmt] = {}
    todo: list[ast.stmt] = list(function.body)
    while todo:
        for node in ast.walk(todo.pop()):
            if isinstance(node, ast.Name) and node.id in defined and node.id not in used:
                used[node.id] = defined[node.id]
                todo.append(defined[node.id])
    nothing = ast.arguments([], [], None, [], [], None, [])
    body = ast.FunctionDef(name, nothing, function.body, decorator_list=[])
    others = [statement for _, statement in sorted(used.items())]
    return serialise(ast.Module(body=[*others, body], type_ignores=[]))


def _definitions(statements: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Each name that a module defines or imports, with the statement that does."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0], ast.Import(names=[alias])
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                only = ast.ImportFrom(statement.module, [alias], statement.level)
                yield alias.asname or alias.name, only
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for node in (node for target in targets for node in ast.walk(target)):
                if isinstance(node, ast.Name):
                    yield node.id, statement


@cache
def locked_versions() -> dict[str, str]:
    """Return the versions that the lock files pin, by distribution; empty where there are none.

    Of a version only the public part is given, before a ``+``. Where a lock file pins one for
    some Pythons and another for others, all are given, parted by `` or ``.
    """
    pins: dict[str, list[str]] = {}
    for lock in ("workflow", "torch"):
        path = REQUIREMENTS / f"{lock}.lock"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for name, version in _PIN.findall(text):
            pins.setdefault(name, []).append(version)
    return {name: " or ".join(sorted(set(versions))) for name, versions in pins.items()}


def imported_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the public parts of the versions that this process imported, to be recorded.

    Parameters
    ----------
    libraries
        As they are imported, such as ``sklearn``; one that was not imported is left out.

    Returns
    -------
    dict
        By distribution, such as ``scikit-learn``.
    """
    distributions = [DISTRIBUTIONS.get(name, name) for name in libraries if name in sys.modules]
    return {name: metadata.version(name).partition("+")[0] for name in distributions}


def unlike_lock(versions: Mapping[str, str]) -> dict[str, str]:
    """Return what the lock file pins instead, by distribution, of recorded `versions`."""
    locked = locked_versions()
    return {
        name: locked[name]
        for name, version in versions.items()
        if name in locked and version not in locked[name].split(" or ")
    }
