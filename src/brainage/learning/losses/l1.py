"""Supervised regression: the mean absolute error of the predicted age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.learning.losses._common import Loss

if TYPE_CHECKING:
    from torch import Tensor

CHOICE = Loss(
    label="supervised L1",
    sentence="supervised regression with the L1 loss",
    supervised=True,
)


def loss(outputs: Tensor, ages: Tensor) -> Tensor:
    """Mean absolute error in years of the predicted ages `outputs`, shape (n,) or (n, 1)."""
    from brainage.learning.losses import _pairwise as pairwise

    return (pairwise.wide(outputs).reshape(-1) - pairwise.wide(ages)).abs().mean()
