"""The tables that the rooms hand to each other: columns, units, allowed values and keys.

Rooms never import each other. What one leaves behind and the next picks up is written down here;
:mod:`brainage.tables` reads and writes it, :mod:`brainage.derivatives` has the names of images.
"""

from __future__ import annotations

import hashlib

from brainage.tables import Column, Table

ROLES = ("fit", "tune", "calibrate", "test")
VERDICTS = ("pass", "warn", "fail")
DECISIONS = ("keep", "drop")
VERDICTS_ON_RIDGE = ("beats ridge", "not distinguishable", "worse than ridge")
SEXES = ("F", "M", "O")
CONFIDENCE = 0.95  # coverage of every interval in a table

_SCAN_ID = Column("scan_id", "text", "dataset_sub-X[_ses-Y][_run-Z], unique over all data sets")
_PERSON = (
    Column("dataset", "text", "name of the data set in the config"),
    Column("participant_id", "text", "the person, as BIDS names them (sub-X)"),
)
_SESSION = Column("session_id", "text", "the session (ses-Y)", required=False)
_AGE = Column("age", "number", "age at the scan, in years", required=False)
_SEX = Column("sex", "text", "F, M or O", required=False, allowed=SEXES)
_SITE = Column("site", "text", "place, scanner and field strength", required=False)
_SCANNER = Column("scanner", "text", "scanner", required=False)
_DIAGNOSIS = Column("diagnosis", "text", "diagnosis at the scan", required=False)
_YEARS = Column(
    "years_since_first", "number", "years since this person's first scan", required=False
)
_RUN = (
    Column("experiment", "text", "name of the experiment in the config, or of a baseline"),
    Column("fold", "integer", "fold of people, from 0"),
    Column("seed", "integer", "seed of the training"),
)
_ROLE = Column("role", "text", "what this person is for", allowed=ROLES)

SCANS = Table(
    "scans.tsv",
    "Every T1w scan of every data set, with the person's age and what else is known.",
    (
        _SCAN_ID,
        *_PERSON,
        _SESSION,
        Column("run", "text", "the run (run-Z)", required=False),
        Column("t1w", "text", "path of the image, relative to its data set's folder"),
        _AGE,
        Column("age_top_coded", "boolean", "the age was given as a lower bound (89+)"),
        _SEX,
        _SITE,
        _SCANNER,
        _DIAGNOSIS,
        _YEARS,
        Column("sex_original", "text", "sex as the data set has it", required=False),
        Column("diagnosis_original", "text", "diagnosis as the data set has it", required=False),
        Column("set_aside", "text", "why this scan is not used, in words", required=False),
    ),
    key=("scan_id",),
)

SPLITS = Table(
    "splits.tsv",
    "Who is for what in each training run. A person without a row takes no part in it.",
    (*_RUN, *_PERSON, _ROLE),
    key=("experiment", "fold", "seed", "dataset", "participant_id"),
)

MEASURES = Table(
    "measures.tsv",
    "What imaging measured on each scan of a chunk: one further column a measure.",
    (
        _SCAN_ID,
        Column("fault", "text", "why there is no brain of this scan, in words", required=False),
        Column(
            "voxels_sha256",
            "text",
            "SHA-256 of values and shape: equal for the same image under two names",
            required=False,
        ),
    ),
    key=("scan_id",),
    open_ended=True,
)

REGIONS = Table(
    "regions.tsv",
    "Regional volumes of each brain, in mm³ in the head's own space: one further column a region.",
    (_SCAN_ID,),
    key=("scan_id",),
    open_ended=True,
)

QC_DECISIONS = Table(
    "qc_decisions.tsv",
    "A person's word on scans, saved from the quality page: it counts instead of the machine's.",
    (
        _SCAN_ID,
        Column("decision", "text", "keep or drop", allowed=DECISIONS),
        Column("comment", "text", "why, in that person's words", required=False, may_lack=True),
    ),
    key=("scan_id",),
)

