"""The training loop: steps, epochs, checkpoints, several processes.

Everything random follows from (seed, epoch, scan, view), never from the state of a generator,
so a run that was killed goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainage.core.files import InputError
from brainage.learning import (
    augment,
    checkpoint,
    devices,
    distributed,
    encoders,
    losses,
    optimisation,
    parts,
    people,
)
from brainage.learning.brains import Brains
from brainage.learning.people import Group
from brainage.learning.store import open_store

_PROGRESS_SECONDS = 5.0  # between two lines on stderr
_REMEDY = "lower learning_rate, raise temperature or bandwidth, or use precision: fp32"


@dataclass(frozen=True)
class Job:
    """One training run; `made_for` are the fingerprints of all that its result follows from."""

    name: str
    store: Path
    train: Group
    validation: Group
    settings: dict[str, Any]
    seed: int
    threads: int
    checkpoint: Path
    made_for: dict[str, str]
    steps: int | None = None  # optimiser steps an epoch; None: once through the training people


class Diverged(InputError):
    """A training whose loss or weights are not finite any more."""


def train(job: Job) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Train, on as many processes as the settings say.

    Returns
    -------
    tuple
        The encoder's weights, on the CPU, and the history: one dict an epoch.
    """
    processes = int(job.settings["devices"])
    devices.require_enough(job.settings, len(job.train.people), job.name)
    if processes > 1:
        return distributed.run(_train_one_process, job, processes)
    return _train_one_process(job, distributed.Alone())


class _Model(nn.Module):
    """Encoder and head, with the loss that belongs to the head."""

    def __init__(self, settings: dict[str, Any], ages: np.ndarray) -> None:
        super().__init__()
        self.encoder = encoders.build(**settings["encoder"], channels=len(settings["channels"]))
        self.function = losses.LOSSES[settings["loss"]][0]
        self.options = losses.options(settings)
        size = self.encoder.feature_size
        self.head: nn.Module = (
            encoders.AgeHead(size, ages)
            if settings["loss"] == "l1"
            else encoders.ProjectionHead(size, settings["projection_dim"])
        )

    def forward(self, volumes: Tensor) -> Tensor:
        return self.head(self.encoder(volumes))

    def loss(self, outputs: Tensor, ages: Tensor) -> Tensor:
        return self.function(outputs, ages, **self.options)


