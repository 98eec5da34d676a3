"""Figures of predicted age: accuracy, age by site, training curves, the simulated truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from brainage.reporting import reasons, style, truth, words
from brainage.reporting import tables as tb
from brainage.reporting.style import Picture
from brainage.reporting.tables import Tables

MAX_PANELS = 12  # more sites than this share a last panel


def accuracy(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw the MAE of every experiment and baseline with its interval."""
    reason = reasons.no_accuracy(tables, settings)
    if reason:
        return reason
    table = tables["accuracy"]
    rows = table[(table["metric"] == "mae") & table["estimate"].notna()]
    kinds = [p for p in ("external", "internal") if (rows["people"] == p).any()] or ["all"]
    names = words.experiment_names(settings)
    main = tb.main_experiment(settings)
    # One order for all panels, by the first of them, the best on top.
    order = list(
        rows[rows["people"] == kinds[0]].sort_values(["estimate", "experiment"])["experiment"]
    )
    order += sorted(set(rows["experiment"]) - set(order))
    figure = style.new_figure(height=1.1 + 0.27 * len(order))
    panels = figure.subplots(1, len(kinds), squeeze=False, sharex=True, sharey=True)[0]
    told = []
    highest = 0.0
    for axes, people in zip(panels, kinds, strict=True):
        shown = rows[rows["people"] == people]
        for _, row in shown.iterrows():
            place = order.index(row["experiment"])
            own = row["experiment"] in settings["experiments"]
            colour = style.BLUE if row["experiment"] == main else style.INK if own else style.MUTED
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.6)
            axes.plot(
                row["estimate"], place, "o", color=colour, markersize=5.5,
                markerfacecolor=colour if own else style.PAPER,
            )  # fmt: skip
            axes.annotate(
                words.number(row["estimate"]), (row["estimate"], place), (0, 6),
                textcoords="offset points", ha="center", fontsize=7.5, color=style.dark(colour),
                bbox=style.ON_PAPER,
            )  # fmt: skip
            highest = np.nanmax([highest, row["estimate"], row["high"]])
        for _, row in shown.sort_values("estimate").iterrows():
            name = names.get(row["experiment"], row["experiment"])
            told.append(f"{name}, {people}: {words.estimate(row, unit='years')}")
        constant = tb.metric(tables, main, people, "mae_of_constant")
        if constant is not None:
            value = float(constant["estimate"])
            highest = max(highest, value)
            axes.axvline(value, color=style.MUTED, linestyle=(0, (4, 3)), linewidth=1)
            axes.annotate(
                f"best constant {words.number(value)} ", (value, -1.25), ha="right", va="center",
                fontsize=7.5, color=style.MUTED,
            )  # fmt: skip
        style.rows(axes, [words.for_figure(names.get(e, e)) for e in order], -1.6)
        title = words.capital(words.PEOPLE_NAMES[people])
        axes.set_title(f"{title} (n = {int(shown['n'].max())})")
    figure.supxlabel("MAE of uncorrected predicted age (years)", fontsize=8.5)
    panels[0].set_xlim(0, highest * 1.06)
    text = "Mean absolute error with 95 % interval. " + "; ".join(told) + "."
    return Picture(figure, "Accuracy of the predicted age", text)


