"""The table of the grid on the study's page: every training with all that was measured of it."""

from __future__ import annotations

from typing import Any

from brainage.reporting import figures_grid, words
from brainage.reporting import tables as tb
from brainage.reporting.study_tables import Printed
from brainage.reporting.tables import Tables


def cells(tables: Tables, settings: dict[str, Any]) -> Printed:
    """Return one row a run: people trained on, age error, site, diagnosis, challenge score.

    Intervals are from resampling people; ranges over seeds stand in columns of their own.
    """
    errors = figures_grid.age_errors(tables)
    if errors.empty:
        return Printed("", [], [])
    names = words.experiment_names(settings)
    site = figures_grid.site_rows(tables, "embedding").set_index("run")
    areas = tables["grid_diagnosis"]
    areas = areas[areas["estimate"].notna()]
    groups = tb.group_order(settings, list(areas["case"]))
    areas = areas[areas["case"] == groups[-1]].set_index("run") if groups else areas
    score = tables["grid_accuracy"]
    score = score[score["metric"] == "challenge_score"].set_index("run")
    rows, bold = [], set()
    order = errors.sort_values(["experiment", "datasets", "train_people"], kind="stable")
    for _, row in order.iterrows():
        run = row["run"]
        if run == tb.main_experiment(settings):
            bold.add(len(rows))
        told = [
            names.get(row["experiment"], row["experiment"]),
            str(row["datasets"]),
            f"{row['train_people']:.0f}",
            words.estimate(row),
            _seeds(row),
        ]
        for table, digits, scale in ((site, 0, 100), (areas, 2, 1)):
            if run in table.index:
                found = table.loc[run]
                ends = {key: scale * found[key] for key in ("estimate", "low", "high")}
                told += [words.estimate(ends, digits), _seeds(found, digits, scale)]
            else:
                told += [words.MISSING, words.MISSING]
        value = score.loc[run, "estimate"] if run in score.index else None
        rows.append([*told, words.number(value, 2)])
    auc = f"AUC, {groups[-1]}" if groups else "AUC"
    heads = ["Model", "Data sets", "People trained on", "MAE (years)", "over seeds",
             "Site (%)", "over seeds", auc, "over seeds", "L_c"]  # fmt: skip
    filled = [i for i in range(len(heads)) if any(row[i] != words.MISSING for row in rows)]
    whom = words.PEOPLE_NAMES[str(errors["people"].iloc[0])]
    caption = (
        f"Single trainings, mean over seeds; MAE on {whom}, n {int(errors['n'].max())}. Square "
        "brackets: 95 % intervals from resampling people. Over seeds: smallest to largest. "
        "L_c is the score of the OpenBHB challenge, (site accuracy)^0.3 × MAE, where lower is "
        "better."
    )
    numbers = {place for place, i in enumerate(filled) if i >= 2}
    notes = [f"{words.capital(str(note))}." for note in errors["note"].dropna().unique()]
    kept = [[row[i] for i in filled] for row in rows]
    return Printed(caption, [heads[i] for i in filled], kept, numbers, bold, notes)


def _seeds(row: Any, digits: int = 1, scale: float = 1) -> str:
    if words.missing(row["seed_low"]):
        return words.MISSING
    low, high = scale * row["seed_low"], scale * row["seed_high"]
    return f"{words.number(low, digits)} to {words.number(high, digits)}"
