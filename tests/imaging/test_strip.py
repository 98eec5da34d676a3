"""The brain mask follows the head, and deepbet is asked for politely."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from scipy import ndimage

from brainage.core.files import InputError
from brainage.imaging import strip
from brainage.imaging.template import Template
from brainage.imaging.tissue import find_tissues


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_a_larger_brain_gets_a_larger_mask(template: Template) -> None:
    random = np.random.default_rng(0)
    own = ndimage.binary_dilation(template.mask)  # one voxel of cortex beyond the template's
    data = np.where(template.mask, template.head, np.where(own, 70.0, 8.0))
    data = (data + random.normal(0, 1, data.shape)).astype(np.float32)
    found = find_tissues(data, template.mask, template.priors)
    mask = strip.refined_mask(data, found, template.depth, template.size)
    assert overlap(mask, own) > overlap(template.mask, own) + 0.01


def test_the_core_is_brain_whatever_it_looks_like(template: Template) -> None:
    data = template.head.copy()
    hole = template.depth > 30
    data[hole] = 0
    found = find_tissues(data, template.mask, template.priors)
    mask = strip.refined_mask(data, found, template.depth, template.size)
    assert mask[hole].all()
    assert not mask[template.depth < -strip.REACH].any()


def test_missing_deepbet_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install deepbet"):
        strip.require_deepbet()
