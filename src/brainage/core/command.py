"""How the steps of the workflow are declared as commands, each beside the function that it runs.

A step takes the folder of results, from which :mod:`brainage.core.layout` has every file that it
reads and writes, at most one name of what it works on, and its settings: a JSON file whose name
carries the hash of its content. A command imports what it needs inside its function, so that
``brainage --help`` answers at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from brainage.core.files import InputError, read_json, write_text
from brainage.core.layout import Layout
from brainage.core.locks import only_writer
from brainage.core.training import Training

Function = Callable[..., None]
_NAME = re.compile(r"(\w+)-[0-9a-f]{8}\.json")  # as Study.settings gives it


class Settings(dict[str, Any]):
    """What a file of settings says; a key that it lacks is an error that names the file."""

    def __init__(self, content: dict[str, Any], path: Path) -> None:
        super().__init__(
            (key, Settings(value, path) if isinstance(value, dict) else value)
            for key, value in content.items()
        )
        self.path = path

    @classmethod
    def read(cls, path: Path, command: str, step: str) -> Settings:
        """Read the settings of a step for its command; refuse those of another by their name.

        The workflow names the file by step and content; one that a user wrote may have any name.
        """
        named = _NAME.fullmatch(path.name)
        if named and named[1] != step:
            raise InputError(
                f"{path}: has the settings of {named[1]}; {command} needs those of {step}, a file "
                f"{step}-*.json beside it"
            )
        content = read_json(path)
        if not isinstance(content, dict):
            raise InputError(f"{path}: no settings of a step, which are written as {{...}}")
        return cls(content, path)

    def __missing__(self, key: str) -> Any:
        raise InputError(f"{self.path}: settings of another step: {key!r} is missing")


def step(
    *, of: str | None = None, settings: bool | str = True
) -> Callable[[Function], click.Command]:
    """Declare a function as a command of the workflow, by its name and first line.

    Parameters
    ----------
    of
        What it works on: ``training`` (such as lexp/fold-0_seed-1), ``dataset``, ``chunk``
        (dataset_number) or ``table`` (a name of core.layout); None for the whole study.
    settings
        Whether it has settings; or of which step, where several take the same.

    Returns
    -------
    callable
        A decorator. The function is called with the :class:`~brainage.core.layout.Layout` of the
        results as ``files``, with what it works on, and with ``settings``, as keywords. Meanwhile
        no other process does the same on the same results.
    """

    def decorated(function: Function) -> click.Command:
        @wraps(function)
        def run(results: Path, **given: Any) -> None:
            on = given[of] if of else "all"
            if of == "training":
                given[of] = Training.parse(given[of])
            if settings:
                given["settings"] = Settings.read(given["settings"], name, settings_of)
            files = Layout(results)
            task = " ".join([name, *([on] if of else [])])
            lock = files.folder("locks") / f"{task.replace('/', '_').replace(' ', '_')}.lock"
            with only_writer(lock, f"{results}: {task}"):
                function(files=files, **given)
                if settings:
                    # What the results were made with, where Snakemake's own records are lost.
                    used = files.file("settings_used", step=name, of=on)
                    write_text(used, f"{given['settings'].path.name}\n")

        name = function.__name__.replace("_", "-")
        settings_of = settings if isinstance(settings, str) else function.__name__
        path = click.Path(path_type=Path)
        parameters: list[click.Parameter] = [click.Argument(["results"], type=path)]
        if of is not None:
            parameters.append(click.Argument([of]))
        if settings:
            about = "Settings of this step (JSON), written by the workflow from the config."
            parameters.append(click.Option(["--settings"], type=path, required=True, help=about))
        parameters += getattr(function, "__click_params__", [])
        return click.Command(name, callback=run, params=parameters, help=function.__doc__)

    return decorated


def processes(function: Function) -> Function:
    """Add ``--processes`` to a command."""
    about = "Number of parallel processes."
    positive = click.IntRange(min=1)
    return click.option("--processes", type=positive, default=1, show_default=True, help=about)(
        function
    )


def commands_of(package: str) -> list[click.Command]:
    """Return the commands that a package declares, in their order."""
    declared = vars(import_module(f"brainage.{package}.commands")).values()
    return [value for value in declared if isinstance(value, click.Command)]
