"""The tables printed on the study's page: rows of text made from the tidy tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from brainage.reporting import figures_cohort, words
from brainage.reporting import tables as tb
from brainage.reporting.tables import PERSON, Tables

PEOPLE = ("external", "internal", "all")


@dataclass
class Printed:
    """A table as text. `numbers` are columns set flush right, `main` rows set bold."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    numbers: set[int] = field(default_factory=set)
    main: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def _notes(rows: pd.DataFrame, *columns: str) -> list[str]:
    """Return each text of these columns once, as a sentence.

    Of notes that differ only in their count of people, the one with the most is said.
    """
    found: dict[str, tuple[int, str]] = {}
    for column in columns:
        for text in rows[column].dropna().unique():
            told = str(text).rstrip(". ")
            counted = re.match(r"\d+", told)
            count = int(counted[0]) if counted else 0
            kind = f"{column} {told[counted.end() :] if counted else told}"
            told = f"Model: {told}." if column == "model" else f"{words.capital(told)}."
            if kind not in found or count > found[kind][0]:
                found[kind] = (count, told)
    return [told for _, told in found.values()]


def accuracy(tables: Tables, settings: dict[str, Any]) -> Printed:
    """Return MAE of all experiments and baselines on each kind of people, with r and R²."""
    table = tables["accuracy"]
    names = words.experiment_names(settings)
    main = tb.main_experiment(settings)
    there = table[(table["metric"] == "mae") & table["estimate"].notna()]
    kinds = [p for p in ("external", "internal") if (there["people"] == p).any()]
    kinds = kinds or [p for p in PEOPLE if (there["people"] == p).any()]
    first = kinds[0] if kinds else "all"
    order = there[there["people"] == first].sort_values(["estimate", "experiment"])["experiment"]
    rows = []
    for experiment in [*order, *sorted(set(there["experiment"]) - set(order))]:
        row = [names.get(experiment, experiment)]
        for people in kinds:
            mae = tb.metric(tables, experiment, people, "mae")
            row.append(words.MISSING if mae is None else words.estimate(mae))
        for name in ("rmse", "r", "r2"):
            found = tb.metric(tables, experiment, first, name)
            row.append(
                words.MISSING
                if found is None
                else words.number(found["estimate"], 1 if name == "rmse" else 2)
            )
        mae = tb.metric(tables, experiment, first, "mae")
        spread = words.MISSING
        if mae is not None and not words.missing(mae["seed_low"]):
            spread = f"{words.number(mae['seed_low'])} to {words.number(mae['seed_high'])}"
        rows.append([*row, spread, _against_ridge(tables, experiment, first)])
    heads = ["Model", *[f"MAE, {words.PEOPLE_NAMES[p]} (years)" for p in kinds]]
    heads += ["RMSE (years)", "r", "R²", "MAE of single seeds (years)"]
    heads += ["MAE minus that of ridge (years)"]
    # Columns that nobody fills are left out.
    filled = [i for i in range(len(heads)) if any(row[i] != words.MISSING for row in rows)]
    rows = [[row[i] for i in filled] for row in rows]
    heads = [heads[i] for i in filled] if rows else heads
    counts = []
    for people in kinds:
        constant = tb.metric(tables, main, people, "mae_of_constant")
        mae = tb.metric(tables, main, people, "mae")
        n = f"n {int(mae['n'])}" if mae is not None else "n not known"
        off = (
            ""
            if constant is None
            else f", best constant {words.number(constant['estimate'])} years"
        )
        counts.append(f"{words.PEOPLE_NAMES[people]}: {n}{off}")
    caption = (
        "Uncorrected predicted age of healthy test people, one scan each, with 95 % intervals. "
        f"{words.capital('; '.join(counts))}."
    )
    if len(kinds) > 1:
        caption += f" RMSE, r, R² and difference to ridge: {words.PEOPLE_NAMES[first]}."
    at = {i for i, row in enumerate(rows) if row[0] == names.get(main, main)}
    # The last column holds words as well, which may go on in a second line.
    numbers = set(range(1, len(heads) - ("ridge" in heads[-1])))
    return Printed(caption, heads, rows, numbers, at, _notes(there, "note"))


