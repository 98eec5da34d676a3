"""The heads that training puts on an encoder; no probe ever sees what they give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """Linear(d, d), ReLU, Linear(d, size): the vectors that a contrastive loss compares."""

    def __init__(self, feature_size: int, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(feature_size, feature_size), nn.ReLU(), nn.Linear(feature_size, size)
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class AgeHead(nn.Module):
    """Linear(d, 1) whose output is in years.

    It begins at the mean age of the people it is fitted on and counts in their SD: with plain
    years, hundreds of steps would go into learning the mean.
    """

    def __init__(self, feature_size: int, ages: Sequence[float] | np.ndarray) -> None:
        super().__init__()
        years = torch.as_tensor(ages, dtype=torch.float64)
        self.linear = nn.Linear(feature_size, 1)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", years.mean().float())
        self.register_buffer("sd", years.std(correction=0).clamp(min=1.0).float())

    def forward(self, features: Tensor) -> Tensor:
        return self.mean + self.sd * self.linear(features).squeeze(1)
