"""Losses against plain loops written from their formulas."""

import inspect
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from brainage.core import choices
from brainage.core.config import defaults
from brainage.learning.losses import _pairwise, exp, l1, threshold, y_aware
from brainage.learning.model import LOSSES, loss_options
from tests.learning.loops import VARIANTS, expected, kernel_options, value

KERNELS = [("rbf", 2.0), ("cauchy", 5.0)]


def batch(case):
    """Features (n, d) and ages (n,) of a named case."""
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(12, 6, generator=generator, dtype=torch.float64)
    # Ages that float32 holds as well: a tie there must be a tie here.
    ages = (torch.rand(12, generator=generator) * 30 + 40).double()
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
    elif case == "norm 1e3":
        features = 1e3 * features / features.norm(dim=1, keepdim=True)
    elif case != "random":
        features, ages = features[: int(case)], ages[: int(case)]
    return features, ages


CASES = [
    "random", "two views", "identical views", "equal ages", "ties", "far apart",
    "some far apart", "norm 1e3", "1", "2", "3",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_loss_is_its_formula(name, options, case):
    features, ages = batch(case)
    for kernel, bandwidth in KERNELS:
        more = {**kernel_options(name, kernel, bandwidth), **options}
        in_double = value(name, features, ages, **more).item()
        in_loop = expected(name, features, ages, kernel, bandwidth, **options)
        assert in_double == pytest.approx(in_loop, rel=1e-6, abs=1e-12)
        rounded = features.float(), ages.float()
        in_single = value(name, *rounded, **more).item()
        least = torch.finfo(torch.float32).tiny
        in_loop = expected(name, *rounded, kernel, bandwidth, least, **options)
        assert in_single == pytest.approx(in_loop, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "case",
    [
        "random",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("two views", "ties", "some far apart")
        ),
    ],
)
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_gradient_is_that_of_the_value(name, options, case):
    features, ages = batch(case)
    features = features[:, :3].clone().requires_grad_()
    more = {**kernel_options(name, "rbf", 10.0), **options}
    assert torch.autograd.gradcheck(
        lambda x: value(name, x, ages, **more), (features,), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_gradient_is_finite(name, options, case):
    features, ages = batch(case)
    for scale in (0.0, 1.0, 1e3):
        scaled = (features.float() * scale).requires_grad_()
        loss = value(name, scaled, ages.float(), **options)
        loss.backward()
        assert math.isfinite(loss.item())
        assert torch.isfinite(scaled.grad).all()


@pytest.mark.parametrize("apart", [26.0, 26.5, 28.0, 28.8, 29.0])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_neighbour_at_the_edge_of_float32_gives_no_infinite_gradient(name, options, apart):
    # At 13 to 14.4 bandwidths a weight of the RBF kernel is too small a number to divide by.
    ages = torch.tensor([40.0, 40.0 + apart, 40.0 + 2 * apart, 41.0])
    features = batch("random")[0][:4].float().requires_grad_()
    loss = value(name, features, ages, **options)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(features.grad).all()


def test_leaving_one_out_keeps_what_subtraction_loses():
    values = torch.tensor([[100.0, 1.0, 2.0]])
    expected = [math.log(math.exp(1) + math.exp(2)), 100.0, 100.0]
    assert _pairwise.leave_one_out_logsumexp(values)[0].tolist() == pytest.approx(
        expected, rel=1e-6
    )


def test_nearer_ages_attract_more():
    _, ages = batch("random")
    aligned = torch.stack([torch.cos(ages / 40), torch.sin(ages / 40)], dim=1)
    shuffled = aligned[torch.randperm(12, generator=torch.Generator().manual_seed(3))]
    for module in (exp, y_aware, threshold):
        assert module.loss(aligned, ages) < module.loss(shuffled, ages)


def test_l1_is_in_years():
    assert l1.loss(torch.tensor([[50.0], [60.0]]), torch.tensor([52.0, 61.0])).item() == 1.5


def test_options_that_do_not_exist_are_refused():
    features, ages = batch("random")
    for wrong in (
        {"form": "other"}, {"normaliser": "other"}, {"kernel": "other"},
        {"form": "released", "normaliser": "rivals"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"is not one of|sum alone"):
            threshold.loss(features, ages, **wrong)


@pytest.mark.parametrize("name", choices.names(LOSSES))
def test_a_loss_says_what_it_takes(name):
    module = choices.module(LOSSES, name)
    own = {key: part.default for key, part in inspect.signature(module.loss).parameters.items()}
    del own["outputs"], own["ages"]
    of_head = set() if module.CHOICE.supervised else {"projection_dim"}
    assert set(module.CHOICE.settings) == set(own) | of_head
    for key, default in own.items():
        said = module.CHOICE.settings[key]["default"]
        assert said is None or said == default
    assert module.CHOICE.label and module.CHOICE.sentence


def test_planning_reads_the_choices_without_torch():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['numpy'] = None\n"
        "from brainage.core.choices import choices\n"
        "for package in ('losses', 'encoders'):\n"
        "    print(*choices(f'brainage.learning.{package}'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(exp.__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "exp l1 rank_n_contrast supcon threshold y_aware",
        "alexnet3d densenet121 resnet18 small",
    ]


def test_what_is_left_out_of_the_config_is_as_published():
    settings = defaults("learning")
    temperatures = {
        name: loss_options({**settings, "loss": name}).get("temperature")
        for name in choices.names(LOSSES)
    }
    assert temperatures == {
        "exp": 0.1, "y_aware": 0.1, "threshold": 0.1, "supcon": 0.1, "rank_n_contrast": 2.0,
        "l1": None,
    }  # fmt: skip
    assert loss_options({**settings, "temperature": 0.5})["temperature"] == 0.5
    assert loss_options({**settings, "loss": "threshold"})["normaliser"] == "sum"
