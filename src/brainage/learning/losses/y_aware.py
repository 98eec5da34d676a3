"""The y-aware contrastive loss: samples attract each other by similarity in age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.learning.losses._common import CONTRASTIVE, KERNEL, Loss

if TYPE_CHECKING:
    from torch import Tensor

CHOICE = Loss(
    label="y-aware",
    sentence="the y-aware contrastive loss (Dufumier et al., MICCAI 2021)",
    settings={**CONTRASTIVE, **KERNEL},
)


def loss(
    outputs: Tensor,
    ages: Tensor,
    temperature: float = 0.1,
    kernel: str = "rbf",
    bandwidth: float = 2.0,
) -> Tensor:
    """y-aware: -sum_k (w_k / sum_t w_t) log( e^{s_k} / sum_t e^{s_t} ).

    Parameters and return value are those of :func:`brainage.learning.losses.exp.loss`.
    """
    import torch

    from brainage.learning.losses import _pairwise as pairwise

    if outputs.shape[0] < 2:
        return pairwise.nothing(outputs)
    s, w = pairwise.pairs(outputs, ages, temperature, kernel, bandwidth)
    return pairwise.mean_over_anchors(-w * torch.log_softmax(s, dim=1), w > 0, w.sum(1))
