"""Longitudinal change: the corrected gap of each person over the visits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainage.core.subjects import PERSON
from brainage.reporting import style, words
from brainage.reporting import tables as tb
from brainage.reporting.section import (
    Block,
    Downloads,
    Figure,
    Printed,
    Report,
    Section,
    Shown,
    Text,
    notes_of,
)
from brainage.reporting.sections import groups
from brainage.reporting.style import Picture
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

CHOICE = Section(
    label="Longitudinal change",
    sentence="how the corrected gap changes with time in each diagnosis",
    order=60,
    short="Longitudinal change",
    figures=(
        Figure(
            name="trajectories",
            category="Disease",
            label="Brain-age gap over time",
            caption=(
                "Corrected gap of each person over the visits, groups by diagnosis at the first "
                "scan. Lines are broken where the scanner changed. The dark line is the group's "
                "slope through its centre; the fan is its 95 % interval. A flat line means that "
                "the brain ages one year per year."
            ),
            needs=("scans", "gaps", "reference", "slopes"),
        ),
    ),
)


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return why nothing can be said about change with time."""
    usable = tables["scans"]
    usable = usable[usable["set_aside"].isna()]
    if not usable.duplicated(PERSON).any():
        return "nobody has two visits"
    if not _shown(tables, settings).duplicated(PERSON).any():
        return "no test person has a corrected gap at two visits with known dates or ages"
    return None


def _shown(tables: Tables, settings: Settings) -> pd.DataFrame:
    rows = tb.with_group(tb.test_scans(tables["gaps"], tb.main_experiment(settings)))
    rows = rows[rows["gap_cole"].notna() & rows["years_since_first"].notna()]
    return rows[rows.duplicated(PERSON, keep=False)]


def blocks(report: Report) -> list[Block]:
    """Return figure, table and downloads."""
    printed = table(report.tables, report.settings)
    found = printed if printed.rows else Text("No group is large enough for a slope.")
    return [Shown("trajectories"), found, Downloads(("slopes", "person_slopes"))]


def table(tables: Tables, settings: Settings) -> Printed:
    """Return each group's slope and each contrast, by the main experiment."""
    found = tables["slopes"]
    found = found[(found["experiment"] == tb.main_experiment(settings)) & found["estimate"].notna()]
    rows = []
    for quantity in ("slope", "contrast"):
        for _, row in groups.in_order(found[found["quantity"] == quantity], settings).iterrows():
            rows.append(
                [
                    groups.compared(row, "slope"),
                    words.estimate(row, 2),
                    words.p_value(row["p"]),
                    groups.people_of(row),
                    str(int(row["scans"])),
                ]
            )
    unit = str(next(iter(found["unit"]), "years per year"))
    heads = ["Quantity", "Years per year [95 % interval]", "p", "n", "Scans"]
    caption = f"Longitudinal change of the corrected gap. Unit: {groups.with_alpha(unit)}."
    return Printed(caption, heads, rows, {1, 2, 3, 4}, notes=notes_of(found, "model", "note"))


def draw_trajectories(tables: Tables, settings: Settings) -> Picture | str:
    """Draw each person's corrected gap over time, with each group's slope."""
    why = reason(tables, settings)
    if why:
        return why
    main = tb.main_experiment(settings)
    rows = _shown(tables, settings)
    rows = rows.assign(group=rows["group"].fillna("no diagnosis"))
    order = tb.group_order(settings, list(rows["group"]))
    slopes = tables["slopes"]
    slopes = slopes[(slopes["experiment"] == main) & (slopes["quantity"] == "slope")]
    by_group = tb.by_name(slopes[slopes["estimate"].notna()], "group")
    figure = style.new_figure(height=3.3)
    panels = figure.subplots(1, len(order), squeeze=False, sharex=True, sharey=True)[0]
    said = []
    for axes, group in zip(panels, order, strict=True):
        colour, _ = style.of_group(order, group)
        here = rows[rows["group"] == group]
        _draw_people(axes, here, colour)
        n = here.drop_duplicates(PERSON).shape[0]
        axes.set_title(f"{group} (n = {n})", color=style.dark(colour))
        if group in by_group:
            row = by_group[group]
            _draw_slope(axes, here, row)
            said.append(f"{group}: {words.estimate(row, 2, 'years per year')}")
        style.grid(axes)
    low, high = float(rows["gap_cole"].min()), float(rows["gap_cole"].max())
    panels[0].set_ylim(low - 0.05 * (high - low), high + 0.22 * (high - low))
    panels[0].set_ylabel(groups.gap_label(tables, main))
    figure.supxlabel("Years since the first scan", fontsize=8.5)
    text = (
        "Each person's corrected gap over the visits, and each group's slope with its 95 % "
        "interval. " + ("; ".join(said) if said else "No group is large enough for a slope") + "."
    )
    return Picture(figure, text)


def _draw_people(axes: Any, rows: pd.DataFrame, colour: str) -> None:
    axes.axhline(0, color=style.MUTED, linewidth=0.7)
    for _, person in rows.groupby(PERSON):
        # A line across a change of scanner would show the scanner, not the person.
        scanner = person["scanner"].fillna("")
        for _, piece in person.groupby((scanner != scanner.shift()).cumsum()):
            axes.plot(
                piece["years_since_first"], piece["gap_cole"], color=colour, alpha=0.38,
                linewidth=0.8, marker="o", markersize=2.2, markeredgewidth=0,
            )  # fmt: skip


def _draw_slope(axes: Any, here: pd.DataFrame, row: pd.Series) -> None:
    """Draw a group's slope through its centre, its interval as a fan, and its value."""
    middle, height = here["years_since_first"].mean(), here["gap_cole"].mean()
    ends = here["years_since_first"].min(), here["years_since_first"].max()

    def at(slope: float, years: float) -> float:
        return float(height + slope * (years - middle))

    if not (words.missing(row["low"]) or words.missing(row["high"])):
        for end in ends:
            axes.fill_between(
                [middle, end], [height, at(row["low"], end)], [height, at(row["high"], end)],
                color=style.INK, alpha=0.13, linewidth=0,
            )  # fmt: skip
    axes.plot(ends, [at(row["estimate"], end) for end in ends], color=style.INK, linewidth=2)
    axes.text(
        0.03, 0.985, f"slope {words.number(row['estimate'], 2, sign=True)} years per year\n"
        f"{words.interval(row['low'], row['high'], 2)}",
        transform=axes.transAxes, va="top", fontsize=7.5,
    )  # fmt: skip
