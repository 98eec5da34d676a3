"""Losses that arrange embeddings by age; each is a self-contained module.

``loss(outputs, ages, **options)`` of a module is of use without the rest of brainage. A contrastive
one takes ``outputs`` of shape (n, d) and ``ages`` of shape (n,); the views of one person are rows
like any other and carry the same age. For an anchor i, k and t run over all other rows, with

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
