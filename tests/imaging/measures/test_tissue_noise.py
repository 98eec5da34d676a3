"""Noise and contrast of the tissues, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging.measures import tissue_contrast, wm2max
from brainage.imaging.measures._tissues import Spread, spreads
from brainage.imaging.measures.tissue_noise import (
    contrast_to_noise,
    joint_variation,
    mean_signal_to_noise,
    signal_to_noise,
)
from brainage.imaging.template import Template


def test_noise_lowers_snr_and_cnr_and_raises_cjv(template: Template) -> None:
    random = np.random.default_rng(2)
    labels = template.priors.argmax(axis=0).astype(np.uint8) + 1
    labels[~template.mask] = 0
    clean = np.array([0.0, 40.0, 70.0, 100.0])[labels]
    little, much = (spreads(clean + random.normal(0, sd, clean.shape), labels) for sd in (2.0, 8.0))
    # Formulas of MRIQC by hand: 100 / 8, 30 / sqrt(3 * 64), 16 / 30.
    assert signal_to_noise(much, "wm") == pytest.approx(100 / 8, rel=0.03)
    assert contrast_to_noise(much, 8.0) == pytest.approx(30 / np.sqrt(3 * 64), rel=0.03)
    assert contrast_to_noise(much, None) == pytest.approx(30 / np.sqrt(2 * 64), rel=0.03)
    assert joint_variation(much) == pytest.approx(16 / 30, rel=0.03)
    assert mean_signal_to_noise(little) > mean_signal_to_noise(much)
    assert tissue_contrast.contrast(little) == pytest.approx(0.3, abs=0.01)
    assert wm2max.white_to_maximum(clean, little) == pytest.approx(1.0, abs=0.01)


def test_a_tissue_that_was_not_found_has_no_noise() -> None:
    tissues = {"gm": Spread(50.0, 5.0, 1000)}
    assert signal_to_noise(tissues, "wm") is None
    assert signal_to_noise(tissues, "gm") == pytest.approx(10, rel=1e-3)
    assert contrast_to_noise(tissues, 1.0) is None and joint_variation(tissues) is None
    assert mean_signal_to_noise({}) is None
    # Neither is it black: grey matter without white is no contrast of 1, and none of 0.
    assert tissue_contrast.contrast(tissues) is None
    assert tissue_contrast.contrast({"wm": Spread(80.0, 5.0, 1000)}) is None
    assert wm2max.white_to_maximum(np.ones((9, 9, 9)), tissues) is None
