"""L^exp: samples are repelled more strongly, the larger their difference in age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.learning.losses._common import CONTRASTIVE, FORM, KERNEL, Loss

if TYPE_CHECKING:
    from torch import Tensor

CHOICE = Loss(
    label="L^exp",
    sentence="the contrastive regression loss L^exp (Barbano et al., ISBI 2023)",
    settings={**CONTRASTIVE, **KERNEL, **FORM},
)


def loss(
    outputs: Tensor,
    ages: Tensor,
    temperature: float = 0.1,
    kernel: str = "rbf",
    bandwidth: float = 2.0,
    form: str = "paper",
) -> Tensor:
    """L^exp: samples are repelled more strongly, the larger their difference in age.

    Paper form, for one anchor::

        -(1 / sum_t w_t) sum_k w_k log( e^{s_k} / sum_{t != k} e^{s_t (1 - w_t)} )

    Released form: s is first lowered by the row's maximum m (the anchor itself included), so
    that the denominator is that of e^{(s_t - m)(1 - w_t)}, which is another loss; k stays in
    it; and all is multiplied by temperature / 0.07.

    Parameters
    ----------
    outputs
        Shape (n, d), any length; normalised here.
    ages
        Years, shape (n,).
    temperature, kernel, bandwidth
        See the package and its ``kernel_weights``.
    form
        ``paper`` or ``released``.

    Returns
    -------
    Tensor
        Scalar: the mean over anchors.
    """
    import torch
    from torch.nn import functional

    from brainage.learning.losses import _pairwise as pairwise

    if form not in ("paper", "released"):
        raise ValueError(f"form {form!r} is not one of paper, released")
    if outputs.shape[0] < 2 or (form == "paper" and outputs.shape[0] < 3):
        return pairwise.nothing(outputs)
    s, w = pairwise.pairs(outputs, ages, temperature, kernel, bandwidth)
    if form == "paper":
        log_denominator = pairwise.leave_one_out_logsumexp(s * (1 - w))
        return pairwise.mean_over_anchors(-w * (s - log_denominator), w > 0, w.sum(1))
    # z_i . z_i / temperature is on the diagonal that pairs dropped: the largest there is.
    own = (
        functional.normalize(pairwise.wide(outputs), dim=1).square().sum(1, keepdim=True)
        / temperature
    )
    shifted = s - torch.maximum(s.amax(1, keepdim=True), own).detach()
    log_denominator = torch.logsumexp(shifted * (1 - w), dim=1, keepdim=True)
    loss = pairwise.mean_over_anchors(-w * (shifted - log_denominator), w > 0, w.sum(1))
    return loss * (temperature / pairwise.RELEASED_BASE_TEMPERATURE)
