"""Figures of the people and their sites: who was used, and how well the site can be told."""

from __future__ import annotations

from typing import Any

import pandas as pd

from brainage.reporting import reasons, style, words
from brainage.reporting import tables as tb
from brainage.reporting.style import Picture
from brainage.reporting.tables import PERSON, Tables


def counted(tables: Tables, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps from images found to people used.

    Returns
    -------
    list of dict
        Each with `name`, `scans`, `people`, and `lost`: a list of (reason, scans) between this
        step and the one before. The last ones, by role, carry `role` instead of a step.
    """
    scans, qc = tables["scans"], tables["qc"]
    usable = scans[scans["set_aside"].isna()]
    lost = scans.loc[scans["set_aside"].notna(), "set_aside"]
    steps = [
        _step("Images found", scans, []),
        _step("With what is needed in the tables", usable, _reasons(lost)),
    ]
    judged = usable.merge(qc[["scan_id", "verdict", "reason"]], on="scan_id", how="left")
    passed = judged[judged["verdict"].isin(["pass", "warn"])]
    failed = judged[judged["verdict"] == "fail"]
    why = _reasons(failed["reason"].fillna("failed quality control"))
    unjudged = int(judged["verdict"].isna().sum())
    if unjudged:
        why.append(("not judged", unjudged))
    steps.append(_step("Passed quality control", passed, why))
    splits = tables["splits"]
    splits = splits[splits["experiment"] == tb.main_experiment(settings)]
    folds = splits["fold"].nunique()
    first = splits[(splits["fold"] == splits["fold"].min())] if len(splits) else splits
    # Seeds repeat the same people.
    first = first.drop_duplicates(PERSON)
    used = passed.merge(first[[*PERSON, "role"]], on=PERSON)
    people = passed.drop_duplicates(PERSON)
    idle = len(people) - used.drop_duplicates(PERSON).shape[0]
    steps.append(_step("Used", used, [("people without a role", idle)] if idle else []))
    for role in ("train", "validation", "calibration", "test"):
        step = _step(words.capital(words.ROLE_NAMES[role]), used[used["role"] == role], [])
        steps.append({**step, "role": role, "folds": folds})
    return steps


def _step(name: str, rows: pd.DataFrame, lost: list[tuple[str, int]]) -> dict[str, Any]:
    people = rows.drop_duplicates(PERSON).shape[0]
    return {"name": name, "scans": len(rows), "people": people, "lost": lost}


def _reasons(texts: pd.Series) -> list[tuple[str, int]]:
    counts = texts.astype(str).map(words.brief_reason).value_counts()
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return [(str(text), int(n)) for text, n in ordered]


def flow(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw the way from images found to people used, with what was lost at each step."""
    import textwrap

    steps = counted(tables, settings)
    if steps[0]["scans"] == 0:
        return "no image was found"
    main = [step for step in steps if "role" not in step]
    roles = [step for step in steps if "role" in step]
    texts = []
    for step in main:
        lines = [f"{n} × {_cut(reason)}" for reason, n in step["lost"][:4]]
        others = sum(n for _, n in step["lost"][4:])
        lines += [f"{others} × other reasons"] if others else []
        texts.append([part for line in lines for part in textwrap.wrap(line, 58)])
    figure = style.new_figure(height=1)
    figure.set_layout_engine("none")
    gaps = [max(0.28, 0.16 * len(text) + 0.14) for text in texts]
    height = sum(gaps[1:]) + 0.5 * len(main) + 0.35 + 0.5 + 0.2
    figure.set_size_inches(style.WIDTH, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, style.WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    top, middle = 0.1, 1.75
    for place, step in enumerate(main):
        if place:
            gap = gaps[place]
            _arrow(axes, middle, top, middle, top + gap)
            for line, text in enumerate(texts[place]):
                axes.text(
                    middle + 0.2, top + gap / 2 + 0.16 * (line - (len(texts[place]) - 1) / 2), text,
                    va="center", fontsize=7.5, color=style.MUTED,
                )  # fmt: skip
            top += gap
        _box(axes, 0.1, top, 3.3, 0.5, step)
        top += 0.5
    width = (style.WIDTH - 0.2 - 0.15 * 3) / 4
    for place, step in enumerate(roles):
        left = 0.1 + place * (width + 0.15)
        axes.plot([middle, left + width / 2], [top, top + 0.35], color=style.RULE, linewidth=1)
        _box(axes, left, top + 0.35, width, 0.5, step)
    told = [
        f"{step['name']}: {words.count(step['scans'], 'scan')}, "
        f"{words.count(step['people'], 'person', 'people')}"
        for step in steps
    ]
    return Picture(figure, "From images to people", "; ".join(told) + ".")


def _cut(text: str, most: int = 110) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _box(
    axes: Any, left: float, top: float, width: float, height: float, step: dict[str, Any]
) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (left, top), width, height, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="#f4f6f8", edgecolor=style.RULE, linewidth=0.8,
        )
    )  # fmt: skip
    axes.text(left + width / 2, top + 0.16, step["name"], ha="center", va="center", fontsize=8)
    axes.text(
        left + width / 2, top + 0.35,
        f"{words.count(step['people'], 'person', 'people')}, {words.count(step['scans'], 'scan')}",
        ha="center", va="center", fontsize=8, fontweight="bold",
    )  # fmt: skip


