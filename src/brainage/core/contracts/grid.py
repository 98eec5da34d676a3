"""The tables of the grid: effects of the number and diversity of training people."""

from __future__ import annotations

from brainage.core.contract import Column, Table
from brainage.core.contracts.columns import ESTIMATE, MODEL, N_PEOPLE, NOTE

_CELL = (
    Column("run", "text", "name of the training: an experiment, or a cell of the grid"),
    Column("experiment", "text", "the experiment that the training belongs to"),
    Column("datasets", "text", "data sets of the training people, joined by +, or all"),
    Column("fraction", "number", "fraction of their training people that was used"),
    Column("train_people", "number", "number of training people, mean over folds"),
    Column("seeds", "integer", "number of seeds"),
)
_OVER_PEOPLE = (
    *ESTIMATE,
    Column("seed_low", "number", "smallest value over single trainings", required=False),
    Column("seed_high", "number", "largest value over single trainings", required=False),
)

GRID_ACCURACY = Table(
    "grid_accuracy.tsv",
    "Mean absolute error of single trainings by number of training people, same test people.",
    (
        *_CELL,
        Column("people", "text", "test people: external (sites that no cell was trained on) or all",
               allowed=("external", "all")),
        Column("metric", "text", "mae, or challenge_score (site accuracy^0.3 x mae)",
               allowed=("mae", "challenge_score")),
        Column("unit", "text", "years"),
        *_OVER_PEOPLE,
        Column("sites", "integer", "number of sites of these people"),
        N_PEOPLE,
        MODEL,
        NOTE,
    ),
    key=("run", "people", "metric"),
)  # fmt: skip

GRID_SITES = Table(
    "grid_sites.tsv",
    "Site predictability by the number of training people, on the same people and sites.",
    (
        *_CELL,
        Column("probe", "text", "input of the probe: embedding, age_sex or voxels"),
        Column("protocol", "text", "challenge or converged", allowed=("challenge", "converged")),
        Column("unit", "text", "balanced accuracy, 0 to 1"),
        *_OVER_PEOPLE,
        Column("chance", "number", "one over the number of sites"),
        Column("sites", "integer", "number of sites"),
        N_PEOPLE,
        MODEL,
        NOTE,
    ),
    key=("run", "probe", "protocol"),
)

GRID_DIAGNOSIS = Table(
    "grid_diagnosis.tsv",
    "Area under the ROC curve of the diagnosis probe of the same trainings.",
    (
        *_CELL,
        Column("control", "text", "control group"),
        Column("case", "text", "case group"),
        Column("unit", "text", "area under the ROC curve"),
        *_OVER_PEOPLE,
        N_PEOPLE,
        Column("n_cases", "integer", "people in the case group"),
        MODEL,
        NOTE,
    ),
    key=("run", "control", "case"),
)
