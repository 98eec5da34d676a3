"""The training loop: epochs, checkpoints, several processes."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brainage.core.files import InputError
from brainage.learning import checkpoint, devices, distributed, optimisation, people
from brainage.learning.distributed import SingleProcess
from brainage.learning.run import Job, Run

_PROGRESS_SECONDS = 5.0  # between two lines on stderr

Result = tuple[dict[str, Tensor], list[dict[str, Any]]]


def train(job: Job) -> Result:
    """Train, on as many processes as the settings say.

    Returns
    -------
    tuple
        The encoder's weights, on the CPU, and the history: one dict an epoch.
    """
    count = int(job.settings["devices"])
    devices.require_enough(job.settings, len(job.train.people), job.name)
    if count > 1:
        result: Result = distributed.run(_train_in_one_process, job, count)
        return result
    return _train_in_one_process(job, SingleProcess())


def _train_in_one_process(job: Job, processes: SingleProcess) -> Result:
    try:
        return _train(job, processes)
    except torch.cuda.OutOfMemoryError:
        raise InputError(
            f"{job.name}: out of GPU memory; set learning.micro_batch, hold_brains: "
            "false, precision: bf16, or a smaller batch_people"
        ) from None


def _train(job: Job, processes: SingleProcess) -> Result:
    run, settings = Run(job, processes), job.settings
    state = checkpoint.load(job.checkpoint, job.fingerprints)
    if state is not None:
        run.restore(state)
    processes.wait()  # all have read it before the first writes the next
    interval = _validation_interval(settings, bool(job.validation.people))
    progress, saved = _Progress(job), time.monotonic()
    try:
        for epoch in range(len(run.history) + 1, settings["epochs"] + 1):
            last = epoch == settings["epochs"]
            row, scans = _epoch(run, epoch)
            if interval and (epoch % interval == 0 or last):
                _evaluate(run, row)
            run.history.append(row)
            if processes.rank == 0:
                progress.report(row, scans)
                if last or time.monotonic() - saved >= settings["checkpoint_every"]:
                    checkpoint.save(job.checkpoint, run.state(), job.fingerprints)
                    saved = time.monotonic()
    finally:  # also of a training that diverges: it is work done
        if processes.rank == 0:
            print(f"pretrain: trained {progress.done} epochs", file=sys.stderr, flush=True)
    weights = run.best if run.best is not None else run.weights()
    return {key: value.detach().cpu() for key, value in weights.items()}, run.history


def _epoch(run: Run, epoch: int) -> tuple[dict[str, Any], int]:
    """Train for an epoch; return its row of the history and the number of scans in it."""
    job, settings = run.job, run.settings
    run.model.train()
    batches = people.batches(
        job.train,
        settings["batch_people"],
        job.seed,
        epoch,
        sampling=settings["sampling"],
        steps_people=job.steps_people,
    )
    values = []
    arriving = run.brains.stream(run.share(positions) for positions in batches)
    for number, (positions, stored) in enumerate(zip(batches, arriving, strict=True)):
        rate = optimisation.learning_rate(settings, epoch - 1 + (number + 0.5) / len(batches))
        values.append(run.step(positions, stored, epoch, rate))
    run.require_finite_weights(epoch)
    row = {
        "epoch": epoch,
        "learning_rate": optimisation.learning_rate(settings, epoch - 0.5),
        "train_loss": float(np.mean(values)),
        "validation_loss": math.nan,
        "validation_mae": math.nan,
    }
    return row, sum(len(part) for part in batches)


def _evaluate(run: Run, row: dict[str, Any]) -> None:
    """Add the evaluation on validation people to an epoch's row; keep the best weights if asked."""
    row["validation_loss"], row["validation_mae"] = run.evaluate_validation()
    if run.settings["choose_epoch"] != "validation":
        return
    if row["validation_loss"] == 0:
        raise InputError(
            f"{run.job.name}: the loss finds nothing to compare among the "
            f"{len(run.job.validation.people)} validation people, so that they cannot choose the "
            "epoch; raise splits.validation or learning.bandwidth, or use choose_epoch: last"
        )
    run.keep_if_best(row["validation_loss"])


def _validation_interval(settings: dict[str, Any], has_validation: bool) -> int:
    """Epochs between evaluations on the validation people; 0 for never."""
    every = int(settings["validation_every"])
    if settings["choose_epoch"] == "validation":
        if not has_validation:
            raise InputError(
                "learning.choose_epoch is validation, but the splits have no validation people"
            )
        return every or 1
    return every if has_validation else 0


class _Progress:
    """Lines on stderr, some seconds apart."""

    def __init__(self, job: Job) -> None:
        self.name, self.epochs = job.name, int(job.settings["epochs"])
        self.started = self.reported = time.monotonic()
        self.done = 0

    def report(self, row: dict[str, Any], scans: int) -> None:
        """Count an epoch; log the speed if the last line was some time ago."""
        self.done += 1
        now = time.monotonic()
        if now - self.reported <= _PROGRESS_SECONDS and row["epoch"] < self.epochs:
            return
        self.reported = now
        seconds = (now - self.started) / self.done
        left = int(seconds * (self.epochs - row["epoch"]))
        print(
            f"{self.name}: epoch {row['epoch']}/{self.epochs}, loss {row['train_loss']:.4f}, "
            f"{scans / seconds:.0f} scans/s, {left // 60}:{left % 60:02d} left",
            file=sys.stderr,
            flush=True,
        )