def age_by_site(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw predicted against chronological age of healthy test people, a panel a site."""
    reason = reasons.no_predictions(tables, settings)
    if reason:
        return reason
    main = tb.main_experiment(settings)
    rows = tb.first_scans(tb.test_scans(tables["gaps"], main))
    scans = tables["scans"]
    healthy = scans[tb.healthy_people(scans, settings)][tb.PERSON].drop_duplicates()
    rows = rows.merge(healthy, on=tb.PERSON)
    if rows.empty:
        return "no healthy test person has a predicted age"
    known = tb.trained_sites(tables, main)
    rows["site"] = rows["site"].fillna("site not known")
    sizes = rows.groupby("site").size()
    order = sorted(sizes.index, key=lambda site: (site not in known, -sizes[site], site))
    if len(order) > MAX_PANELS:
        kept = sizes.sort_values(ascending=False, kind="stable").index[: MAX_PANELS - 1]
        rest = f"{len(order) - len(kept)} other sites"
        rows["site"] = rows["site"].where(rows["site"].isin(kept), rest)
        order = [site for site in order if site in kept] + [rest]
    columns = min(4, len(order))
    lines = -(-len(order) // columns)
    width = style.WIDTH if columns > 1 else 3.9
    height = (width / columns) * lines + 0.35 + (0.25 if columns > 1 else 0.0) * lines
    figure = style.new_figure(width, height)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    both = rows[["age", "predicted_age"]].to_numpy()
    low, high = float(np.floor(both.min() / 5) * 5), float(np.ceil(both.max() / 5) * 5)
    told = []
    for place, site in enumerate(order):
        axes = panels.flat[place]
        here = rows[rows["site"] == site]
        others = rows[rows["site"] != site]
        colour = style.SITE_COLOURS[place % 7]
        axes.plot([low, high], [low, high], color=style.MUTED, linewidth=0.8)
        axes.scatter(others["age"], others["predicted_age"], s=5, color="#c3cad2", linewidths=0)
        axes.scatter(
            here["age"], here["predicted_age"], s=15, color=colour, linewidths=0.3,
            edgecolors=style.dark(colour),
        )  # fmt: skip
        mae = float(here["gap"].abs().mean())
        told.append(f"{site}: n {len(here)}, MAE {words.number(mae)} years")
        where = "" if site in known else "\nnever trained on"
        axes.set_title(_short(site), color=style.dark(colour), pad=4)
        axes.text(
            0.04, 0.97, f"n {len(here)}, MAE {words.number(mae)} years{where}",
            transform=axes.transAxes, va="top", fontsize=7, color=style.MUTED,
        )  # fmt: skip
        # The room above the data holds the words of the panel.
        axes.set(xlim=(low, high), ylim=(low, high + 0.18 * (high - low)))
        axes.set_aspect("equal")
    for axes in panels.flat[len(order) :]:
        axes.set_visible(False)
        # The panel above an empty place carries the labels of the age axis.
    for column in range(columns):
        last = [i for i in range(len(order)) if i % columns == column][-1]
        panels.flat[last].tick_params(labelbottom=True)
    figure.supxlabel("Age at the scan (years)", fontsize=8.5)
    figure.supylabel("Predicted age, uncorrected (years)", fontsize=8.5)
    total = float(rows["gap"].abs().mean())
    text = (
        f"Uncorrected predicted age against age of {len(rows)} healthy test people, one scan each, "
        f"MAE {words.number(total)} years over all; the line is predicted = chronological. "
        + "; ".join(told)
        + "."
    )
    return Picture(figure, "Predicted age against age, by site", text)


def _short(text: str, most: int = 26) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def training_curves(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw loss on training and validation people, and MAE on validation people, over the epochs."""
    reason = reasons.no_history(tables)
    if reason:
        return reason
    history = tables["history"]
    names = words.experiment_names(settings)
    experiments = [e for e in settings["experiments"] if e in set(history["experiment"])]
    experiments += sorted(set(history["experiment"]) - set(experiments))
    probed = history["validation_mae"].notna().any()
    lines = 2 if probed else 1
    figure = style.new_figure(height=1.9 * lines + 0.3)
    panels = figure.subplots(lines, len(experiments), squeeze=False, sharex=True, sharey="none")
    told = []
    maes = history["validation_mae"].dropna()
    for place, experiment in enumerate(experiments):
        rows = history[history["experiment"] == experiment]
        mean = rows.groupby("epoch")[["train_loss", "validation_loss", "validation_mae"]].mean()
        axes = panels[0][place]
        axes.set_title(words.for_figure(names.get(experiment, experiment)))
        for name, colour, dashes in (
            ("train_loss", style.INK, "-"),
            ("validation_loss", style.BLUE, (0, (4, 2))),
        ):
            _runs(axes, rows, mean, name, colour, dashes)
        if place == 0:
            axes.set_ylabel("Loss")
        style.grid(axes)
        if probed:
            axes = panels[1][place]
            _runs(axes, rows, mean, "validation_mae", style.BLUE, "-")
            axes.set_ylim(0, maes.max() * 1.08)
            style.grid(axes)
            if place == 0:
                axes.set_ylabel("MAE on validation people (years)")
        panels[-1][place].set_xlabel("Epoch")
        panels[-1][place].xaxis.get_major_locator().set_params(integer=True)
        last = mean.iloc[-1]
        told.append(
            f"{names.get(experiment, experiment)}: loss on training people "
            f"{words.number(last['train_loss'], 2)}"
            f", MAE on validation people {words.number(last['validation_mae'])} years after "
            f"{words.count(int(mean.index[-1]), 'epoch')}"
        )
    top = panels[0][0]
    top.text(
        0.97, 0.95, "training people", transform=top.transAxes, ha="right", va="top", fontsize=7.5
    )
    if history["validation_loss"].notna().any():
        top.text(
            0.97, 0.83, "validation people (dashed)", transform=top.transAxes, ha="right", va="top",
            fontsize=7.5, color=style.dark(style.BLUE),
        )  # fmt: skip
    return Picture(figure, "Training curves", "; ".join(told) + ".")


def _runs(
    axes: Any, rows: pd.DataFrame, mean: pd.DataFrame, name: str, colour: str, dashes: Any
) -> None:
    """Draw each run thin and the mean over runs thick."""
    if not rows[name].notna().any():
        return
    runs = rows.groupby(["fold", "seed"])
    if len(runs) > 1:
        for _, run in runs:
            axes.plot(run["epoch"], run[name], color=colour, linewidth=0.6, alpha=0.35)
    one = len(mean) == 1
    axes.plot(
        mean.index, mean[name], color=colour, linewidth=1.6, linestyle=dashes,
        marker="o" if one else "", markersize=4,
    )  # fmt: skip


def truth_recovered(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw predicted against true brain age, and planted beside estimated effects."""
    reason = reasons.no_truth(tables) or reasons.no_predictions(tables, settings)
    if reason:
        return reason
    main = tb.main_experiment(settings)
    rows = tb.with_group(tb.first_scans(tb.test_scans(tables["gaps"], main)))
    rows = truth.with_truth(rows, tables)
    found = truth.recover(tables, settings)
    effects = found[found["planted"].notna() & found["estimate"].notna()]
    figure = style.new_figure(height=3.9)
    panels = figure.subplot_mosaic(
        [["ages", "gaps"], ["ages", "slopes"]], width_ratios=[1.2, 1], gridspec_kw={"hspace": 0.12}
    )
    axes = panels["ages"]
    groups = tb.group_order(settings, list(rows["group"])) or [None]
    both = rows[["true_brain_age", "predicted_age"]].to_numpy(dtype=float)
    low, high = (float(np.nanmin(both)) - 3, float(np.nanmax(both)) + 3) if len(both) else (20, 90)
    axes.plot([low, high], [low, high], color=style.MUTED, linewidth=0.8)
    for place, group in enumerate(groups):
        here = rows[rows["group"] == group] if group else rows
        colour, mark = style.of_group(groups, group) if group else (style.BLUE, "o")
        axes.scatter(
            here["true_brain_age"], here["predicted_age"], s=14, color=colour, marker=mark,
            alpha=0.8, linewidths=0,
        )  # fmt: skip
        if group:
            axes.plot(
                0.06,
                0.95 - 0.08 * place,
                mark,
                color=colour,
                markersize=4.5,
                transform=axes.transAxes,
            )
            axes.text(
                0.1, 0.95 - 0.08 * place, f"{group} (n = {len(here)})", transform=axes.transAxes,
                va="center", fontsize=8, color=style.dark(colour),
            )  # fmt: skip
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="True brain age (years)")
    axes.set_ylabel("Predicted age, uncorrected (years)")
    axes.set_title("Predicted against true brain age")
    axes.set_aspect("equal")
    slope = effects["quantity"].str.startswith("slope")
    _effects(panels["gaps"], effects[~slope], "Mean gap (years, Cole's scale)")
    _effects(panels["slopes"], effects[slope], "Slope of the gap (years a year, Cole's scale)")
    panels["gaps"].set_title("Planted (diamond) and estimated")
    told = [
        f"{row['quantity'].replace('_', ' ')} {_effect_name(row)}: planted "
        f"{words.number(row['planted'])}, estimated {words.estimate(row)}"
        for _, row in effects.iterrows()
    ]
    text = f"Predicted against true brain age of {len(rows)} test people. " + "; ".join(told) + "."
    return Picture(figure, "How well the simulated truth came back", text)


def _effects(axes: Any, effects: pd.DataFrame, label: str) -> None:
    if effects.empty:
        axes.text(
            0, 0.5, "not available: too few people or visits", transform=axes.transAxes,
            color=style.MUTED,
        )  # fmt: skip
        axes.set_axis_off()
        return
    for place, (_, row) in enumerate(effects.iterrows()):
        axes.plot([row["low"], row["high"]], [place, place], color=style.INK, linewidth=1.6)
        axes.plot(row["estimate"], place, "o", color=style.INK, markersize=4.5)
        axes.plot(
            row["planted"], place, "D", color=style.VERMILLION, markersize=6,
            markerfacecolor="none", markeredgewidth=1.4,
        )  # fmt: skip
    axes.axvline(0, color=style.MUTED, linewidth=0.8)
    style.rows(axes, [_effect_name(row) for _, row in effects.iterrows()], -0.6)
    axes.set_xlabel(label)


def _effect_name(row: Any) -> str:
    reference = "" if words.missing(row["reference"]) else f" − {row['reference']}"
    return f"{row['group']}{reference}"
