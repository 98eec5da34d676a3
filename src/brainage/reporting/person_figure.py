"""The scatter plot of healthy people with one person marked, written directly as SVG.

Hundreds of these are written, so they are small and drawn without matplotlib.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from brainage.reporting import style, words

WIDTH, HEIGHT = 680, 215
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 12, 40
FONT = 'font-family="system-ui, sans-serif" font-size="11.5"'


@dataclass(frozen=True)
class Scale:
    """From years to places in the drawing."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float

    def x(self, age: float) -> str:
        """Return the place of an age."""
        share = (age - self.low_x) / (self.high_x - self.low_x)
        return f"{LEFT + share * (WIDTH - LEFT - RIGHT):.1f}"

    def y(self, gap: float) -> str:
        """Return the place of a gap."""
        share = (gap - self.low_y) / (self.high_y - self.low_y)
        return f"{HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM):.1f}"


def cloud(
    healthy: pd.DataFrame,
    person: pd.DataFrame,
    band: tuple[float, float] | None,
    band_ages: tuple[float, float],
    band_name: str,
    axis: str,
) -> Markup:
    """Draw corrected gap against age.

    Parameters
    ----------
    healthy
        Healthy people (age, gap_cole), one scan each.
    person
        This person's scans in order of time (age, gap_cole, scanner).
    band
        Range drawn over `band_ages`, or None.
    band_ages
        Ages, in years, for which the range holds.
    band_name
        What the range is, in words.
    axis
        Name of the axis of gaps, with scale and unit.

    Returns
    -------
    Markup
        An ``<svg>`` element with its alternative text.
    """
    ages = [*healthy["age"], *person["age"], *band_ages]
    gaps = [*healthy["gap_cole"], *person["gap_cole"], *(band or ()), -5.0, 5.0]
    ages = [float(a) for a in ages if a == a] or [20.0, 90.0]
    gaps = [float(g) for g in gaps if g == g]
    scale = Scale(
        math.floor((min(ages) - 1) / 5) * 5, math.ceil((max(ages) + 1) / 5) * 5,
        math.floor((min(gaps) - 0.5) / 5) * 5, math.ceil((max(gaps) + 0.5) / 5) * 5,
    )  # fmt: skip
    parts = []
    if band is not None:
        left, right = scale.x(band_ages[0]), scale.x(band_ages[1])
        top, bottom = scale.y(band[1]), scale.y(band[0])
        parts.append(
            f'<rect x="{left}" y="{top}" width="{float(right) - float(left):.1f}" '
            f'height="{float(bottom) - float(top):.1f}" fill="{style.BAND}"/>'
        )
    parts += _axes(scale, axis)
    for age, gap in zip(healthy["age"], healthy["gap_cole"], strict=True):
        parts.append(
            f'<circle cx="{scale.x(age)}" cy="{scale.y(gap)}" r="2.6" fill="{style.BLUE}" '
            'fill-opacity="0.55"/>'
        )
    if band is not None:
        parts.append(
            f'<text x="{float(scale.x(band_ages[0])) + 5:.1f}" '
            f'y="{float(scale.y(band[1])) + 13:.1f}" '
            f'fill="{style.INK}" stroke="{style.BAND}" stroke-width="3" paint-order="stroke">'
            f"{escape(band_name)}</text>"
        )
    parts += _person(scale, person)
    label = (
        "Corrected gap against age: "
        f"{words.count(len(healthy), 'healthy person', 'healthy people')} as dots, this person's "
        f"{words.count(len(person), 'scan')} marked at "
        + words.listing(
            [
                f"{words.number(gap, sign=True)} years at age {words.number(age)}"
                for age, gap in zip(person["age"], person["gap_cole"], strict=True)
            ]
        )
        + "."
    )
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}" {FONT}>'
        + "".join(parts)
        + "</svg>"
    )


def _axes(scale: Scale, axis: str) -> list[str]:
    parts = []
    step = 5 if scale.high_y - scale.low_y <= 40 else 10 if scale.high_y - scale.low_y <= 80 else 20
    first = math.ceil(scale.low_y / step) * step
    for gap in range(int(first), int(scale.high_y) + 1, step):
        colour, width = (style.MUTED, 1) if gap == 0 else (style.RULE, 0.7)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{scale.y(gap)}" y2="{scale.y(gap)}" '
            f'stroke="{colour}" stroke-width="{width}"/>'
            f'<text x="{LEFT - 6}" y="{float(scale.y(gap)) + 4:.1f}" text-anchor="end" '
            f'fill="{style.INK}">{words.number(gap, 0, sign=True)}</text>'
        )
    step = 10 if scale.high_x - scale.low_x > 25 else 5
    for age in range(math.ceil(scale.low_x / step) * step, int(scale.high_x) + 1, step):
        parts.append(
            f'<text x="{scale.x(age)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" '
            f'fill="{style.INK}">{age}</text>'
        )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle" '
        f'fill="{style.INK}">Age at the scan (years)</text>'
        f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle" '
        f'fill="{style.INK}">{escape(axis)}</text>'
    )
    return parts


def _person(scale: Scale, person: pd.DataFrame) -> list[str]:
    parts = []
    places = [
        (float(scale.x(age)), float(scale.y(gap)))
        for age, gap in zip(person["age"], person["gap_cole"], strict=True)
    ]
    visits = list(zip(places, person["scanner"], strict=True))
    for (one, scanner), (two, other) in itertools.pairwise(visits):
        # No line across a change of scanner: it would show the scanner, not the person.
        if scanner == other:
            parts.append(
                f'<line x1="{one[0]:.1f}" y1="{one[1]:.1f}" x2="{two[0]:.1f}" y2="{two[1]:.1f}" '
                f'stroke="{style.VERMILLION}" stroke-width="1.5"/>'
            )
    for number, (x, y) in enumerate(places, start=1):
        size = 6.5 if number == len(places) else 4.5
        parts.append(
            f'<path d="M{x:.1f} {y - size:.1f} l{size} {size} l{-size} {size} l{-size} {-size} z" '
            f'fill="{style.VERMILLION}" stroke="{style.PAPER}" stroke-width="1"/>'
        )
    if places:
        x, y = places[-1]
        # Above the mark, or below it at the upper edge: beside it lie the earlier visits.
        anchor = "end" if x > WIDTH - 60 else "middle" if x > LEFT + 60 else "start"
        height = y - 11 if y > TOP + 20 else y + 19
        parts.append(
            f'<text x="{x:.1f}" y="{height:.1f}" text-anchor="{anchor}" '
            f'font-weight="600" fill="{style.dark(style.VERMILLION)}" stroke="{style.PAPER}" '
            'stroke-width="3" paint-order="stroke">this person</text>'
        )
    return parts
