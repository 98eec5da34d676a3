"""A head with noisy air around it."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging.template import Template


@pytest.fixture
def head(template: Template) -> np.ndarray:
    padded = np.pad(template.head * (template.head > 12), 10)
    noise = np.random.default_rng(5).normal(0, 1.0, (2, *padded.shape))
    return np.hypot(padded + noise[0], noise[1]).astype(np.float32)
