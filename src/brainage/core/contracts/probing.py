"""The tables of probing: predictions from the frozen encoders."""

from __future__ import annotations

from brainage.core.contract import Column, Table
from brainage.core.contracts.columns import (
    AGE,
    DIAGNOSIS,
    HEALTHY,
    ROLE,
    RUN,
    SCAN_ID,
    SCANNER,
    SESSION,
    SEX,
    SITE,
    YEARS,
)
from brainage.core.contracts.unlike import UNLIKE_TRAINING

# What any encoder must beat; their names stand beside those of the experiments.
BASELINES = ("ridge_voxels", "ridge_regions", "median")

PREDICTIONS = Table(
    "predictions.tsv",
    "Predicted age of each scan by each training; the people it was fitted on have the role train.",
    (
        SCAN_ID,
        Column("participant_id", "text", "the person, as BIDS names them (sub-X)"),
        SESSION,
        Column("dataset", "text", "name of the data set in the config"),
        SITE,
        SCANNER,
        SEX,
        DIAGNOSIS,
        HEALTHY,
        YEARS,
        Column("experiment", "text", "name of the experiment, or of a baseline"),
        Column("seed", "integer", "seed of the training"),
        Column("fold", "integer", "fold of people, from 0"),
        ROLE,
        AGE,
        Column("predicted_age", "number", "predicted age, uncorrected, in years"),
        *UNLIKE_TRAINING,
    ),
    key=("scan_id", "experiment", "seed", "fold"),
)

DIAGNOSIS_SCORES = Table(
    "diagnosis_scores.tsv",
    "Out-of-fold scores of the diagnosis probe on test people (folds by person).",
    (
        SCAN_ID,
        Column("experiment", "text", "name of the experiment"),
        Column("seed", "integer", "seed of the training"),
        Column("fold", "integer", "fold of people of the training, from 0"),
        Column("control", "text", "diagnosis of the control group"),
        Column("case", "text", "diagnosis of the case group"),
        Column("score", "number", "out-of-fold probability of the case group"),
    ),
    key=("scan_id", "experiment", "seed", "fold", "control", "case"),
)

SITE_PROBE = Table(
    "site_probe.tsv",
    "Site predictability, on people whom the encoder never saw (folds by person).",
    (
        *RUN,
        Column("probe", "text", "input of the probe: embedding, age_sex or voxels"),
        Column(
            "protocol",
            "text",
            "challenge: unscaled, at most 1,000 iterations; converged: standardised",
            allowed=("challenge", "converged"),
        ),
        Column("balanced_accuracy", "number", "balanced accuracy of the predicted site, 0 to 1"),
        Column("low", "number", "lower end of the 95 % bootstrap interval over people"),
        Column("high", "number", "upper end of that interval"),
        Column("chance", "number", "one over the number of sites"),
        Column("sites", "integer", "number of sites"),
        Column("n", "integer", "number of people"),
    ),
    key=("experiment", "fold", "seed", "probe", "protocol"),
)
