"""Pretraining of an encoder: from the store and the splits to weights in a folder."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

import brainage
from brainage.core.contracts import learning as contract
from brainage.core.derivatives import SCAN_ID_PATTERN
from brainage.core.files import InputError, write_json, written_whole
from brainage.core.tables import write_table
from brainage.learning import checkpoint, encoders, losses, people, training
from brainage.learning.store import open_store

WEIGHTS = "encoder.safetensors"
DESCRIPTION = "encoder.json"
HISTORY = "history.tsv"

# These change how the work is done and not what comes out (up to rounding on other devices).
_NOT_RESULT = ("checkpoint_every", "hold_brains")


def pretrain(
    store: Path,
    scans: Path,
    splits: Path,
    out: Path,
    checkpoints: Path,
    settings: dict[str, Any],
    experiment: str,
    fold: int,
    seed: int,
    threads: int,
    code_hash: str,
    steps_of: str | None = None,
) -> None:
    """Train an encoder on the training people of one run and write it.

    Only training people are trained on and only validation people may help to choose the epoch;
    calibration and test people are not read. On a CPU the same call gives the same bytes, also
    when it was killed and called again in between.

    Parameters
    ----------
    store
        Folder of the store.
    scans, splits
        Tables :data:`SCANS` and :data:`SPLITS`.
    out
        Folder for ``encoder.safetensors``, ``encoder.json`` and ``history.tsv``.
    checkpoints
        Folder for this run's checkpoint while it lasts.
    settings
        One experiment of the config: every key of the section ``learning``. Of a list of learning
        rates the one is taken whose encoder has the least error of an age probe on validation people.
    experiment, fold, seed
        Which run of the splits.
    threads
        Threads of torch.
    code_hash
        Hash of the code that results follow from; a checkpoint of other code is not used.
    steps_of
        The experiment whose training people set the number of optimiser steps an epoch, so that
        trainings on parts of them have as many as it has. Its own where None.

    Raises
    ------
    InputError
        Too few training people, a person with two roles, or a loss
        that becomes infinite or not a number.
    """
    data = open_store(store)
    fit, validation = people.read_groups(scans, splits, data, experiment, fold, seed)
    steps = None
    if steps_of not in (None, experiment):
        whole, _ = people.read_groups(scans, splits, data, steps_of, fold, seed)
        steps = math.ceil(len(whole.people) / settings["batch_people"])
    made_for = checkpoint.fingerprint(
        config=[
            {key: value for key, value in settings.items() if key not in _NOT_RESULT},
            [experiment, fold, seed, steps, threads],
        ],
        data=[
            data.info,
            *(
                [group.scan_ids, group.rows.tolist(), group.ages.tolist(), group.sites.tolist()]
                for group in (fit, validation)
            ),
        ],
        code=code_hash,
    )
    job = training.Job(
        name=f"{experiment} fold {fold} seed {seed}",
        store=store,
        train=fit,
        validation=validation,
        settings=settings,
        seed=seed,
        threads=threads,
        checkpoint=checkpoints / f"{experiment}_fold-{fold}_seed-{seed}.pt",
        made_for=made_for,
        steps=steps,
    )
    jobs = _jobs(job)
    best, weights, history, tried = _best(jobs)
    _write(out, weights, history, best, data.info, (experiment, fold, seed), tried)
    for one in jobs:
        checkpoint.remove(one.checkpoint)


def _jobs(job: training.Job) -> list[training.Job]:
    """One job a learning rate, all alike but for it, each with a checkpoint of its own."""
    rates = job.settings["learning_rate"]
    if not isinstance(rates, list):
        return [job]
    if not job.validation.people:
        raise InputError(
            f"{job.name}: learning.learning_rate is a list to choose from, but the splits have no "
            "validation people; give one rate, or raise splits.validation"
        )
    # The last epoch is looked at in any case where there are looks at all.
    every = job.settings["validation_every"] or job.settings["epochs"]
    return [
        replace(
            job,
            name=f"{job.name}, learning rate {rate:g}",
            settings={**job.settings, "learning_rate": rate, "validation_every": every},
            checkpoint=job.checkpoint.with_suffix(f".{number}.pt"),
            made_for={**job.made_for, "learning rate": repr(rate)},
        )
        for number, rate in enumerate(rates)
    ]


def _best(
    jobs: list[training.Job],
) -> tuple[training.Job, dict[str, Any], list[dict[str, Any]], dict[float, float]]:
    """Train all; return the one of least error on validation people, and the errors by learning rate.

    A rate that diverges has an infinite error; it is no reason to lose the others.
    """
    if len(jobs) == 1:  # nothing is chosen, and no validation person is looked at for it
        return jobs[0], *training.train(jobs[0]), {}
    found: tuple[Any, ...] | None = None
    failure: training.Diverged | None = None
    tried: dict[float, float] = {}
    for job in jobs:
        error = math.inf
        try:
            weights, history = training.train(job)
            error = _validation_error(history, job.settings["choose_epoch"])
            if found is None or error < min(tried.values()):
                found = (job, weights, history)
        except training.Diverged as diverged:
            print(diverged, file=sys.stderr)
            failure = diverged
        tried[job.settings["learning_rate"]] = error
    if found is None:
        assert failure is not None
        raise failure
    return *found, tried


def _validation_error(history: list[dict[str, Any]], choose_epoch: str) -> float:
    """Error on validation people of the weights that are written."""
    looked = [row for row in history if not math.isnan(row["validation_loss"])]
    if choose_epoch == "validation":
        return min(looked, key=lambda row: row["validation_loss"])["validation_mae"]
    return looked[-1]["validation_mae"]


def _person(scan_id: str) -> tuple[str, str]:
    match = SCAN_ID_PATTERN.fullmatch(scan_id)
    if match is None:
        raise InputError(f"{scan_id!r} is not a scan_id")
    return match["dataset"], match["participant"]


def _write(
    out: Path,
    weights: dict[str, Any],
    history: list[dict[str, Any]],
    job: training.Job,
    store_info: dict[str, Any],
    run: tuple[str, int, int],
    tried: dict[float, float],
) -> None:
    from safetensors.torch import save_file

    experiment, fold, seed = run
    table = pd.DataFrame(history)
    table.insert(0, "experiment", experiment)
    table.insert(1, "fold", fold)
    table.insert(2, "seed", seed)
    if len(tried) > 1:
        table["rates_tried"] = "; ".join(f"{rate:g}: {mae:.2f}" for rate, mae in tried.items())
    with written_whole(out / WEIGHTS) as temporary:
        save_file({key: value.contiguous() for key, value in weights.items()}, temporary)
    write_table(table, out / HISTORY, contract.HISTORY)
    seen = {contract.person_hash(*_person(scan_id)) for scan_id in job.train.scan_ids}
    encoder = encoders.build(**job.settings["encoder"], channels=len(job.settings["channels"]))
    write_json(
        out / DESCRIPTION,
        {
            "architecture": {
                **job.settings["encoder"],
                "feature_size": encoder.feature_size,
                "parameters": sum(value.numel() for value in encoder.parameters()),
            },
            "preprocessing": store_info,
            "settings": {**job.settings, **losses.options(job.settings)},
            "training": {
                "experiment": experiment,
                "fold": fold,
                "seed": seed,
                "people": len(job.train.people),
                "scans": len(job.train.scan_ids),
                "people_hashes": sorted(seen),
                "age_low": round(float(job.train.ages.min()), 4),
                "age_high": round(float(job.train.ages.max()), 4),
                "threads": job.threads,
            },
            "version": brainage.__version__,
        },
    )
