"""Pretraining of an encoder: from the store and the splits to weights in a folder."""

from __future__ import annotations

import math
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

import brainage
from brainage.core.contracts import learning as contract
from brainage.core.files import InputError, atomic_write, read_json, write_json
from brainage.core.layout import FILES, Layout
from brainage.core.store import Store, open_store
from brainage.core.tables import read_table, write_table
from brainage.core.training import Training
from brainage.learning import checkpoint, finished, people, training
from brainage.learning.model import build_encoder, encoder_versions, loss_options
from brainage.learning.run import Diverged, Job
from brainage.learning.store import preprocessing

# The files of a training, by their names in core.layout.
_FILES = {
    name: Path(FILES[name]).name for name in ("encoder", "encoder_description", "training_history")
}


@dataclass(frozen=True)
class _Trained:
    """A trained encoder: the job that made it, and the error of each learning rate tried."""

    job: Job
    weights: dict[str, Any]
    history: list[dict[str, Any]]
    tried: dict[float, float] = field(default_factory=dict)


def pretrain(
    files: Layout,
    name: Training,
    settings: dict[str, Any],
    *,
    threads: int,
    code: str,
    steps_of: str | None = None,
) -> None:
    """Train an encoder on the training people of one run and write it.

    Only training people are trained on and only validation people may help to choose the epoch;
    calibration and test people are not read. On a CPU the same call gives the same bytes, also
    when it was killed and called again in between. Where a training that follows from the same is
    finished, its result is taken.

    Parameters
    ----------
    files
        Of these results the store, :data:`SCANS` and :data:`SPLITS` are read; written are
        ``encoder.safetensors``, ``encoder.json`` and ``history.tsv``, and a checkpoint while the
        training lasts.
    name
        Which run of the splits.
    settings
        One experiment of the config: every key of the section ``learning``. Of a list of learning
        rates the one is taken whose encoder has the least error of an age probe on validation
        people.
    threads
        Threads of torch.
    code
        Hash of the code that results follow from; nothing that other code left is used.
    steps_of
        The experiment whose training people set the number of optimiser steps an epoch, so that
        trainings on parts of them have as many as it has. Its own where None.

    Raises
    ------
    InputError
        Too few training people, a person with two roles, or a loss
        that becomes infinite or not a number.
    """
    store = open_store(files.folder("store"))
    train, validation = people.read_groups(files, store, name)
    steps_people = len(train.people)
    if steps_of not in (None, name.experiment):
        whole, _ = people.read_groups(files, store, replace(name, experiment=steps_of))
        steps_people = len(whole.people)
    # Not how many people set the number of steps, but the steps that come of it.
    epochs = range(settings["epochs"] + 1)
    steps = [people.steps_until(e, steps_people, settings["batch_people"]) for e in epochs]
    fingerprints = checkpoint.fingerprint_parts(
        config=[finished.settings_that_count(settings), name.seed, steps, threads],
        data=finished.data_that_count(store, train, validation, settings),
        code=code,
    )
    file_name = f"{name.experiment}_fold-{name.fold}_seed-{name.seed}.pt"
    job = Job(
        name=str(name),
        store=files.folder("store"),
        train=train,
        validation=validation,
        settings=settings,
        seed=name.seed,
        threads=threads,
        checkpoint=files.folder("checkpoints") / file_name,
        fingerprints=fingerprints,
        steps_people=steps_people,
    )
    jobs = _jobs(job)
    kept = finished.training_folder(files, fingerprints)
    if finished.is_whole(kept, list(_FILES.values())):
        print("pretrain: found finished, 0 epochs trained", file=sys.stderr, flush=True)
    else:
        trained = _best(jobs)
        finished.keep_training(kept, name, lambda folder: _write(folder, name, trained, store))
    _copy(kept, files, name, _trained_on(store, train))
    for one in jobs:
        checkpoint.remove(one.checkpoint)


def _jobs(job: Job) -> list[Job]:
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
            fingerprints={**job.fingerprints, "learning rate": repr(rate)},
        )
        for number, rate in enumerate(rates)
    ]


