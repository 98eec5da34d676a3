"""How well age is predicted: every experiment and baseline on the same healthy test people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainage.core.contracts.statistics import NO_SHARED_SEED
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

CHOICE = Section(
    label="Accuracy of the predicted age",
    sentence="the error of the predicted age compared with a constant and a simple model",
    order=10,
    short="Age",
    figures=(
        Figure(
            name="accuracy",
            category="Age",
            label="Accuracy of the predicted age",
            caption=(
                "Mean absolute error (MAE) of the uncorrected predicted age on healthy test "
                "people, one scan each, with 95 % intervals; for an experiment, the mean over "
                "single trainings with the seeds that all experiments share. Open marks are "
                "baselines; the dashed line is the error of the best constant for the same "
                "people."
            ),
            needs=("accuracy",),
        ),
        Figure(
            name="age_by_site",
            category="Age",
            label="Predicted age against age, by site",
            caption=(
                "Uncorrected predicted age of healthy test people, one scan each; one panel per "
                "site, all others in grey. The line is predicted = chronological age: young "
                "people above it and old people below it show the regression towards the mean "
                "that the correction removes."
            ),
            needs=("scans", "predictions", "gaps"),
        ),
    ),
)
MAX_PANELS = 12  # more sites than this share a last panel
ENSEMBLE = "mean over its seeds"


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return why accuracies cannot be compared."""
    if tb.accuracies(tables, "mae").empty:
        return reason_of(tables["accuracy"], "no healthy test person has a predicted age")
    return None


def no_predictions(tables: Tables, settings: Settings) -> str | None:
    """Return why predicted ages cannot be shown."""
    main = tb.main_experiment(settings)
    if tb.test_scans(tables["gaps"], main).empty:
        return f"there is no predicted age of a test person by the main experiment ({main})"
    return None


def blocks(report: Report) -> list[Block]:
    """Return figures, table and downloads."""
    return [
        Shown("accuracy"),
        table(report.tables, report.settings),
        Downloads(("accuracy", "predictions", "gaps", "reference")),
        Shown("age_by_site"),
    ]


def kinds_of_people(rows: pd.DataFrame) -> list[str]:
    """Return the kinds of people that have rows: external and internal, else all."""
    kinds = [p for p in ("external", "internal") if (rows["people"] == p).any()]
    return kinds or [p for p in tb.PEOPLE if (rows["people"] == p).any()]


def ranking(rows: pd.DataFrame, people: str) -> list[str]:
    """Return the experiments by their error on `people`, the best first; then all others."""
    ranked = rows[rows["people"] == people].sort_values(["estimate", "experiment"])["experiment"]
    return [*ranked, *sorted(set(rows["experiment"]) - set(ranked))]


def table(tables: Tables, settings: Settings) -> Printed:
    """Return MAE of all experiments and baselines on each kind of people, with r and R².

    They are ranked by single trainings. What the mean over an experiment's seeds reaches stands
    below, without a rank: experiments may have different numbers of seeds.
    """
    single, ensemble = tb.accuracies(tables, "mae"), tb.accuracies(tables, "mae", "ensemble")
    kinds = kinds_of_people(single)
    first = kinds[0] if kinds else "all"
    names, main = words.experiment_names(settings), tb.main_experiment(settings)
    rows: list[list[str]] = []
    bold = set()
    ranked = set(single.loc[single["people"] == first, "experiment"])
    comparable = not single["note"].astype(str).str.contains(NO_SHARED_SEED).any()
    for rank, experiment in enumerate(ranking(single, first), start=1):
        if experiment == main:
            bold.add(len(rows))
        place = str(rank) if experiment in ranked and comparable else words.MISSING
        name = names.get(experiment, experiment)
        rows.append([name, place, *_row(tables, experiment, kinds, "single")])
    for experiment in ranking(ensemble, first):
        name = f"{names.get(experiment, experiment)}, {ENSEMBLE}"
        rows.append([name, words.MISSING, *_row(tables, experiment, kinds, "ensemble")])
    heads = ["Model", "Rank", *[f"MAE, {words.PEOPLE_NAMES[p]} (years)" for p in kinds]]
    heads += ["RMSE (years)", "r", "R²", "MAE of single trainings (years)"]
    heads += ["MAE minus MAE of ridge (years)"]
    numbers = set(range(1, len(heads) - 1))
    caption = _caption(tables, main, kinds, bool(len(ensemble)) and comparable)
    if not comparable:
        caption += f" Experiments are not ranked: {NO_SHARED_SEED}."
    return Printed(caption, heads, rows, numbers, bold, notes_of(single, "note")).without_empty()