class _Run:
    """State of a training run: what a checkpoint holds."""

    def __init__(self, job: Job, team: Any) -> None:
        settings = job.settings
        devices.make_repeatable(job.threads)
        self.job, self.team, self.settings = job, team, settings
        self.device = devices.pick_device(settings["device"], team.rank)
        self.store = open_store(job.store)
        self.brains = self._brains(job.train.rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(job.seed)
            self.model = _Model(settings, job.train.ages)
        if team.size > 1 and self.device.type == "cuda":
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.memory_format = (
            torch.channels_last_3d if settings["channels_last"] else torch.contiguous_format
        )
        self.model.to(self.device, memory_format=self.memory_format)
        self.optimiser = optimisation.optimiser(settings, self.model.parameters())
        self.average = _copy(self.model.encoder) if settings["weight_averaging"] else None
        self.best: dict[str, Tensor] | None = None
        self.best_loss = math.inf
        self.history: list[dict[str, Any]] = []
        self.steps = 0

    def weights(self) -> dict[str, Tensor]:
        """Weights of the encoder as they would be written now."""
        return self.average if self.average is not None else _copy(self.model.encoder)

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "best": self.best,
            "best_loss": self.best_loss,
            "history": self.history,
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["average"] is not None:
            self.average = {key: v.to(self.device) for key, v in state["average"].items()}
        self.best, self.best_loss = state["best"], state["best_loss"]
        self.history, self.steps = state["history"], state["steps"]

    def share(self, positions: np.ndarray, rank: int | None = None) -> np.ndarray:
        """Return those of a batch's positions that this process (or that of `rank`) works on."""
        return np.array_split(positions, self.team.size)[self.team.rank if rank is None else rank]

    def step(
        self, positions: np.ndarray, stored: tuple[Tensor, Tensor], epoch: int, rate: float
    ) -> float:
        """Take one optimiser step.

        Parameters
        ----------
        positions
            Of the batch's scans in the group.
        stored
            Brains as stored, and which of them are this process's share of the batch.
        epoch, rate
            Number of the epoch, from 1, and the learning rate.

        Returns
        -------
        float
            The loss of the whole batch.
        """
        settings, team = self.settings, self.team
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        shares = [np.tile(self.share(positions, r), settings["views"]) for r in range(team.size)]
        sizes = [len(share) for share in shares]
        ages = torch.from_numpy(self.job.train.ages[np.concatenate(shares)]).to(self.device)
        # A person who can come more than once in an epoch is seen anew each time.
        once = settings["sampling"] == "uniform" and self.job.steps is None
        again = () if once else (self.steps,)
        brains, rows = stored
        keys = [
            (self.job.seed, epoch, int(position), number // len(rows), *again)
            for number, position in enumerate(shares[team.rank])
        ]

        def outputs_of(brains: Tensor, part: np.ndarray) -> Tensor:
            own = rows[torch.from_numpy(part % len(rows)).to(rows.device)]
            return self._outputs(self._views(brains, own, [keys[number] for number in part]))

        outputs = parts.outputs_in_parts(
            self.model, outputs_of, brains, parts.split(sizes, team.rank, settings["micro_batch"])
        )
        loss = self.model.loss(team.gather(outputs, sizes), ages)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"{self.job.name}: the loss became {value} in epoch {epoch}; {_REMEDY}")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        team.average_gradients(self.model.parameters())
        self.optimiser.step()
        self.steps += 1
        if self.average is not None:
            # Early weights are forgotten faster: they are of no use to the mean.
            decay = min(settings["weight_averaging"], (self.steps + 1) / (self.steps + 10))
            _move_average(self.average, self.model.encoder, decay)
        return value

    def require_finite_weights(self, epoch: int) -> None:
        """Raise Diverged where a weight is not finite: a finite loss can have such a gradient."""
        for name, value in self.model.state_dict().items():
            if not value.isfinite().all():
                raise Diverged(
                    f"{self.job.name}: {name} is not finite after epoch {epoch}; {_REMEDY}"
                )

    def _brains(self, rows: np.ndarray) -> Brains:
        settings = self.settings
        return Brains(
            self.store, rows, self.device, settings["hold_brains"], channels=settings["channels"]
        )

    def _volumes(self, stored: Tensor) -> Tensor:
        return augment.to_float(stored, self.settings["channels"])

    def _views(self, brains: Tensor, rows: Tensor, keys: list[tuple[int, ...]]) -> Tensor:
        channels = self.settings["channels"]
        # On a processor two at a time stay in its cache; a GPU wants them all at once.
        together = 2 if brains.device.type == "cpu" else len(keys)
        views = [
            augment.augment(
                augment.float_at(brains, rows[start : start + together], channels),
                keys[start : start + together],
                self.settings["augmentation"],
                self.store.voxel_size,
                channels,
            )
            for start in range(0, len(keys), together)
        ]
        return torch.cat(views)

    def _outputs(self, volumes: Tensor) -> Tensor:
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.settings["precision"] == "bf16"
        ):
            outputs = self.model(volumes.contiguous(memory_format=self.memory_format))
        return outputs.float()

    def evaluate_validation(self) -> tuple[float, float]:
        """Loss and MAE (ridge on the embeddings of training people, in years) on validation people."""
        validation = self.job.validation
        kept = _copy(self.model.encoder)
        self.model.encoder.load_state_dict(self.weights())
        self.model.eval()
        with torch.no_grad():
            embeddings, outputs = [], []
            for group, brains in (
                (self.job.train, self.brains),
                (validation, self._brains(validation.rows)),
            ):
                first = np.array([scans[0] for scans in group.people])
                features = [
                    self.model.encoder(self._volumes(brains.take(part)))
                    for part in np.array_split(first, math.ceil(len(first) / 32))
                ]
                embeddings.append((torch.cat(features), group.ages[first]))
            (fit_features, fit_ages), (features, ages) = embeddings
            outputs = self.model.head(features)
            loss = float(self.model.loss(outputs, torch.from_numpy(ages).to(self.device)))
        self.model.encoder.load_state_dict(kept)
        predicted = _ridge(fit_features.cpu().numpy(), fit_ages, features.cpu().numpy())
        return loss, float(np.abs(predicted - ages).mean())


