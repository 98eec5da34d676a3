"""Participants: from images found to people used, by role and diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainage.core.contracts.columns import ROLES
from brainage.core.subjects import PERSON, first_scans
from brainage.reporting import style, words
from brainage.reporting import tables as tb
from brainage.reporting.section import (
    Block,
    Bullets,
    Downloads,
    Figure,
    Link,
    Printed,
    Report,
    Section,
    Shown,
)
from brainage.reporting.style import Picture
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

CHOICE = Section(
    label="Participants",
    sentence="the people included, their roles, and the scans set aside",
    order=80,
    short="People",
    figures=(
        Figure(
            name="flow",
            category="People",
            label="Flow from images to people",
            caption=(
                "Every image that was found, what was set aside at each step and why, and the "
                "roles of the people. Nobody has two roles in one experiment."
            ),
            needs=("scans", "qc", "splits"),
        ),
    ),
)
NO_ROLE = "no role"


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return None: there is always something to say about the people."""
    return None


def blocks(report: Report) -> list[Block]:
    """Return table, figure, downloads, the remarks of the index and the way to persons' pages."""
    found: list[Block] = [
        table(report.tables, report.settings),
        Shown("flow"),
        Downloads(("scans", "splits")),
    ]
    if report.remarks:
        found.append(Bullets("Remarks on the data:", report.remarks))
    if report.people_pages:
        pages = words.count(report.people_pages, "person", "people")
        found.append(Link(f"Reports of {pages}", "people/index.html"))
    return found


def _roles(tables: Tables, settings: Settings) -> tuple[pd.DataFrame, int]:
    """Return the role of each person in the first fold, and the number of folds."""
    splits = tables["splits"]
    splits = splits[splits["experiment"] == tb.main_experiment(settings)]
    # Seeds repeat the same people.
    first = splits[splits["fold"] == splits["fold"].min()].drop_duplicates(PERSON)
    return first[[*PERSON, "role"]], splits["fold"].nunique()


def table(tables: Tables, settings: Settings) -> Printed:
    """Return who takes part, by data set, role and diagnosis."""
    scans, qc = tables["scans"], tables["qc"]
    passed = set(qc.loc[qc["verdict"] != "fail", "scan_id"])
    usable = scans[scans["set_aside"].isna() & scans["scan_id"].isin(passed)]
    roles, folds = _roles(tables, settings)
    sizes = usable.groupby(PERSON).size().rename("scans")
    first = first_scans(usable).join(sizes, on=PERSON).merge(roles, on=PERSON, how="left")
    first["role"] = first["role"].fillna(NO_ROLE)
    first["diagnosis"] = first["diagnosis"].fillna("not given")
    diagnoses = tb.group_order(settings, list(first["diagnosis"]))
    rows = []
    for dataset in sorted(set(first["dataset"])):
        for role in (*ROLES, NO_ROLE):
            for diagnosis in diagnoses:
                here = first[
                    (first["dataset"] == dataset)
                    & (first["role"] == role)
                    & (first["diagnosis"] == diagnosis)
                ]
                if len(here):
                    name = words.capital(words.ROLE_NAMES.get(role, role))
                    rows.append([dataset, name, diagnosis, *_described(here)])
    heads = ["Data set", "Role", "Diagnosis", "People", "Scans", "Mean age (years)",
             "Ages (years)", "Sex", "Sites"]  # fmt: skip
    caption = "People whose scans passed quality control; age and diagnosis at the first of them."
    if folds > 1:
        caption += (
            " Roles are those of the first fold: everyone healthy is tested once over the folds."
        )
    return Printed(caption, heads, rows, {3, 4, 5, 6, 8})