QC = Table(
    "qc.tsv",
    "Quality of each scan: one column a measure, a verdict, and the reason in words.",
    (
        _SCAN_ID,
        Column("verdict", "text", "pass, warn or fail: what counts", allowed=VERDICTS),
        Column("reason", "text", "why, in words", required=False),
        Column(
            "decision",
            "text",
            "what a person said of this scan, which counts instead of the machine's verdict",
            required=False,
            allowed=DECISIONS,
            may_lack=True,
        ),
        Column("comment", "text", "why, in that person's words", required=False, may_lack=True),
        Column(
            "machine_verdict",
            "text",
            "what the measures alone say, whatever a person said",
            required=False,
            allowed=VERDICTS,
            may_lack=True,
        ),
        Column("machine_reason", "text", "why, in words", required=False, may_lack=True),
        Column(
            "fault",
            "text",
            "why there is no brain of this scan, which nobody can keep then",
            required=False,
            may_lack=True,
        ),
    ),
    key=("scan_id",),
    open_ended=True,
)

INDEX = Table(
    "index.tsv",
    "Which row of an array belongs to which scan.",
    (_SCAN_ID, Column("row", "integer", "row of the array, from 0")),
    key=("scan_id",),
)

HISTORY = Table(
    "history.tsv",
    "Training curves: one row an epoch.",
    (
        *_RUN,
        Column("epoch", "integer", "epoch, from 1"),
        Column("learning_rate", "number", "learning rate of the epoch"),
        Column("fit_loss", "number", "mean loss over the batches of the epoch, on fit people"),
        Column("tune_loss", "number", "loss on tune people", required=False),
        Column(
            "tune_mae", "number", "MAE of a ridge probe on tune people, in years", required=False
        ),
        Column(
            "rates_tried",
            "text",
            "learning rates that this one was chosen among, each with its MAE on tune people",
            required=False,
            may_lack=True,
        ),
    ),
    key=("experiment", "fold", "seed", "epoch"),
)

PREDICTIONS = Table(
    "predictions.tsv",
    "Predicted age of each scan by each training run; people who fitted the run are marked fit.",
    (
        _SCAN_ID,
        Column("participant_id", "text", "the person, as BIDS names them (sub-X)"),
        _SESSION,
        Column("dataset", "text", "name of the data set in the config"),
        _SITE,
        _SCANNER,
        _SEX,
        _DIAGNOSIS,
        _YEARS,
        Column("experiment", "text", "name of the experiment, or of a baseline"),
        Column("seed", "integer", "seed of the training"),
        Column("fold", "integer", "fold of people, from 0"),
        _ROLE,
        _AGE,
        Column("predicted_age", "number", "predicted age, uncorrected, in years"),
    ),
    key=("scan_id", "experiment", "seed", "fold"),
)

DIAGNOSIS_SCORES = Table(
    "diagnosis_scores.tsv",
    "Out-of-fold scores of the diagnosis probe on test people (folds by person).",
    (
        _SCAN_ID,
        Column("experiment", "text", "name of the experiment"),
        Column("seed", "integer", "seed of the training"),
        Column("fold", "integer", "fold of people of the training run, from 0"),
        Column("control", "text", "diagnosis scored low"),
        Column("case", "text", "diagnosis scored high"),
        Column("score", "number", "out-of-fold probability of the case group"),
    ),
    key=("scan_id", "experiment", "seed", "fold", "control", "case"),
)

SITE_PROBE = Table(
    "site_probe.tsv",
    "How well the site can be told, on people the encoder never saw (folds by person).",
    (
        *_RUN,
        Column("probe", "text", "what the probe is given: embedding, age_sex or voxels"),
        Column(
            "protocol",
            "text",
            "challenge: unscaled, at most 1,000 iterations; converged: standardised",
            allowed=("challenge", "converged"),
        ),
        Column("balanced_accuracy", "number", "balanced accuracy, 0 to 1"),
        Column("low", "number", "lower end of the 95 % bootstrap interval over people"),
        Column("high", "number", "upper end of that interval"),
        Column("chance", "number", "one over the number of sites"),
        Column("sites", "integer", "number of sites"),
        Column("n", "integer", "number of people"),
    ),
    key=("experiment", "fold", "seed", "probe", "protocol"),
)

