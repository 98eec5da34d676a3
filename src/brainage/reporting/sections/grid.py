"""Effects of the number and diversity of training people."""

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
    notes_of,
    reason_of,
)
from brainage.reporting.style import Picture
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

BARS = (
    "Thin lines with ends are 95 % intervals from resampling people (sites first, where there are "
    "enough external ones); the pale bars beside them show the range over training seeds."
)
CHOICE = Section(
    label="Number of training people",
    sentence="the effect of the number and diversity of training people",
    order=30,
    short="Training size",
    figures=(
        Figure(
            name="grid_accuracy",
            category="Training size",
            label="Mean absolute error against the number of training people",
            caption="Mean absolute error of single trainings on the same test people, each with "
            f"the same number of optimiser steps. {BARS}",
            needs=("grid_accuracy",),
        ),
        Figure(
            name="grid_sites",
            category="Training size",
            label="Site predictability against the number of training people",
            caption=(
                "Balanced accuracy of the standardised, converged probe on the embedding, on the "
                "same people and sites in every cell: lower is better. Dashed: chance, and the "
                f"accuracy from age, age² and sex or from the voxels alone. {BARS}"
            ),
            needs=("grid_accuracy", "grid_sites"),
        ),
        Figure(
            name="grid_diagnosis",
            category="Training size",
            label="Accuracy of age and diagnosis over all trainings",
            caption=(
                "Mean absolute error of age and area under the ROC curve for diagnosis from one "
                f"frozen encoder, a mark for each cell, larger for more training people. {BARS}"
            ),
            needs=("grid_accuracy", "grid_diagnosis"),
        ),
    ),
)
NOTHING = {
    "grid_accuracy": "no healthy test person has a predicted age",
    "grid_sites": "fewer than two sites have enough people whom the encoder never saw",
    "grid_diagnosis": "no two groups have enough people for a diagnosis probe",
}
ALL = "all"


def reason(tables: Tables, settings: Settings, table: str = "grid_accuracy") -> str | None:
    """Return why nothing can be said about the number of training people."""
    if tables["grid_accuracy"].empty:
        return "the config has no grid: every training uses all training people (section grid)"
    rows = tables[table]
    return reason_of(rows, NOTHING[table]) if rows["estimate"].isna().all() else None


def blocks(report: Report) -> list[Block]:
    """Return figures, table and downloads."""
    return [
        *(Shown(figure.name) for figure in CHOICE.figures),
        table(report.tables, report.settings),
        Downloads(("grid_accuracy", "grid_sites", "grid_diagnosis")),
    ]


def age_errors(tables: Tables) -> pd.DataFrame:
    """Return the MAE of each run: on external people, or on all where there are none."""
    rows = tables["grid_accuracy"]
    rows = rows[(rows["metric"] == "mae") & rows["estimate"].notna()]
    external = rows[rows["people"] == "external"]
    return external if len(external) else rows


def site_rows(tables: Tables, probe: str) -> pd.DataFrame:
    """Return the balanced accuracy of each run by one probe, standardised and converged."""
    rows = tables["grid_sites"]
    return rows[(rows["probe"] == probe) & (rows["protocol"] == "converged")]


def areas(tables: Tables, settings: Settings) -> tuple[pd.DataFrame, str]:
    """Return the AUC of each run for the last group of patients, and that group."""
    rows = tables["grid_diagnosis"]
    rows = rows[rows["estimate"].notna()]
    groups = tb.group_order(settings, list(rows["case"]))
    case = groups[-1] if groups else ""
    return rows[rows["case"] == case].set_index("run"), case