def _ridge(fitted: np.ndarray, ages: np.ndarray, features: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    return probe.fit(fitted, ages).predict(features)


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


def _move_average(average: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)


def _train_one_process(job: Job, team: Any) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    try:
        return _train(job, team)
    except torch.cuda.OutOfMemoryError:
        raise InputError(
            f"{job.name}: the GPU's memory is too small; set learning.micro_batch, hold_brains: "
            "false, precision: bf16, or a smaller batch_people"
        ) from None


def _train(job: Job, team: Any) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    run, settings = _Run(job, team), job.settings
    state = checkpoint.load(job.checkpoint, job.made_for)
    if state is not None:
        run.restore(state)
    team.wait()  # all have read it before the first writes the next
    started = said = saved = time.monotonic()
    first_epoch = len(run.history) + 1
    looks = _looks(settings, bool(job.validation.people))
    for epoch in range(first_epoch, settings["epochs"] + 1):
        run.model.train()
        batches = people.batches(
            job.train,
            settings["batch_people"],
            job.seed,
            epoch,
            sampling=settings["sampling"],
            steps=job.steps,
        )
        values = []
        arriving = run.brains.stream(run.share(positions) for positions in batches)
        for number, (positions, stored) in enumerate(zip(batches, arriving, strict=True)):
            rate = optimisation.learning_rate(settings, epoch - 1 + (number + 1) / len(batches))
            values.append(run.step(positions, stored, epoch, rate))
        run.require_finite_weights(epoch)
        row = {
            "epoch": epoch,
            "learning_rate": optimisation.learning_rate(settings, epoch - 1),
            "train_loss": float(np.average(values, weights=[len(part) for part in batches])),
            "validation_loss": math.nan,
            "validation_mae": math.nan,
        }
        if looks and (epoch % looks == 0 or epoch == settings["epochs"]):
            row["validation_loss"], row["validation_mae"] = run.evaluate_validation()
            if settings["choose_epoch"] == "validation" and row["validation_loss"] == 0:
                raise InputError(
                    f"{job.name}: the loss finds nothing to compare among the "
                    f"{len(job.validation.people)} validation people, so that they cannot choose the epoch; "
                    "raise splits.validation or learning.bandwidth, or use choose_epoch: last"
                )
            if row["validation_loss"] < run.best_loss:
                run.best_loss = row["validation_loss"]
                if settings["choose_epoch"] == "validation":
                    run.best = {key: value.clone() for key, value in run.weights().items()}
        run.history.append(row)
        now = time.monotonic()
        if team.rank == 0 and (now - said > _PROGRESS_SECONDS or epoch == settings["epochs"]):
            said = now
            done = epoch - first_epoch + 1
            scans = done * sum(len(part) for part in batches)
            _say(job, row, scans / (now - started), (now - started) / done)
        last = epoch == settings["epochs"]
        if team.rank == 0 and (last or now - saved >= settings["checkpoint_every"]):
            checkpoint.save(job.checkpoint, run.state(), job.made_for)
            saved = now
    weights = run.best if run.best is not None else run.weights()
    return {key: value.detach().cpu() for key, value in weights.items()}, run.history


def _looks(settings: dict[str, Any], has_validation: bool) -> int:
    """Epochs between looks at the validation people; 0 for never."""
    if settings["choose_epoch"] == "validation":
        if not has_validation:
            raise InputError(
                "learning.choose_epoch is validation, but the splits have no validation people"
            )
        return settings["validation_every"] or 1
    return settings["validation_every"] if has_validation else 0


def _say(job: Job, row: dict[str, Any], rate: float, seconds: float) -> None:
    left = int(seconds * (job.settings["epochs"] - row["epoch"]))
    print(
        f"{job.name}: epoch {row['epoch']}/{job.settings['epochs']}, loss {row['train_loss']:.4f}, "
        f"{rate:.0f} scans/s, {left // 60}:{left % 60:02d} left",
        file=sys.stderr,
        flush=True,
    )