def _against_ridge(tables: Tables, experiment: str, people: str) -> str:
    """Return the paired difference to ridge on voxels and what it says."""
    found = tb.metric(tables, experiment, people, "mae_minus_ridge")
    if found is None or words.missing(found["verdict"]):
        return words.MISSING
    together = words.estimate(found).replace(" ", "\N{NO-BREAK SPACE}")
    return f"{together}: {found['verdict']}"


def sites(tables: Tables, settings: dict[str, Any]) -> Printed:
    """Return the balanced accuracy of each site probe."""
    rows = []
    chance, n = float("nan"), 0
    for protocol in ("converged", "challenge"):
        for _, row in figures_cohort.probe_rows(tables, settings, protocol).iterrows():
            chance, n = row["chance"], row["n"]
            percent = {key: 100 * row[key] for key in ("estimate", "low", "high")}
            runs = len(row["runs"])
            spread = words.interval(percent["low"], percent["high"], 0) if runs == 1 else (
                f"{words.number(100 * min(row['runs']), 0)} to "
                f"{words.number(100 * max(row['runs']), 0)} over {runs} runs"
            )  # fmt: skip
            rows.append(
                [
                    row["name"],
                    protocol,
                    words.number(percent["estimate"], 0),
                    spread,
                    str(row["sites"]),
                ]
            )
    caption = (
        f"Site told by a linear probe, {n} people the encoder never saw; chance "
        f"{100 * chance:.0f} %."
    )
    heads = ["Probe on", "Protocol", "Balanced accuracy (%)", "95 % interval, or range", "Sites"]
    scores = tables["accuracy"]
    scores = scores[(scores["metric"] == "challenge_score") & scores["estimate"].notna()]
    names = words.experiment_names(settings)
    told = [
        f"{names.get(name, name)} {words.number(value, 2)}"
        for name, value in zip(scores["experiment"], scores["estimate"], strict=True)
    ]
    note = "Score of the OpenBHB challenge, (site accuracy)^0.3 × external MAE, lower is better: "
    notes = [f"{note}{', '.join(told)}."] if told and rows else []
    return Printed(caption if rows else "", heads, rows, {2, 3, 4}, notes=notes)


def groups(tables: Tables, settings: dict[str, Any]) -> Printed:
    """Return each group's mean gap and each difference, by the main experiment."""
    table = tables["groups"]
    table = table[table["experiment"] == tb.main_experiment(settings)]
    rows = []
    for quantity in ("mean", "difference"):
        for _, row in _ordered(table[table["quantity"] == quantity], settings).iterrows():
            # The column is as wide as its widest text: the long unit stands in the caption.
            unit = "SD" if row["unit"] == "SD" else "years"
            counted = str(int(row["n"]))
            if not words.missing(row["n_reference"]):
                counted += f" and {int(row['n_reference'])}"
            rows.append(
                [
                    pair(row, "mean gap"),
                    words.estimate(row, 2 if unit == "SD" else 1),
                    unit,
                    words.p_value(row["p"]),
                    words.p_value(row["p_holm"]),
                    counted,
                ]
            )
    unit = next((str(u) for u in table["unit"] if u != "SD"), "years")
    heads = ["", "Estimate [95 % interval]", "Unit", "p", "p (Holm)", "n"]
    heads[0] = "Quantity"
    caption = f"Corrected gap by diagnosis, first scan of each person. Unit: {_alpha(unit)}."
    return Printed(caption, heads, rows, {1, 3, 4, 5}, notes=_notes(table, "model", "note"))


def _alpha(unit: str) -> str:
    return unit.replace("alpha ", "α = ")


def pair(row: pd.Series, what: str) -> str:
    if words.missing(row["reference"]):
        return f"{row['group']}, {what}"
    return f"{row['group']} − {row['reference']}"


