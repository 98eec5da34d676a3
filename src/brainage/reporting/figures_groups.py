"""Figures of the corrected gap: by diagnosis, as a classifier, over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from brainage.reporting import reasons, style, words
from brainage.reporting import tables as tb
from brainage.reporting.style import Picture
from brainage.reporting.tables import PERSON, Tables

SCORE_LOOK = {
    "gap": (style.BLUE, "-", 2.0),
    "diagnosis_probe": (style.VERMILLION, "-", 1.4),
    "age": (style.MUTED, (0, (4, 2)), 1.1),
    "age_sex": (style.MUTED, (0, (1, 1.5)), 1.3),
}


def gap_label(tables: Tables, experiment: str, what: str = "Corrected gap") -> str:
    """Return the label of an axis of gaps: scale, α and unit."""
    alpha = tb.alpha_text(tables, experiment)
    return f"{what}, Cole's scale{', ' + alpha if alpha else ''} (years)"


def spread(values: np.ndarray, width: float, bins: int = 28) -> np.ndarray:
    """Return a sideways shift for each value so that points of one height lie side by side."""
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


def gap_by_diagnosis(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw each person's corrected gap by diagnosis, with each group's mean and interval."""
    reason = reasons.no_groups(tables, settings) or reasons.no_predictions(tables, settings)
    if reason:
        return reason
    main = tb.main_experiment(settings)
    rows = tb.with_group(tb.first_scans(tb.test_scans(tables["gaps"], main)))
    rows = rows[rows["gap_cole"].notna()]
    # Points are of the people whom the statistics compared: groups and sites of the patients.
    rows = _compared_people(rows, settings)
    table = tables["groups"]
    table = table[
        (table["experiment"] == main)
        & (table["quantity"] == "mean")
        & table["unit"].str.contains("year", na=False)
    ].set_index("group")
    groups = tb.group_order(settings, [*rows["group"], *table.index])
    figure = style.new_figure(width=5.4, height=3.6)
    axes = figure.subplots()
    axes.axhline(0, color=style.MUTED, linewidth=0.8)
    told = []
    for place, group in enumerate(groups):
        colour, mark = style.of_group(groups, group)
        values = rows.loc[rows["group"] == group, "gap_cole"].to_numpy()
        axes.scatter(
            place - 0.12 + spread(values, 0.3), values, s=13, color=colour, marker=mark, alpha=0.65,
            linewidths=0,
        )  # fmt: skip
        if group not in table.index or words.missing(table.loc[group, "estimate"]):
            continue
        row = table.loc[group]
        at = place + 0.3
        axes.plot([at, at], [row["low"], row["high"]], color=style.INK, linewidth=1.8)
        axes.plot(at, row["estimate"], mark, color=style.INK, markersize=6)
        axes.annotate(
            words.number(row["estimate"], sign=True), (at, row["estimate"]), (7, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
        told.append(f"{group}: mean {words.estimate(row, unit='years')}, n {int(row['n'])}")
    counts = [int((rows["group"] == group).sum()) for group in groups]
    axes.set_xticks(
        range(len(groups)), [f"{g}\nn = {n}" for g, n in zip(groups, counts, strict=True)]
    )
    axes.tick_params(axis="x", length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlim(-0.6, len(groups) - 0.3)
    axes.set_ylabel(gap_label(tables, main))
    style.grid(axes)
    text = (
        "Corrected brain-age gap of each test person, one scan each, by diagnosis; "
        "dark marks are means with 95 % intervals. " + "; ".join(told) + "."
    )
    return Picture(figure, "Brain-age gap by diagnosis", text)


def _compared_people(rows: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Keep people of the groups compared, at sites that hold two of them or more."""
    named = settings["statistics"].get("groups") or list(rows["group"].dropna().unique())
    rows = rows[rows["group"].isin(named)]
    groups_at_site = rows.groupby(rows["site"].fillna("unknown"))["group"].transform("nunique")
    return rows[groups_at_site > 1] if (groups_at_site > 1).any() else rows


def roc(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw a panel of ROC curves for each case group against the controls."""
    reason = reasons.no_roc(tables, settings)
    if reason:
        return reason
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
    figure = style.new_figure(
        style.WIDTH if len(pairs) > 1 else 4.2, 7.6 / max(len(pairs), 2) + 1.2
    )
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    told = []
    for axes, (control, case) in zip(panels, pairs, strict=True):
        axes.plot([0, 1], [0, 1], color=style.RULE, linewidth=1)
        chosen = areas[(areas["control"] == control) & (areas["case"] == case)]
        scores = [s for s in SCORE_LOOK if s in set(chosen["score"])]
        scores += sorted(set(chosen["score"]) - set(scores))
        for score in scores:
            colour, dashes, width = SCORE_LOOK.get(score, (style.PURPLE, "-", 1.2))
            line = curves[
                (curves["control"] == control)
                & (curves["case"] == case)
                & (curves["score"] == score)
            ].sort_values("point")
            row = chosen[chosen["score"] == score].iloc[0]
            short = {"diagnosis_probe": "diagnosis probe"}.get(
                score, words.SCORE_NAMES.get(score, score)
            )
            area = words.number(row["estimate"], 2)
            axes.plot(
                line["false_positive_rate"], line["true_positive_rate"], color=colour,
                linestyle=dashes, linewidth=width, drawstyle="default",
                label=f"{short}  {area} {words.interval(row['low'], row['high'], 2)}",
            )  # fmt: skip
            told.append(
                f"{case} against {control} by {words.SCORE_NAMES.get(score, score)}: AUC "
                f"{words.estimate(row, 2)}"
            )
        n = chosen.iloc[0]
        controls = int(n["n"] - n["n_cases"])
        axes.set_title(f"{case} ({int(n['n_cases'])}) against {control} ({controls})")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.03, 1.01), xlabel="1 − specificity")
        axes.set_aspect("equal")
        # Below the panel, where no curve can run through the words.
        legend = axes.legend(
            loc="upper left", bbox_to_anchor=(-0.02, -0.16), frameon=False, fontsize=7.5,
            handlelength=2.4, labelspacing=0.5,
        )  # fmt: skip
        for score, text in zip(scores, legend.get_texts(), strict=True):
            text.set_color(style.dark(SCORE_LOOK.get(score, (style.PURPLE, "-", 1.2))[0]))
    panels[0].set_ylabel("Sensitivity")
    text = "Receiver operating characteristic curves, one scan a person. " + "; ".join(told) + "."
    return Picture(figure, "Telling groups apart", text)


def trajectories(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw each person's corrected gap over time, with each group's slope."""
    reason = reasons.no_visits(tables, settings)
    if reason:
        return reason
    main = tb.main_experiment(settings)
    rows = tb.with_group(tb.test_scans(tables["gaps"], main))
    rows = rows[rows["gap_cole"].notna() & rows["years_since_first"].notna()]
    rows = rows[rows.groupby(PERSON)["scan_id"].transform("count") >= 2]
    if rows.empty:
        return "no test person has a corrected gap at two visits with known times"
    rows = rows.assign(group=rows["group"].fillna("no diagnosis"))
    groups = tb.group_order(settings, list(rows["group"]))
    slopes = tables["slopes"]
    slopes = slopes[(slopes["experiment"] == main) & (slopes["quantity"] == "slope")].set_index(
        "group"
    )
    figure = style.new_figure(height=3.3)
    panels = figure.subplots(1, len(groups), squeeze=False, sharex=True, sharey=True)[0]
    told = []
    for axes, group in zip(panels, groups, strict=True):
        colour, _ = style.of_group(groups, group)
        here = rows[rows["group"] == group]
        axes.axhline(0, color=style.MUTED, linewidth=0.7)
        for _, person in here.groupby(PERSON):
            # A line across a change of scanner would show the scanner, not the person.
            change = person["scanner"].fillna("") != person["scanner"].fillna("").shift()
            for _, piece in person.groupby(change.cumsum()):
                axes.plot(
                    piece["years_since_first"], piece["gap_cole"], color=colour, alpha=0.38,
                    linewidth=0.8, marker="o", markersize=2.2, markeredgewidth=0,
                )  # fmt: skip
        n = here.drop_duplicates(PERSON).shape[0]
        axes.set_title(f"{group} (n = {n})", color=style.dark(colour))
        if group in slopes.index and not words.missing(slopes.loc[group, "estimate"]):
            row = slopes.loc[group]
            _slope(axes, here, row)
            told.append(f"{group}: {words.estimate(row, 2, 'years a year')}")
            axes.text(
                0.03, 0.985, f"slope {words.number(row['estimate'], 2, sign=True)} years a year\n"
                f"{words.interval(row['low'], row['high'], 2)}",
                transform=axes.transAxes, va="top", fontsize=7.5,
            )  # fmt: skip
        style.grid(axes)
    low, high = float(rows["gap_cole"].min()), float(rows["gap_cole"].max())
    panels[0].set_ylim(low - 0.05 * (high - low), high + 0.22 * (high - low))
    panels[0].set_ylabel(gap_label(tables, main))
    figure.supxlabel("Years since the first scan", fontsize=8.5)
    text = (
        "Each person's corrected gap over the visits, and each group's slope with its 95 % "
        "interval. " + ("; ".join(told) if told else "No group is large enough for a slope") + "."
    )
    return Picture(figure, "Brain-age gap over time", text)


def _slope(axes: Any, here: pd.DataFrame, row: pd.Series) -> None:
    """Draw a group's slope through its centre, its interval as a fan."""
    centre = here["years_since_first"].mean(), here["gap_cole"].mean()
    ends = np.array([here["years_since_first"].min(), here["years_since_first"].max()])

    def at(slope: float) -> np.ndarray:
        return centre[1] + slope * (ends - centre[0])

    if not (words.missing(row["low"]) or words.missing(row["high"])):
        for side in (0, 1):
            x = np.array([centre[0], ends[side]])
            axes.fill_between(
                x, [centre[1], at(row["low"])[side]], [centre[1], at(row["high"])[side]],
                color=style.INK, alpha=0.13, linewidth=0,
            )  # fmt: skip
    axes.plot(ends, at(row["estimate"]), color=style.INK, linewidth=2)


def accuracy_and_diagnosis(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw each experiment's accuracy of age against the AUC of its diagnosis probe."""
    reason = reasons.no_roc(tables, settings) or reasons.no_accuracy(tables, settings)
    if reason:
        return reason
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
    people = next(
        p for p in ("external", "internal", "all")
        if any(tb.metric(tables, e, p, "mae") is not None for e in areas.index) or p == "all"
    )  # fmt: skip
    points = [
        (name, found, areas.loc[name])
        for name in areas.index
        if (found := tb.metric(tables, name, people, "mae")) is not None
    ]
    if len(points) < 2:
        return "fewer than two experiments have both an age error and a diagnosis probe"
    names = words.experiment_names(settings)
    figure = style.new_figure(5.6, 3.3)
    axes = figure.subplots()
    told = []
    for place, (name, age, area) in enumerate(points):
        colour = style.EXPERIMENT_COLOURS[place % 6]
        axes.plot([age["low"], age["high"]], [area["estimate"]] * 2, color=colour, linewidth=1)
        axes.plot([age["estimate"]] * 2, [area["low"], area["high"]], color=colour, linewidth=1)
        axes.plot(age["estimate"], area["estimate"], "o", color=colour, markersize=6)
        told.append(
            f"{names.get(name, name)}: MAE {words.estimate(age, unit='years')}, "
            f"AUC {words.estimate(area, 2)}"
        )
    low, high = axes.get_ylim()
    last = -np.inf
    # Names stand at the right end, from the bottom up, never closer than a line of type.
    for place, (name, _, area) in sorted(enumerate(points), key=lambda p: p[1][2]["estimate"]):
        last = max(float(area["estimate"]), last + 0.06 * (high - low))
        axes.text(
            1.02, last, words.for_figure(names.get(name, name)), va="center", fontsize=8,
            color=style.dark(style.EXPERIMENT_COLOURS[place % 6]),
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    axes.axhline(0.5, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        "chance", (1, 0.5), (-2, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", fontsize=7.5, color=style.MUTED,
    )  # fmt: skip
    axes.margins(x=0.15)
    axes.set_xlabel(f"MAE of predicted age, {words.PEOPLE_NAMES[people]} (years)")
    axes.set_ylabel(f"AUC of the diagnosis probe, {case} against {control}")
    style.grid(axes, "both")
    text = (
        "Age error against diagnosis by the same encoder, 95 % intervals. " + "; ".join(told) + "."
    )
    return Picture(figure, "Accuracy of age and of diagnosis", text)
