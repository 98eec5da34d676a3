"""The device, CPU or GPUs, and its reproducibility."""

from __future__ import annotations

import os
from typing import Any

import torch

from brainage.core.files import InputError


def require_enough(settings: dict[str, Any], train_people: int, name: str) -> None:
    """Raise InputError where a training has not enough GPUs or people for its ``devices``."""
    processes = int(settings["devices"])
    if processes == 1:
        return
    gpus = torch.cuda.device_count()
    if pick_device(settings["device"]).type == "cuda" and processes > gpus:
        raise InputError(
            f"learning.devices is {processes}, but there are {gpus} GPUs here; use devices: {gpus}"
        )
    size = min(settings["batch_people"], train_people)
    if size < processes:
        raise InputError(
            f"{name}: a batch has {size} people, fewer than learning.devices ({processes}); "
            "use fewer devices or raise batch_people"
        )


def pick_device(name: str, rank: int = 0) -> torch.device:
    """Return the device of that name; ``auto`` is a GPU where there is one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("learning.device is cuda, but there is no GPU here; use auto or cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", rank % torch.cuda.device_count())


def make_repeatable(threads: int) -> None:
    """Make torch give the same numbers each time, as far as the device can."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    # fp32 means fp32: some GPUs would round to 10 bits in convolutions, unasked.
    torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing here reads memory before it is written; to fill it costs a GPU a tenth of its time.
    # A property of the module itself, which type checkers do not know.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
