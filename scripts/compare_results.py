"""Whether two runs gave the same bytes: python scripts/compare_results.py RESULTS OTHER_RESULTS.

Every file of both folders is compared but those that say how a run went and not what came out:
logs, benchmarks, and Snakemake's own report. Ends with 1 where a file differs or is missing.
"""

from __future__ import annotations

import filecmp
import sys
from pathlib import Path

HOW_IT_WENT = ("logs", "benchmarks", "report.html", "report.zip")


def results(folder: Path) -> set[str]:
    """Paths of what came out, relative to the folder."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if path.parts[0] not in HOW_IT_WENT}


def compare(one: Path, other: Path) -> list[str]:
    """A line for each file that is in one folder only, or differs."""
    first, second = results(one), results(other)
    lines = [f"only in {one}: {path}" for path in sorted(first - second)]
    lines += [f"only in {other}: {path}" for path in sorted(second - first)]
    for path in sorted(first & second):
        if not filecmp.cmp(one / path, other / path, shallow=False):
            lines.append(f"differs: {path}")
    return lines


def main() -> None:
    if len(sys.argv) != 3 or not all(Path(folder).is_dir() for folder in sys.argv[1:]):
        sys.exit("two folders of results, please: compare_results.py RESULTS OTHER_RESULTS")
    one, other = map(Path, sys.argv[1:])
    lines = compare(one, other)
    print("\n".join([*lines, f"{len(results(one))} files, {len(lines)} not the same"]))
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
