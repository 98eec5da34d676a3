"""Micro-batches for a loss that compares every view with every other.

Gradients of a contrastive loss cannot be added up over small batches: each would see its own
negatives alone. What can be done (Gao et al. 2021, "Scaling deep contrastive learning batch size
under memory limited setup") is to compute the outputs of all parts without keeping what the way
back needs, take the loss of all outputs together, and compute each part once more when its
gradient is due. Memory is that of one part, time is one forward pass more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def split(sizes: Sequence[int], rank: int, largest: int | None) -> list[np.ndarray]:
    """Cut the share of one process into parts of equal size (± 1).

    All processes get the same number of parts, since they may have to meet within each (for
    shared batch statistics). Where shares are unequal, a part may for that be larger by a view
    or two.

    Parameters
    ----------
    sizes
        Views of each process.
    rank
        Which process.
    largest
        Most views a part; None for one part.

    Returns
    -------
    list of numpy.ndarray
        Numbers of the views, from 0.
    """
    count = 1 if largest is None else min(-(-max(sizes) // largest), min(sizes))
    return np.array_split(np.arange(sizes[rank]), max(count, 1))


def outputs_in_parts(
    model: nn.Module,
    function: Callable[[Tensor, np.ndarray], Tensor],
    stored: Tensor,
    parts: Sequence[np.ndarray],
) -> Tensor:
    """Compute ``function(stored, part)`` for each part, and again when its gradient is due.

    The second pass draws the same random numbers as the first. Without batch statistics the
    loss and gradients are those of the whole batch, up to rounding. With batch normalisation
    each part is normalised by its own mean and variance, in both passes, and moves the running
    ones once: exact for that network, but not the numbers of one large batch. So a part should
    not have fewer views than a batch would need.

    Parameters
    ----------
    model
        The network in `function`.
    function
        From `stored` and a part to outputs of shape (views of the part, d).
    stored
        What the views are made from; on the device whose random numbers are drawn.
    parts
        From :func:`split`.

    Returns
    -------
    Tensor
        Shape (n, d), in the order of the parts, with a graph.
    """
    if len(parts) == 1:
        return function(stored, parts[0])
    outputs = [
        checkpoint(
            function,
            stored,
            part,
            use_reentrant=False,
            context_fn=lambda: (contextlib.nullcontext(), _running_statistics_kept(model)),
        )
        for part in parts
    ]
    return torch.cat(outputs)


@contextlib.contextmanager
def _running_statistics_kept(model: nn.Module) -> Iterator[None]:
    """Normalise by the batch as in training, but leave the running statistics alone."""
    norms = [
        (module, module.momentum, module.num_batches_tracked)
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    for norm, _, count in norms:
        # Not track_running_stats: what is kept for the way back must be as in the first pass.
        # A copy of the counter, as batch normalisation over several GPUs does not go without.
        norm.momentum, norm.num_batches_tracked = 0.0, None if count is None else count.clone()
    try:
        yield
    finally:
        for norm, momentum, count in norms:
            norm.momentum, norm.num_batches_tracked = momentum, count