REFERENCE = Table(
    "reference.tsv",
    "Constants of the bias correction, fitted on calibrate people only (one scan each).",
    (
        Column("experiment", "text", "name of the experiment, or of a baseline"),
        Column("fold", "integer", "fold of people, from 0"),
        Column("alpha", "number", "slope of predicted age on age, in years a year", required=False),
        Column("beta", "number", "intercept of predicted age on age, in years", required=False),
        Column("n", "integer", "number of calibrate people"),
        Column("age_low", "number", "youngest calibrate person, in years", required=False),
        Column("age_high", "number", "oldest calibrate person, in years", required=False),
        Column(
            "residual_sd", "number", "SD of the residual, in years of predicted age", required=False
        ),
        Column("sites", "text", "their sites, joined by commas", required=False),
        Column("warning", "text", "what to beware of, in words", required=False),
    ),
    key=("experiment", "fold"),
)

GAPS = Table(
    "gaps.tsv",
    "Brain-age gaps: one row a scan and experiment, the mean over seeds.",
    (
        _SCAN_ID,
        Column("participant_id", "text", "the person, as BIDS names them (sub-X)"),
        _SESSION,
        Column("dataset", "text", "name of the data set in the config"),
        _SITE,
        _SCANNER,
        _SEX,
        _DIAGNOSIS,
        _YEARS,
        Column("experiment", "text", "name of the experiment, or of a baseline"),
        Column("fold", "integer", "fold of people, from 0"),
        _ROLE,
        Column("age", "number", "age at the scan, in years"),
        Column("predicted_age", "number", "mean over seeds, uncorrected, in years"),
        Column("seeds", "integer", "number of seeds in that mean"),
        Column("seed_sd", "number", "SD over seeds, in years", required=False),
        Column("gap", "number", "predicted minus chronological age, uncorrected, in years"),
        Column("gap_beheshti", "number", "predicted age minus (alpha age + beta)", required=False),
        Column("gap_cole", "number", "gap_beheshti divided by alpha", required=False),
        Column("in_age_range", "boolean", "age inside the range of the calibrate people"),
    ),
    key=("scan_id", "experiment", "fold"),
)

ESTIMATE = (
    Column("estimate", "number", "the estimate, in the unit named", required=False),
    Column("low", "number", "lower end of its 95 % interval", required=False),
    Column("high", "number", "upper end of its 95 % interval", required=False),
)
N_PEOPLE = Column("n", "integer", "number of people")
MODEL = Column("model", "text", "the model's formula and interval, in words")
NOTE = Column("note", "text", "why there is no estimate, or what to beware of", required=False)
_EXPERIMENT = Column("experiment", "text", "name of the experiment, or of a baseline")

ACCURACY = Table(
    "accuracy.tsv",
    "Accuracy of the uncorrected predicted age on healthy test people, one scan each.",
    (
        _EXPERIMENT,
        Column(
            "people", "text", "whom: all, internal (sites of fit people) or external (never seen)",
            allowed=("all", "internal", "external"),
        ),
        Column("metric", "text",
               "mae, rmse, r, r2, slope, mae_of_constant, mae_minus_ridge (paired by person) "
               "or challenge_score (site accuracy^0.3 x external mae)"),
        Column("unit", "text", "years, or none"),
        *ESTIMATE,
        Column("seed_low", "number", "smallest value over single seeds", required=False),
        Column("seed_high", "number", "largest value over single seeds", required=False),
        Column("verdict", "text", "of mae_minus_ridge: whether the interval excludes 0",
               required=False, allowed=VERDICTS_ON_RIDGE, may_lack=True),
        N_PEOPLE,
        MODEL,
        NOTE,
    ),
    key=("experiment", "people", "metric"),
)  # fmt: skip

GROUPS = Table(
    "groups.tsv",
    "Brain-age gap by diagnosis: each group's mean and each difference (first scan a person).",
    (
        _EXPERIMENT,
        Column("quantity", "text", "mean or difference", allowed=("mean", "difference")),
        Column("group", "text", "the group"),
        Column("reference", "text", "the group subtracted from it", required=False),
        Column("unit", "text", "years on Cole's scale (with alpha), or SD"),
        *ESTIMATE,
        Column("standard_error", "number", "HC3 standard error", required=False),
        Column("p", "number", "two-sided", required=False),
        Column("p_holm", "number", "Holm over the differences of the experiment", required=False),
        N_PEOPLE,
        Column("n_reference", "integer", "people in the reference group", required=False),
        MODEL,
        NOTE,
    ),
    key=("experiment", "quantity", "group", "reference", "unit"),
)

