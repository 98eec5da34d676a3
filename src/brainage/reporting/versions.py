"""The software behind the results: versions as recorded by the steps, not as installed now.

Training and imaging record the versions of what they imported beside their results. The steps
after them run in one environment with the reports; of these, the packages that their code imports
are named.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from brainage import __version__
from brainage.core.contracts.imaging import QC
from brainage.core.derivatives import QUALITY, derivative
from brainage.core.files import read_json
from brainage.core.layout import Layout
from brainage.core.tables import read_table
from brainage.reporting import words
from brainage.reporting.section import Software
from brainage.reporting.tables import Settings

PACKAGE = Path(__file__).parents[1]
ANALYSIS = ("core", "probing", "statistics", "reporting")


def software(
    trainings: Iterable[Path], scans: Iterable[Path], locked: Mapping[str, str]
) -> Software:
    """Return the versions behind the results.

    Parameters
    ----------
    trainings
        Descriptions of encoders (JSON), whose ``versions`` say what was imported.
    scans
        Quality records of scans (JSON), likewise.
    locked
        The version that the lock pins of each package; nothing is compared where it is empty.

    Returns
    -------
    Software
        Its warnings name each package of which there are several versions, and each that is not
        the locked one.
    """
    found: dict[str, Counter[tuple[str, str]]] = {}
    steps = [("training", path) for path in trainings] + [("scan", path) for path in scans]
    for kind, path in steps:
        record = read_json(path)
        # A measure that was added later may have been taken by other versions.
        both = [record.get(key) or {} for key in ("versions", "measures_versions")]
        for name, version in {item for recorded in both for item in recorded.items()}:
            found.setdefault(name, Counter())[(version, kind)] += 1
    for name in imported_packages(ANALYSIS):
        found.setdefault(name, Counter())[(_public(metadata.version(name)), "analysis")] += 1
    versions = [("brainage", __version__)]
    warnings = []
    for name, counts in sorted(found.items(), key=lambda item: item[0].lower()):
        every = sorted({version for version, _ in counts})
        versions.append((name, words.listing(every)))
        if len(every) > 1:
            parts = [_place(*item) for item in sorted(counts.items())]
            warnings.append(f"There are several versions of {name}: {', '.join(parts)}.")
        # A pin that differs between Pythons reads "3.6 or 3.7".
        pinned = [_public(pin) for pin in locked.get(name, "").split(" or ")]
        other = [version for version in every if name in locked and version not in pinned]
        if other:
            warnings.append(
                f"{name} {words.listing(other)} was used, but the lock file pins {locked[name]}."
            )
    return Software(versions, warnings)


def _place(key: tuple[str, str], n: int) -> str:
    version, kind = key
    where = "the analysis" if kind == "analysis" else words.count(n, kind)
    return f"{version} in {where}"


def _public(version: str) -> str:
    """Leave out what a build adds, such as ``+cpu``."""
    return version.partition("+")[0]


def imported_packages(folders: Iterable[str]) -> list[str]:
    """Return the distributions, from elsewhere, that the code of some packages imports."""
    known = metadata.packages_distributions()
    found = set()
    for folder in folders:
        for path in (PACKAGE / folder).rglob("*.py"):
            for name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
                found.update(known.get(name, [])[:1])
    return sorted(found - {"brainage"})


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield the first part of each module imported, but for those that only types need."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        yield from _imports(node)


def software_of(files: Layout, settings: Settings) -> Software:
    """Return the versions behind the results of a run (see :func:`software`)."""
    trainings = [
        files.file("encoder_description", training=name)
        for names in settings["trainings"].values()
        for name in names
    ]
    scan_ids = read_table(files.file("qc"), QC)["scan_id"]
    records = (derivative(files.folder("imaging"), scan_id, QUALITY) for scan_id in scan_ids)
    return software(trainings, filter(Path.is_file, records), settings["locked"])
