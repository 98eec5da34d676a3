"""The tables of the truth section: what was planted, and what came back."""

from __future__ import annotations

from typing import Any

import pandas as pd

from brainage.reporting import tables as tb
from brainage.reporting import words
from brainage.reporting.study_tables import PEOPLE, Printed, pair

TRUTH_NAMES = {
    "mae": "{main} against chronological age",
    "mae_of_constant": "best constant against chronological age",
    "mae_of_ridge": "ridge on voxels against chronological age",
    "mae_of_true_brain_age_regression": "the simulator's floor: age told from true brain age",
    "mae_of_true_brain_age": "{main} against true brain age",
}


EFFECT_HEADS = ["Effect", "Planted", "In these people", "Estimate [95 % interval]",
                "Contains planted", "Excludes 0", "Power"]  # fmt: skip


def truth(found: pd.DataFrame, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the tables of the truth section from truth_recovery.tsv, and its yes or no."""
    main = tb.main_experiment(settings)
    name = words.experiment_names(settings).get(main, main)
    ages = []
    half = ""
    for people in ("external_sites", *PEOPLE):
        rows = found[(found["group"] == people)].set_index("quantity")
        for quantity, text in TRUTH_NAMES.items():
            if quantity in rows.index:
                row = rows.loc[quantity]
                value, n = words.estimate(row), str(int(row["n"]))
                ages.append([text.format(main=name), words.PEOPLE_NAMES[people], value, n])
        if "correlation_of_gaps" in rows.index:
            row = rows.loc["correlation_of_gaps"]
            ages.append(
                ["correlation (r) of corrected gap and true gap", "all test people, patients too",
                 words.estimate(row, 2), str(int(row["n"]))]
            )  # fmt: skip
        if not half and {"mae", "mae_of_constant"} <= set(rows.index):
            own, best = rows.loc["mae", "estimate"], rows.loc["mae_of_constant", "estimate"]
            answer = "yes" if own < best / 2 else "no"
            half = (
                f"{name} has under half of the error of the best constant on healthy people, "
                f"{words.PEOPLE_NAMES[people]}: {answer} ({words.number(own, 2)} years "
                f"against half of "
                f"{words.number(best, 2)} years, n {int(rows.loc['mae', 'n'])})."
            )
    effects = []
    for prefix, unit, digits in (("group", "years", 1), ("slope", "years a year", 2)):
        rows = [
            [
                pair(row, "mean gap" if prefix == "group" else "slope"),
                words.number(row["planted"], digits),
                words.number(row["sample"], digits),
                words.estimate(row, digits),
                row["contains_planted"] or words.MISSING,
                row["excludes_zero"] or words.MISSING,
                _percent(row["power"]),
            ]
            for _, row in found[found["quantity"].str.startswith(prefix)].iterrows()
        ]
        what = "Gap of groups and differences" if prefix == "group" else "Slopes and contrasts"
        if rows:
            effects.append(
                Printed(f"{what} ({unit}, Cole's scale).", EFFECT_HEADS, rows, {1, 2, 3, 6})
            )
    return {
        "half": half,
        "ages": Printed(
            "Errors (MAE, years) with 95 % intervals, and the correlation of gaps.",
            ["What", "People", "Value [95 % interval]", "n"],
            ages,
            {2, 3},
        ),
        "effects": effects,
    }


def _percent(share: float) -> str:
    """Return a share as a percentage; certainty is never claimed."""
    if words.missing(share):
        return words.MISSING
    return "> 99 %" if share > 0.99 else f"{100 * share:.0f} %"
