"""Training curves, and the learning rates that were chosen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from brainage.reporting import style, words
from brainage.reporting.section import Block, Downloads, Figure, Printed, Report, Section, Shown
from brainage.reporting.style import Picture
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

CHOICE = Section(
    label="Training",
    sentence="the loss and the error of an age probe over the epochs",
    order=100,
    short="Training",
    tell_off=False,
    figures=(
        Figure(
            name="training_curves",
            category="Training",
            label="Training curves",
            caption="Loss over the epochs, and the error of an age probe on validation people. "
            "The values of different losses are not comparable. Thin lines are single "
            "trainings, thick ones their mean.",
            needs=("history",),
        ),
    ),
)


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return why there are no training curves."""
    return "no training left a history" if tables["history"].empty else None


def blocks(report: Report) -> list[Block]:
    """Return figure, table of learning rates and downloads."""
    rates = learning_rates(report.tables, report.settings)
    return [Shown("training_curves"), *([rates] if rates.rows else []), Downloads(("history",))]


def learning_rates(tables: Tables, settings: Settings) -> Printed:
    """Return the learning rates that trainings chose among several; no rows where none did."""
    history = tables["history"]
    history = history[history["rates_tried"].notna()]
    names = words.experiment_names(settings)
    rows = []
    for key, own in history.groupby(["experiment", "fold", "seed"]):
        experiment, fold, seed = (str(part) for part in key)
        tried = str(own["rates_tried"].iloc[0])
        chosen = _chosen_rate(tried, float(own["learning_rate"].max()))
        rows.append([names.get(experiment, experiment), fold, seed, chosen, tried])
    heads = ["Model", "Fold", "Seed", "Learning rate", "Tried: MAE on validation people (years)"]
    caption = "Learning rates chosen by the error of an age probe on validation people."
    return Printed(caption, heads, rows, {1, 2, 3})


def _chosen_rate(tried: str, highest: float) -> str:
    """Return which of the rates tried, as ``0.001: 5.20; 0.002: 4.10``, was taken.

    It is the one with the least error. Of two that are equal as printed it is the one nearer to
    the `highest` rate of the history, which itself need not be among them: warm-up and schedule
    change it from epoch to epoch.
    """
    pairs = [part.split(": ") for part in tried.split("; ")]

    def order(pair: list[str]) -> tuple[float, float]:
        return float(pair[1]), abs(math.log(float(pair[0]) / highest)) if highest > 0 else 0.0

    return min(pairs, key=order)[0]


def draw_training_curves(tables: Tables, settings: Settings) -> Picture | str:
    """Draw the loss on training and validation people, and the error of a probe, over epochs."""
    why = reason(tables, settings)
    if why:
        return why
    history = tables["history"]
    names = words.experiment_names(settings)
    experiments = [e for e in settings["experiments"] if e in set(history["experiment"])]
    experiments += sorted(set(history["experiment"]) - set(experiments))
    probed = bool(history["validation_mae"].notna().any())
    lines = 2 if probed else 1
    figure = style.new_figure(height=1.9 * lines + 0.3)
    panels = figure.subplots(lines, len(experiments), squeeze=False, sharex=True, sharey="none")
    said = []
    for place, experiment in enumerate(experiments):
        rows = history[history["experiment"] == experiment]
        mean = rows.groupby("epoch")[["train_loss", "validation_loss", "validation_mae"]].mean()
        column = [line[place] for line in panels]
        name = names.get(experiment, experiment)
        column[0].set_title(words.for_figure(name))
        _draw_runs(column[0], rows, mean, "train_loss", (style.INK, "-"))
        _draw_runs(column[0], rows, mean, "validation_loss", (style.BLUE, (0, (4, 2))))
        if probed:
            _draw_runs(column[1], rows, mean, "validation_mae", (style.BLUE, "-"))
            column[1].set_ylim(0, history["validation_mae"].max() * 1.08)
        for axes in column:
            style.grid(axes)
        column[-1].set_xlabel("Epoch")
        column[-1].xaxis.get_major_locator().set_params(integer=True)
        last = mean.iloc[-1]
        said.append(
            f"{name}: loss on training people {words.number(last['train_loss'], 2)}, MAE on "
            f"validation people {words.number(last['validation_mae'])} years after "
            f"{words.count(int(mean.index[-1]), 'epoch')}"
        )
    panels[0][0].set_ylabel("Loss")
    if probed:
        panels[1][0].set_ylabel("MAE on validation people (years)")
    _write_key(panels[0][0], bool(history["validation_loss"].notna().any()))
    return Picture(figure, "; ".join(said) + ".")


def _write_key(axes: Any, validated: bool) -> None:
    axes.text(
        0.97, 0.95, "training people", transform=axes.transAxes, ha="right", va="top", fontsize=7.5
    )
    if validated:
        axes.text(
            0.97, 0.83, "validation people (dashed)", transform=axes.transAxes, ha="right",
            va="top", fontsize=7.5, color=style.dark(style.BLUE),
        )  # fmt: skip


def _draw_runs(
    axes: Any, rows: pd.DataFrame, mean: pd.DataFrame, name: str, look: tuple[str, Any]
) -> None:
    """Draw each training thin and the mean over trainings thick."""
    if not rows[name].notna().any():
        return
    colour, dashes = look
    runs = rows.groupby(["fold", "seed"])
    if len(runs) > 1:
        for _, run in runs:
            axes.plot(run["epoch"], run[name], color=colour, linewidth=0.6, alpha=0.35)
    axes.plot(
        mean.index, mean[name], color=colour, linewidth=1.6, linestyle=dashes,
        marker="o" if len(mean) == 1 else "", markersize=4,
    )  # fmt: skip
