"""The table that the report's truth section makes."""

from __future__ import annotations

from brainage.core.contract import Column, Table
from brainage.core.contracts.columns import ESTIMATE, EXPERIMENT, N_PEOPLE, NOTE

TRUTH_RECOVERY = Table(
    "truth_recovery.tsv",
    "How well the simulated effects were recovered; only for simulated data.",
    (
        EXPERIMENT,
        Column(
            "quantity",
            "text",
            "mae_of_true_brain_age, correlation_of_gaps, group_mean, group_difference, slope, "
            "slope_contrast, mae, mae_of_constant, mae_of_ridge or "
            "mae_of_true_brain_age_regression",
        ),
        Column("group", "text", "the group, or the people concerned"),
        Column("reference", "text", "the group subtracted from it", required=False),
        Column("unit", "text", "unit of planted, sample and estimate"),
        Column("planted", "number", "the value that the simulation planted", required=False),
        Column("sample", "number", "its mean over the people of this simulation", required=False),
        *ESTIMATE,
        Column("contains_planted", "text", "whether the interval contains the planted value",
               required=False, allowed=("yes", "no")),
        Column("excludes_zero", "text", "whether the interval excludes 0",
               required=False, allowed=("yes", "no")),
        Column("power", "number",
            "power: probability that the interval excludes 0 if the planted value is true, from "
            "the standard error", required=False),
        N_PEOPLE,
        NOTE,
    ),
    key=("experiment", "quantity", "group", "reference"),
)  # fmt: skip
