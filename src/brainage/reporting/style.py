"""One look for every figure: colours, marks, type, and SVG files that are the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from brainage.core import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1f24"
MUTED = "#59636e"
RULE = "#d5dae0"
PAPER = "#ffffff"
BAND = "#dfe5ec"
# Okabe and Ito (2008): distinct to people who do not see red and green apart, too.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK = "#E69F00", "#56B4E9", "#000000"
# Controls, then the groups in the order of the config; the marks differ too, not the colour only.
GROUP_COLOURS = (BLUE, GREEN, VERMILLION, PURPLE, ORANGE, SKY, BLACK)
GROUP_MARKS = ("o", "D", "^", "s", "v", "P", "X")
SITE_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
EXPERIMENT_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
ON_PAPER = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}  # a label that covers lines
WIDTH = 7.2  # inches: the column of text of the pages

NOT_AVAILABLE = "not available"
SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "brainage",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "lines.solid_capstyle": "round",
}


def dark(colour: str) -> str:
    """Return `colour` darkened until text in it has a contrast of 5 to 1 on white."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    for percent in range(100, -1, -2):
        shade = "#" + "".join(f"{int(part * percent / 100):02x}" for part in (red, green, blue))
        if contrast(shade, PAPER) >= 5:
            return shade
    return BLACK


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def of_group(groups: Sequence[str], group: str) -> tuple[str, str]:
    """Return colour and mark of a group by its place among `groups`."""
    place = list(groups).index(group)
    return GROUP_COLOURS[place % 7], GROUP_MARKS[place % 7]


def new_figure(width: float = WIDTH, height: float = 3.2) -> Figure:
    """Return an empty figure, in inches. Call it inside :func:`look`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def look() -> Any:
    """Return the context in which every figure is drawn and saved."""
    import matplotlib

    # The keys are names of matplotlib's settings, which a dict of text cannot say.
    return matplotlib.rc_context(SETTINGS)  # type: ignore[arg-type]


def grid(axes: Axes, axis: Literal["x", "y", "both"] = "y") -> None:
    """Draw hairlines behind the data."""
    axes.grid(axis=axis, color=RULE, linewidth=0.6)


def rows(axes: Axes, names: Sequence[str], top: float) -> None:
    """Make of `axes` a list of named rows, the first on top, `top` the upper end of the axis."""
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.5, top)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    grid(axes, "x")


def save(figure: Figure, out: Path, title: str, text: str, available: bool = True) -> None:
    """Save a figure as SVG, the same bytes each time, with its words inside.

    Parameters
    ----------
    figure
        Drawn inside :func:`look`.
    out
        Path of the SVG.
    title, text
        Its title, and what is to be seen in words: pages take their alternative text from here.
    available
        False where the figure only says why there is none.
    """
    metadata = {
        "Title": title,
        "Description": text,
        "Date": None,
        "Creator": "brainage",
        "Keywords": [] if available else [NOT_AVAILABLE],
    }
    with files.atomic_write(out) as temporary:
        figure.savefig(temporary, format="svg", metadata=metadata)


def sentence(text: str) -> Figure:
    """Return a small figure that holds one sentence."""
    import textwrap

    lines = textwrap.wrap(text, 92)
    figure = new_figure(WIDTH, 0.45 + 0.19 * len(lines))
    figure.set_layout_engine("none")
    figure.text(0.02, 0.5, "\n".join(lines), va="center", ha="left", fontsize=9, color=MUTED)
    return figure


@dataclass(frozen=True)
class Picture:
    """A drawn figure and what is to be seen on it, in words."""

    figure: Figure
    text: str
