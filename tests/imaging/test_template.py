"""The template and its grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainage.core.files import InputError
from brainage.imaging.template import Template, load_template, template_hash


def test_the_box_holds_the_brain_with_a_margin(template: Template) -> None:
    inside = template.mask[template.box]
    assert inside.sum() == template.mask.sum()
    assert all(length % 8 == 0 for length in inside.shape)
    for axis in range(3):
        face = np.moveaxis(inside, axis, 0)
        assert not face[-1].any()
    corner = template.affine @ [*(part.start for part in template.box), 1]
    assert np.allclose(template.box_affine[:, 3], corner)


def test_priors_and_depth_say_where_tissue_is(template: Template) -> None:
    assert np.allclose(template.priors.sum(axis=0), 1, atol=1e-5)
    assert template.priors.min() > 0
    likeliest = template.priors.argmax(axis=0)
    means = [template.head[template.mask & (likeliest == k)].mean() for k in range(3)]
    assert means[0] < means[1] < means[2]
    assert np.array_equal(template.depth > 0, template.mask)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"template": "head.nii"}, "belong together"),
        ({"template": "head.nii", "template_mask": "mask.nii"}, "no file head.nii"),
    ],
)
def test_wrong_paths_name_their_key(
    settings: dict[str, Any], given: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_template(settings | given)


def test_the_hash_follows_the_files(settings: dict[str, Any], tmp_path: Path) -> None:
    for name in ("head", "mask"):
        (tmp_path / name).write_text(name)
    own = settings | {
        "template": str(tmp_path / "head"),
        "template_mask": str(tmp_path / "mask"),
    }
    before = template_hash(own)
    (tmp_path / "mask").write_text("another")
    assert template_hash(own) != before != template_hash(settings)
