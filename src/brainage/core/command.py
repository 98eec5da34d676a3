"""How the steps of the workflow are declared as commands, each beside the function that it runs.

A step takes the folder of results, from which :mod:`brainage.core.layout` has every file that it
reads and writes, at most one name of what it works on, and its settings: a JSON file whose name
carries the hash of its content. Nothing heavy is imported here, and a command imports what it
needs inside its function, so that ``brainage --help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from brainage.core.files import read_json
from brainage.core.layout import Layout
from brainage.core.training import Training

Function = Callable[..., None]


class _Results(click.Path):
    """A folder of results, as its layout."""

    name = "results"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Layout:
        return Layout(Path(super().convert(value, param, ctx)))


class _Settings(click.Path):
    """A JSON file, as what it says."""

    name = "settings"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return read_json(super().convert(value, param, ctx))


class _Training(click.ParamType[Training]):
    """A training by its name."""

    name = "training"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Training:
        return value if isinstance(value, Training) else Training.parse(value)


_WHAT: dict[str, tuple[str, click.ParamType[Any] | None]] = {
    "training": ("TRAINING", _Training()),  # such as lexp/fold-0_seed-1
    "dataset": ("DATASET", None),  # name of a data set in the config
    "chunk": ("CHUNK", None),  # dataset_number
    "table": ("TABLE", None),  # name of a table in core.layout
}


def step(*, of: str | None = None, settings: bool = True) -> Callable[[Function], click.Command]:
    """Declare a function as a command of the workflow, by its name and first line.

    Parameters
    ----------
    of
        What it works on: ``training``, ``dataset``, ``chunk`` or ``table``; its second argument.
        None for a step of the whole study.
    settings
        Whether it has settings; its last argument.

    Returns
    -------
    callable
        A decorator. The function is called with the :class:`~brainage.core.layout.Layout` of the
        results as ``files``, with what it works on, and with ``settings``.
    """

    def decorated(function: Function) -> click.Command:
        declared = function
        if settings:
            declared = click.option(
                "--settings",
                type=_Settings(),
                required=True,
                metavar="FILE",
                help="Settings of this step (JSON), written by the workflow from the config.",
            )(declared)
        if of is not None:
            metavar, kind = _WHAT[of]
            declared = click.argument(of, metavar=metavar, type=kind)(declared)
        declared = click.argument("files", metavar="RESULTS", type=_Results())(declared)
        return click.command(name=function.__name__.replace("_", "-"))(declared)

    return decorated


def processes(function: Function) -> Function:
    """Add ``--processes`` to a command."""
    return click.option(
        "--processes",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="How many work at once.",
    )(function)
