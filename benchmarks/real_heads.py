"""Skull stripping and the cost of imaging on real heads with reference masks.

    python benchmarks/real_heads.py FOLDER [--route template|deepbet] [--voxel-size 2] [--every N]
    python benchmarks/real_heads.py SCAN.nii.gz ...

FOLDER is a BIDS data set with a reference mask for each scan in ``derivatives/dlmuse``. Prints
Dice of our mask (in the scan's own space) against the reference, CPU seconds of each step on one
thread, and peak memory of a scan's process; of single scans only time and memory. Heads are sorted
by name: whatever is tuned may look at the first, third, fifth ... only ("tuned"); the figures to
quote are those of the others ("reported"). Nothing of these heads is in the package.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from brainage.core.derivatives import MASK
from brainage.imaging import (
    align,
    one_scan,
    picture,
    register,
    registration,
    strip,
    tissue,
)
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.measure import Measure, of_scans
from brainage.imaging.template import Template, load_template

STEPS = (
    (one_scan, "read", "read and check"),
    (align, "find_affine", "affine of the head"),
    (align, "best_pose", "  of it: search of poses"),
    (register, "find_bias", "N4"),
    (register, "refine_affine", "affine refined (in several steps)"),
    (registration, "stripped", "brain mask"),
    (strip, "deepbet_mask", "brain mask by deepbet"),
    (tissue, "find_tissues", "  tissues (in several steps)"),
    (Measure, "taken", "measures"),
    (picture, "draw", "picture"),
    (registration, "_write_brain", "writing the brain"),
    (registration, "_write_mask", "writing the mask"),
    (registration, "write_registered", "writing what measures need"),
)
template: Template
settings: dict[str, Any]


def timed(seconds: dict[str, float]) -> None:
    """Have each step count its CPU seconds."""

    def wrapped(function: Any, words: str) -> Any:
        def run(*given: Any, **named: Any) -> Any:
            started = time.process_time()
            try:
                return function(*given, **named)
            finally:
                seconds[words] += time.process_time() - started

        return run

    for module, name, words in STEPS:
        setattr(module, name, wrapped(getattr(module, name), words))


def one(task: tuple[Path, Path | None]) -> tuple[str, float, float, float, dict[str, float]]:
    """Process one head: name, Dice, volume over the reference's, peak MiB, seconds by step."""
    image, reference = task
    seconds: dict[str, float] = defaultdict(float)
    timed(seconds)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        recipe = one_scan.Recipe(
            Path(folder), settings, template, {}, dict.fromkeys(of_scans("affine"), "")
        )
        outcome = one_scan.attempt(one_scan.Job("", image, None), recipe, Path(folder))
        seconds["all"] = time.process_time() - started
        if outcome.fault is not None:
            print(f"{image.name}: {outcome.fault}", flush=True)
            return image.name, 0.0, 0.0, 0.0, dict(seconds)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if reference is None:
            return image.name, np.nan, np.nan, peak, dict(seconds)
        ours = np.asanyarray(nibabel.load(Path(folder) / MASK).dataobj) > 0
    theirs = np.asanyarray(nibabel.load(reference).dataobj) > 0
    dice = 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())
    return image.name, float(dice), float(ours.sum() / theirs.sum()), peak, dict(seconds)


def main() -> None:
    global template, settings
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("what", type=Path, nargs="+", help="a BIDS folder, or single scans")
    arguments.add_argument("--route", choices=("template", "deepbet"), default="template")
    arguments.add_argument("--voxel-size", type=float, default=2.0)
    arguments.add_argument("--every", type=int, default=1, help="only every so many heads")
    arguments.add_argument("--processes", type=int, default=2)
    args = arguments.parse_args()
    settings = {
        "voxel_size": args.voxel_size,
        "skull_stripping": args.route,
        "registration": "affine",
        "n4": True,
    }
    import_ants()
    template = load_template(settings)
    tasks: list[tuple[Path, Path | None]] = [(path, None) for path in args.what if path.is_file()]
    folder = args.what[0]
    for image in sorted(folder.glob("sub-*/**/*_T1w.nii.gz")):
        place = folder / "derivatives" / "dlmuse" / image.parent.relative_to(folder)
        reference = place / image.name.replace("_T1w", "_desc-brain_mask")
        tasks.append((image, reference))
    tuned = {image.name for image, _ in tasks[::2]}
    fork = multiprocessing.get_context("fork")
    with fork.Pool(args.processes, maxtasksperchild=1) as pool:
        rows = pool.map(one, tasks[:: args.every], chunksize=1)
    for words, kept in (
        ("tuned", [row for row in rows if row[0] in tuned]),
        ("reported", [row for row in rows if row[0] not in tuned]),
    ):
        if not kept:
            continue
        dice = np.array([row[1] for row in kept])
        if np.isnan(dice).all():
            continue
        print(
            f"{words}: {len(kept)} heads, Dice mean {dice.mean():.4f}, fifth percentile "
            f"{np.percentile(dice, 5):.4f}, lowest {dice.min():.4f} ({kept[dice.argmin()][0]}); "
            f"volume over the reference's {np.mean([row[2] for row in kept]):.3f}"
        )
    print(f"peak memory: median {np.median([r[3] for r in rows]):.0f} MiB, "
          f"highest {max(r[3] for r in rows):.0f} MiB")  # fmt: skip
    for words in dict.fromkeys([*(step[2] for step in STEPS), "all"]):
        spent = np.array([row[4].get(words, 0.0) for row in rows])
        if spent.any():
            print(f"{words}: median {np.median(spent):.2f} s, highest {spent.max():.2f} s")


if __name__ == "__main__":
    main()
