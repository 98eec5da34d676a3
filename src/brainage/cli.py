"""The command line: the commands that the packages declare, assembled.

Nothing heavy is imported before a command needs it, and a command's module only when it is asked
for by name, so that ``brainage --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from collections.abc import Sequence

import click

from brainage import __version__
from brainage.core.command import commands_of
from brainage.core.files import InputError, MachineFault, disk_fault

# In the order in which the workflow comes to them.
PACKAGES = (
    "simulation", "dicom", "datasets", "cohort", "imaging",
    "learning", "probing", "statistics", "reporting",
)  # fmt: skip


class _Rules(click.Group):
    """Commands in the order of the workflow, each also by the name of its rule."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return self.commands.get(name.replace("_", "-"))


@click.group(
    cls=_Rules,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=(
        "From raw T1w heads to brain-age reports. Each command is one rule of the workflow, "
        "which runs them in this order; RESULTS is the results folder."
    ),
)
@click.version_option(__version__, message="brainage %(version)s")
@click.option("--threads", type=click.IntRange(min=1), default=1, help="Threads of torch and BLAS.")
def brainage(threads: int) -> None:
    """Set what must be set before numpy is loaded, which reads it once.

    The order of a sum, and with it the last digits, would otherwise follow the machine's cores.
    """
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)


for _package in PACKAGES:
    for _command in commands_of(_package):
        brainage.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 1 the machine, 2 the input is wrong)."""
    with contextlib.suppress(OSError, ValueError):  # without a stderr of the system
        faulthandler.enable()  # a bus error or the like leaves a line in the log
    try:
        brainage.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        return 130
    except InputError as error:
        print(f"brainage: {error}", file=sys.stderr)
        return 2
    except MachineFault as error:
        print(f"brainage: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        said = disk_fault(error)
        if said is None:
            raise
        # Nothing half-written is left: what was being written lay beside its name and is gone.
        print(f"brainage: {said}", file=sys.stderr)
        return 1
    return 0