def _described(people: pd.DataFrame) -> list[str]:
    """Return numbers of people and scans, their ages and sexes, and the number of sites."""
    ages, sex = people["age"], people["sex"].value_counts()
    sexes = [f"{sex[s]} {words.SEX_NAMES[s]}" for s in ("F", "M", "O") if sex.get(s)]
    unknown = int(people["sex"].isna().sum())
    sexes += [f"{unknown} not given"] if unknown else []
    return [
        str(len(people)),
        str(int(people["scans"].sum())),
        words.number(ages.mean()),
        f"{words.number(ages.min())} to {words.number(ages.max())}",
        ", ".join(sexes),
        str(people["site"].nunique()),
    ]


def counted(tables: Tables, settings: Settings) -> list[dict[str, Any]]:
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
        _step("Kept after checking tables and file names", usable, _reasons(lost)),
    ]
    judged = usable.merge(qc[["scan_id", "verdict", "reason"]], on="scan_id", how="left")
    passed = judged[judged["verdict"].isin(["pass", "warn"])]
    failed = judged[judged["verdict"] == "fail"]
    why = _reasons(failed["reason"].fillna("failed quality control"))
    unjudged = int(judged["verdict"].isna().sum())
    if unjudged:
        why.append(("not judged", unjudged))
    steps.append(_step("Passed quality control", passed, why))
    roles, folds = _roles(tables, settings)
    used = passed.merge(roles, on=PERSON)
    idle = len(passed.drop_duplicates(PERSON)) - len(used.drop_duplicates(PERSON))
    steps.append(_step("Used", used, [("people without a role", idle)] if idle else []))
    for role in ROLES:
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


def draw_flow(tables: Tables, settings: Settings) -> Picture | str:
    """Draw the way from images found to people used, with what was lost at each step."""
    steps = counted(tables, settings)
    if steps[0]["scans"] == 0:
        return "no image was found"
    main = [step for step in steps if "role" not in step]
    roles = [step for step in steps if "role" in step]
    texts = [_lost(step) for step in main]
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
        _box(axes, (0.1, top), 3.3, step)
        top += 0.5
    width = (style.WIDTH - 0.2 - 0.15 * 3) / 4
    for place, step in enumerate(roles):
        left = 0.1 + place * (width + 0.15)
        axes.plot([middle, left + width / 2], [top, top + 0.35], color=style.RULE, linewidth=1)
        _box(axes, (left, top + 0.35), width, step)
    said = [
        f"{step['name']}: {words.count(step['scans'], 'scan')}, "
        f"{words.count(step['people'], 'person', 'people')}"
        for step in steps
    ]
    return Picture(figure, "; ".join(said) + ".")


def _lost(step: dict[str, Any]) -> list[str]:
    """Return what was lost before a step as lines that fit beside the arrow."""
    import textwrap

    lines = [f"{n} × {_cut(text)}" for text, n in step["lost"][:4]]
    others = sum(n for _, n in step["lost"][4:])
    lines += [f"{others} × other reasons"] if others else []
    return [part for line in lines for part in textwrap.wrap(line, 58)]


def _cut(text: str, longest: int = 110) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _box(axes: Any, corner: tuple[float, float], width: float, step: dict[str, Any]) -> None:
    from matplotlib.patches import FancyBboxPatch

    (left, top), middle = corner, corner[0] + width / 2
    axes.add_patch(
        FancyBboxPatch(
            (left, top), width, 0.5, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="#f4f6f8", edgecolor=style.RULE, linewidth=0.8,
        )
    )  # fmt: skip
    axes.text(middle, top + 0.16, step["name"], ha="center", va="center", fontsize=8)
    counts = words.count(step["people"], "person", "people"), words.count(step["scans"], "scan")
    axes.text(
        middle, top + 0.35, ", ".join(counts), ha="center", va="center", fontsize=8,
        fontweight="bold",
    )  # fmt: skip


def _arrow(axes: Any, x0: float, y0: float, x1: float, y1: float) -> None:
    axes.annotate(
        "", (x1, y1), (x0, y0),
        arrowprops={
            "arrowstyle": "-|>", "color": style.MUTED, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0,
        },
    )  # fmt: skip
