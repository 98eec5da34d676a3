"""N4 finds a field that was multiplied onto a head, and says so where there is none to find."""

from __future__ import annotations

import numpy as np
import pytest

from brainage.imaging.bias import log_bias_field
from brainage.imaging.reading import ScanFault
from brainage.imaging.template import Template


def planted(template: Template) -> np.ndarray:
    """Logarithm of a smooth field: brighter to one side and in the middle."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in template.head.shape), indexing="ij")
    return 0.3 * x - 0.2 * (y**2 + z**2)


def test_a_planted_field_is_found(template: Template) -> None:
    field = planted(template)
    plain, spoilt = (
        log_bias_field(template.head * gain, template.mask, template.affine)
        for gain in (1.0, np.exp(field))
    )
    # The template itself is a little brighter here and there: what differs is the planted one.
    found, inside = spoilt - plain, template.mask
    assert abs(spoilt[inside & (template.head > 0)].mean()) < 1e-5
    assert np.corrcoef(found[inside], field[inside])[0, 1] > 0.97
    rest = (found - field)[inside]
    assert rest.std() < 0.25 * field[inside].std()


def test_gain_does_not_matter(template: Template) -> None:
    one, other = (
        log_bias_field(template.head * gain, template.mask, template.affine) for gain in (1, 500)
    )
    assert np.abs(one - other).max() < 0.01


def test_no_signal_in_the_brain(template: Template) -> None:
    with pytest.raises(ScanFault, match="no brain was found"):
        log_bias_field(np.zeros_like(template.head), template.mask, template.affine)
