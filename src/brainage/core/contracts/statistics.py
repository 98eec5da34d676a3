"""The tables of the statistics: gaps, accuracy, groups, ROC analysis, longitudinal change."""

from __future__ import annotations

from brainage.core.contract import Column, Table
from brainage.core.contracts.columns import (
    DIAGNOSIS,
    ESTIMATE,
    EXPERIMENT,
    HEALTHY,
    MODEL,
    N_PEOPLE,
    NOTE,
    PERSON,
    ROLE,
    SCAN_ID,
    SCANNER,
    SESSION,
    SEX,
    SITE,
    YEARS,
)
from brainage.core.contracts.unlike import UNLIKE_TRAINING

# What predicts: one training, or the mean prediction of all of an experiment.
PREDICTORS = ("single", "ensemble")
NO_SHARED_SEED = "no seed is shared by all experiments"
VERDICTS_ON_RIDGE = ("beats ridge", "not distinguishable", "worse than ridge")

REFERENCE = Table(
    "reference.tsv",
    "Constants of the bias correction, fitted on calibration people only (one scan each).",
    (
        Column("experiment", "text", "name of the experiment, or of a baseline"),
        Column("fold", "integer", "fold of people, from 0"),
        Column(
            "alpha", "number", "slope of predicted age on age, in years per year", required=False
        ),
        Column("beta", "number", "intercept of predicted age on age, in years", required=False),
        Column("n", "integer", "number of calibration people"),
        Column("age_low", "number", "youngest calibration person, in years", required=False),
        Column("age_high", "number", "oldest calibration person, in years", required=False),
        Column(
            "residual_sd", "number", "SD of the residual, in years of predicted age", required=False
        ),
        Column(
            "sites", "text", "sites of the calibration people, joined by commas", required=False
        ),
        Column("warning", "text", "cautions, in words", required=False),
    ),
    key=("experiment", "fold"),
)

GAPS = Table(
    "gaps.tsv",
    "Brain-age gaps: one row per scan and experiment, the mean over seeds (percentiles too).",
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
        Column("fold", "integer", "fold of people, from 0"),
        ROLE,
        Column("age", "number", "age at the scan, in years"),
        Column("predicted_age", "number", "predicted age, mean over seeds, uncorrected, in years"),
        Column("seeds", "integer", "number of seeds in that mean"),
        Column("seed_sd", "number", "SD over seeds, in years", required=False),
        Column("gap", "number", "predicted minus chronological age, uncorrected, in years"),
        Column(
            "gap_beheshti", "number", "predicted age minus (alpha * age + beta)", required=False
        ),
        Column("gap_cole", "number", "gap_beheshti divided by alpha", required=False),
        Column("in_age_range", "boolean", "age inside the range of the calibration people"),
        *UNLIKE_TRAINING,
    ),
    key=("scan_id", "experiment", "fold"),
)

ACCURACY = Table(
    "accuracy.tsv",
    "Accuracy of the uncorrected predicted age on healthy test people, one scan each.",
    (
        EXPERIMENT,
        Column(
            "predictor", "text",
            "single: one training, mean over the seeds that all experiments share, by which they "
            "are ranked; ensemble: the mean prediction over all seeds, without a rank",
            allowed=PREDICTORS,
        ),
        Column(
            "people", "text",
            "test people: all, internal (sites of training people) or external (other sites)",
            allowed=("all", "internal", "external"),
        ),
        Column("metric", "text",
               "mae, rmse, r, r2, slope, mae_of_constant, mae_minus_ridge (paired by person) "
               "or challenge_score (site accuracy^0.3 x external mae)"),
        Column("unit", "text", "years, or none"),
        *ESTIMATE,
        Column("seed_low", "number", "smallest value over single trainings", required=False),
        Column("seed_high", "number", "largest value over single trainings", required=False),
        Column("verdict", "text", "of mae_minus_ridge: whether the interval excludes 0",
               required=False, allowed=VERDICTS_ON_RIDGE, may_lack=True),
        N_PEOPLE,
        MODEL,
        NOTE,
    ),
    key=("experiment", "predictor", "people", "metric"),
)  # fmt: skip

GROUPS = Table(
    "groups.tsv",
    "Brain-age gap by diagnosis: each group's mean and each difference (first scan per person).",
    (
        EXPERIMENT,
        Column("quantity", "text", "mean or difference", allowed=("mean", "difference")),
        Column("group", "text", "the group"),
        Column("reference", "text", "the group subtracted from it", required=False),
        Column("unit", "text", "years on Cole's scale (with alpha), or SD"),
        *ESTIMATE,
        Column(
            "standard_error",
            "number",
            "heteroscedasticity-consistent (HC3) standard error",
            required=False,
        ),
        Column("p", "number", "two-sided", required=False),
        Column(
            "p_holm",
            "number",
            "adjusted by Holm over the differences of the experiment",
            required=False,
        ),
        N_PEOPLE,
        Column("n_reference", "integer", "people in the reference group", required=False),
        MODEL,
        NOTE,
    ),
    key=("experiment", "quantity", "group", "reference", "unit"),
)

ROC = Table(
    "roc.tsv",
    "Areas under the ROC curve, one scan per person; larger score = case, fixed in advance.",
    (
        EXPERIMENT,
        Column("control", "text", "control group"),
        Column("case", "text", "case group"),
        Column("score", "text", "gap, diagnosis_probe, age or age_sex"),
        Column("quantity", "text", "auc, or added_value (likelihood ratio over age and sex)",
               allowed=("auc", "added_value")),
        *ESTIMATE,
        Column("p", "number", "two-sided", required=False),
        N_PEOPLE,
        Column("n_cases", "integer", "people in the case group"),
        MODEL,
        NOTE,
    ),
    key=("experiment", "control", "case", "score", "quantity"),
)  # fmt: skip

ROC_CURVES = Table(
    "roc_curves.tsv",
    "The points of the curves of roc.tsv.",
    (
        EXPERIMENT,
        Column("control", "text", "control group"),
        Column("case", "text", "case group"),
        Column("score", "text", "gap, diagnosis_probe, age or age_sex"),
        Column("point", "integer", "number of the point, from 0"),
        Column("false_positive_rate", "number", "0 to 1"),
        Column("true_positive_rate", "number", "0 to 1"),
    ),
    key=("experiment", "control", "case", "score", "point"),
)

SLOPES = Table(
    "slopes.tsv",
    "Longitudinal change of the corrected gap: slope of each group and their contrasts.",
    (
        EXPERIMENT,
        Column("quantity", "text", "slope or contrast", allowed=("slope", "contrast")),
        Column("group", "text", "diagnosis at the first scan"),
        Column("reference", "text", "the group subtracted from it", required=False),
        Column("unit", "text", "years per year on Cole's scale, with alpha"),
        *ESTIMATE,
        Column("standard_error", "number", "its standard error", required=False),
        Column("p", "number", "two-sided", required=False),
        N_PEOPLE,
        Column("n_reference", "integer", "people in the reference group", required=False),
        Column("scans", "integer", "number of scans that the estimate is from"),
        MODEL,
        NOTE,
    ),
    key=("experiment", "quantity", "group", "reference"),
)

PERSON_SLOPES = Table(
    "person_slopes.tsv",
    "Each person's own least-squares slope of the corrected gap, with two scans or more.",
    (
        EXPERIMENT,
        *PERSON,
        Column("group", "text", "diagnosis at the first scan", required=False),
        Column("scans", "integer", "number of scans"),
        Column("years", "number", "years from first to last scan"),
        Column("slope", "number", "years per year on Cole's scale"),
    ),
    key=("experiment", "dataset", "participant_id"),
)
