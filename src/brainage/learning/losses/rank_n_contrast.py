"""Rank-N-Contrast: embeddings are ranked by distance in age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.learning.losses._common import CONTRASTIVE, Loss

if TYPE_CHECKING:
    from torch import Tensor

CHOICE = Loss(
    label="Rank-N-Contrast",
    sentence="the Rank-N-Contrast loss (Zha et al., NeurIPS 2023)",
    settings=CONTRASTIVE,
)


def loss(outputs: Tensor, ages: Tensor, temperature: float = 2.0) -> Tensor:
    """Rank-N-Contrast (Zha et al. 2023), with s_k = -|z_i - z_k| / temperature, z as it is.

    ``-1/(n - 1) sum_k log( e^{s_k} / sum_t [ |age_i - age_t| >= |age_i - age_k| ] e^{s_t} )``;
    O(n^2 log n) time and O(n^2) memory.
    """
    import torch

    from brainage.learning.losses import _pairwise as pairwise

    if outputs.shape[0] < 2:
        return pairwise.nothing(outputs)
    z, ages = pairwise.wide(outputs), pairwise.wide(ages)
    # Matrix-product distances lose half the digits for close vectors.
    distance = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    s = pairwise.without_diagonal(-distance / temperature)
    apart, order = (
        pairwise.without_diagonal((ages[:, None] - ages[None, :]).abs()).to(s).sort(dim=1)
    )
    s = s.gather(1, order)
    first = torch.searchsorted(apart, apart)  # from the first of equals on, all are as far
    from_here = torch.logcumsumexp(s.flip(1), dim=1).flip(1)
    return -(s - from_here.gather(1, first)).mean()