def table(tables: Tables, settings: Settings) -> Printed:
    """Return one row a run: training people, age error, site, diagnosis, challenge score.

    Intervals are from resampling people; ranges over seeds stand in columns of their own.
    """
    errors = age_errors(tables)
    if errors.empty:
        return Printed("", [], [])
    names, main = words.experiment_names(settings), tb.main_experiment(settings)
    by_case, case = areas(tables, settings)
    site = site_rows(tables, "embedding").set_index("run")
    score = tables["grid_accuracy"]
    score = score[score["metric"] == "challenge_score"].set_index("run")
    rows: list[list[str]] = []
    bold = set()
    order = errors.sort_values(["experiment", "datasets", "train_people"], kind="stable")
    for _, row in order.iterrows():
        run = row["run"]
        if run == main:
            bold.add(len(rows))
        cells = [
            names.get(row["experiment"], row["experiment"]),
            str(row["datasets"]),
            f"{row['train_people']:.0f}",
            words.estimate(row),
            words.seed_range(row),
        ]
        for found, digits, scale in ((site, 0, 100), (by_case, 2, 1)):
            if run in found.index:
                own = found.loc[run]
                ends = {key: scale * own[key] for key in ("estimate", "low", "high")}
                cells += [words.estimate(ends, digits), words.seed_range(own, digits, scale)]
            else:
                cells += [words.MISSING, words.MISSING]
        value = score.loc[run, "estimate"] if run in score.index else None
        rows.append([*cells, words.number(value, 2)])
    heads = ["Model", "Data sets", "Training people", "MAE (years)", "over seeds", "Site (%)",
             "over seeds", f"AUC, {case}" if case else "AUC", "over seeds", "L_c"]  # fmt: skip
    whom = words.PEOPLE_NAMES[str(errors["people"].iloc[0])]
    caption = (
        f"Single trainings, mean over seeds; MAE on {whom}, n {int(errors['n'].max())}. Square "
        "brackets: 95 % intervals from resampling people. Over seeds: smallest to largest. "
        "L_c is the score of the OpenBHB challenge, (site accuracy)^0.3 × MAE, where lower is "
        "better."
    )
    numbers = set(range(2, len(heads)))
    return Printed(caption, heads, rows, numbers, bold, notes_of(errors, "note")).without_empty()


def draw_grid_accuracy(tables: Tables, settings: Settings) -> Picture | str:
    """Draw the age error against the number of training people."""
    why = reason(tables, settings)
    if why:
        return why
    rows = age_errors(tables)
    whom = words.PEOPLE_NAMES[str(rows["people"].iloc[0])]
    figure = style.new_figure(height=3.4)
    axes = figure.subplots()
    said = _curves(axes, rows, settings, "years", 1.0)
    axes.set_ylabel("MAE of predicted age (years)")
    text = f"Mean absolute error on {whom}, n {int(rows['n'].max())}, of single trainings. {said}"
    return Picture(figure, text)


def draw_grid_sites(tables: Tables, settings: Settings) -> Picture | str:
    """Draw site predictability against the number of training people."""
    why = reason(tables, settings, "grid_sites")
    if why:
        return why
    rows = site_rows(tables, "embedding")
    figure = style.new_figure(height=3.4)
    axes = figure.subplots()
    said = _curves(axes, rows, settings, "%", 100.0)
    lines = {"chance": float(rows["chance"].mean())}
    for probe, name in (("age_sex", "age, age² and sex"), ("voxels", "voxels")):
        found = site_rows(tables, probe)
        if len(found):
            lines[name] = float(found["estimate"].mean())
    for name, value in lines.items():
        axes.axhline(100 * value, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            name, (0, 100 * value), (2, 2), xycoords=("axes fraction", "data"),
            textcoords="offset points", fontsize=7.5, color=style.MUTED,
        )  # fmt: skip
    axes.set_ylabel("Balanced accuracy of the predicted site (%)")
    beside = "; ".join(f"{name} {100 * value:.0f} %" for name, value in lines.items())
    text = (
        f"Site predictability over {int(rows['sites'].max())} sites, {int(rows['n'].max())} "
        f"people. {said} For comparison: {beside}."
    )
    return Picture(figure, text)


