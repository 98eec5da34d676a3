"""Recovery of the simulated truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
)
from brainage.reporting.sections import accuracy, groups
from brainage.reporting.style import Picture
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

CHOICE = Section(
    label="Recovery of the simulated truth",
    sentence="how well the simulated truth was recovered",
    order=70,
    short="Truth",
    tell_off=False,
    figures=(
        Figure(
            name="truth",
            category="Truth",
            label="How well the simulated truth was recovered",
            caption=(
                "Left: predicted age against the true brain age of the simulation, test people, "
                "one scan each. Right: each planted effect (open diamond) and its estimate with "
                "95 % interval."
            ),
            needs=("scans", "splits", "gaps", "accuracy", "groups", "slopes", "truth"),
        ),
    ),
)
WHAT = {
    "mae": "{main} against chronological age",
    "mae_of_constant": "best constant against chronological age",
    "mae_of_ridge": "ridge on voxels against chronological age",
    "mae_of_true_brain_age_regression": "the lowest error that the simulation allows: age "
    "regressed on true brain age",
    "mae_of_true_brain_age": "{main} against true brain age",
}
EFFECT_HEADS = ["Effect", "Planted", "In these people", "Estimate [95 % interval]",
                "Contains planted", "Excludes 0", "Power"]  # fmt: skip
ABOUT = (
    "The heads of this study are simulated, so each person's true brain age is known. It is used "
    "in this section only. The heads were made from the same template that they are registered "
    "to; real heads are harder."
)
EXPLAINED = (
    "“Planted” is the population mean of the simulation; “in these people” is the mean of the "
    "simulated sample. Power is the probability, at this sample size, that the interval excludes "
    "0 if the planted value is true, computed from the standard error of the estimate."
)


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return why the truth cannot be compared."""
    if tables["truth"].empty:
        return "the data are real: the true brain ages are not known"
    return accuracy.no_predictions(tables, settings)


def blocks(report: Report) -> list[Block]:
    """Return figure, tables and what they mean."""
    from brainage.reporting.truth import recover

    found = recover(report.tables, report.settings)
    half = half_of_constant(found, report.settings)
    return [
        Text(ABOUT),
        Shown("truth"),
        *([Text(half, "strong")] if half else []),
        ages(found, report.settings),
        *effects(found),
        Text(EXPLAINED, "small"),
        Downloads(("truth_recovery", "truth")),
    ]


def _main_name(settings: Settings) -> str:
    main = tb.main_experiment(settings)
    name = words.experiment_names(settings).get(main, main)
    several = len((settings.get("runs") or {}).get(main, {}).get("seeds", [])) > 1
    return f"{name} ({accuracy.ENSEMBLE})" if several else name


def ages(found: pd.DataFrame, settings: Settings) -> Printed:
    """Return the errors of age from truth_recovery.tsv, and the correlation of the gaps."""
    rows = []
    for people in ("external_sites", *tb.PEOPLE):
        own = tb.by_name(found[found["group"] == people], "quantity")
        for quantity, text in WHAT.items():
            if quantity in own:
                row = own[quantity]
                what = text.format(main=_main_name(settings))
                value, n = words.estimate(row), str(int(row["n"]))
                rows.append([what, words.PEOPLE_NAMES[people], value, n])
        if "correlation_of_gaps" in own:
            row = own["correlation_of_gaps"]
            rows.append(
                ["correlation (r) of corrected gap and true gap",
                    "all test people, including patients",
                 words.estimate(row, 2), str(int(row["n"]))]
            )  # fmt: skip
    caption = "Mean absolute errors (years) with 95 % intervals, and the correlation of gaps."
    return Printed(caption, ["What", "People", "Value [95 % interval]", "n"], rows, {2, 3})


def half_of_constant(found: pd.DataFrame, settings: Settings) -> str:
    """Return whether the main experiment has under half of the best constant's error."""
    for people in ("external_sites", *tb.PEOPLE):
        own = tb.by_name(found[found["group"] == people], "quantity")
        if not {"mae", "mae_of_constant"} <= set(own):
            continue
        error = {name: float(row["estimate"]) for name, row in own.items()}
        answer = "yes" if error["mae"] < error["mae_of_constant"] / 2 else "no"
        return (
            f"{_main_name(settings)} has less than half of the error of the best constant on "
            f"healthy people, {words.PEOPLE_NAMES[people]}: {answer} "
            f"({words.number(error['mae'], 2)} years against half of "
            f"{words.number(error['mae_of_constant'], 2)} years, n {int(own['mae']['n'])})."
        )
    return ""


