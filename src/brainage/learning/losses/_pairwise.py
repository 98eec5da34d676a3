"""What contrastive losses are made of."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# The released code of threshold and L^exp multiplies by temperature / 0.07, a leftover of SupCon's.
RELEASED_BASE_TEMPERATURE = 0.07


def kernel_weights(ages: Tensor, kernel: str = "rbf", bandwidth: float = 2.0) -> Tensor:
    """Similarity of ages, w_ik = K(age_i - age_k).

    Parameters
    ----------
    ages
        Years, shape (n,).
    kernel
        ``rbf``: exp(-d^2 / (2 bandwidth^2)); ``cauchy``: 1 / (1 + (d / bandwidth)^2).
    bandwidth
        Width in years, above 0.

    Returns
    -------
    Tensor
        Shape (n, n), 1 on the diagonal; 0 where it would be below the smallest normal number.
    """
    distance = (ages[:, None] - ages[None, :]) / bandwidth
    if kernel == "rbf":
        weights = torch.exp(-0.5 * distance.square())
        return torch.where(weights < torch.finfo(weights.dtype).tiny, 0, weights)
    if kernel == "cauchy":
        return 1.0 / (1.0 + distance.square())
    raise ValueError(f"kernel {kernel!r} is not one of rbf, cauchy")


def without_diagonal(square: Tensor) -> Tensor:
    """Drop the diagonal of an (n, n) tensor; gives (n, n - 1), order kept."""
    n = square.shape[0]
    return square.reshape(-1)[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)


def leave_one_out_logsumexp(values: Tensor) -> Tensor:
    """For each row and k: log of the sum over t != k of e^values_t, in O(m) a row.

    The sum before k and the sum after k are added. Subtracting e^values_k from the whole
    sum would cancel where that term dominates, and lose the rest of it.

    Parameters
    ----------
    values
        Shape (n, m) with m of 2 or more.
    """
    before = torch.logcumsumexp(values, dim=1)
    after = torch.logcumsumexp(values.flip(1), dim=1).flip(1)
    middle = torch.logaddexp(before[:, :-2], after[:, 2:])
    return torch.cat([after[:, 1:2], middle, before[:, -2:-1]], dim=1)


def pairs(
    features: Tensor, ages: Tensor, temperature: float, kernel: str, bandwidth: float
) -> tuple[Tensor, Tensor]:
    """Similarities s and weights w of every anchor with all others, each (n, n - 1)."""
    features, ages = wide(features), wide(ages)
    z = functional.normalize(features, dim=1)
    weights = kernel_weights(ages.to(z), kernel, bandwidth)
    return without_diagonal(z @ z.T / temperature), without_diagonal(weights)


def wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def mean_over_anchors(terms: Tensor, kept: Tensor, normaliser: Tensor | None = None) -> Tensor:
    """Sum the kept terms of each anchor, divide by its normaliser, average over anchors."""
    sums = torch.where(kept, terms, 0).sum(1)
    has_terms = kept.any(1)
    if normaliser is not None:
        has_terms = has_terms & (normaliser > 0)
        sums = sums / torch.where(has_terms, normaliser, 1)
    return torch.where(has_terms, sums, 0).sum() / has_terms.sum().clamp(min=1)


def nothing(features: Tensor) -> Tensor:
    """Give 0 with a gradient of 0, for a batch in which there is nothing to compare."""
    return wide(features).sum() * 0
