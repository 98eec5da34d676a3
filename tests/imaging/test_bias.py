"""N4 finds a field that was multiplied onto a head, and says so where there is none to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainage.imaging import geometry
from brainage.imaging.bias import BiasField, find_bias, read_bias, write_bias
from brainage.imaging.faults import ScanFault
from brainage.imaging.template import Template


def planted(template: Template) -> np.ndarray:
    """Logarithm of a smooth field: brighter to one side and in the middle."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in template.head.shape), indexing="ij")
    return 0.3 * x - 0.2 * (y**2 + z**2)


def on_grid(template: Template, gain: float | np.ndarray) -> np.ndarray:
    """Logarithm of the field of a head that was multiplied by `gain`, on the whole grid."""
    found = find_bias(template.head * gain, template.mask, template.affine)
    return geometry.resampled(found.logarithm, found.affine, *template.grid, mode="nearest")


def test_a_planted_field_is_found(template: Template) -> None:
    field = planted(template)
    plain, spoilt = (on_grid(template, gain) for gain in (1.0, np.exp(field)))
    # The template itself is a little brighter here and there: what differs is the planted one.
    found, inside = spoilt - plain, template.mask
    assert abs(spoilt[inside & (template.head > 0)].mean()) < 1e-5
    assert np.corrcoef(found[inside], field[inside])[0, 1] > 0.97
    rest = (found - field)[inside]
    assert rest.std() < 0.25 * field[inside].std()


def test_gain_does_not_matter(template: Template) -> None:
    one, other = (on_grid(template, gain) for gain in (1, 500))
    assert np.abs(one - other).max() < 0.01


def test_no_signal_in_the_brain(template: Template) -> None:
    with pytest.raises(ScanFault, match="no brain was found"):
        find_bias(np.zeros_like(template.head), template.mask, template.affine)


def test_a_field_is_read_as_it_was_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    affine = np.eye(4)
    affine[:3] += random.normal(size=(3, 4)) / 3  # sheared, and not of single precision
    field = BiasField(random.normal(size=(5, 6, 7)).astype(np.float32), affine)
    write_bias(tmp_path / "field.nii.gz", field)
    found = read_bias(tmp_path / "field.nii.gz")
    assert found.logarithm.tobytes() == field.logarithm.tobytes()
    assert found.affine.tobytes() == field.affine.tobytes()