def effects(found: pd.DataFrame) -> list[Printed]:
    """Return the planted effects of groups and of slopes beside their estimates."""
    printed = []
    for prefix, unit, digits, what, of_one in (
        ("group", "years", 1, "Gap of groups and differences", "mean gap"),
        ("slope", "years per year", 2, "Slopes and contrasts", "slope"),
    ):
        rows = [
            [
                groups.compared(row, of_one),
                words.number(row["planted"], digits),
                words.number(row["sample"], digits),
                words.estimate(row, digits),
                row["contains_planted"] or words.MISSING,
                row["excludes_zero"] or words.MISSING,
                _percent(row["power"]),
            ]
            for _, row in found[found["quantity"].str.startswith(prefix)].iterrows()
        ]
        if rows:
            caption = f"{what} ({unit}, Cole's scale)."
            printed.append(Printed(caption, EFFECT_HEADS, rows, {1, 2, 3, 6}))
    return printed


def _percent(share: float) -> str:
    """Return a share as a percentage; certainty is never claimed."""
    if words.missing(share):
        return words.MISSING
    return "> 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def draw_truth(tables: Tables, settings: Settings) -> Picture | str:
    """Draw predicted against true brain age, and planted beside estimated effects."""
    why = reason(tables, settings)
    if why:
        return why
    from brainage.reporting.truth import recover, with_truth

    rows = with_truth(tb.with_group(tb.first_tests(tables, settings)), tables)
    found = recover(tables, settings)
    shown = found[found["planted"].notna() & found["estimate"].notna()]
    figure = style.new_figure(height=3.9)
    panels = figure.subplot_mosaic(
        [["ages", "gaps"], ["ages", "slopes"]], width_ratios=[1.2, 1], gridspec_kw={"hspace": 0.12}
    )
    _draw_ages(panels["ages"], rows, settings)
    slope = shown["quantity"].str.startswith("slope")
    _draw_effects(panels["gaps"], shown[~slope], "Mean gap (years, Cole's scale)")
    label = "Slope of the gap (years per year, Cole's scale)"
    _draw_effects(panels["slopes"], shown[slope], label)
    panels["gaps"].set_title("Planted (diamond) and estimated")
    said = [
        f"{row['quantity'].replace('_', ' ')} {_effect_name(row)}: planted "
        f"{words.number(row['planted'])}, estimated {words.estimate(row)}"
        for _, row in shown.iterrows()
    ]
    text = f"Predicted against true brain age of {len(rows)} test people. " + "; ".join(said) + "."
    return Picture(figure, text)


def _draw_ages(axes: Any, rows: pd.DataFrame, settings: Settings) -> None:
    """Draw predicted against true brain age, each group with its mark."""
    order = tb.group_order(settings, list(rows["group"]))
    both = [*rows["true_brain_age"], *rows["predicted_age"]] or [20.0, 90.0]
    low, high = float(min(both)) - 3, float(max(both)) + 3
    axes.plot([low, high], [low, high], color=style.MUTED, linewidth=0.8)
    for place, group in enumerate([*order, None]):
        here = rows[rows["group"] == group] if group else rows[rows["group"].isna()]
        if here.empty:
            continue
        colour, mark = style.of_group(order, group) if group else (style.BLUE, "o")
        axes.scatter(
            here["true_brain_age"], here["predicted_age"], s=14, color=colour, marker=mark,
            alpha=0.8, linewidths=0,
        )  # fmt: skip
        if group:
            height = 0.95 - 0.08 * place
            axes.plot(0.06, height, mark, color=colour, markersize=4.5, transform=axes.transAxes)
            axes.text(
                0.1, height, f"{group} (n = {len(here)})", transform=axes.transAxes,
                va="center", fontsize=8, color=style.dark(colour),
            )  # fmt: skip
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="True brain age (years)")
    axes.set_ylabel("Predicted age, uncorrected (years)")
    axes.set_title("Predicted against true brain age")
    axes.set_aspect("equal")


def _draw_effects(axes: Any, shown: pd.DataFrame, label: str) -> None:
    if shown.empty:
        axes.text(
            0, 0.5, "not available: too few people or visits", transform=axes.transAxes,
            color=style.MUTED,
        )  # fmt: skip
        axes.set_axis_off()
        return
    for place, (_, row) in enumerate(shown.iterrows()):
        axes.plot([row["low"], row["high"]], [place, place], color=style.INK, linewidth=1.6)
        axes.plot(row["estimate"], place, "o", color=style.INK, markersize=4.5)
        axes.plot(
            row["planted"], place, "D", color=style.VERMILLION, markersize=6,
            markerfacecolor="none", markeredgewidth=1.4,
        )  # fmt: skip
    axes.axvline(0, color=style.MUTED, linewidth=0.8)
    style.rows(axes, [_effect_name(row) for _, row in shown.iterrows()], -0.6)
    axes.set_xlabel(label)


def _effect_name(row: pd.Series) -> str:
    reference = "" if words.missing(row["reference"]) else f" − {row['reference']}"
    return f"{row['group']}{reference}"
