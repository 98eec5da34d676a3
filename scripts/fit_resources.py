"""Fit the memory and minutes that each rule asks for to the benchmarks of finished runs.

    python scripts/fit_resources.py CONFIG ...

Each config is one whose run has finished in this folder, with benchmarks below its own `results`.
Writes workflow/resources.yaml. What a job needs is a sum of terms that are not negative: a base,
so much a scan, and so much a million voxels, in memory at a time or of all its scans
(src/brainage/resources.py says what each job counts). The fit is raised until no measured job
is above it, and by a margin.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from scipy.optimize import nnls

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "workflow" / "resources.yaml"


class Measure(NamedTuple):
    """How one measure of a job is fitted."""

    terms: tuple[str, ...]
    margin: float
    floor: float
    """The least base: what was measured is smaller than most studies."""


MEASURES = {
    # Held at a time: rows of tables, images of the scan or the batch.
    "mem_mb": Measure(("base", "scan", "megavoxel"), 1.25, 2000),
    # CPU minutes were measured; other cores and file systems are slower.
    "minutes": Measure(("base", "scan", "scan_megavoxel"), 4, 30),
}

sys.path.insert(0, str(ROOT / "src"))
from brainage.resources import terms  # noqa: E402
from brainage.study import Study  # noqa: E402

Jobs = dict[str, list[tuple[dict[str, float], dict[str, float]]]]


def wildcards(name: str, study: Study) -> dict[str, str]:
    """Return the wildcards of a job from the name of its benchmark."""
    dataset, _, chunk = name.rpartition("_")
    if chunk in study.plan["chunks"].get(dataset, ()):
        return {"dataset": dataset, "chunk": chunk}
    if name in study.plan["chunks"]:
        return {"dataset": name}
    return {"training": name} if name.partition("/")[0] in study.runs else {}


def measured(path: Path) -> dict[str, float] | None:
    """Return megabytes and CPU minutes of a benchmark; None of a job too short to be sampled."""
    with path.open(newline="") as lines:
        row = next(csv.DictReader(lines, delimiter="\t"))
    if "NA" in (row["max_rss"], row["cpu_time"]):
        return None
    # Children that came and went between two samples are in only one of the two.
    seconds = max(float(row["cpu_time"]), float(row["s"]) * float(row["mean_load"]) / 100)
    # Snakemake's megabytes are of 1024 kilobytes.
    return {"mem_mb": float(row["max_rss"]) * 1.024**2, "minutes": seconds / 60}


def jobs_of(config: Path) -> Jobs:
    """Return the terms and measures of all jobs of a run, by rule."""
    study = Study(yaml.safe_load(config.read_text(encoding="utf-8")), [config])
    folder = Path(study.results) / "benchmarks"
    found: Jobs = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        rule, _, name = str(path.relative_to(folder))[:-4].partition("/")
        if (values := measured(path)) is not None:
            found[rule].append((terms(study, rule, wildcards(name, study)), values))
    return found


def fit(jobs: list[dict[str, float]], needs: np.ndarray, how: Measure) -> dict[str, float]:
    """Return the terms of a sum that lies above every measured need by a margin."""
    counts = np.array([[job[term] for term in how.terms] for job in jobs])
    # Relative to the largest, so that no term counts by its unit.
    scale = counts.max(axis=0)
    factors = nnls(counts / scale, needs)[0] / scale
    fitted = counts @ factors
    factors *= how.margin * max(1.0, float((needs / np.maximum(fitted, 1e-9)).max()))
    factors[0] = max(factors[0], how.floor)
    return {
        term: float(f"{factor:.2g}")
        for term, factor, most in zip(how.terms, factors, scale, strict=True)
        # What moves none of the measured jobs by a hundredth is no finding.
        if factor * most > 0.01 * how.margin * float(needs.max())
    }


def main(configs: list[Path]) -> None:
    """Fit all rules and write the table."""
    found: Jobs = defaultdict(list)
    for config in configs:
        for rule, jobs in jobs_of(config).items():
            found[rule] += jobs
    lines = [
        "# Memory and minutes of each rule's first attempt, fitted to benchmarks; do not edit.",
        "# Made by scripts/fit_resources.py, which says what the terms are.",
    ]
    for rule, jobs in sorted(found.items()):
        lines.append(f"{rule}:  # {len(jobs)} job{'s' if len(jobs) > 1 else ''} measured")
        for name, how in MEASURES.items():
            needs = np.array([values[name] for _, values in jobs])
            fitted = fit([job for job, _ in jobs], needs, how)
            inner = ", ".join(f"{term}: {factor:g}" for term, factor in fitted.items())
            lines.append(f"  {name}: {{{inner}}}")
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    main([Path(argument) for argument in sys.argv[1:]])
