"""What a loss says of itself, and the settings that several losses take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brainage.core.choices import Choice


@dataclass(frozen=True, kw_only=True)
class Loss(Choice):
    """A loss as a choice.

    Attributes
    ----------
    supervised
        Whether its head predicts the age; else a projection head gives the vectors to compare.
    """

    supervised: bool = False


Settings = Mapping[str, Mapping[str, Any]]

CONTRASTIVE: Settings = {
    "temperature": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "default": None,
        "description": (
            "Temperature of the loss; null means 2 for rank_n_contrast, 0.1 for the others."
        ),
    },
    "projection_dim": {
        "type": "integer",
        "minimum": 2,
        "default": 128,
        "description": (
            "Size of the vector that a contrastive loss sees; the probes see the layer before it."
        ),
    },
}
KERNEL: Settings = {
    "kernel": {
        "enum": ["rbf", "cauchy"],
        "default": "rbf",
        "description": "Kernel on the difference between two ages.",
    },
    "bandwidth": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 2.0,
        "description": "Width of the kernel (sigma), in years.",
    },
}
FORM: Settings = {
    "form": {
        "enum": ["paper", "released"],
        "default": "paper",
        "description": "The formula, or what the authors' released code computes.",
    },
}
