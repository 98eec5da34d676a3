"""Figures of the grid: what the number and variety of the people trained on do."""

from __future__ import annotations

from typing import Any

import pandas as pd

from brainage.reporting import reasons, style, words
from brainage.reporting import tables as tb
from brainage.reporting.style import Picture
from brainage.reporting.tables import Tables

BARS = (
    "Thin lines with ends are 95 % intervals from resampling people (sites first, where there are "
    "enough external ones); the pale bars beside them are the range over training seeds."
)
_ALL = "all"


def age_errors(tables: Tables) -> pd.DataFrame:
    """Return the MAE of each run: on external people, or on all where there are none."""
    rows = tables["grid_accuracy"]
    rows = rows[(rows["metric"] == "mae") & rows["estimate"].notna()]
    external = rows[rows["people"] == "external"]
    return external if len(external) else rows


def site_rows(tables: Tables, probe: str, protocol: str = "converged") -> pd.DataFrame:
    """Return the balanced accuracy of each run by one probe."""
    rows = tables["grid_sites"]
    return rows[(rows["probe"] == probe) & (rows["protocol"] == protocol)]


def accuracy(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw the age error against the number of people trained on."""
    reason = reasons.no_grid(tables)
    if reason:
        return reason
    rows = age_errors(tables)
    whom = words.PEOPLE_NAMES[str(rows["people"].iloc[0])]
    figure = style.new_figure(height=3.4)
    axes = figure.subplots()
    told = _curves(axes, rows, settings, "years", 1.0)
    axes.set_ylabel("MAE of predicted age (years)")
    text = f"Age error on {whom}, n {int(rows['n'].max())}, of single trainings. {told}"
    return Picture(figure, "Age error against the number of people trained on", text)


def sites(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw how well the site can be told against the number of people trained on."""
    reason = reasons.no_grid(tables, "grid_sites")
    if reason:
        return reason
    rows = site_rows(tables, "embedding")
    figure = style.new_figure(height=3.4)
    axes = figure.subplots()
    told = _curves(axes, rows, settings, "%", 100.0)
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
    axes.set_ylabel("Balanced accuracy of the site (%)")
    beside = "; ".join(f"{name} {100 * value:.0f} %" for name, value in lines.items())
    text = (
        f"Telling {int(rows['sites'].max())} sites apart, {int(rows['n'].max())} people. {told} "
        f"Beside it: {beside}."
    )
    return Picture(figure, "Telling the site against the number of people trained on", text)


def diagnosis(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw each run's age error against the AUC of its diagnosis probe."""
    reason = reasons.no_grid(tables, "grid_diagnosis")
    if reason:
        return reason
    areas = tables["grid_diagnosis"]
    areas = areas[areas["estimate"].notna()]
    case = tb.group_order(settings, list(areas["case"]))[-1]
    areas = areas[areas["case"] == case].set_index("run")
    errors = age_errors(tables).set_index("run")
    both = [name for name in errors.index if name in areas.index]
    if not both:
        return "no training has both an age error and a diagnosis probe"
    names = words.experiment_names(settings)
    experiments = list(dict.fromkeys(errors.loc[both, "experiment"]))
    most = float(errors["train_people"].max())
    figure = style.new_figure(5.6, 3.6)
    axes = figure.subplots()
    told = []
    for name in both:
        age, area = errors.loc[name], areas.loc[name]
        place = experiments.index(age["experiment"])
        colour = style.EXPERIMENT_COLOURS[place % 6]
        x, y = age["estimate"], area["estimate"]
        if not words.missing(age["seed_low"]):
            axes.plot([age["seed_low"], age["seed_high"]], [y, y], color=colour, alpha=0.25,
                      linewidth=4)  # fmt: skip
        if not words.missing(area["seed_low"]):
            axes.plot([x, x], [area["seed_low"], area["seed_high"]], color=colour, alpha=0.25,
                      linewidth=4)  # fmt: skip
        axes.errorbar(
            x, y, xerr=_ends(age), yerr=_ends(area), color=colour, linewidth=0.8, capsize=2,
            marker=style.GROUP_MARKS[place % 7], markersize=3 + 5 * age["train_people"] / most,
        )  # fmt: skip
        told.append(
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
    axes.set_ylabel(f"AUC of the diagnosis probe, {case} against {areas['control'].iloc[0]}")
    style.grid(axes, "both")
    text = "Age error against diagnosis by the same encoder. " + "; ".join(told) + "."
    return Picture(figure, "Accuracy of age and of diagnosis over all trainings", text)


def _curves(
    axes: Any, rows: pd.DataFrame, settings: dict[str, Any], unit: str, scale: float
) -> str:
    """Draw a line for each experiment and choice of data sets; return what it shows, in words."""
    names = words.experiment_names(settings)
    experiments = list(dict.fromkeys(rows["experiment"]))
    choices = sorted(set(rows["datasets"]), key=lambda name: (name != _ALL, name))
    dashes = ["-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2))]
    told = []
    lines = [(e, c) for e in experiments for c in choices]
    for (experiment, choice), own in rows.groupby(["experiment", "datasets"], sort=False):
        own = own.sort_values("train_people")
        place = experiments.index(experiment)
        colour = style.EXPERIMENT_COLOURS[place % 6]
        # Lines stand a little apart, so that bars at one number of people can be told apart.
        apart = 1 + 0.03 * (lines.index((experiment, choice)) - (len(lines) - 1) / 2)
        x = own["train_people"] * apart
        seeds = own["seed_low"].notna()
        axes.vlines(
            x[seeds] * 1.012, scale * own["seed_low"][seeds], scale * own["seed_high"][seeds],
            color=colour, alpha=0.25, linewidth=5,
        )  # fmt: skip
        label = names.get(experiment, experiment)
        if len(choices) > 1:
            label += f", {'all data sets' if choice == _ALL else choice}"
        axes.errorbar(
            x, scale * own["estimate"], yerr=_ends(own, scale), color=colour, linewidth=0.9,
            capsize=2.5, marker=style.GROUP_MARKS[place % 7], markersize=4.5,
            linestyle=dashes[choices.index(choice) % 4], label=words.for_figure(label),
        )  # fmt: skip
        values = "; ".join(
            f"{row['train_people']:.0f} people {_scaled(row, scale, unit)}"
            for _, row in own.iterrows()
        )
        told.append(f"{label}: {values}.")
    axes.set_xscale("log")
    ticks = sorted(set(rows["train_people"].round(0)))
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("People trained on (mean over folds)")
    axes.legend(frameon=False, fontsize=8)
    style.grid(axes)
    return " ".join(told)


def _scaled(row: pd.Series, scale: float, unit: str) -> str:
    ends = {key: scale * row[key] for key in ("estimate", "low", "high")}
    return words.estimate(ends, 1 if scale == 1 else 0, unit)


def _ends(rows: Any, scale: float = 1.0) -> Any:
    """Lengths of the interval below and above the estimate, as matplotlib wants them."""
    below, above = rows["estimate"] - rows["low"], rows["high"] - rows["estimate"]
    if isinstance(rows, pd.DataFrame):
        return [scale * below, scale * above]
    return [[scale * below], [scale * above]]


def _run_name(row: pd.Series, names: dict[str, str]) -> str:
    text = f"{names.get(row['experiment'], row['experiment'])}, {row['train_people']:.0f} people"
    return text if row["datasets"] == _ALL else f"{text} of {row['datasets']}"
