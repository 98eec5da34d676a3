"""Site predictability: how much information on site the embeddings contain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainage.reporting import style, words
from brainage.reporting import tables as tb
from brainage.reporting.section import Block, Downloads, Figure, Printed, Report, Section, Shown
from brainage.reporting.style import Picture
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

CHOICE = Section(
    label="Site predictability",
    sentence="how accurately a linear probe predicts the site",
    order=20,
    short="Sites",
    figures=(
        Figure(
            name="site_predictability",
            category="Sites",
            label="Site predictability",
            caption=(
                "Balanced accuracy of a linear probe that predicts the site of people whom the "
                "encoder never saw: lower is better for an embedding. The probe on age and sex "
                "shows how well these alone predict the site; the probe on voxels, how well the "
                "images do."
            ),
            needs=("scans", "site_probe"),
        ),
    ),
)
PROTOCOLS = {
    "converged": "Probe standardised, converged",
    "challenge": ("Probe of the OpenBHB challenge"),
}
PROBE_NAMES = {"age_sex": "age, age² and sex", "voxels": "voxels"}
TOO_FEW = "fewer than two sites have enough people whom the encoder never saw"


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return why nothing can be said about sites."""
    scans = tables["scans"]
    sites = sorted(set(scans.loc[scans["set_aside"].isna(), "site"].dropna()))
    if not sites:
        return "no scan has a site in the tables"
    if len(sites) == 1:
        return f"all scans are from one site ({words.site_names(settings)(sites[0])})"
    return TOO_FEW if tables["site_probe"].empty else None


def blocks(report: Report) -> list[Block]:
    """Return figure, table and downloads."""
    printed = table(report.tables, report.settings)
    return [Shown("site_predictability"), printed, Downloads(("site_probe",))]


def probes(tables: Tables, settings: Settings, protocol: str) -> list[dict[str, Any]]:
    """Return one entry a line of the figure: name, mean over trainings, interval, each value."""
    rows = tables["site_probe"]
    rows = rows[rows["protocol"] == protocol]
    names = words.experiment_names(settings)
    order = [e for e in settings["experiments"] if e in set(rows["experiment"])]
    order += sorted(set(rows["experiment"]) - set(order))
    found = []
    for experiment in order:
        own = rows[(rows["probe"] == "embedding") & (rows["experiment"] == experiment)]
        found.append((f"{names.get(experiment, experiment)} embedding", own))
    for probe, name in PROBE_NAMES.items():
        # Without an embedding the result is the same beside every experiment.
        same = rows[rows["probe"] == probe]
        same = same.drop_duplicates(["fold", "balanced_accuracy", "low", "high"])
        found.append((name, same))
    return [_probe(name, own) for name, own in found if len(own)]


def _probe(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    one = len(rows) == 1
    return {
        "name": name,
        "embedding": rows["probe"].iloc[0] == "embedding",
        "estimate": float(rows["balanced_accuracy"].mean()),
        "low": float(rows["low"].iloc[0]) if one else float("nan"),
        "high": float(rows["high"].iloc[0]) if one else float("nan"),
        "values": [float(value) for value in rows["balanced_accuracy"]],
        "chance": float(rows["chance"].mean()),
        "sites": int(rows["sites"].max()),
        "n": int(rows["n"].max()),
    }


def table(tables: Tables, settings: Settings) -> Printed:
    """Return the balanced accuracy of each probe."""
    rows = []
    caption = ""
    for protocol in PROTOCOLS:
        for row in probes(tables, settings, protocol):
            percent = {key: 100 * row[key] for key in ("estimate", "low", "high")}
            spread = words.interval(percent["low"], percent["high"], 0)
            if len(row["values"]) > 1:
                low, high = 100 * min(row["values"]), 100 * max(row["values"])
                trainings = words.count(len(row["values"]), "training")
                spread = f"{words.number(low, 0)} to {words.number(high, 0)} over {trainings}"
            estimate = words.number(percent["estimate"], 0)
            rows.append([row["name"], protocol, estimate, spread, str(row["sites"])])
            caption = (
                f"Site predicted by a linear probe, {words.count(row['n'], 'person', 'people')} "
                f"whom the encoder never saw; chance {100 * row['chance']:.0f} %."
            )
    heads = ["Probe on", "Protocol", "Balanced accuracy (%)", "95 % interval, or range", "Sites"]
    scores = tb.accuracies(tables, "challenge_score")
    names = words.experiment_names(settings)
    said = [
        f"{names.get(name, name)} {words.number(value, 2)}"
        for name, value in zip(scores["experiment"], scores["estimate"], strict=True)
    ]
    note = "Score of the OpenBHB challenge, (site accuracy)^0.3 × external MAE, lower is better: "
    notes = [f"{note}{', '.join(said)}."] if said and rows else []
    return Printed(caption, heads, rows, {2, 3, 4}, notes=notes)


def draw_site_predictability(tables: Tables, settings: Settings) -> Picture | str:
    """Draw how accurately the site is predicted from embedding, voxels, and age and sex alone."""
    why = reason(tables, settings)
    if why:
        return why
    found = {protocol: probes(tables, settings, protocol) for protocol in PROTOCOLS}
    found = {protocol: rows for protocol, rows in found.items() if rows}
    order = list(dict.fromkeys(row["name"] for rows in found.values() for row in rows))
    figure = style.new_figure(height=1.1 + 0.3 * len(order))
    panels = figure.subplots(1, len(found), squeeze=False, sharex=True, sharey=True)[0]
    said = []
    for axes, (protocol, rows) in zip(panels, found.items(), strict=True):
        for row in rows:
            _draw_probe(axes, row, order.index(row["name"]))
            ends = {key: 100 * row[key] for key in ("estimate", "low", "high")}
            said.append(f"{row['name']}, {protocol}: {words.estimate(ends, 0)} %")
        chance = sum(row["chance"] for row in rows) / len(rows)
        axes.axvline(chance, color=style.MUTED, linestyle=(0, (4, 3)), linewidth=1)
        axes.annotate(
            f" chance {100 * chance:.0f} %", (chance, -0.85), va="center", fontsize=7.5,
            color=style.MUTED,
        )  # fmt: skip
        style.rows(axes, [words.for_figure(name) for name in order], -1.2)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
        axes.set_title(PROTOCOLS[protocol])
    figure.supxlabel("Balanced accuracy of the predicted site (%)", fontsize=8.5)
    first = next(iter(found.values()))
    text = (
        f"Balanced accuracy of predicting which of {max(row['sites'] for row in first)} sites, "
        f"{max(row['n'] for row in first)} people whom the encoder never saw. {'; '.join(said)}."
    )
    return Picture(figure, text)


def _draw_probe(axes: Any, row: dict[str, Any], place: int) -> None:
    """Draw one probe; the mark of one without an embedding is open."""
    colour = style.BLUE if row["embedding"] else style.MUTED
    axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.6)
    if len(row["values"]) > 1:
        axes.plot(row["values"], [place] * len(row["values"]), "|", color=colour, markersize=7)
    axes.plot(
        row["estimate"], place, "o", color=colour, markersize=5.5,
        markerfacecolor=colour if row["embedding"] else style.PAPER,
    )  # fmt: skip
    axes.annotate(
        f"{100 * row['estimate']:.0f} %", (row["estimate"], place), (0, 6),
        textcoords="offset points", ha="center", fontsize=7.5, color=style.dark(colour),
        bbox=style.ON_PAPER,
    )  # fmt: skip
