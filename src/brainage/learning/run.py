"""The state of one training run, its optimiser steps and its evaluation on validation people.

Everything random follows from (seed, epoch or step, scan, view), never from the state of a
generator, so a run that was killed goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainage.core.files import InputError
from brainage.core.store import open_store
from brainage.learning import augment, devices, optimisation, parts
from brainage.learning.brains import Brains
from brainage.learning.distributed import SingleProcess
from brainage.learning.model import Model
from brainage.learning.people import Group

_REMEDY = "lower learning_rate, raise temperature or bandwidth, or use precision: fp32"
_VALIDATION_BATCH = 32  # brains
_ENCODER = "encoder."  # how names of the encoder's weights begin in the model


@dataclass(frozen=True)
class Job:
    """One training run.

    Attributes
    ----------
    name
        How messages name it.
    store
        Folder of the store.
    train, validation
        The scans of people with these roles.
    settings
        One experiment of the config, with one learning rate.
    seed
        Seed of the training.
    threads
        Threads of torch.
    checkpoint
        Where its state is kept while it lasts.
    fingerprints
        Hashes of all that its result follows from.
    steps_people
        An epoch has as many optimiser steps as for that many training people; None: as for those
        of this run.
    """

    name: str
    store: Path
    train: Group
    validation: Group
    settings: dict[str, Any]
    seed: int
    threads: int
    checkpoint: Path
    fingerprints: dict[str, str]
    steps_people: int | None = None


class Diverged(InputError):
    """A training whose loss or weights are not finite any more."""


class Run:
    """State of a training run: what a checkpoint holds.

    Parameters
    ----------
    job
        What is trained.
    processes
        The processes that train it, as this one sees them.
    """

    def __init__(self, job: Job, processes: SingleProcess) -> None:
        settings = job.settings
        devices.make_repeatable(job.threads)
        self.job, self.processes, self.settings = job, processes, settings
        self.device = devices.pick_device(settings["device"], processes.rank)
        self.store = open_store(job.store)
        self.brains = self._brains(job.train.rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(job.seed)
            self.model = Model(settings, job.train.ages)
        if processes.size > 1 and self.device.type == "cuda":
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.memory_format = (
            torch.channels_last_3d if settings["channels_last"] else torch.contiguous_format
        )
        self.model.to(self.device)
        # torch's own signature of `to` leaves this argument out where a device is given.
        self.model.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.optimiser = optimisation.optimiser(settings, self.model.parameters())
        self.average = _copy(self.model) if settings["weight_averaging"] else None
        self.best: dict[str, Tensor] | None = None
        self.best_loss = math.inf
        self.history: list[dict[str, Any]] = []
        self.steps = 0

    def weights(self) -> dict[str, Tensor]:
        """Weights of the encoder as they would be written now."""
        return {
            name.removeprefix(_ENCODER): value
            for name, value in self._weights().items()
            if name.startswith(_ENCODER)
        }

    def _weights(self) -> dict[str, Tensor]:
        """Weights of the encoder and its head."""
        return self.average if self.average is not None else _copy(self.model)

    def keep_if_best(self, validation_loss: float) -> None:
        """Keep the weights where the validation people have never had a lower loss."""
        if validation_loss < self.best_loss:
            self.best_loss = validation_loss
            self.best = {key: value.clone() for key, value in self.weights().items()}

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` takes."""
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
        """Go on from a state."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["average"] is not None:
            self.average = {key: v.to(self.device) for key, v in state["average"].items()}
        self.best, self.best_loss = state["best"], state["best_loss"]
        self.history, self.steps = state["history"], state["steps"]

    def share(self, positions: np.ndarray, rank: int | None = None) -> np.ndarray:
        """Return those of a batch's positions that this process (or that of `rank`) works on."""
        rank = self.processes.rank if rank is None else rank
        return np.array_split(positions, self.processes.size)[rank]

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
        settings, processes = self.settings, self.processes
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        shares = [
            np.tile(self.share(positions, rank), settings["views"])
            for rank in range(processes.size)
        ]
        sizes = [len(share) for share in shares]
        ages = torch.from_numpy(self.job.train.ages[np.concatenate(shares)]).to(self.device)
        brains, rows = stored
        keys = [
            # Whoever comes again within an epoch is seen anew.
            (self.job.seed, self.steps, int(position), number // len(rows))
            for number, position in enumerate(shares[processes.rank])
        ]

        def outputs_of(brains: Tensor, part: np.ndarray) -> Tensor:
            own = rows[torch.from_numpy(part % len(rows)).to(rows.device)]
            return self.outputs(self.views(brains, own, [keys[number] for number in part]))

        split = parts.split(sizes, processes.rank, settings["micro_batch"])
        outputs = parts.outputs_in_parts(self.model, outputs_of, brains, split)
        loss = self.model.loss(processes.gather(outputs, sizes), ages)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"{self.job.name}: the loss became {value} in epoch {epoch}; {_REMEDY}")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        processes.average_gradients(self.model.parameters())
        self.optimiser.step()
        self.steps += 1
        if self.average is not None:
            # Early weights are forgotten faster: they are of no use to the mean.
            decay = min(settings["weight_averaging"], (self.steps + 1) / (self.steps + 10))
            _move_average(self.average, self.model, decay)
        return value

    def views(self, brains: Tensor, rows: Tensor, keys: list[tuple[int, ...]]) -> Tensor:
        """Make a random view of each of some stored brains."""
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

    def outputs(self, volumes: Tensor) -> Tensor:
        """Return what the head gives for some views, in the precision of the settings."""
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.settings["precision"] == "bf16"
        ):
            outputs = self.model(volumes.contiguous(memory_format=self.memory_format))
        return outputs.float()

    def require_finite_weights(self, epoch: int) -> None:
        """Raise Diverged where a weight is not finite: a finite loss can have such a gradient."""
        for name, value in self.model.state_dict().items():
            if not value.isfinite().all():
                raise Diverged(
                    f"{self.job.name}: {name} is not finite after epoch {epoch}; {_REMEDY}"
                )

    def evaluate_validation(self) -> tuple[float, float]:
        """Score the weights on the validation people.

        Returns
        -------
        tuple of float
            The loss, and the mean absolute error in years of a ridge regression on the
            embeddings of training people.
        """
        validation = self.job.validation
        kept = _copy(self.model)
        # A mean encoder has a mean head: the last one was made for the last encoder.
        self.model.load_state_dict(self._weights())
        self.model.eval()
        with torch.no_grad():
            train_features, train_ages = self._first_scans(self.job.train, self.brains)
            features, ages = self._first_scans(validation, self._brains(validation.rows))
            outputs = self.model.head(features)
            loss = float(self.model.loss(outputs, torch.from_numpy(ages).to(self.device)))
        self.model.load_state_dict(kept)
        predicted = _ridge(train_features.cpu().numpy(), train_ages, features.cpu().numpy())
        return loss, float(np.abs(predicted - ages).mean())

    def _first_scans(self, group: Group, brains: Brains) -> tuple[Tensor, np.ndarray]:
        """Embeddings and ages of the first scan of each person."""
        first = np.array([scans[0] for scans in group.people])
        channels = self.settings["channels"]
        features = [
            self.model.encoder(augment.to_float(brains.take(part), channels))
            for part in np.array_split(first, math.ceil(len(first) / _VALIDATION_BATCH))
        ]
        return torch.cat(features), group.ages[first]

    def _brains(self, rows: np.ndarray) -> Brains:
        settings = self.settings
        return Brains(
            self.store, rows, self.device, settings["hold_brains"], channels=settings["channels"]
        )


def _ridge(train_features: np.ndarray, train_ages: np.ndarray, features: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    predicted: np.ndarray = probe.fit(train_features, train_ages).predict(features)
    return predicted


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


def _move_average(average: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)
