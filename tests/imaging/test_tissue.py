"""Tissue means and the intensity scale."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging.template import Template
from brainage.imaging.tissue import TARGETS, find_tissues, normalised

NOISE = 0.04


def painted(template: Template, levels: tuple[float, float, float]) -> np.ndarray:
    """Template's tissues in given greys, with noise."""
    likeliest = template.priors.argmax(axis=0)
    clean = np.array(levels)[likeliest]
    noise = np.random.default_rng(3).normal(0, NOISE * levels[2], clean.shape)
    return (clean + noise).astype(np.float32)


@pytest.mark.parametrize("levels", [(0.3, 0.7, 1.0), (0.5, 0.8, 1.0), (30.0, 90.0, 110.0)])
def test_means_are_found(template: Template, levels: tuple[float, float, float]) -> None:
    found = find_tissues(painted(template, levels), template.mask, template.priors)
    assert found.ordered
    assert np.allclose(found.means, levels, atol=0.02 * levels[2])


def test_gain_changes_nothing_and_contrast_hardly_anything(template: Template) -> None:
    results = []
    for levels in [(0.3, 0.7, 1.0), (300.0, 700.0, 1000.0), (0.5, 0.78, 1.0)]:
        data = painted(template, levels)
        found = find_tissues(data, template.mask, template.priors)
        results.append(normalised(data, template.mask, found)[template.mask])
    assert np.allclose(results[0], results[1], atol=1e-3)
    labels = template.priors.argmax(axis=0)[template.mask]
    for k in range(3):
        assert np.mean(results[2][labels == k]) == pytest.approx(TARGETS[k], abs=0.03)
    assert all(values.min() >= 0 and values.max() <= 1 for values in results)


def test_a_mask_on_flat_priors_still_has_tissues(template: Template) -> None:
    # Far from the template's brain all tissues are alike likely, such as under a wrong mask.
    data = painted(template, (0.3, 0.7, 1.0))
    priors = np.full_like(template.priors, 1 / 3)
    found = find_tissues(data, template.mask, priors)
    assert np.isfinite(found.means).all() and np.isfinite(found.posterior).all()
    assert found.means[0] < found.means[2]


def test_an_even_object_has_no_tissues(template: Template) -> None:
    data = painted(template, (0.7, 0.7, 0.7))
    found = find_tissues(data, template.mask, template.priors)
    assert not found.ordered
    assert np.isfinite(normalised(data, template.mask, found)).all()
