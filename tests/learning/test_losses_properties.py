"""What must hold of every loss, whatever the batch."""

import math

import hypothesis
import hypothesis.strategies as st
import pytest
import torch

from tests.learning.loops import VARIANTS, expected, value

# tests/learning/test_losses.py has the formulas on chosen batches.
pytestmark = pytest.mark.slow

every_loss = pytest.mark.parametrize(("name", "options"), VARIANTS)
examples = hypothesis.settings(max_examples=15, deadline=None, derandomize=True, database=None)

# Quarters of a year: all distances are exact, so that ties are ties in any precision.
AGES = st.integers(0, 400).map(lambda quarters: quarters / 4)
COORDINATES = st.integers(-30, 30).map(lambda tenths: tenths / 10)


@st.composite
def batches(draw, least=1, ages=AGES):
    """Features (n, 3) and ages (n,); rows may be equal, or all 0, and ages may be equal."""
    n = draw(st.integers(least, 7))
    rows = st.lists(COORDINATES, min_size=3, max_size=3)
    features = draw(st.lists(rows, min_size=n, max_size=n))
    years = draw(st.lists(ages, min_size=n, max_size=n))
    return torch.tensor(features, dtype=torch.float64), torch.tensor(years, dtype=torch.float64)


def with_gradient(name, features, ages, **options):
    """Value and gradient, neither of which may ever be infinite or not a number."""
    features = features.clone().requires_grad_()
    loss = value(name, features, ages, **options)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(features.grad).all()
    return loss.item(), features.grad


@every_loss
@examples
@hypothesis.given(batch=batches())
def test_it_is_its_formula(name, options, batch):
    loss, _ = with_gradient(name, *batch, **options)
    assert loss == pytest.approx(expected(name, *batch, **options), rel=1e-6, abs=1e-11)


@every_loss
@examples
@hypothesis.given(batch=batches(), scale=st.sampled_from([1.0, 1e3]))
def test_it_is_its_formula_in_float32(name, options, batch, scale):
    features, ages = (scale * batch[0]).float(), batch[1].float()
    loss, _ = with_gradient(name, features, ages, **options)
    wanted = expected(name, features, ages, least=torch.finfo(torch.float32).tiny, **options)
    assert loss == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@every_loss
@examples
@hypothesis.given(batch=batches(2), random=st.randoms(use_true_random=False))
def test_the_order_of_the_batch_does_not_matter(name, options, batch, random):
    features, ages = batch
    order = random.sample(range(len(ages)), len(ages))
    loss, gradient = with_gradient(name, features, ages, **options)
    permuted, gradient_permuted = with_gradient(name, features[order], ages[order], **options)
    assert permuted == pytest.approx(loss, rel=1e-9, abs=1e-11)
    scale = 1 + gradient.abs().max()
    assert torch.allclose(gradient_permuted / scale, gradient[order] / scale, atol=1e-9)


@examples
@hypothesis.given(batch=batches(3))
def test_of_equal_ages_each_loss_has_a_simple_form(batch):
    features = batch[0]
    ages = torch.full((len(features),), 50.0, dtype=torch.float64)
    z = torch.nn.functional.normalize(features, dim=1)
    others = ~torch.eye(len(z), dtype=torch.bool)
    s = (z @ z.T / 0.1)[others].view(len(z), -1)
    entropy = (torch.logsumexp(s, 1) - s.mean(1)).mean().item()
    count = s.shape[1]
    simple = {
        "exp": math.log(count - 1) - s.mean().item(),
        "y_aware": entropy,
        "supcon": entropy,
        "threshold": 0.0,  # nobody is further away than anybody
    }
    for name, wanted in simple.items():
        assert with_gradient(name, features, ages)[0] == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    # Both released forms have no denominator of their own left, or m and a count in it.
    released = math.log(count) - (s - 10.0).mean().item()
    if features.any(1).all():
        assert with_gradient("exp", features, ages, form="released")[0] == pytest.approx(
            released * 0.1 / 0.07, rel=1e-9
        )
    assert with_gradient("threshold", features, ages, form="released")[0] == 0.0


@every_loss
@examples
@hypothesis.given(batch=batches(ages=st.just(0.0)))
def test_of_ages_far_apart_nothing_attracts(name, options, batch):
    features, ages = batch
    ages = ages + 1000 * torch.arange(len(ages))
    loss, gradient = with_gradient(name, features.float(), ages.float(), **options)
    if name == "rank_n_contrast":  # it has ranks, and no width beyond which nobody is near
        assert loss >= 0
    else:
        assert loss == 0
        assert not gradient.any()


@every_loss
@examples
@hypothesis.given(batch=batches())
def test_two_identical_views_share_the_gradient(name, options, batch):
    features, ages = batch
    loss, gradient = with_gradient(name, features.tile(2, 1), ages.tile(2), **options)
    wanted = expected(name, features.tile(2, 1), ages.tile(2), **options)
    assert loss == pytest.approx(wanted, rel=1e-6, abs=1e-11)
    first, second = gradient.chunk(2)
    scale = 1 + gradient.abs().max()
    assert torch.allclose(first / scale, second / scale, atol=1e-9)


@every_loss
@examples
@hypothesis.given(batch=batches(), views=st.integers(1, 2))
def test_of_one_person_there_is_nothing_to_learn_but_that_views_agree(name, options, batch, views):
    features, ages = batch[0][:views], batch[1][:1].expand(min(views, len(batch[0])))
    loss, gradient = with_gradient(name, features, ages, **options)
    assert loss == pytest.approx(expected(name, features, ages, **options), abs=1e-11)
    if name != "exp" or options != {"form": "released"} or len(ages) == 1:
        assert loss == pytest.approx(0, abs=1e-11)
        assert gradient.abs().max() < 1e-9