def _row(tables: Tables, experiment: str, kinds: list[str], predictor: str) -> list[str]:
    """Return the cells of one model behind its name and rank."""

    def found(people: str, metric: str) -> Any:
        return tb.accuracy_of(tables, experiment, people, metric, predictor)

    first = kinds[0]
    errors = [found(people, "mae") for people in kinds]
    cells = [words.MISSING if mae is None else words.estimate(mae) for mae in errors]
    for name in ("rmse", "r", "r2"):
        row = found(first, name)
        digits = 1 if name == "rmse" else 2
        cells.append(words.MISSING if row is None else words.number(row["estimate"], digits))
    cells.append(words.MISSING if errors[0] is None else words.seed_range(errors[0]))
    difference = found(first, "mae_minus_ridge")
    if difference is None or words.missing(difference["verdict"]):
        return [*cells, words.MISSING]
    return [*cells, f"{words.estimate(difference)}: {difference['verdict']}"]


def _caption(tables: Tables, main: str, kinds: list[str], ensemble: bool) -> str:
    counts = []
    for people in kinds:
        constant = tb.accuracy_of(tables, main, people, "mae_of_constant")
        mae = tb.accuracy_of(tables, main, people, "mae")
        n = f"n {int(mae['n'])}" if mae is not None else "n not known"
        if constant is not None:
            n += f", best constant {words.number(constant['estimate'])} years"
        counts.append(f"{words.PEOPLE_NAMES[people]}: {n}")
    caption = (
        "Uncorrected predicted age of healthy test people, one scan each, with 95 % intervals. "
        f"{words.capital('; '.join(counts))}."
    )
    if len(kinds) > 1:
        caption += f" RMSE, r, R² and the difference to ridge: {words.PEOPLE_NAMES[kinds[0]]}."
    if ensemble:
        caption += (
            " Experiments are ranked by single trainings, over the seeds that all of them share; "
            "the mean over all seeds of one experiment has no rank."
        )
    return caption


def draw_accuracy(tables: Tables, settings: Settings) -> Picture | str:
    """Draw the MAE of every experiment and baseline with its interval."""
    why = reason(tables, settings)
    if why:
        return why
    rows = tb.accuracies(tables, "mae")
    kinds = kinds_of_people(rows)
    names = words.experiment_names(settings)
    main = tb.main_experiment(settings)
    # One order for all panels, by the first of them, the best on top.
    order = ranking(rows, kinds[0])
    figure = style.new_figure(height=1.1 + 0.27 * len(order))
    panels = figure.subplots(1, len(kinds), squeeze=False, sharex=True, sharey=True)[0]
    said = []
    highest = [0.0]
    for axes, people in zip(panels, kinds, strict=True):
        shown = rows[rows["people"] == people]
        for _, row in shown.iterrows():
            own = row["experiment"] in settings["experiments"]
            colour = style.BLUE if row["experiment"] == main else style.INK if own else style.MUTED
            _draw_error(axes, row, order.index(row["experiment"]), colour, own)
            highest += [end for end in (row["estimate"], row["high"]) if not words.missing(end)]
        for _, row in shown.sort_values("estimate").iterrows():
            name = names.get(row["experiment"], row["experiment"])
            said.append(f"{name}, {people}: {words.estimate(row, unit='years')}")
        constant = tb.accuracy_of(tables, main, people, "mae_of_constant")
        if constant is not None:
            highest.append(float(constant["estimate"]))
            _draw_constant(axes, highest[-1])
        style.rows(axes, [words.for_figure(names.get(e, e)) for e in order], -1.6)
        title = words.capital(words.PEOPLE_NAMES[people])
        axes.set_title(f"{title} (n = {int(shown['n'].max())})")
    figure.supxlabel("MAE of uncorrected predicted age (years)", fontsize=8.5)
    panels[0].set_xlim(0, max(highest) * 1.06)
    text = "Mean absolute error with 95 % interval. " + "; ".join(said) + "."
    return Picture(figure, text)


def _draw_error(axes: Any, row: pd.Series, place: int, colour: str, own: bool) -> None:
    """Draw one error; the mark of a baseline is open."""
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


def _draw_constant(axes: Any, value: float) -> None:
    axes.axvline(value, color=style.MUTED, linestyle=(0, (4, 3)), linewidth=1)
    axes.annotate(
        f"best constant {words.number(value)} ", (value, -1.25), ha="right", va="center",
        fontsize=7.5, color=style.MUTED,
    )  # fmt: skip