def _arrow(axes: Any, x0: float, y0: float, x1: float, y1: float) -> None:
    axes.annotate(
        "", (x1, y1), (x0, y0),
        arrowprops={
            "arrowstyle": "-|>", "color": style.MUTED, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0,
        },
    )  # fmt: skip


PROBE_NAMES = {
    "age_sex": "age, age² and sex",
    "voxels": "voxels",
    "embedding": "embedding",
}


def probe_rows(tables: Tables, settings: dict[str, Any], protocol: str) -> pd.DataFrame:
    """Return one row a line of the figure: name, mean over runs, interval, each run's value."""
    table = tables["site_probe"]
    table = table[table["protocol"] == protocol]
    names = words.experiment_names(settings)
    rows = []
    order = [e for e in settings["experiments"] if e in set(table["experiment"])]
    order += sorted(set(table["experiment"]) - set(order))
    kinds = [("embedding", experiment) for experiment in order]
    kinds += [(probe, None) for probe in ("age_sex", "voxels") if (table["probe"] == probe).any()]
    for probe, experiment in kinds:
        chosen = table[table["probe"] == probe]
        if experiment is not None:
            chosen = chosen[chosen["experiment"] == experiment]
            name = f"{names.get(experiment, experiment)} embedding"
        else:
            # Who is given no embedding gets the same result beside every experiment.
            chosen = chosen.drop_duplicates(["fold", "balanced_accuracy", "low", "high"])
            name = PROBE_NAMES[probe]
        if chosen.empty:
            continue
        one = len(chosen) == 1
        rows.append(
            {
                "name": name,
                "probe": probe,
                "estimate": float(chosen["balanced_accuracy"].mean()),
                "low": float(chosen["low"].iloc[0]) if one else float("nan"),
                "high": float(chosen["high"].iloc[0]) if one else float("nan"),
                "runs": [float(v) for v in chosen["balanced_accuracy"]],
                "chance": float(chosen["chance"].mean()),
                "sites": int(chosen["sites"].max()),
                "n": int(chosen["n"].max()),
            }
        )
    return pd.DataFrame(rows)


def site_predictability(tables: Tables, settings: dict[str, Any]) -> Picture | str:
    """Draw how well the site can be told from embedding, voxels, and age and sex alone."""
    reason = reasons.no_sites(tables)
    if reason:
        return reason
    protocols = [
        p for p in ("converged", "challenge") if (tables["site_probe"]["protocol"] == p).any()
    ]
    titles = {"converged": "Probe standardised, converged", "challenge": "Probe of the challenge"}
    found = {protocol: probe_rows(tables, settings, protocol) for protocol in protocols}
    order = list(dict.fromkeys(name for rows in found.values() for name in rows["name"]))
    figure = style.new_figure(height=1.1 + 0.3 * len(order))
    panels = figure.subplots(1, len(protocols), squeeze=False, sharex=True, sharey=True)[0]
    told = []
    for axes, protocol in zip(panels, protocols, strict=True):
        rows = found[protocol]
        for _, row in rows.iterrows():
            place = order.index(row["name"])
            own = row["probe"] == "embedding"
            colour = style.BLUE if own else style.MUTED
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.6)
            if len(row["runs"]) > 1:
                axes.plot(row["runs"], [place] * len(row["runs"]), "|", color=colour, markersize=7)
            axes.plot(
                row["estimate"], place, "o", color=colour, markersize=5.5,
                markerfacecolor=colour if own else style.PAPER,
            )  # fmt: skip
            axes.annotate(
                f"{100 * row['estimate']:.0f} %", (row["estimate"], place), (0, 6),
                textcoords="offset points", ha="center", fontsize=7.5, color=style.dark(colour),
                bbox=style.ON_PAPER,
            )  # fmt: skip
            ends = {key: 100 * row[key] for key in ("estimate", "low", "high")}
            told.append(f"{row['name']}, {protocol}: {words.estimate(ends, 0)} %")
        chance = float(rows["chance"].mean())
        axes.axvline(chance, color=style.MUTED, linestyle=(0, (4, 3)), linewidth=1)
        axes.annotate(
            f" chance {100 * chance:.0f} %", (chance, -0.85), va="center", fontsize=7.5,
            color=style.MUTED,
        )  # fmt: skip
        style.rows(axes, [words.for_figure(name) for name in order], -1.2)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
        axes.set_title(titles[protocol])
    figure.supxlabel("Balanced accuracy of the site (%)", fontsize=8.5)
    first = found[protocols[0]]
    text = (
        f"Balanced accuracy of telling {int(first['sites'].max())} sites apart, "
        f"{int(first['n'].max())} people whom the encoder never saw. " + "; ".join(told) + "."
    )
    return Picture(figure, "How well the site can be told", text)
