"""The corrected gap by diagnosis: each person, each group's mean, and the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainage.core.subjects import site_factor
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
    notes_of,
    reason_of,
)
from brainage.reporting.style import Picture
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CHOICE = Section(
    label="Brain-age gap by diagnosis",
    sentence="the corrected gap of each diagnosis, and the differences between them",
    order=40,
    short="Groups",
    figures=(
        Figure(
            name="gap_by_diagnosis",
            category="Disease",
            label="Brain-age gap by diagnosis",
            caption="Corrected gap of each test person, one scan each, at the sites that have "
            "patients. Dark marks are model means with 95 % intervals. Groups overlap: "
            "the gap of one person does not show which group they belong to.",
            needs=("scans", "gaps", "reference", "groups"),
        ),
    ),
)


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return why groups cannot be compared."""
    scans = tables["scans"]
    if scans["diagnosis"].isna().all():
        return "no scan has a diagnosis in the tables"
    known = set(scans["diagnosis"].dropna())
    if known <= set(settings["cohort"]["healthy"]):
        return f"everyone is healthy ({words.listing(sorted(known))})"
    main = tb.main_experiment(settings)
    rows = tables["groups"]
    rows = rows[rows["experiment"] == main]
    if rows["estimate"].isna().all():
        return reason_of(rows, "there are too few people in the groups")
    if tb.test_scans(tables["gaps"], main).empty:
        return f"there is no predicted age of a test person by the main experiment ({main})"
    return None


def blocks(report: Report) -> list[Block]:
    """Return figure, table and downloads."""
    printed = table(report.tables, report.settings)
    return [Shown("gap_by_diagnosis"), printed, Downloads(("groups", "gaps"))]


def table(tables: Tables, settings: Settings) -> Printed:
    """Return each group's mean gap and each difference, by the main experiment."""
    found = tables["groups"]
    found = found[found["experiment"] == tb.main_experiment(settings)]
    rows = []
    for quantity in ("mean", "difference"):
        for _, row in in_order(found[found["quantity"] == quantity], settings).iterrows():
            # The column is as wide as its widest text: the long unit stands in the caption.
            unit = "SD" if row["unit"] == "SD" else "years"
            rows.append(
                [
                    compared(row, "mean gap"),
                    words.estimate(row, 2 if unit == "SD" else 1),
                    unit,
                    words.p_value(row["p"]),
                    words.p_value(row["p_holm"]),
                    people_of(row),
                ]
            )
    unit = next((str(u) for u in found["unit"] if u != "SD"), "years")
    heads = ["Quantity", "Estimate [95 % interval]", "Unit", "p", "p (Holm)", "n"]
    caption = f"Corrected gap by diagnosis, first scan of each person. Unit: {with_alpha(unit)}."
    return Printed(caption, heads, rows, {1, 3, 4, 5}, notes=notes_of(found, "model", "note"))


def with_alpha(unit: str) -> str:
    """Return the unit of a table of the statistics with the letter α."""
    return unit.replace("alpha ", "α = ")


def compared(row: pd.Series, what: str) -> str:
    """Return what a row is about: ``CN, slope`` or ``AD − CN``."""
    if words.missing(row["reference"]):
        return f"{row['group']}, {what}"
    return f"{row['group']} − {row['reference']}"


def people_of(row: pd.Series) -> str:
    """Return how many people a row is from: ``12``, or ``12 and 14`` of a difference."""
    if words.missing(row["n_reference"]):
        return str(int(row["n"]))
    return f"{int(row['n'])} and {int(row['n_reference'])}"