def draw_age_by_site(tables: Tables, settings: Settings) -> Picture | str:
    """Draw predicted against chronological age of healthy test people, a panel for each site."""
    import numpy as np

    why = no_predictions(tables, settings)
    if why:
        return why
    rows = tb.healthy_tests(tables, settings)
    if rows.empty:
        return "no healthy test person has a predicted age"
    known = tb.trained_sites(tables, settings)
    rows["panel"], order = _panels(rows, known, settings)
    columns = min(4, len(order))
    lines = -(-len(order) // columns)
    width = style.WIDTH if columns > 1 else 3.9
    height = (width / columns) * lines + 0.35 + (0.25 if columns > 1 else 0.0) * lines
    figure = style.new_figure(width, height)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    both = rows[["age", "predicted_age"]].to_numpy()
    limits = float(np.floor(both.min() / 5) * 5), float(np.ceil(both.max() / 5) * 5)
    said = []
    for place, name in enumerate(order):
        colour = style.SITE_COLOURS[place % 7]
        inside = rows["panel"] == name
        error = f"n {int(inside.sum())}, MAE {words.number(rows.loc[inside, 'gap'].abs().mean())}"
        new = rows.loc[inside, "site"].notna() & ~rows.loc[inside, "site"].isin(known)
        where = "\nnever trained on" if new.all() else ""
        axes = panels.flat[place]
        _draw_ages(axes, rows[inside], rows[~inside], limits, colour)
        axes.set_title(_short(name), color=style.dark(colour), pad=4)
        axes.text(
            0.04, 0.97, f"{error} years{where}",
            transform=axes.transAxes, va="top", fontsize=7, color=style.MUTED,
        )  # fmt: skip
        said.append(f"{name}: {error} years")
    for axes in panels.flat[len(order) :]:
        axes.set_visible(False)
    # The panel above an empty place carries the labels of the age axis.
    for column in range(columns):
        last = [i for i in range(len(order)) if i % columns == column][-1]
        panels.flat[last].tick_params(labelbottom=True)
    figure.supxlabel("Age at the scan (years)", fontsize=8.5)
    figure.supylabel("Predicted age, uncorrected (years)", fontsize=8.5)
    total = f"MAE {words.number(rows['gap'].abs().mean())} years over all"
    seeds = int(rows["seeds"].max())
    of_seeds = f" (mean over {seeds} seeds)" if seeds > 1 else ""
    text = (
        f"Uncorrected predicted age{of_seeds} against age of {len(rows)} healthy test people, one "
        f"scan each, {total}; the line is predicted = chronological. {'; '.join(said)}."
    )
    return Picture(figure, text)


def _panels(rows: pd.DataFrame, known: set[str], settings: Settings) -> tuple[pd.Series, list[str]]:
    """Return the panel of each row, by the name of its site, and the panels in order."""
    site_name = words.site_names(settings)
    sizes = rows["site"].value_counts(sort=False)
    order = sorted(sizes.index, key=lambda site: (site not in known, -sizes[site], site))
    room = MAX_PANELS - int(rows["site"].isna().any())
    names = {site: site_name(site) for site in order}
    if len(order) > room:
        kept = sorted(order, key=lambda site: (-sizes[site], order.index(site)))[: room - 1]
        rest = f"{len(order) - len(kept)} other sites"
        names = {site: names[site] if site in kept else rest for site in order}
        order = [site for site in order if site in kept] + [s for s in order if s not in kept]
    panel = rows["site"].map(names).fillna("site not known")
    panels = list(dict.fromkeys(names[site] for site in order))
    if rows["site"].isna().any():
        panels.append("site not known")
    return panel, panels


def _draw_ages(
    axes: Any,
    here: pd.DataFrame,
    others: pd.DataFrame,
    limits: tuple[float, float],
    colour: str,
) -> None:
    low, high = limits
    axes.plot([low, high], [low, high], color=style.MUTED, linewidth=0.8)
    axes.scatter(others["age"], others["predicted_age"], s=5, color="#c3cad2", linewidths=0)
    axes.scatter(
        here["age"], here["predicted_age"], s=15, color=colour, linewidths=0.3,
        edgecolors=style.dark(colour),
    )  # fmt: skip
    # The room above the data holds the words of the panel.
    axes.set(xlim=(low, high), ylim=(low, high + 0.18 * (high - low)))
    axes.set_aspect("equal")


def _short(text: str, longest: int = 26) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