def _ordered(rows: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Sort by the order of the groups in the config."""
    order = tb.group_order(settings, [*rows["group"], *rows["reference"]])
    place = {group: i for i, group in enumerate(order)}
    keys = pd.DataFrame(
        {
            "unit": (rows["unit"] == "SD") if "unit" in rows else False,
            "group": rows["group"].map(place),
            "reference": rows["reference"].map(place),
        }
    )
    return rows.loc[keys.sort_values(["unit", "group", "reference"], kind="stable").index]


def roc(tables: Tables, settings: dict[str, Any]) -> Printed:
    """Return every area under the curve, the main experiment first."""
    main = tb.main_experiment(settings)
    names = words.experiment_names(settings)
    table = tables["roc"]
    table = table[table["quantity"] == "auc"]
    experiments = [main, *[e for e in settings["experiments"] if e != main]]
    rows, bold = [], set()
    for experiment in [e for e in experiments if e in set(table["experiment"])]:
        chosen = table[table["experiment"] == experiment]
        cases = tb.group_order(settings, list(chosen["case"]))
        for case in cases:
            for score in ("gap", "diagnosis_probe", "age", "age_sex"):
                # Age and sex are the same whatever the encoder: once is enough.
                if experiment != main and score.startswith("age"):
                    continue
                for _, row in chosen[
                    (chosen["case"] == case) & (chosen["score"] == score)
                ].iterrows():
                    if experiment == main and score == "gap":
                        bold.add(len(rows))
                    encoder = words.MISSING if score.startswith("age") else names[experiment]
                    rows.append(
                        [
                            f"{case} against {row['control']}",
                            words.SCORE_NAMES.get(score, score),
                            encoder,
                            words.estimate(row, 2),
                            f"{int(row['n_cases'])} and {int(row['n'] - row['n_cases'])}",
                        ]
                    )
    notes = _notes(table[table["experiment"] == main], "note")
    added = tables["roc"]
    added = added[(added["quantity"] == "added_value") & (added["experiment"] == main)]
    for _, row in added[added["p"].notna()].iterrows():
        notes.append(
            f"Added value of the {words.SCORE_NAMES.get(row['score'], row['score'])} over age "
            f"and sex, "
            f"{row['case']} against {row['control']}: likelihood ratio test, p "
            f"{words.p_value(row['p'])}."
        )
    heads = ["Groups", "Score", "Encoder", "AUC [95 % interval]", "n (cases and controls)"]
    caption = "Area under the ROC curve, one scan a person. An area under 0.5 is left so."
    return Printed(caption, heads, rows, {3, 4}, bold, notes)


def slopes(tables: Tables, settings: dict[str, Any]) -> Printed:
    """Return each group's slope and each contrast, by the main experiment."""
    table = tables["slopes"]
    table = table[(table["experiment"] == tb.main_experiment(settings)) & table["estimate"].notna()]
    rows = []
    for quantity in ("slope", "contrast"):
        for _, row in _ordered(table[table["quantity"] == quantity], settings).iterrows():
            counted = str(int(row["n"]))
            if not words.missing(row["n_reference"]):
                counted += f" and {int(row['n_reference'])}"
            rows.append(
                [
                    pair(row, "slope"),
                    words.estimate(row, 2),
                    words.p_value(row["p"]),
                    counted,
                    str(int(row["scans"])),
                ]
            )
    unit = next(iter(table["unit"]), "years a year")
    heads = ["Quantity", "Years a year [95 % interval]", "p", "n", "Scans"]
    caption = f"Change of the corrected gap with time. Unit: {_alpha(str(unit))}."
    return Printed(caption, heads, rows, {1, 2, 3, 4}, notes=_notes(table, "model", "note"))


def people(tables: Tables, settings: dict[str, Any]) -> Printed:
    """Return who takes part, by data set, role and diagnosis."""
    scans = tables["scans"]
    splits = tables["splits"]
    splits = splits[splits["experiment"] == tb.main_experiment(settings)]
    several = splits["fold"].nunique() > 1
    splits = splits[splits["fold"] == splits["fold"].min()].drop_duplicates(PERSON)
    usable = scans[scans["set_aside"].isna()]
    passed = tables["qc"].loc[tables["qc"]["verdict"] != "fail", "scan_id"]
    usable = usable[usable["scan_id"].isin(passed)]
    sizes = usable.groupby(PERSON).size().rename("scans")
    first = tb.first_scans(usable).join(sizes, on=PERSON)
    first = first.merge(splits[[*PERSON, "role"]], on=PERSON, how="left")
    first["role"] = first["role"].fillna("no role")
    first["diagnosis"] = first["diagnosis"].fillna("not given")
    order = {
        role: i for i, role in enumerate(("train", "validation", "calibration", "test", "no role"))
    }
    groups_in_order = tb.group_order(settings, list(first["diagnosis"]))
    rows = []
    for (dataset, role, diagnosis), here in sorted(
        first.groupby(["dataset", "role", "diagnosis"]),
        key=lambda item: (item[0][0], order[item[0][1]], groups_in_order.index(item[0][2])),
    ):
        ages = here["age"].dropna()
        sex = here["sex"].value_counts()
        told = [f"{sex[s]} {words.SEX_NAMES[s]}" for s in ("F", "M", "O") if sex.get(s)]
        unknown = int(here["sex"].isna().sum())
        told += [f"{unknown} not given"] if unknown else []
        rows.append(
            [
                str(dataset),
                words.capital(words.ROLE_NAMES.get(role, role)),
                str(diagnosis),
                str(len(here)),
                str(int(here["scans"].sum())),
                words.number(ages.mean()) if len(ages) else words.MISSING,
                f"{words.number(ages.min())} to {words.number(ages.max())}"
                if len(ages)
                else words.MISSING,
                ", ".join(told),
                str(here["site"].nunique()),
            ]
        )
    heads = ["Data set", "Role", "Diagnosis", "People", "Scans", "Mean age (years)",
             "Ages (years)", "Sex", "Sites"]  # fmt: skip
    caption = "People whose scans passed quality control; age and diagnosis at the first of them."
    if several:
        caption += " Roles are those of the first fold: in turn everyone healthy is test."
    return Printed(caption, heads, rows, {3, 4, 5, 6, 8})


def learning_rates(tables: Tables, settings: dict[str, Any]) -> Printed:
    """Return the learning rates that runs chose among several; no rows where none did."""
    history = tables["history"]
    history = history[history["rates_tried"].notna()]
    names = words.experiment_names(settings)
    rows = []
    for (experiment, fold, seed), own in history.groupby(["experiment", "fold", "seed"]):
        taken = f"{own['learning_rate'].max():.2g}"
        tried = str(own["rates_tried"].iloc[0])
        rows.append([names.get(experiment, experiment), str(fold), str(seed), taken, tried])
    heads = ["Model", "Fold", "Seed", "Highest rate", "Tried: MAE on validation people (years)"]
    caption = "Learning rates chosen by the error of an age probe on validation people."
    return Printed(caption, heads, rows, {1, 2, 3})


def quality(tables: Tables) -> dict[str, Any]:
    """Return the sentence and the table of quality control."""
    scans, qc = tables["scans"], tables["qc"]
    counts = {
        verdict: int((qc["verdict"] == verdict).sum()) for verdict in ("pass", "warn", "fail")
    }
    aside = scans.loc[scans["set_aside"].notna(), "set_aside"]
    sentence = (
        f"Of {words.count(len(qc), 'scan')} looked at, {counts['pass']} passed, {counts['warn']} "
        f"passed with a warning and {counts['fail']} failed; failed scans are used nowhere."
    )
    if len(aside):
        were = words.count(len(aside), "scan was", "scans were")
        sentence += f" {were} set aside because of what the tables say of them."
    said = qc["decision"].value_counts()
    if len(said):
        machine = qc["machine_verdict"].fillna(qc["verdict"])
        otherwise = int(((machine == "fail") != (qc["verdict"] == "fail")).sum())
        on = words.count(int(said.sum()), "scan")
        sentence += (
            f" A person decided on {on} ({said.get('keep', 0)} to keep, {said.get('drop', 0)} to "
            f"drop), on {otherwise} of them otherwise than the machine; that word counts."
        )
    rows = []
    for step, texts in (
        ("set aside", aside),
        ("fail", qc.loc[qc["verdict"] == "fail", "reason"].fillna("no reason given")),
        ("warn", qc.loc[qc["verdict"] == "warn", "reason"].fillna("no reason given")),
    ):
        found = texts.astype(str).map(words.brief_reason).value_counts()
        listed = sorted(found.items(), key=lambda item: (-item[1], str(item[0])))
        rows += [[str(reason), step, str(n)] for reason, n in listed[:8]]
        others = sum(n for _, n in listed[8:])
        rows += [["other reasons", step, str(others)]] if others else []
    table = Printed("Scans by reason.", ["Reason", "Verdict", "Scans"], rows, {2})
    return {"sentence": sentence, "table": table}
