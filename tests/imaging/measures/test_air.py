"""Ghosts and noise in the air raise what they should raise."""

from __future__ import annotations

import numpy as np

from brainage.imaging.measures import air, efc
from brainage.imaging.measures._air import head_and_air
from brainage.imaging.template import Template

MEASURES = (air.level, air.spread, air.energy_ratio)


def test_head_and_air_lie_apart(head: np.ndarray, template: Template) -> None:
    inside, outside = head_and_air(head, template.affine)
    assert inside[10:-10, 10:-10, 10:-10][template.mask].all()
    assert not (inside & outside).any()
    assert head[outside].mean() < 3


def test_a_ghost_raises_what_ghosts_raise(head: np.ndarray, template: Template) -> None:
    ghost = head + 0.15 * np.roll(head, head.shape[1] // 2, axis=1)
    clean, bad = (
        [how(data, *head_and_air(data, template.affine)) for how in MEASURES]
        for data in (head, ghost)
    )
    assert bad[0] > 2 * clean[0] and bad[1] > 2 * clean[1]
    assert bad[2] < clean[2]
    assert efc.entropy_focus(ghost) > efc.entropy_focus(head)


def test_masked_air_gives_no_measure_of_air(head: np.ndarray, template: Template) -> None:
    masked = np.where(head_and_air(head, template.affine)[0], head, 0)
    places = head_and_air(masked, template.affine)
    assert [how(masked, *places) for how in MEASURES] == [None] * 3
    assert efc.entropy_focus(masked) > 0
