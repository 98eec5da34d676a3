"""Losses against plain loops written from their formulas."""

import math

import pytest
import torch

from brainage.learning import losses

KERNELS = [("rbf", 2.0), ("cauchy", 5.0)]


def kernel(difference, name, bandwidth):
    if name == "rbf":
        return math.exp(-(difference**2) / (2 * bandwidth**2))
    return 1 / (1 + (difference / bandwidth) ** 2)


def pairs(features, ages, temperature, name, bandwidth):
    """Similarities and weights as lists of lists of floats, from the definition."""
    z = [[value / math.sqrt(sum(v * v for v in row)) for value in row] for row in features.tolist()]
    n = range(len(z))
    ages = ages.tolist()
    s = [[sum(a * b for a, b in zip(z[i], z[k], strict=True)) / temperature for k in n] for i in n]
    w = [[kernel(ages[i] - ages[k], name, bandwidth) for k in n] for i in n]
    return s, w


def mean(values):
    return sum(values) / len(values) if values else 0.0


def loop_exp(s, w, form="paper", temperature=0.1):
    anchors = []
    for i in range(len(s)):
        others = [t for t in range(len(s)) if t != i]
        total = sum(w[i][t] for t in others)
        terms = []
        for k in others:
            rivals = others if form == "released" else [t for t in others if t != k]
            if not rivals or w[i][k] == 0:
                continue
            m = max(s[i]) if form == "released" else 0.0
            below = sum(math.exp((s[i][t] - m) * (1 - w[i][t])) for t in rivals)
            terms.append(w[i][k] * (s[i][k] - m - math.log(below)))
        if terms:
            anchors.append(-sum(terms) / total)
    return mean(anchors) * (temperature / 0.07 if form == "released" else 1)


def loop_y_aware(s, w):
    anchors = []
    for i in range(len(s)):
        others = [t for t in range(len(s)) if t != i]
        total = sum(w[i][t] for t in others)
        below = sum(math.exp(s[i][t]) for t in others)
        terms = [w[i][k] / total * math.log(math.exp(s[i][k]) / below) for k in others if w[i][k]]
        if terms:
            anchors.append(-sum(terms))
    return mean(anchors)


def loop_threshold(s, w, normaliser="sum"):
    anchors = []
    for i in range(len(s)):
        others = [t for t in range(len(s)) if t != i]
        terms = []
        for k in others:
            rivals = [t for t in others if w[i][t] < w[i][k]]
            total = sum(w[i][t] for t in (others if normaliser == "sum" else rivals))
            if rivals and w[i][k] > 0 and total > 0:
                below = sum(math.exp(s[i][t]) for t in rivals)
                terms.append(w[i][k] / total * (s[i][k] - math.log(below)))
        if terms:
            anchors.append(-sum(terms))
    return mean(anchors)


def loop_threshold_released(s, w, temperature):
    n = range(len(s))
    anchors = []
    for i in n:
        below = sum(math.exp(s[i][j]) * sum(w[j][k] < w[j][i] for k in n) for j in n if j != i)
        total = sum(w[i][k] for k in n if k != i)
        terms = [w[i][k] * (s[i][k] - math.log(below)) for k in n if k != i and below > 0]
        if terms and total > 0:
            anchors.append(-sum(terms) / total)
    return mean(anchors) * temperature / 0.07


def loop_supcon(s, ages, bin_width=2.0):
    anchors = []
    bins = [math.floor(age / bin_width) for age in ages.tolist()]
    for i in range(len(s)):
        others = [t for t in range(len(s)) if t != i]
        below = sum(math.exp(s[i][t]) for t in others)
        terms = [math.log(math.exp(s[i][k]) / below) for k in others if bins[k] == bins[i]]
        if terms:
            anchors.append(-mean(terms))
    return mean(anchors)


def loop_rank_n_contrast(features, ages, temperature=2.0):
    z, ages = features.tolist(), ages.tolist()
    terms = []
    for i in range(len(z)):
        others = [t for t in range(len(z)) if t != i]
        s = {t: -math.dist(z[i], z[t]) / temperature for t in others}
        for k in others:
            far = [t for t in others if abs(ages[i] - ages[t]) >= abs(ages[i] - ages[k])]
            terms.append(-(s[k] - math.log(sum(math.exp(s[t]) for t in far))))
    return mean(terms)


