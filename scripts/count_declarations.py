"""Count the lines that declare the workflow and its commands: rules, parser, commands.

    python scripts/count_declarations.py [COMMIT]

Counted are all lines of Snakefile, of every .smk, of cli.py and of every command's declaration:
each commands.py and what core/command.py declares them with; of a COMMIT as git has it, else of
the files as they are.
"""

from __future__ import annotations

import fnmatch
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COUNTED = (
    "Snakefile",
    "*.smk",
    "src/brainage/cli.py",
    "src/brainage/commands.py",
    "src/brainage/*/commands.py",
    "src/brainage/core/command.py",
)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True)
    return done.stdout.decode("utf-8")


def count(commit: str | None = None) -> dict[str, int]:
    """Return the lines of each file that counts, by its path."""
    if commit is None:
        listed = _git("ls-files", "--cached", "--others", "--exclude-standard")
    else:
        listed = _git("ls-tree", "-r", "--name-only", "--full-tree", commit)
    lines = {}
    for path in sorted(listed.splitlines()):
        if not any(fnmatch.fnmatchcase(path, pattern) for pattern in COUNTED):
            continue
        if commit is not None:
            lines[path] = len(_git("show", f"{commit}:{path}").splitlines())
        elif (ROOT / path).is_file():
            lines[path] = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    return lines


if __name__ == "__main__":
    counted = count(*sys.argv[1:2])
    for name, number in counted.items():
        print(f"{number:6} {name}")
    print(f"{sum(counted.values()):6} in all")
