"""The software behind the results: versions as recorded by the steps, not as installed now.

Imaging, training and the steps after it record the versions of what they imported beside their
results. Of the reports, the packages that their code imports are named as they are installed.
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
from brainage.core.layout import FILES, Layout
from brainage.core.software import versions_of
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.reporting import words
from brainage.reporting.section import Software
from brainage.reporting.tables import Settings, tables_of

PACKAGE = Path(__file__).parents[1]
REPORTS = ("core", "reporting")
# Of each training, or of a baseline.
OF_TRAINING = [
    name
    for name, path in FILES.items()
    if path.startswith(("learning/{training}/", "probing/{training}/")) and path.endswith(".tsv")
]


def software(
    trainings: Iterable[Path],
    scans: Iterable[Path],
    tables: Iterable[Path],
    locked: Mapping[str, str],
) -> Software:
    """Return the versions behind the results.

    Parameters
    ----------
    trainings
        Descriptions of encoders (JSON), whose ``versions`` say what was imported.
    scans
        Quality records of scans (JSON), likewise.
    tables
        What lies beside tables of embeddings, probing and statistics (JSON), likewise.
    locked
        The version that the lock pins of each package; nothing is compared where it is empty.

    Returns
    -------
    Software
        Its warnings name each package of which there are several versions, and each that is not
        the locked one.
    """
    found: dict[str, Counter[tuple[str, str]]] = {}
    steps = [("training", trainings), ("scan", scans), ("table", tables)]
    for kind, path in ((kind, path) for kind, paths in steps for path in paths):
        record = read_json(path)
        # A measure that was added later may have been taken by other versions.
        both = [record.get(key) or {} for key in ("versions", "measures_versions")]
        for name, version in {item for recorded in both for item in recorded.items()}:
            found.setdefault(name, Counter())[(version, kind)] += 1
    for name in imported_packages(REPORTS):
        found.setdefault(name, Counter())[(_public(metadata.version(name)), "reports")] += 1
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
    where = "the reports" if kind == "reports" else words.count(n, kind)
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
    trainings = _trainings(settings)
    encoders = [files.file("encoder_description", training=name) for name in trainings]
    tables = [files.file(table, training=name) for name in trainings for table in OF_TRAINING]
    tables += [path for path in tables_of(files, settings).values() if isinstance(path, Path)]
    beside = [versions_of(path) for path in tables]
    scan_ids = read_table(files.file("qc"), QC)["scan_id"]
    scans = [derivative(files.folder("imaging"), scan_id, QUALITY) for scan_id in scan_ids]
    # A baseline has no encoder, and what could not be read no record.
    found = [filter(Path.is_file, paths) for paths in (encoders, scans, beside)]
    return software(found[0], found[1], found[2], settings["locked"])


def _trainings(settings: Settings) -> list[Training]:
    """Every training of a run, of the cells of the grid too, and the baselines."""
    splits = settings["splits"]
    folds = splits["folds"] if splits["scheme"] == "folds" else 1
    seeds = {name: run["seeds"] for name, run in settings["runs"].items()}
    first = next(iter(settings["experiments"]))
    seeds |= dict.fromkeys(words.BASELINE_NAMES, seeds[first][:1])
    return [
        Training(name, fold, seed)
        for name, own in seeds.items()
        for fold in range(folds)
        for seed in own
    ]
