"""An encoder, its head and the loss of a training, picked by their names in the config.

Picked by name and not imported, so that a training depends on the loss and the encoder that it
uses and on no other one.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from torch import Tensor, nn

from brainage.core import choices
from brainage.core.files import InputError
from brainage.core.versions import imported_versions
from brainage.learning.encoders._layers import Encoder
from brainage.learning.heads import AgeHead, ProjectionHead

LOSSES = "brainage.learning.losses"
ENCODERS = "brainage.learning.encoders"


def build_encoder(name: str, width: float = 1.0, channels: int = 1) -> Encoder:
    """Build an encoder with random weights.

    Parameters
    ----------
    name
        A module of :mod:`brainage.learning.encoders`.
    width
        Factor on the number of feature maps.
    channels
        Images of each scan: 1, or 2 with grey matter.

    Raises
    ------
    InputError
        For another name, or a width of 0 or less.
    """
    known = choices.names(ENCODERS)
    if name not in known:
        raise InputError(f"encoder.name is {name!r}; it must be one of {', '.join(known)}")
    if not width > 0:
        raise InputError(f"encoder.width is {width}; it must be above 0")
    encoder: Encoder = choices.module(ENCODERS, name).build(width, channels)
    return encoder


def encoder_versions(encoder: nn.Module) -> dict[str, str]:
    """Return the versions of the libraries that weights and embeddings follow from."""
    # A network of MONAI's is of a class of its own.
    own = type(encoder).__module__.partition(".")[0]
    return imported_versions(sorted({"numpy", "safetensors", "torch", own} - {"brainage"}))


def loss_options(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what the loss named in `settings` takes from there, null being its own default."""
    chosen = choices.module(LOSSES, settings["loss"])
    own = inspect.signature(chosen.loss).parameters
    return {
        key: own[key].default if settings[key] is None else settings[key]
        for key in chosen.CHOICE.settings
        if key in own  # else it is a setting of the head
    }


class Model(nn.Module):
    """Encoder and head, with the loss that belongs to the head."""

    def __init__(self, settings: dict[str, Any], ages: np.ndarray) -> None:
        super().__init__()
        chosen = choices.module(LOSSES, settings["loss"])
        self.encoder = build_encoder(**settings["encoder"], channels=len(settings["channels"]))
        self.function = chosen.loss
        self.options = loss_options(settings)
        size = self.encoder.feature_size
        self.head: nn.Module = (
            AgeHead(size, ages)
            if chosen.CHOICE.supervised
            else ProjectionHead(size, settings["projection_dim"])
        )

    def forward(self, volumes: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.encoder(volumes))
        return outputs

    def loss(self, outputs: Tensor, ages: Tensor) -> Tensor:
        value: Tensor = self.function(outputs, ages, **self.options)
        return value