def batch(case):
    """Features (n, d) and ages (n,) of a named case."""
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(12, 6, generator=generator, dtype=torch.float64)
    ages = torch.rand(12, generator=generator, dtype=torch.float64) * 30 + 40
    if case == "two views":
        ages[6:] = ages[:6]
    elif case == "identical views":
        ages[6:], features[6:] = ages[:6], features[:6]
    elif case == "equal ages":
        ages[:] = 50
    elif case == "ties":
        ages = torch.round(ages / 5) * 5
    elif case == "far apart":
        ages = torch.arange(12, dtype=torch.float64) * 1000
    elif case == "some far apart":
        ages[::3] += 1000 * torch.arange(4, dtype=torch.float64)
    elif case != "random":
        features, ages = features[: int(case)], ages[: int(case)]
    return features, ages


CASES = [
    "random", "two views", "identical views", "equal ages", "ties", "far apart",
    "some far apart", "1", "2", "3",
]  # fmt: skip


def value_and_loop(name, features, ages, kernel_name="rbf", bandwidth=2.0, **options):
    s, w = pairs(features, ages, 0.1, kernel_name, bandwidth)
    common = {"temperature": 0.1, "kernel": kernel_name, "bandwidth": bandwidth, **options}
    if name == "exp":
        return losses.l_exp(features, ages, **common), loop_exp(s, w, **options)
    if name == "y_aware":
        return losses.y_aware(features, ages, **common), loop_y_aware(s, w)
    if name == "threshold":
        expected = (
            loop_threshold_released(s, w, 0.1)
            if options.get("form") == "released"
            else loop_threshold(s, w, **options)
        )
        return losses.threshold(features, ages, **common), expected
    if name == "supcon":
        return losses.supcon(features, ages), loop_supcon(s, ages)
    return losses.rank_n_contrast(features, ages), loop_rank_n_contrast(features, ages)


VARIANTS = [
    ("exp", {}),
    ("exp", {"form": "released"}),
    ("y_aware", {}),
    ("threshold", {}),
    ("threshold", {"normaliser": "rivals"}),
    ("threshold", {"form": "released"}),
    ("supcon", {}),
    ("rank_n_contrast", {}),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_loss_is_its_formula(name, options, case):
    for kernel_name, bandwidth in KERNELS:
        features, ages = batch(case)
        value, expected = value_and_loop(name, features, ages, kernel_name, bandwidth, **options)
        assert math.isfinite(value.item())
        assert value.item() == pytest.approx(expected, rel=1e-6, abs=1e-12)
        in_single = value_and_loop(
            name, features.float(), ages.float(), kernel_name, bandwidth, **options
        )[0]
        if name != "rank_n_contrast" or case != "identical views":
            assert in_single.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("case", ["random", "two views", "ties", "some far apart"])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_gradient_is_that_of_the_value(name, options, case):
    if options.get("form") == "released" and name == "exp":
        pytest.skip("the released form holds the row's maximum back from the gradient")
    features, ages = batch(case)
    features = features[:, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: value_and_loop(name, x, ages, bandwidth=10.0, **options)[0],
        (features,),
        atol=1e-6,
        rtol=1e-5,
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_gradient_is_finite(name, options, case):
    for scale in (1.0, 1e3):
        features, ages = batch(case)
        features = (features.float() * scale).requires_grad_()
        function, takes = losses.LOSSES[name]
        used = {key: value for key, value in options.items() if key in takes or key == "normaliser"}
        loss = function(features, ages.float(), **used)
        loss.backward()
        assert math.isfinite(loss.item())
        assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_order_of_the_batch_does_not_matter(name, options):
    features, ages = batch("two views")
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    value, _ = value_and_loop(name, features, ages, **options)
    permuted, _ = value_and_loop(name, features[order], ages[order], **options)
    assert permuted.item() == pytest.approx(value.item(), rel=1e-12)


def test_leaving_one_out_keeps_what_subtraction_loses():
    values = torch.tensor([[100.0, 1.0, 2.0]])
    expected = [math.log(math.exp(1) + math.exp(2)), 100.0, 100.0]
    assert losses.leave_one_out_logsumexp(values)[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_nearer_ages_attract_more():
    _, ages = batch("random")
    aligned = torch.stack([torch.cos(ages / 40), torch.sin(ages / 40)], dim=1)
    shuffled = aligned[torch.randperm(12, generator=torch.Generator().manual_seed(3))]
    for loss in (losses.l_exp, losses.y_aware, losses.threshold):
        assert loss(aligned, ages) < loss(shuffled, ages)


def test_l1_is_in_years():
    assert losses.l1(torch.tensor([[50.0], [60.0]]), torch.tensor([52.0, 61.0])).item() == 1.5
