"""Results whose records in ``.snakemake`` are lost, as after copying the results alone.

By these records Snakemake knows that a parameter changed; without them it takes results of other
settings for those that are asked for. So each step notes which settings it used.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from brainage.core.files import InputError
from brainage.core.layout import Layout


def require_recorded(workflow: Any, layout: Layout) -> None:
    """Refuse results of other settings that Snakemake has no record of.

    Parameters
    ----------
    workflow
        Snakemake's, with all its jobs. Those that it has a record of, that are to be made anyway,
        or whose settings nobody noted, are left to it.
    layout
        Where the results are.

    Raises
    ------
    InputError
        With the first difference, and what to add to the command.
    """
    dag = workflow.dag
    _remark_on_images(workflow)
    other: dict[str, str] = {}
    for job in dag.jobs:
        wanted: str | None = getattr(job.params, "settings", None)
        if wanted is None:
            continue
        step, of = job.params.step.split()[-1], str(job.params.name or "all")
        used = layout.settings_used(step, of)
        forced = job.rule in dag.forcerules or not dag.forcefiles.isdisjoint(job.output)
        if used is None or used.name == Path(wanted).name or forced or job.rule.name in other:
            continue
        there = all(Path(path).exists() for path in job.output)
        if there and not workflow.persistence.has_metadata(job):
            other[job.rule.name] = f"{job.output[0]} was made with other settings, {used}"
    if other:
        raise InputError(
            f"{next(iter(other.values()))}, and Snakemake, which has no record of it here "
            "(.snakemake), would leave it as it is; run the same command with --forcerun "
            f"{' '.join(sorted(other))} (heads, trainings and embeddings that are the same are "
            "found and not made again), or with that and --touch, to keep it as it is"
        )


def _remark_on_images(workflow: Any) -> None:
    """Say that changed images can't be seen where there is no record of their sizes and dates.

    One chunk is looked at: every record takes its time, and they are lost together.
    """
    chunks = (job for job in workflow.dag.jobs if getattr(job.params, "images", None))
    first = next(chunks, None)
    if (
        first is not None
        and first.rule not in workflow.dag.forcerules
        and all(Path(path).exists() for path in first.output)
        and not workflow.persistence.has_metadata(first)
    ):
        print(
            "brainage: Snakemake has no record of these results here (.snakemake), so that an "
            f"image that was replaced since is not seen; add --forcerun {first.rule.name} once "
            "to compare all of them (what is the same is not registered again)",
            file=sys.stderr,
        )
