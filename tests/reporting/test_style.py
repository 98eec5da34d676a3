"""Colours that everyone can read."""

import re
from importlib import resources

import pytest

from brainage.reporting import style


def test_contrast_agrees_with_wcag():
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("colour", style.SITE_COLOURS)
def test_text_in_any_colour_can_be_read(colour):
    assert style.contrast(style.dark(colour), style.PAPER) >= 4.5


def test_marks_of_the_first_three_groups_stand_out():
    for colour in style.GROUP_COLOURS[:3]:
        assert style.contrast(colour, style.PAPER) >= 3
    assert len(set(style.GROUP_MARKS[:3])) == 3


def test_colours_of_text_on_pages_can_be_read():
    css = resources.files("brainage.reporting").joinpath("templates/base.css").read_text()
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css))
    for name in ("ink", "muted", "vermillion", "green", "link", "blue"):
        for ground in ("paper", "soft"):
            assert style.contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
