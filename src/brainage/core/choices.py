"""A choice is one module: its function, its settings, its label and its sentence together.

A folder of modules is a set of choices, such as the losses; a module's name is the word for it in
a config. A module whose name begins with an underscore is shared by its neighbours and no choice.
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
    """What a choice says of itself, as ``CHOICE`` of its module.

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
def names(package: str) -> tuple[str, ...]:
    """Return the choices of a package, such as ``brainage.learning.losses``, sorted."""
    path = importlib.import_module(package).__path__
    found = (module.name for module in pkgutil.iter_modules(path))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def module(package: str, name: str) -> ModuleType:
    """Return the module of a choice."""
    return importlib.import_module(f"{package}.{name}")


def choices(package: str) -> dict[str, Any]:
    """Return the ``CHOICE`` of every module of a package, by name."""
    return {name: module(package, name).CHOICE for name in names(package)}
