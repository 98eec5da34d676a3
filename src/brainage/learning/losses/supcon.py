"""Supervised contrastive learning with age bins as classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.learning.losses._common import CONTRASTIVE, Loss

if TYPE_CHECKING:
    from torch import Tensor

CHOICE = Loss(
    label="SupCon on age bins",
    sentence=(
        "the supervised contrastive loss (Khosla et al., NeurIPS 2020) with age bins as classes"
    ),
    settings={
        **CONTRASTIVE,
        "bin_width": {
            "type": "number",
            "exclusiveMinimum": 0,
            "default": 2.0,
            "description": "Width of the age bins that serve as classes, in years, counted from 0.",
        },
    },
)


def loss(outputs: Tensor, ages: Tensor, temperature: float = 0.1, bin_width: float = 2.0) -> Tensor:
    """SupCon (Khosla et al. 2020, L_out) with ages in bins of `bin_width` years as classes.

    With P the others in the anchor's bin: -(1 / |P|) sum_{k in P} log( e^{s_k} / sum_t e^{s_t} ).
    An anchor alone in its bin is left out. Bins begin at age 0.
    """
    import torch

    from brainage.learning.losses import _pairwise as pairwise

    if outputs.shape[0] < 2:
        return pairwise.nothing(outputs)
    bins = torch.floor(pairwise.wide(ages) / bin_width)
    s, _ = pairwise.pairs(outputs, ages, temperature, "rbf", 1.0)
    same = pairwise.without_diagonal((bins[:, None] == bins[None, :]).to(s))
    return pairwise.mean_over_anchors(-same * torch.log_softmax(s, dim=1), same > 0, same.sum(1))
