"""Losses that arrange embeddings by age.

Pure torch, of use without the rest of brainage. Every contrastive loss takes ``features``
of shape (n, d) and ``ages`` of shape (n,); the views of one person are rows like any other
and carry the same age. For an anchor i, k and t run over all other rows, with

    s_k = z_i . z_k / temperature,   z on the unit sphere,
    w_k = K(age_i - age_k),          K a kernel of width `bandwidth` years.

A loss is never NaN: a term (i, k) whose denominator has no members or whose weight is 0 is
left out, an anchor without terms is left out of the mean over anchors, and a batch without
anchors gives 0. Work is done in float32 at least, also under autocast. A weight below the
smallest normal number of that precision counts as 0: its inverse would overflow in the gradient.
In float32, with an RBF kernel, that is from a difference of 13.2 bandwidths on.

Sources: Barbano et al., "Contrastive learning for regression in multi-site brain age
prediction" (ISBI 2023, arXiv 2211.08326) for threshold and L^exp, Dufumier et al. (MICCAI
2021) for y-aware. The released code of the former was read line by line; its paper's
equations could not be, so ``form="paper"`` is the formula in each docstring and
``form="released"`` is what that code computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# A pair is left out where its rivals weigh so much less than itself that float32 would overflow.
LARGEST_RATIO = 1e30

# The released code multiplies by temperature / 0.07, a leftover of SupCon's.
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


def _pairs(
    features: Tensor, ages: Tensor, temperature: float, kernel: str, bandwidth: float
) -> tuple[Tensor, Tensor]:
    """Similarities s and weights w of every anchor with all others, each (n, n - 1)."""
    features, ages = _wide(features), _wide(ages)
    z = functional.normalize(features, dim=1)
    weights = kernel_weights(ages.to(z), kernel, bandwidth)
    return without_diagonal(z @ z.T / temperature), without_diagonal(weights)


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _mean_over_anchors(terms: Tensor, kept: Tensor, normaliser: Tensor | None = None) -> Tensor:
    """Sum the kept terms of each anchor, divide by its normaliser, average over anchors."""
    sums = torch.where(kept, terms, 0).sum(1)
    has_terms = kept.any(1)
    if normaliser is not None:
        has_terms = has_terms & (normaliser > 0)
        sums = sums / torch.where(has_terms, normaliser, 1)
    return torch.where(has_terms, sums, 0).sum() / has_terms.sum().clamp(min=1)


def _nothing(features: Tensor) -> Tensor:
    """Give 0 with a gradient of 0, for a batch in which there is nothing to compare."""
    return _wide(features).sum() * 0


def l_exp(
    features: Tensor,
    ages: Tensor,
    temperature: float = 0.1,
    kernel: str = "rbf",
    bandwidth: float = 2.0,
    form: str = "paper",
) -> Tensor:
    """L^exp: others are pushed away the harder, the further their age.

    Paper form, for one anchor::

        -(1 / sum_t w_t) sum_k w_k log( e^{s_k} / sum_{t != k} e^{s_t (1 - w_t)} )

    Released form: s is first lowered by the row's maximum m (the anchor itself included), so
    that the denominator is that of e^{(s_t - m)(1 - w_t)}, which is another loss; k stays in
    it; and all is multiplied by temperature / 0.07.

    Parameters
    ----------
    features
        Shape (n, d), any length; normalised here.
    ages
        Years, shape (n,).
    temperature, kernel, bandwidth
        See the module and :func:`kernel_weights`.
    form
        ``paper`` or ``released``.

    Returns
    -------
    Tensor
        Scalar: the mean over anchors.
    """
    if form not in ("paper", "released"):
        raise ValueError(f"form {form!r} is not one of paper, released")
    if features.shape[0] < 2 or (form == "paper" and features.shape[0] < 3):
        return _nothing(features)
    s, w = _pairs(features, ages, temperature, kernel, bandwidth)
    if form == "paper":
        log_denominator = leave_one_out_logsumexp(s * (1 - w))
        return _mean_over_anchors(-w * (s - log_denominator), w > 0, w.sum(1))
    # z_i . z_i / temperature is on the diagonal that _pairs dropped: the largest there is.
    own = functional.normalize(_wide(features), dim=1).square().sum(1, keepdim=True) / temperature
    shifted = s - torch.maximum(s.amax(1, keepdim=True), own).detach()
    log_denominator = torch.logsumexp(shifted * (1 - w), dim=1, keepdim=True)
    loss = _mean_over_anchors(-w * (shifted - log_denominator), w > 0, w.sum(1))
    return loss * (temperature / RELEASED_BASE_TEMPERATURE)


def y_aware(
    features: Tensor,
    ages: Tensor,
    temperature: float = 0.1,
    kernel: str = "rbf",
    bandwidth: float = 2.0,
) -> Tensor:
    """y-aware: -sum_k (w_k / sum_t w_t) log( e^{s_k} / sum_t e^{s_t} ).

    Parameters and return value are those of :func:`l_exp`.
    """
    if features.shape[0] < 2:
        return _nothing(features)
    s, w = _pairs(features, ages, temperature, kernel, bandwidth)
    return _mean_over_anchors(-w * torch.log_softmax(s, dim=1), w > 0, w.sum(1))


def threshold(
    features: Tensor,
    ages: Tensor,
    temperature: float = 0.1,
    kernel: str = "rbf",
    bandwidth: float = 2.0,
    form: str = "paper",
    normaliser: str = "sum",
) -> Tensor:
    """Threshold: a pair is compared only with those that are further apart in age.

    Paper form, with r_kt = 1 where w_t < w_k (the rivals of k) and else 0::

        -sum_k (w_k / c_k) log( e^{s_k} / sum_{t != k} r_kt e^{s_t} )

    where c_k is sum_t w_t (``normaliser="sum"``) or sum_t r_kt w_t (``"rivals"``: large
    without bound where all rivals are far away, so not for training). A pair without a rival
    is left out, and with ``"rivals"`` one whose w_k / c_k is above :data:`LARGEST_RATIO`.
    Rivals are found by sorting: O(n^2 log n) time and O(n^2) memory.

    Released form: one denominator an anchor, sum_j e^{s_j} times the number of k with
    w_jk < w_ji, and all multiplied by temperature / 0.07; its c_k is always sum_t w_t.

    Other parameters and the return value are those of :func:`l_exp`.
    """
    if form not in ("paper", "released"):
        raise ValueError(f"form {form!r} is not one of paper, released")
    if normaliser not in ("sum", "rivals"):
        raise ValueError(f"normaliser {normaliser!r} is not one of sum, rivals")
    if form == "released" and normaliser != "sum":
        raise ValueError("the released form has the normaliser sum alone")
    if features.shape[0] < 2:
        return _nothing(features)
    s, w = _pairs(features, ages, temperature, kernel, bandwidth)
    if form == "released":
        full = kernel_weights(_wide(ages).to(s), kernel, bandwidth)
        counts = torch.searchsorted(full.sort(dim=1).values, full).T
        log_counts = without_diagonal(counts).to(s).log()
        has_rival = torch.isfinite(log_counts).any(1, keepdim=True)
        # Rows without any rival get a harmless 0 in place of log 0; they are left out below.
        log_denominator = torch.logsumexp(
            torch.where(has_rival, s + log_counts, 0), dim=1, keepdim=True
        )
        loss = _mean_over_anchors(-w * (s - log_denominator), (w > 0) & has_rival, w.sum(1))
        return loss * (temperature / RELEASED_BASE_TEMPERATURE)
    w, order = w.sort(dim=1)
    s = s.gather(1, order)
    rivals = torch.searchsorted(w, w)  # of equal weights the first: ties are no rivals
    has_rival = rivals > 0
    last = (rivals - 1).clamp(min=0)
    log_denominator = torch.logcumsumexp(s, dim=1).gather(1, last)
    terms = -w * (s - log_denominator)
    kept = has_rival & (w > 0)
    if normaliser == "sum":
        return _mean_over_anchors(terms, kept, w.sum(1))
    rival_weight = w.cumsum(1).gather(1, last)
    kept = kept & (rival_weight > w / LARGEST_RATIO)
    return _mean_over_anchors(terms / torch.where(kept, rival_weight, 1), kept)


def supcon(
    features: Tensor, ages: Tensor, temperature: float = 0.1, bin_width: float = 2.0
) -> Tensor:
    """SupCon (Khosla et al. 2020, L_out) with ages in bins of `bin_width` years as classes.

    With P the others in the anchor's bin: -(1 / |P|) sum_{k in P} log( e^{s_k} / sum_t e^{s_t} ).
    An anchor alone in its bin is left out. Bins begin at age 0.
    """
    if features.shape[0] < 2:
        return _nothing(features)
    bins = torch.floor(_wide(ages) / bin_width)
    s, _ = _pairs(features, ages, temperature, "rbf", 1.0)
    same = without_diagonal((bins[:, None] == bins[None, :]).to(s))
    return _mean_over_anchors(-same * torch.log_softmax(s, dim=1), same > 0, same.sum(1))


def rank_n_contrast(features: Tensor, ages: Tensor, temperature: float = 2.0) -> Tensor:
    """Rank-N-Contrast (Zha et al. 2023), with s_k = -|z_i - z_k| / temperature, z as it is.

    ``-1/(n - 1) sum_k log( e^{s_k} / sum_t [ |age_i - age_t| >= |age_i - age_k| ] e^{s_t} )``;
    O(n^2 log n) time and O(n^2) memory.
    """
    if features.shape[0] < 2:
        return _nothing(features)
    z, ages = _wide(features), _wide(ages)
    # Matrix-product distances lose half the digits for close features.
    distance = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    s = without_diagonal(-distance / temperature)
    apart, order = without_diagonal((ages[:, None] - ages[None, :]).abs()).to(s).sort(dim=1)
    s = s.gather(1, order)
    first = torch.searchsorted(apart, apart)  # from the first of equals on, all are as far
    from_here = torch.logcumsumexp(s.flip(1), dim=1).flip(1)
    return -(s - from_here.gather(1, first)).mean()


def l1(predicted_ages: Tensor, ages: Tensor) -> Tensor:
    """Mean absolute error in years of `predicted_ages`, shape (n,) or (n, 1)."""
    return (_wide(predicted_ages).reshape(-1) - _wide(ages)).abs().mean()


# Loss by its name in the config, and the settings each takes from there. One that is null there
# has the loss's own default.
LOSSES: dict[str, tuple[Callable[..., Tensor], tuple[str, ...]]] = {
    "exp": (l_exp, ("temperature", "kernel", "bandwidth", "form")),
    "y_aware": (y_aware, ("temperature", "kernel", "bandwidth")),
    "threshold": (threshold, ("temperature", "kernel", "bandwidth", "form", "normaliser")),
    "supcon": (supcon, ("temperature", "bin_width")),
    "rank_n_contrast": (rank_n_contrast, ("temperature",)),
    "l1": (l1, ()),
}


def options(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what the loss named in `settings` takes from there, null being its own default."""
    function, takes = LOSSES[settings["loss"]]
    own = inspect.signature(function).parameters
    return {key: own[key].default if settings[key] is None else settings[key] for key in takes}