def _best(jobs: list[Job]) -> _Trained:
    """Train all; return the one of least error on validation people.

    A rate that diverges has an infinite error; it is no reason to lose the others.
    """
    if len(jobs) == 1:  # nothing is chosen, and no validation person is looked at for it
        return _Trained(jobs[0], *training.train(jobs[0]))
    found: _Trained | None = None
    failure = Diverged(f"{jobs[0].name}: there is nothing to choose from")
    tried: dict[float, float] = {}
    for job in jobs:
        error = math.inf
        try:
            weights, history = training.train(job)
            error = _validation_error(history, job.settings["choose_epoch"])
            if found is None or error < min(tried.values()):
                found = _Trained(job, weights, history)
        except Diverged as diverged:
            print(diverged, file=sys.stderr)
            failure = diverged
        tried[job.settings["learning_rate"]] = error
    if found is None:
        raise failure
    return replace(found, tried=tried)


def _validation_error(history: list[dict[str, Any]], choose_epoch: str) -> float:
    """Error on validation people of the weights that are written."""
    looked = [row for row in history if not math.isnan(row["validation_loss"])]
    if choose_epoch == "validation":
        return float(min(looked, key=lambda row: row["validation_loss"])["validation_mae"])
    return float(looked[-1]["validation_mae"])


def _write(folder: Path, name: Training, trained: _Trained, store: Store) -> None:
    from safetensors.torch import save

    table = pd.DataFrame(trained.history).assign(**name.columns)
    if len(trained.tried) > 1:
        rates = "; ".join(f"{rate:g}: {error:.2f}" for rate, error in trained.tried.items())
        table["rates_tried"] = rates
    with atomic_write(folder / _FILES["encoder"]) as temporary:
        # Not by save_file, which hides a full disk and takes its half-written file away.
        weights = {key: value.contiguous() for key, value in trained.weights.items()}
        temporary.write_bytes(save(weights))
    write_table(table, folder / _FILES["training_history"], contract.HISTORY)
    write_json(folder / _FILES["encoder_description"], _description(trained.job, store))


def _brains(store: Store, train: people.Group) -> list[str]:
    """Hashes of every brain that was trained on, so that a probe can refuse to be tested on one."""
    return sorted({store.hashes[scan_id] for scan_id in train.scan_ids})


def _trained_on(store: Store, train: people.Group) -> dict[str, list[str]]:
    """What ``encoder.json`` says of the data of one study: brains, sites and scanners."""
    return {
        "brain_sha256": _brains(store, train),
        "sites": sorted(set(train.sites.tolist())),
        "scanners": train.scanners,
    }


def _copy(kept: Path, files: Layout, name: Training, trained_on: dict[str, list[str]]) -> None:
    """Copy a finished training under the name of the one at hand, with the data of this study.

    A training on another channel alone is the same whatever the brains are, and any is whatever
    the sites are called.
    """
    with atomic_write(files.file("encoder", training=name)) as temporary:
        shutil.copyfile(kept / _FILES["encoder"], temporary)
    history = read_table(kept / _FILES["training_history"], contract.HISTORY)
    target = files.file("training_history", training=name)
    write_table(history.assign(**name.columns), target, contract.HISTORY)
    description = read_json(kept / _FILES["encoder_description"])
    description["training"] |= {**name.columns, **trained_on}
    write_json(files.file("encoder_description", training=name), description)


def _description(job: Job, store: Store) -> dict[str, Any]:
    """What ``encoder.json`` says beside the name of the training."""
    encoder = build_encoder(**job.settings["encoder"], channels=len(job.settings["channels"]))
    train = job.train
    return {
        "architecture": {
            **job.settings["encoder"],
            "feature_size": encoder.feature_size,
            "parameters": sum(value.numel() for value in encoder.parameters()),
        },
        "preprocessing": preprocessing(store, job.settings["channels"]),
        "settings": {**job.settings, **loss_options(job.settings)},
        "training": {
            "people": len(train.people),
            "scans": len(train.scan_ids),
            "brain_sha256": _brains(store, train),
            "age_low": round(float(train.ages.min()), 4),
            "age_high": round(float(train.ages.max()), 4),
            "threads": job.threads,
        },
        "version": brainage.__version__,
        "versions": encoder_versions(encoder),
    }
