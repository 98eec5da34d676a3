"""Memory and minutes that a job asks for, from what was measured of its rule.

``workflow/resources.yaml`` holds them for each rule, as ``scripts/fit_resources.py`` fitted them to
the benchmarks of finished runs. Planning reads it with Snakemake's own libraries alone.
"""

from __future__ import annotations

import shutil
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
GPU_MEMORY_MB = 8000
"""Of a training on a GPU, whose batch is in the card's memory; a bound, not fitted."""

Measured = dict[str, dict[str, dict[str, float]]]


def read(path: Path) -> Measured:
    """Read what was measured: by rule, ``mem_mb`` and ``minutes``, each the terms of a sum."""
    measured: Measured = yaml.safe_load(path.read_text(encoding="utf-8"))
    return measured


class Needs:
    """What jobs ask for; its methods are functions that rules give as resources.

    Parameters
    ----------
    study
        Whose jobs they are.
    workflow
        Snakemake's, for the table in its folder and for what its profile says.
    """

    def __init__(self, study: Study, workflow: Any) -> None:
        self._study, self._workflow = study, workflow
        self._measured = read(Path(workflow.basedir) / "workflow" / "resources.yaml")

    def memory(self, wildcards: Any, attempt: int, rulename: str) -> int:
        """Megabytes of a job, twice as many with every attempt."""
        if rulename == "pretrain" and (gpus := self.gpus(wildcards)):
            return needed({"base": GPU_MEMORY_MB}, {"base": gpus}, attempt)
        job = terms(self._study, rulename, dict(wildcards.items()))
        return needed(self._measured[rulename]["mem_mb"], job, attempt)

    def minutes(self, wildcards: Any, attempt: int, rulename: str) -> int:
        """Minutes of a job, twice as many with every attempt, up to a limit."""
        job = terms(self._study, rulename, dict(wildcards.items()))
        return min(needed(self._measured[rulename]["minutes"], job, attempt), MAX_MINUTES)

    def gpus(self, wildcards: Any) -> int:
        """GPUs of a training; none where there is none, so that as many run as there are cores."""
        own = self._study.learning(wildcards.training)
        here = self._workflow.local_exec and shutil.which("nvidia-smi")
        none = own["device"] == "auto" and not (here or self._of_profile("gpu_partition"))
        return 0 if none or own["device"] == "cpu" else int(own["devices"])

    def partition(self, wildcards: Any) -> str | None:
        """Slurm's partition of a training: the profile's own for those on a GPU."""
        return self._of_profile("gpu_partition" if self.gpus(wildcards) else "slurm_partition")

    def _of_profile(self, name: str) -> str | None:
        """Return what the profile says for every job under a name."""
        given = self._workflow.resource_settings.default_resources or {}
        return str(given[name].raw).strip("'\"") if name in given else None


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
        ``base``: 1. ``scan``: scans that the job goes through, in training once per epoch.
        ``megavoxel``: millions of voxels of a scan on the template's grid, in training of a batch.
        ``scan_megavoxel``: millions of voxels of all its scans.
    """
    chunks = study.plan["chunks"]
    if "dataset" in wildcards:
        chunks = {wildcards["dataset"]: chunks[wildcards["dataset"]]}
    if "chunk" in wildcards:
        number = wildcards["chunk"]
        chunks = {name: {number: own[number]} for name, own in chunks.items()}
    scans = float(sum(_scans(study, name, own) for name, own in chunks.items()))
    side = study.config["imaging"]["voxel_size"]
    if rule == "simulate_images":
        side = study.config["datasets"][wildcards["dataset"]]["simulation"]["voxel_size"]
    voxels = TEMPLATE_MM3 / side**3 / 1e6
    at_once = voxels
    if rule == "pretrain":
        own = study.learning(wildcards["training"])
        at_once *= own["micro_batch"] or own["batch_people"] * own["views"]
        scans *= own["epochs"]
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
