"""Columns that several tables share."""

from __future__ import annotations

from brainage.core.contract import Column

ROLES = ("train", "validation", "calibration", "test")
SCAN_ID = Column("scan_id", "text", "dataset_sub-X[_ses-Y][_run-Z], unique over all data sets")

PERSON = (
    Column("dataset", "text", "name of the data set in the config"),
    Column("participant_id", "text", "the person, as BIDS names them (sub-X)"),
)

SESSION = Column("session_id", "text", "the session (ses-Y)", required=False)
AGE = Column("age", "number", "age at the scan, in years", required=False)
SEX = Column("sex", "text", "F, M or O", required=False, allowed=("F", "M", "O"))
SITE = Column(
    "site", "text", "dataset/site (place, scanner and field strength); n/a: unknown", required=False
)
SCANNER = Column("scanner", "text", "scanner", required=False)
DIAGNOSIS = Column("diagnosis", "text", "diagnosis at the scan", required=False)

HEALTHY = Column(
    "healthy",
    "boolean",
    "a control at this scan (a visit without a diagnosis: from the visits before and after)",
)
YEARS = Column(
    "years_since_first", "number", "years since this person's first scan", required=False
)

RUN = (
    Column("experiment", "text", "name of the experiment in the config, or of a baseline"),
    Column("fold", "integer", "fold of people, from 0"),
    Column("seed", "integer", "seed of the training"),
)

ROLE = Column("role", "text", "the role of this person", allowed=ROLES)
EXPERIMENT = Column("experiment", "text", "name of the experiment, or of a baseline")

ESTIMATE = (
    Column("estimate", "number", "the estimate, in the unit named", required=False),
    Column("low", "number", "lower end of its 95 % interval", required=False),
    Column("high", "number", "upper end of its 95 % interval", required=False),
)

N_PEOPLE = Column("n", "integer", "number of people")
MODEL = Column("model", "text", "the model's formula and interval, in words")
NOTE = Column("note", "text", "why there is no estimate, or cautions", required=False)