def draw_grid_diagnosis(tables: Tables, settings: Settings) -> Picture | str:
    """Draw each run's age error against the AUC of its diagnosis probe."""
    why = reason(tables, settings, "grid_diagnosis")
    if why:
        return why
    by_case, case = areas(tables, settings)
    errors = age_errors(tables).set_index("run")
    both = [name for name in errors.index if name in by_case.index]
    if not both:
        return "no training has both an age error and a diagnosis probe"
    names = words.experiment_names(settings)
    experiments = list(dict.fromkeys(errors.loc[both, "experiment"]))
    largest = float(errors["train_people"].max())
    figure = style.new_figure(5.6, 3.6)
    axes = figure.subplots()
    said = []
    for name in both:
        age, area = errors.loc[name], by_case.loc[name]
        size = 3 + 5 * age["train_people"] / largest
        _draw_run(axes, age, area, experiments.index(age["experiment"]), size)
        said.append(
            f"{_run_name(age, names)}: MAE {words.estimate(age, unit='years')}, AUC "
            f"{words.estimate(area, 2)}"
        )
    for place, experiment in enumerate(experiments):
        axes.plot([], [], color=style.EXPERIMENT_COLOURS[place % 6], linestyle="none",
                  marker=style.GROUP_MARKS[place % 7],
                  label=words.for_figure(names.get(experiment, experiment)))  # fmt: skip
    axes.axhline(0.5, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel(f"MAE, {words.PEOPLE_NAMES[str(errors['people'].iloc[0])]} (years)")
    axes.set_ylabel(f"AUC of the diagnosis probe, {case} against {by_case['control'].iloc[0]}")
    style.grid(axes, "both")
    text = "Accuracy of age and of diagnosis by the same encoder. " + "; ".join(said) + "."
    return Picture(figure, text)


def _draw_run(axes: Any, age: pd.Series, area: pd.Series, place: int, size: float) -> None:
    """Draw one run with intervals, and its range over seeds behind it."""
    colour = style.EXPERIMENT_COLOURS[place % 6]
    x, y = age["estimate"], area["estimate"]
    if not words.missing(age["seed_low"]):
        ends = [age["seed_low"], age["seed_high"]]
        axes.plot(ends, [y, y], color=colour, alpha=0.25, linewidth=4)
    if not words.missing(area["seed_low"]):
        ends = [area["seed_low"], area["seed_high"]]
        axes.plot([x, x], ends, color=colour, alpha=0.25, linewidth=4)
    axes.errorbar(
        x, y, xerr=_ends(age), yerr=_ends(area), color=colour, linewidth=0.8, capsize=2,
        marker=style.GROUP_MARKS[place % 7], markersize=size,
    )  # fmt: skip


def _curves(axes: Any, rows: pd.DataFrame, settings: Settings, unit: str, scale: float) -> str:
    """Draw a line for each experiment and choice of data sets; return what it shows, in words."""
    names = words.experiment_names(settings)
    experiments = list(dict.fromkeys(rows["experiment"]))
    choices = sorted(set(rows["datasets"]), key=lambda name: (name != ALL, name))
    dashes: list[Any] = ["-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2))]
    said = []
    lines = [(e, c) for e in experiments for c in choices]
    for line in lines:
        experiment, choice = line
        own = rows[(rows["experiment"] == experiment) & (rows["datasets"] == choice)]
        if own.empty:
            continue
        own = own.sort_values("train_people")
        place = experiments.index(experiment)
        colour = style.EXPERIMENT_COLOURS[place % 6]
        # Lines stand a little apart, lest bars at one number of people cover each other.
        x = own["train_people"] * (1 + 0.03 * (lines.index(line) - (len(lines) - 1) / 2))
        seeds = own["seed_low"].notna()
        axes.vlines(
            x[seeds] * 1.012, scale * own["seed_low"][seeds], scale * own["seed_high"][seeds],
            color=colour, alpha=0.25, linewidth=5,
        )  # fmt: skip
        label = names.get(experiment, experiment)
        if len(choices) > 1:
            label += f", {'all data sets' if choice == ALL else choice}"
        axes.errorbar(
            x, scale * own["estimate"], yerr=_ends(own, scale), color=colour, linewidth=0.9,
            capsize=2.5, marker=style.GROUP_MARKS[place % 7], markersize=4.5,
            linestyle=dashes[choices.index(choice) % 4], label=words.for_figure(label),
        )  # fmt: skip
        values = "; ".join(
            f"{row['train_people']:.0f} people {_scaled(row, scale, unit)}"
            for _, row in own.iterrows()
        )
        said.append(f"{label}: {values}.")
    axes.set_xscale("log")
    ticks = sorted(set(rows["train_people"].round(0)))
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("Training people (mean over folds)")
    axes.legend(frameon=False, fontsize=8)
    style.grid(axes)
    return " ".join(said)


def _scaled(row: pd.Series, scale: float, unit: str) -> str:
    ends = {key: scale * row[key] for key in ("estimate", "low", "high")}
    return words.estimate(ends, 1 if scale == 1 else 0, unit)


def _ends(rows: Any, scale: float = 1.0) -> list[Any]:
    """Lengths of the interval below and above the estimate, as matplotlib wants them."""
    below, above = rows["estimate"] - rows["low"], rows["high"] - rows["estimate"]
    if getattr(below, "ndim", 0):
        return [scale * below, scale * above]
    return [[scale * below], [scale * above]]


def _run_name(row: pd.Series, names: dict[str, str]) -> str:
    text = f"{names.get(row['experiment'], row['experiment'])}, {row['train_people']:.0f} people"
    return text if row["datasets"] == ALL else f"{text} of {row['datasets']}"