ROC = Table(
    "roc.tsv",
    "Areas under the ROC curve, one scan a person, larger score = case, fixed beforehand.",
    (
        _EXPERIMENT,
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
        _EXPERIMENT,
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
    "Change of the corrected gap with time: slope of each group and their contrasts.",
    (
        _EXPERIMENT,
        Column("quantity", "text", "slope or contrast", allowed=("slope", "contrast")),
        Column("group", "text", "diagnosis at the first scan"),
        Column("reference", "text", "the group subtracted from it", required=False),
        Column("unit", "text", "years a year on Cole's scale, with alpha"),
        *ESTIMATE,
        Column("standard_error", "number", "its standard error", required=False),
        Column("p", "number", "two-sided", required=False),
        N_PEOPLE,
        Column("n_reference", "integer", "people in the reference group", required=False),
        Column("scans", "integer", "number of scans behind it"),
        MODEL,
        NOTE,
    ),
    key=("experiment", "quantity", "group", "reference"),
)

PERSON_SLOPES = Table(
    "person_slopes.tsv",
    "Each person's own least-squares slope of the corrected gap, with two scans or more.",
    (
        _EXPERIMENT,
        *_PERSON,
        Column("group", "text", "diagnosis at the first scan", required=False),
        Column("scans", "integer", "number of scans"),
        Column("years", "number", "years from first to last scan"),
        Column("slope", "number", "years a year on Cole's scale"),
    ),
    key=("experiment", "dataset", "participant_id"),
)

TRUTH = Table(
    "truth.tsv",
    "What the simulation planted. Only the report's truth section reads it.",
    (
        *_PERSON,
        _SESSION,
        Column("age", "number", "age at the scan, in years"),
        Column("diagnosis", "text", "CN, MCI or AD"),
        Column("site", "text", "site"),
        Column("true_gap", "number", "brain age minus age at this scan, in years"),
        Column("true_brain_age", "number", "age + true_gap, in years"),
        Column("true_extra_slope", "number", "years of gap a year"),
        Column("off_axis", "number", "disease beyond ageing (hippocampus, temporal lobe), 0 to 1"),
        Column("trouble", "text", "planted trouble, in words", required=False),
    ),
    key=("dataset", "participant_id", "session_id"),
    open_ended=True,
)


TRUTH_RECOVERY = Table(
    "truth_recovery.tsv",
    "How well what the simulation planted came back; only for simulated data.",
    (
        _EXPERIMENT,
        Column(
            "quantity",
            "text",
            "mae_of_true_brain_age, correlation_of_gaps, group_mean, group_difference, slope, "
            "slope_contrast, mae, mae_of_constant, mae_of_ridge or "
            "mae_of_true_brain_age_regression",
        ),
        Column("group", "text", "the group, or the people meant"),
        Column("reference", "text", "the group subtracted from it", required=False),
        Column("unit", "text", "unit of planted, sample and estimate"),
        Column("planted", "number", "the value that the simulation planted", required=False),
        Column("sample", "number", "its mean over the people drawn", required=False),
        *ESTIMATE,
        Column("contains_planted", "text", "whether the interval contains the planted value",
               required=False, allowed=("yes", "no")),
        Column("excludes_zero", "text", "whether the interval excludes 0",
               required=False, allowed=("yes", "no")),
        Column("power", "number", "chance that the interval excludes 0 if the planted value is "
               "true, from the standard error", required=False),
        N_PEOPLE,
        NOTE,
    ),
    key=("experiment", "quantity", "group", "reference"),
)  # fmt: skip


def person_hash(dataset: str, participant_id: str) -> str:
    """Name a person in a model's description without saying who it is.

    The model carries these for everyone whose age it saw, so that a probe can refuse to be
    tested on them.
    """
    return hashlib.sha256(f"{dataset}\t{participant_id}".encode()).hexdigest()[:16]
