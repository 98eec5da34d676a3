"""The threshold loss: a pair is compared only with those that are further apart in age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.learning.losses._common import CONTRASTIVE, FORM, KERNEL, Loss

if TYPE_CHECKING:
    from torch import Tensor

CHOICE = Loss(
    label="threshold",
    sentence="the threshold contrastive loss (Barbano et al., ISBI 2023)",
    settings={
        **CONTRASTIVE,
        **KERNEL,
        **FORM,
        "normaliser": {
            "enum": ["sum", "rivals"],
            "default": "sum",
            "description": (
                "What the weight of a pair is divided by: the weights of all others, or of its "
                "rivals alone (as the formula is written; without bound where all rivals are far "
                "away, so not for training)."
            ),
        },
    },
)

# A pair is left out where its rivals weigh so much less than itself that float32 would overflow.
MAX_RATIO = 1e30


def loss(
    outputs: Tensor,
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
    is left out, and with ``"rivals"`` one whose w_k / c_k is above :data:`MAX_RATIO`.
    Rivals are found by sorting: O(n^2 log n) time and O(n^2) memory.

    Released form: one denominator an anchor, sum_j e^{s_j} times the number of k with
    w_jk < w_ji, and all multiplied by temperature / 0.07; its c_k is always sum_t w_t.

    Other parameters and the return value are those of :func:`brainage.learning.losses.exp.loss`.
    """
    import torch

    from brainage.learning.losses import _pairwise as pairwise

    if form not in ("paper", "released"):
        raise ValueError(f"form {form!r} is not one of paper, released")
    if normaliser not in ("sum", "rivals"):
        raise ValueError(f"normaliser {normaliser!r} is not one of sum, rivals")
    if form == "released" and normaliser != "sum":
        raise ValueError("the released form has the normaliser sum alone")
    if outputs.shape[0] < 2:
        return pairwise.nothing(outputs)
    s, w = pairwise.pairs(outputs, ages, temperature, kernel, bandwidth)
    if form == "released":
        full = pairwise.kernel_weights(pairwise.wide(ages).to(s), kernel, bandwidth)
        counts = torch.searchsorted(full.sort(dim=1).values, full).T
        log_counts = pairwise.without_diagonal(counts).to(s).log()
        has_rival = torch.isfinite(log_counts).any(1, keepdim=True)
        # Rows without any rival get a harmless 0 in place of log 0; they are left out below.
        log_denominator = torch.logsumexp(
            torch.where(has_rival, s + log_counts, 0), dim=1, keepdim=True
        )
        loss = pairwise.mean_over_anchors(-w * (s - log_denominator), (w > 0) & has_rival, w.sum(1))
        return loss * (temperature / pairwise.RELEASED_BASE_TEMPERATURE)
    w, order = w.sort(dim=1)
    s = s.gather(1, order)
    rivals = torch.searchsorted(w, w)  # of equal weights the first: ties are no rivals
    has_rival = rivals > 0
    last = (rivals - 1).clamp(min=0)
    log_denominator = torch.logcumsumexp(s, dim=1).gather(1, last)
    terms = -w * (s - log_denominator)
    kept = has_rival & (w > 0)
    if normaliser == "sum":
        return pairwise.mean_over_anchors(terms, kept, w.sum(1))
    rival_weight = w.cumsum(1).gather(1, last)
    kept = kept & (rival_weight > w / MAX_RATIO)
    return pairwise.mean_over_anchors(terms / torch.where(kept, rival_weight, 1), kept)
