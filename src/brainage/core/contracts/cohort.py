"""The tables of the cohort: scans, the roles of people, and the simulated truth."""

from __future__ import annotations

from brainage.core.contract import Column, Table
from brainage.core.contracts.columns import (
    AGE,
    DIAGNOSIS,
    HEALTHY,
    PERSON,
    ROLE,
    RUN,
    SCAN_ID,
    SCANNER,
    SESSION,
    SEX,
    SITE,
    YEARS,
)

_SCAN = (
    SCAN_ID,
    *PERSON,
    SESSION,
    Column("run", "text", "the run (run-Z)", required=False),
    Column("t1w", "text", "path of the image, relative to its data set's folder"),
    AGE,
    Column("age_top_coded", "boolean", "the age was given as a lower bound (89+)"),
    SEX,
    SITE,
    SCANNER,
    DIAGNOSIS,
)
_SOURCE = (
    Column("sex_original", "text", "sex as the data set has it", required=False),
    Column("diagnosis_original", "text", "diagnosis as the data set has it", required=False),
    Column("set_aside", "text", "why this scan is not used", required=False),
)

DATASET_SCANS = Table(
    "<dataset>.tsv",
    "Every T1w scan of one data set, as its reader found it.",
    (
        *_SCAN,
        *_SOURCE,
        Column(
            "known_diagnoses",
            "text",
            "every diagnosis that some table has of this person, also at visits without an image, "
            "as a JSON list",
        ),
    ),
    key=("scan_id",),
)

SCANS = Table(
    "scans.tsv",
    "Every T1w scan of every data set, with the person's age and what else is known.",
    (
        *_SCAN,
        HEALTHY,
        Column(
            "always_healthy",
            "boolean",
            "a control at every visit whose diagnosis is known, later ones too: only such people "
            "are used for training, validation and calibration",
        ),
        YEARS,
        *_SOURCE,
    ),
    key=("scan_id",),
)

SIMULATED_IMAGES = Table(
    "<data set>_images/<chunk>.tsv",
    "The images of some people of a simulated data set: that they exist, and their hashes.",
    (
        SCAN_ID,
        Column("t1w", "text", "path of the image, relative to its data set's folder"),
        Column("sha256", "text", "SHA-256 of the file's bytes"),
    ),
    key=("scan_id",),
)

SPLITS = Table(
    "splits.tsv",
    "The role of each person in each training run. A person without a row has none.",
    (*RUN, *PERSON, ROLE),
    key=("experiment", "fold", "seed", "dataset", "participant_id"),
)

TRUTH = Table(
    "truth.tsv",
    "What the simulation planted. Only the report's truth section reads it.",
    (
        *PERSON,
        SESSION,
        Column("age", "number", "age at the scan, in years"),
        Column("diagnosis", "text", "CN, MCI or AD"),
        Column("site", "text", "site"),
        Column("true_gap", "number", "brain age minus age at this scan, in years"),
        Column("true_brain_age", "number", "age + true_gap, in years"),
        Column("true_extra_slope", "number", "change of the gap, in years per year"),
        Column("off_axis", "number", "disease beyond ageing (hippocampus, temporal lobe), 0 to 1"),
        Column("trouble", "text", "the simulated fault, in words", required=False),
    ),
    key=("dataset", "participant_id", "session_id"),
    open_ended=True,
)
