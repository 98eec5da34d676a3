"""What the losses cost: sorted against dense, and each against y-aware.

    python benchmarks/losses.py [--anchors 512] [--repeats 5] [--device cpu]

Threshold and Rank-N-Contrast compare each pair with the anchor's rivals of that pair. Written down
as it stands that is an n x n x n array; here rivals are found by sorting, and a prefix logsumexp
sums them. Both forms take the same features and ages in one run, forward and backward, and must
agree. CPU seconds of the process on a CPU, the least of the repeats.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from brainage.core import choices
from brainage.learning.losses import _pairwise, y_aware
from brainage.learning.model import LOSSES


def dense_threshold(features: Tensor, ages: Tensor) -> Tensor:
    """Threshold with the normaliser sum, from an (n, n - 1, n - 1) mask of rivals."""
    z = functional.normalize(features, dim=1)
    s = _pairwise.without_diagonal(z @ z.T / 0.1)
    w = _pairwise.without_diagonal(_pairwise.kernel_weights(ages))
    rival = w[:, None, :] < w[:, :, None]  # of anchor, pair, and the other
    below = torch.logsumexp(s[:, None, :].masked_fill(~rival, -torch.inf), dim=2)
    kept = rival.any(2) & (w > 0)
    terms = torch.where(kept, -w * (s - torch.where(kept, below, 0)), 0).sum(1) / w.sum(1)
    return terms[kept.any(1)].mean()


def dense_rank_n_contrast(features: Tensor, ages: Tensor) -> Tensor:
    """Rank-N-Contrast from an (n, n - 1, n - 1) mask of those at least as far in age."""
    distance = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    s = _pairwise.without_diagonal(-distance / 2.0)
    apart = _pairwise.without_diagonal((ages[:, None] - ages[None, :]).abs())
    far = apart[:, None, :] >= apart[:, :, None]
    below = torch.logsumexp(s[:, None, :].masked_fill(~far, -torch.inf), dim=2)
    return -(s - below).mean()


def seconds(
    function: Callable[..., Tensor], features: Tensor, ages: Tensor, repeats: int
) -> tuple[float, float, Tensor]:
    """Least seconds of a forward and backward pass; the value and the gradient."""
    cuda = features.device.type == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    least = float("inf")
    for _ in range(repeats + 1):  # the first warms up
        x = features.clone().requires_grad_()
        if cuda:
            torch.cuda.synchronize()
        start = clock()
        value = function(x, ages)
        value.backward()
        if cuda:
            torch.cuda.synchronize()
        least = min(least, clock() - start)
    return least, value.item(), x.grad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--anchors", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(args.anchors, 128, generator=generator).to(args.device)
    # Two views of each person, 20 to 80 years old.
    people = (args.anchors + 1) // 2
    ages = (torch.rand(people, generator=generator) * 60 + 20).tile(2)[: args.anchors]
    ages = ages.to(args.device)

    print(f"{args.anchors} anchors of 128 numbers, float32, {args.device}, forward and backward\n")
    print("| loss | sorted, ms | dense, ms | times as fast | largest difference of gradients |")
    print("| --- | --- | --- | --- | --- |")
    for name, dense in (
        ("threshold", dense_threshold),
        ("rank_n_contrast", dense_rank_n_contrast),
    ):
        own, value, gradient = seconds(
            choices.module(LOSSES, name).loss, features, ages, args.repeats
        )
        slow, dense_value, dense_gradient = seconds(dense, features, ages, min(args.repeats, 2))
        difference = float((gradient - dense_gradient).abs().max() / dense_gradient.abs().max())
        if abs(value / dense_value - 1) > 1e-4 or difference > 1e-3:
            raise SystemExit(f"{name}: {value} sorted and {dense_value} dense do not agree")
        print(
            f"| {name} | {1e3 * own:.1f} | {1e3 * slow:.0f} | {slow / own:.0f} | {difference:.0e} |"
        )

    print("\n| loss | ms | times y-aware |")
    print("| --- | --- | --- |")
    variants = [(name, {}) for name, one in choices.choices(LOSSES).items() if not one.supervised]
    variants += [("exp", {"form": "released"}), ("threshold", {"form": "released"})]
    base = seconds(y_aware.loss, features, ages, args.repeats)[0]
    for name, options in variants:

        def function(x: Tensor, y: Tensor, name: str = name, options: dict = options) -> Tensor:
            return choices.module(LOSSES, name).loss(x, y, **options)

        own = seconds(function, features, ages, args.repeats)[0]
        label = " ".join([name, *options.values()])
        print(f"| {label} | {1e3 * own:.1f} | {own / base:.1f} |")


if __name__ == "__main__":
    main()
