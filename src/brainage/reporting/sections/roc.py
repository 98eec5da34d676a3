"""ROC analysis: patients against controls by the gap, the embedding, and age and sex alone."""

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
from brainage.reporting.sections import groups
from brainage.reporting.style import Picture
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

CHOICE = Section(
    label="ROC analysis",
    sentence="how well the gap and the embedding distinguish patients from controls",
    order=50,
    short="ROC analysis",
    figures=(
        Figure(
            name="roc",
            category="Disease",
            label="ROC curves of patients against controls",
            caption=(
                "ROC curves, one scan per person, with the area and its 95 % interval. The "
                "direction is fixed in advance: a larger gap indicates disease. The other scores "
                "should be compared with that of age and sex alone."
            ),
            needs=("scans", "gaps", "groups", "roc", "roc_curves"),
        ),
        Figure(
            name="accuracy_and_diagnosis",
            category="Disease",
            label="Accuracy of age and diagnosis",
            caption=(
                "Mean absolute error of age (mean over single trainings) and area under the ROC "
                "curve for diagnosis from one frozen encoder, a mark for each experiment, 95 % "
                "intervals. With few experiments, this is at most a tendency."
            ),
            needs=("scans", "gaps", "groups", "accuracy", "roc", "roc_curves"),
        ),
    ),
)
SCORE_LOOK: dict[str, tuple[str, Any, float]] = {
    "gap": (style.BLUE, "-", 2.0),
    "diagnosis_probe": (style.VERMILLION, "-", 1.4),
    "age": (style.MUTED, (0, (4, 2)), 1.1),
    "age_sex": (style.MUTED, (0, (1, 1.5)), 1.3),
}
OTHER_LOOK: tuple[str, Any, float] = (style.PURPLE, "-", 1.2)


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return why there is no ROC curve."""
    main = tb.main_experiment(settings)
    rows = tables["roc"]
    rows = rows[(rows["experiment"] == main) & (rows["quantity"] == "auc")]
    if rows["estimate"].notna().any() and (tables["roc_curves"]["experiment"] == main).any():
        return None
    otherwise = reason_of(rows, "there are too few people in the groups")
    return groups.reason(tables, settings) or otherwise


def blocks(report: Report) -> list[Block]:
    """Return figures, table and downloads."""
    return [
        Shown("roc"),
        table(report.tables, report.settings),
        Shown("accuracy_and_diagnosis"),
        Downloads(("roc", "roc_curves", "diagnosis_scores")),
    ]


def table(tables: Tables, settings: Settings) -> Printed:
    """Return every area under the curve, the main experiment first."""
    main = tb.main_experiment(settings)
    names = words.experiment_names(settings)
    found = tables["roc"]
    areas = found[found["quantity"] == "auc"]
    rows: list[list[str]] = []
    bold = set()
    for experiment in [main, *[e for e in settings["experiments"] if e != main]]:
        own = areas[areas["experiment"] == experiment]
        for case in tb.group_order(settings, list(own["case"])):
            for score in SCORE_LOOK:
                # Age and sex are the same whatever the encoder: once is enough.
                alone = score.startswith("age")
                if alone and experiment != main:
                    continue
                for _, row in own[(own["case"] == case) & (own["score"] == score)].iterrows():
                    if experiment == main and score == "gap":
                        bold.add(len(rows))
                    rows.append(
                        [
                            f"{case} against {row['control']}",
                            words.SCORE_NAMES[score],
                            words.MISSING if alone else names[experiment],
                            words.estimate(row, 2),
                            f"{int(row['n_cases'])} and {int(row['n'] - row['n_cases'])}",
                        ]
                    )
    heads = ["Groups", "Score", "Encoder", "AUC [95 % interval]", "n (cases and controls)"]
    caption = "Area under the ROC curve, one scan per person. Areas below 0.5 are not inverted."
    own = found[found["experiment"] == main]
    notes = notes_of(own[own["quantity"] == "auc"], "note") + _added_values(own)
    return Printed(caption, heads, rows, {3, 4}, bold, notes)


def _added_values(found: pd.DataFrame) -> list[str]:
    """Return a sentence for each test of the added value of a score over age and sex."""
    tests = found[(found["quantity"] == "added_value") & found["p"].notna()]
    return [
        f"Added value of the {words.SCORE_NAMES.get(row['score'], row['score'])} over age and "
        f"sex, {row['case']} against {row['control']}: likelihood ratio test, p "
        f"{words.p_value(row['p'])}."
        for _, row in tests.iterrows()
    ]


def draw_roc(tables: Tables, settings: Settings) -> Picture | str:
    """Draw a panel of ROC curves for each case group against the controls."""
    why = reason(tables, settings)
    if why:
        return why
    main = tb.main_experiment(settings)
    areas = tables["roc"]
    areas = areas[
        (areas["experiment"] == main) & (areas["quantity"] == "auc") & areas["estimate"].notna()
    ]
    curves = tables["roc_curves"]
    curves = curves[curves["experiment"] == main]
    order = tb.group_order(settings, [*curves["control"], *curves["case"]])
    pairs = sorted(
        set(zip(curves["control"], curves["case"], strict=True)),
        key=lambda pair: (order.index(pair[0]), order.index(pair[1])),
    )[:3]
    width = style.WIDTH if len(pairs) > 1 else 4.2
    figure = style.new_figure(width, 7.6 / max(len(pairs), 2) + 1.2)
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    said = []
    for axes, (control, case) in zip(panels, pairs, strict=True):
        own = areas[(areas["control"] == control) & (areas["case"] == case)]
        lines = curves[(curves["control"] == control) & (curves["case"] == case)]
        said += _draw_pair(axes, own, lines)
        controls = int(own["n"].iloc[0] - own["n_cases"].iloc[0])
        axes.set_title(f"{case} ({int(own['n_cases'].iloc[0])}) against {control} ({controls})")
    panels[0].set_ylabel("Sensitivity")
    text = "Receiver operating characteristic curves, one scan per person. " + "; ".join(said) + "."
    return Picture(figure, text)


def _draw_pair(axes: Any, areas: pd.DataFrame, curves: pd.DataFrame) -> list[str]:
    """Draw the curves of one group of patients; return what they show, in words."""
    said = []
    axes.plot([0, 1], [0, 1], color=style.RULE, linewidth=1)
    scores = [s for s in SCORE_LOOK if s in set(areas["score"])]
    scores += sorted(set(areas["score"]) - set(scores))
    for score in scores:
        colour, dashes, width = SCORE_LOOK.get(score, OTHER_LOOK)
        line = curves[curves["score"] == score].sort_values("point")
        row = areas[areas["score"] == score].iloc[0]
        name = words.SCORE_NAMES.get(score, score)
        short = {"diagnosis_probe": "diagnosis probe"}.get(score, name)
        area = words.number(row["estimate"], 2)
        axes.plot(
            line["false_positive_rate"], line["true_positive_rate"], color=colour,
            linestyle=dashes, linewidth=width, drawstyle="default",
            label=f"{short}  {area} {words.interval(row['low'], row['high'], 2)}",
        )  # fmt: skip
        pair = f"{row['case']} against {row['control']}"
        said.append(f"{pair} by {name}: AUC {words.estimate(row, 2)}")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.03, 1.01), xlabel="1 − specificity")
    axes.set_aspect("equal")
    # Below the panel, where no curve can run through the words.
    legend = axes.legend(
        loc="upper left", bbox_to_anchor=(-0.02, -0.16), frameon=False, fontsize=7.5,
        handlelength=2.4, labelspacing=0.5,
    )  # fmt: skip
    for score, text in zip(scores, legend.get_texts(), strict=True):
        text.set_color(style.dark(SCORE_LOOK.get(score, OTHER_LOOK)[0]))
    return said


def draw_accuracy_and_diagnosis(tables: Tables, settings: Settings) -> Picture | str:
    """Draw each experiment's accuracy of age against the AUC of its diagnosis probe."""
    why = reason(tables, settings)
    if why:
        return why
    errors = tb.accuracies(tables, "mae")
    areas = tables["roc"]
    areas = areas[
        (areas["score"] == "diagnosis_probe")
        & (areas["quantity"] == "auc")
        & areas["estimate"].notna()
    ]
    cases = tb.group_order(settings, list(areas["case"]))
    if not cases:
        return "there is no AUC of a diagnosis probe"
    case = cases[-1]
    control = areas.loc[areas["case"] == case, "control"].iloc[0]
    areas = areas[(areas["case"] == case) & (areas["control"] == control)].set_index("experiment")
    errors = errors[errors["experiment"].isin(areas.index)]
    people = next((p for p in tb.PEOPLE if (errors["people"] == p).any()), "all")
    errors = errors[errors["people"] == people].set_index("experiment")
    shown = [name for name in areas.index if name in errors.index]
    if len(shown) < 2:
        return "fewer than two experiments have both an age error and a diagnosis probe"
    names = words.experiment_names(settings)
    figure = style.new_figure(5.6, 3.3)
    axes = figure.subplots()
    said = []
    for place, name in enumerate(shown):
        age, area = errors.loc[name], areas.loc[name]
        colour = style.EXPERIMENT_COLOURS[place % 6]
        axes.plot([age["low"], age["high"]], [area["estimate"]] * 2, color=colour, linewidth=1)
        axes.plot([age["estimate"]] * 2, [area["low"], area["high"]], color=colour, linewidth=1)
        axes.plot(age["estimate"], area["estimate"], "o", color=colour, markersize=6)
        error = words.estimate(age, unit="years")
        said.append(f"{names.get(name, name)}: MAE {error}, AUC {words.estimate(area, 2)}")
    heights = [float(areas.loc[name, "estimate"]) for name in shown]
    _write_names(axes, [names.get(name, name) for name in shown], heights)
    axes.axhline(0.5, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        "chance", (1, 0.5), (-2, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", fontsize=7.5, color=style.MUTED,
    )  # fmt: skip
    axes.margins(x=0.15)
    axes.set_xlabel(f"MAE of predicted age, {words.PEOPLE_NAMES[people]} (years)")
    axes.set_ylabel(f"AUC of the diagnosis probe, {case} against {control}")
    style.grid(axes, "both")
    text = "Age and diagnosis by the same encoder, 95 % intervals. " + "; ".join(said) + "."
    return Picture(figure, text)


def _write_names(axes: Any, names: list[str], heights: list[float]) -> None:
    """Write names at the right end, from the bottom up, never closer than a line of type."""
    low, high = axes.get_ylim()
    last = float("-inf")
    for place in sorted(range(len(names)), key=heights.__getitem__):
        last = max(heights[place], last + 0.06 * (high - low))
        axes.text(
            1.02, last, words.for_figure(names[place]), va="center", fontsize=8,
            color=style.dark(style.EXPERIMENT_COLOURS[place % 6]),
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
