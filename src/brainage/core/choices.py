"""A choice is one module: its function, its settings, its label and its sentence together.

A folder of modules is a set of choices, such as the losses; a module's name is the word for it in
a config. Choices that are next to the same, such as ghosts along three axes, may share a module:
it has ``CHOICES``, by name, in the place of ``CHOICE``. A module whose name begins with an
underscore is shared by its neighbours and no choice.
Planning reads the settings and the pages read the words, so that a module imports heavy libraries
inside its functions only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The declaration of a choice, as ``CHOICE`` of its module.

    Attributes
    ----------
    label
        Its name on pages and in figures.
    sentence
        What the methods text says of it; a clause without a full stop.
    settings
        Its keys in the config, each with its JSON schema, default and description.
    """

    label: str
    sentence: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@cache
def _files(package: str) -> tuple[str, ...]:
    path = importlib.import_module(package).__path__
    found = (module.name for module in pkgutil.iter_modules(path))
    return tuple(sorted(name for name in found if not name.startswith("_")))


@cache
def _several(package: str) -> dict[str, str]:
    """Return the file of each choice that shares one, by the name of the choice."""
    return {
        choice: file
        for file in _files(package)
        for choice in getattr(importlib.import_module(f"{package}.{file}"), "CHOICES", ())
    }


def names(package: str) -> tuple[str, ...]:
    """Return the choices of a package, such as ``brainage.learning.losses``, sorted."""
    shared = _several(package)
    return tuple(sorted({*_files(package), *shared} - set(shared.values())))


def module(package: str, name: str) -> ModuleType:
    """Return the module of a choice."""
    file = name if name in _files(package) else _several(package)[name]
    return importlib.import_module(f"{package}.{file}")


def modules(package: str) -> dict[str, str]:
    """Return the name of each choice's module, such as ``brainage.learning.losses.exp``."""
    return {name: module(package, name).__name__ for name in names(package)}


def choices(package: str) -> dict[str, Any]:
    """Return every choice of a package by name, sorted by its ``order`` where it has one."""
    found = {}
    for name in names(package):
        declaring = module(package, name)
        found[name] = getattr(declaring, "CHOICES", {}).get(name) or declaring.CHOICE
    return dict(sorted(found.items(), key=lambda named: getattr(named[1], "order", 0)))
