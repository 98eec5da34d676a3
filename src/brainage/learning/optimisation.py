"""The optimiser and the schedule of its learning rate."""

from __future__ import annotations

import math
from typing import Any

import torch

_STEP_EPOCHS, _STEP_FACTOR = 10, 0.9  # of schedule: step, as published


def learning_rate(settings: dict[str, Any], epochs_done: float) -> float:
    """Learning rate after `epochs_done` epochs, which may be a fraction.

    A step takes that of its middle: at its end a cosine would be 0 in the last step, at its
    beginning a warm-up in the first, and either step would be wasted.
    """
    rate, warmup = settings["learning_rate"], settings["warmup_epochs"]
    if epochs_done < warmup:
        rate *= epochs_done / warmup
    if settings["schedule"] == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * min(epochs_done / settings["epochs"], 1.0)))
    elif settings["schedule"] == "step":
        rate *= _STEP_FACTOR ** (int(epochs_done) // _STEP_EPOCHS)
    return rate


def optimiser(settings: dict[str, Any], parameters: Any) -> torch.optim.Optimizer:
    """Return the optimiser of that name in the settings."""
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if settings["optimiser"] == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=decay)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings["optimiser"]]
    return kind(parameters, lr=rate, weight_decay=decay)
