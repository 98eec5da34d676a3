"""Fit the memory and minutes that each rule asks for to the benchmarks of finished runs.

    python scripts/fit_resources.py CONFIG ...

Each config is one whose run has finished in this folder, with benchmarks below its own `results`.
Writes workflow/resources.yaml. What a job needs is a sum of terms that are not negative: a base,
so much a scan, so much a million voxels in memory, and so much a million voxels of all its scans
(src/brainage/resources.py says what each job counts). The fit is raised until no measured job
is above it, and by a margin.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import nnls

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "workflow" / "resources.yaml"
TERMS = ("base", "scan", "megavoxel", "scan_megavoxel")
# Memory is sampled; minutes are CPU time, and other cores and file systems are slower.
MARGINS = {"mem_mb": 1.25, "minutes": 4.0}
# What starting Python and Snakemake needs, whatever the job.
FLOORS = {"mem_mb": 1000.0, "minutes": 10.0}

sys.path.insert(0, str(ROOT / "src"))
from brainage.resources import terms  # noqa: E402
from brainage.study import Study  # noqa: E402

Jobs = dict[str, list[tuple[list[float], dict[str, float]]]]


def wildcards(rule: str, name: str, study: Study) -> dict[str, str]:
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
            job = terms(study, rule, wildcards(rule, name, study))
            found[rule].append(([job[term] for term in TERMS], values))
    return found


def fit(job_terms: np.ndarray, needs: np.ndarray, margin: float, floor: float) -> dict[str, float]:
    """Return the terms of a sum that lies above every measured need by a margin."""
    # Relative to the largest, so that no term counts by its unit.
    scale = job_terms.max(axis=0)
    factors = nnls(job_terms / scale, needs)[0] / scale
    fitted = job_terms @ factors
    factors *= margin * max(1.0, float((needs / np.maximum(fitted, 1e-9)).max()))
    factors[0] = max(factors[0], floor)
    return {
        term: float(f"{factor:.2g}")
        for term, factor, most in zip(TERMS, factors, scale, strict=True)
        # What moves none of the measured jobs by a hundredth is no finding.
        if factor * most > 0.01 * margin * float(needs.max())
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
        job_terms = np.array([job for job, _ in jobs])
        lines.append(f"{rule}:  # {len(jobs)} job{'s' if len(jobs) > 1 else ''} measured")
        for name, margin in MARGINS.items():
            needs = np.array([values[name] for _, values in jobs])
            fitted = fit(job_terms, needs, margin, FLOORS[name])
            inner = ", ".join(f"{term}: {factor:g}" for term, factor in fitted.items())
            lines.append(f"  {name}: {{{inner}}}")
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    main([Path(argument) for argument in sys.argv[1:]])