def in_order(rows: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Sort by the order of the groups in the config, numbers in SD behind those in years."""
    order = tb.group_order(settings, [*rows["group"], *rows["reference"]])
    place = {group: i for i, group in enumerate(order)}
    keys = rows.assign(
        unit=rows["unit"] == "SD",
        group=rows["group"].map(place),
        reference=rows["reference"].map(place),
    )
    return rows.loc[keys.sort_values(["unit", "group", "reference"], kind="stable").index]


def gap_label(tables: Tables, experiment: str) -> str:
    """Return the label of an axis of corrected gaps: scale, α and unit."""
    alpha = tb.alpha_text(tables, experiment)
    return f"Corrected gap, Cole's scale{', ' + alpha if alpha else ''} (years)"


def draw_gap_by_diagnosis(tables: Tables, settings: Settings) -> Picture | str:
    """Draw each person's corrected gap by diagnosis, with each group's mean and interval."""
    why = reason(tables, settings)
    if why:
        return why
    main = tb.main_experiment(settings)
    rows = tb.with_group(tb.first_tests(tables, settings))
    # Points are of the people whom the statistics compared: groups and sites of the patients.
    rows = _compared_people(rows[rows["gap_cole"].notna()], settings)
    means = tables["groups"]
    in_years = means["unit"].str.contains("year", na=False)
    means = means[(means["experiment"] == main) & (means["quantity"] == "mean") & in_years]
    groups = tb.group_order(settings, [*rows["group"], *means["group"]])
    estimated = tb.by_name(means[means["estimate"].notna()], "group")
    figure = style.new_figure(width=5.4, height=3.6)
    axes = figure.subplots()
    axes.axhline(0, color=style.MUTED, linewidth=0.8)
    said, names = [], []
    for place, group in enumerate(groups):
        values = rows.loc[rows["group"] == group, "gap_cole"].to_numpy()
        names.append(f"{group}\nn = {len(values)}")
        row = estimated.get(group)
        _draw_group(axes, place, values, style.of_group(groups, group), row)
        if row is not None:
            said.append(f"{group}: mean {words.estimate(row, unit='years')}, n {int(row['n'])}")
    axes.set_xticks(range(len(groups)), names)
    axes.tick_params(axis="x", length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlim(-0.6, len(groups) - 0.3)
    axes.set_ylabel(gap_label(tables, main))
    style.grid(axes)
    text = (
        "Corrected brain-age gap of each test person, one scan each, by diagnosis; "
        "dark marks are means with 95 % intervals. " + "; ".join(said) + "."
    )
    return Picture(figure, text)


def _draw_group(
    axes: Any, place: int, values: np.ndarray, look: tuple[str, str], row: pd.Series | None
) -> None:
    """Draw the people of one group and, where there is one, their mean beside them."""
    colour, mark = look
    axes.scatter(
        place - 0.12 + spread(values, 0.3), values, s=13, color=colour, marker=mark, alpha=0.65,
        linewidths=0,
    )  # fmt: skip
    if row is None:
        return
    at = place + 0.3
    axes.plot([at, at], [row["low"], row["high"]], color=style.INK, linewidth=1.8)
    axes.plot(at, row["estimate"], mark, color=style.INK, markersize=6)
    axes.annotate(
        words.number(row["estimate"], sign=True), (at, row["estimate"]), (7, 0),
        textcoords="offset points", va="center", fontsize=8,
    )  # fmt: skip


def spread(values: np.ndarray, width: float, bins: int = 28) -> np.ndarray:
    """Return a sideways shift for each value so that points of one height lie side by side."""
    import numpy as np

    shift = np.zeros(len(values))
    if len(values) < 2:
        return shift
    edges = np.linspace(values.min(), values.max() + 1e-9, bins + 1)
    which = np.digitize(values, edges)
    fullest = max(np.bincount(which).max(), 4)
    for one in np.unique(which):
        here = np.flatnonzero(which == one)
        here = here[np.argsort(values[here], kind="stable")]
        shift[here] = (np.arange(len(here)) - (len(here) - 1) / 2) * 2 * width / fullest
    return shift


def _compared_people(rows: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Keep people of the groups compared, at sites that hold two of them or more."""
    named = settings["statistics"].get("groups") or list(rows["group"].dropna().unique())
    rows = rows[rows["group"].isin(named)]
    groups_at_site = rows.groupby(site_factor(rows))["group"].transform("nunique")
    return rows[groups_at_site > 1] if (groups_at_site > 1).any() else rows
