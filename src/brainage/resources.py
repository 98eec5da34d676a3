"""Memory and minutes that a job asks for, from what was measured of its rule.

``workflow/resources.yaml`` holds them for each rule, as ``scripts/fit_resources.py`` fitted them to
the benchmarks of finished runs. Planning reads it with Snakemake's own libraries alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from brainage.simulation import names

if TYPE_CHECKING:
    from brainage.study import Study

TEMPLATE_MM3 = 193 * 229 * 193
"""Of the template's grid; a grid of 2 mm has an eighth of so many voxels."""
MAX_MINUTES = 2880
"""More than two days few partitions grant; a training goes on from its checkpoint."""

Measured = dict[str, dict[str, dict[str, float]]]


def read(path: Path) -> Measured:
    """Read what was measured: by rule, ``mem_mb`` and ``minutes``, each the terms of a sum."""
    measured: Measured = yaml.safe_load(path.read_text(encoding="utf-8"))
    return measured


def terms(study: Study, rule: str, wildcards: Mapping[str, str]) -> dict[str, float]:
    """Return what the needs of a job are made of.

    Parameters
    ----------
    study
        Whose job it is.
    rule, wildcards
        Which job.

    Returns
    -------
    dict
        ``base``: 1. ``scan``: scans that the job goes through, of a training once per epoch.
        ``megavoxel``: millions of voxels that are in memory at a time, of a training and of its
        embeddings those of a batch. ``scan_megavoxel``: millions of voxels of all its scans.
    """
    chunks = study.plan["chunks"]
    if "dataset" in wildcards:
        chunks = {wildcards["dataset"]: chunks[wildcards["dataset"]]}
    if "chunk" in wildcards:
        chunks = {name: {wildcards["chunk"]: own[wildcards["chunk"]]} for name, own in chunks.items()}
    scans = float(sum(_scans(study, name, own) for name, own in chunks.items()))
    side = study.config["imaging"]["voxel_size"]
    if rule == "simulate_images":
        side = study.config["datasets"][wildcards["dataset"]]["simulation"]["voxel_size"]
    voxels = TEMPLATE_MM3 / side**3 / 1e6
    at_once = voxels
    if rule in ("pretrain", "embed"):
        own = study.learning(wildcards["training"])
        at_once *= own["micro_batch"] or own["batch_people"] * own["views"]
        scans *= own["epochs"] if rule == "pretrain" else 1
    return {"base": 1, "scan": scans, "megavoxel": at_once, "scan_megavoxel": scans * voxels}


def _scans(study: Study, dataset: str, chunks: dict[str, Any]) -> int:
    if dataset not in study.simulated:
        return sum(len(chunk["scans"]) for chunk in chunks.values())
    # How many visits each has is not known before they are made.
    settings = study.config["datasets"][dataset]["simulation"]
    people = sum(len(chunk["people"]) for chunk in chunks.values())
    return min(people * settings["visits"], names.planned_scans(settings))


def needed(measured: dict[str, float], job: Mapping[str, float], attempt: int = 1) -> int:
    """Return what a job asks for: the sum of its terms, twice as much with every attempt."""
    return round(2 ** (attempt - 1) * sum(factor * job[name] for name, factor in measured.items()))
