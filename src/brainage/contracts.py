"""The tables and files that the rooms hand to each other.

Rooms never import each other. What one leaves behind and the next picks up is written down
here: columns, units, allowed values, keys and file names. Reading and writing a table go
through :func:`read_table` and :func:`write_table`, which check it against its contract.

Conventions: tab-separated, UTF-8, Unix line ends, missing is ``n/a`` (as in BIDS), numbers
with eight significant digits, booleans ``true`` and ``false``, rows in a defined order.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from brainage.files import InputError, written_whole

Kind = Literal["text", "number", "integer", "boolean"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        Name in the header.
    kind
        ``text``, ``number`` (float), ``integer`` or ``boolean``.
    description
        What it says, with its unit.
    required
        Whether every row must have a value (else ``n/a`` is allowed).
    allowed
        The only values allowed, where there is such a list.
    may_lack
        Whether a file may lack the whole column; every row then counts as n/a.
    """

    name: str
    kind: Kind
    description: str
    required: bool = True
    allowed: tuple[str, ...] = ()
    may_lack: bool = False


@dataclass(frozen=True)
class Table:
    """One table: its columns in order and the columns whose values together are unique.

    `open_ended` tables may carry further columns behind those named here.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    open_ended: bool = False
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))


ROLES = ("fit", "tune", "calibrate", "test")
VERDICTS = ("pass", "warn", "fail")
DECISIONS = ("keep", "drop")
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

_ESTIMATE = (
    Column("estimate", "number", "the estimate, in the unit named", required=False),
    Column("low", "number", "lower end of its 95 % interval", required=False),
    Column("high", "number", "upper end of its 95 % interval", required=False),
)
_N = Column("n", "integer", "number of people")
_MODEL = Column("model", "text", "the model's formula and interval, in words")
_NOTE = Column("note", "text", "why there is no estimate, or what to beware of", required=False)
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
        Column("metric", "text", "mae, rmse, r, r2, slope or mae_of_constant"),
        Column("unit", "text", "years, or none"),
        *_ESTIMATE,
        Column("seed_low", "number", "smallest value over single seeds", required=False),
        Column("seed_high", "number", "largest value over single seeds", required=False),
        _N,
        _MODEL,
        _NOTE,
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
        *_ESTIMATE,
        Column("standard_error", "number", "HC3 standard error", required=False),
        Column("p", "number", "two-sided", required=False),
        Column("p_holm", "number", "Holm over the differences of the experiment", required=False),
        _N,
        Column("n_reference", "integer", "people in the reference group", required=False),
        _MODEL,
        _NOTE,
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
        *_ESTIMATE,
        Column("p", "number", "two-sided", required=False),
        _N,
        Column("n_cases", "integer", "people in the case group"),
        _MODEL,
        _NOTE,
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
        *_ESTIMATE,
        Column("standard_error", "number", "its standard error", required=False),
        Column("p", "number", "two-sided", required=False),
        _N,
        Column("n_reference", "integer", "people in the reference group", required=False),
        Column("scans", "integer", "number of scans behind it"),
        _MODEL,
        _NOTE,
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
        *_ESTIMATE,
        Column("contains_planted", "text", "whether the interval contains the planted value",
               required=False, allowed=("yes", "no")),
        Column("excludes_zero", "text", "whether the interval excludes 0",
               required=False, allowed=("yes", "no")),
        Column("power", "number", "chance that the interval excludes 0 if the planted value is "
               "true, from the standard error", required=False),
        _N,
        _NOTE,
    ),
    key=("experiment", "quantity", "group", "reference"),
)  # fmt: skip


def read_table(path: str | os.PathLike[str], table: Table) -> pd.DataFrame:
    """Read a table and check it against its contract.

    Parameters
    ----------
    path
        A tab-separated file.
    table
        Its contract.

    Returns
    -------
    pandas.DataFrame
        Columns typed: text as objects (``None`` for n/a), numbers as float64 (NaN for n/a),
        integers as int64 (float64 where n/a occurs), booleans as bool.

    Raises
    ------
    InputError
        Naming the file, the row (line number in the file) and the column.
    """
    try:
        frame = pd.read_csv(
            path,
            sep="\t",
            dtype=str,
            keep_default_na=False,
            na_values=["n/a"],
            encoding="utf-8-sig",
        )
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file ({table.description})") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a tab-separated table: {error}") from None
    return check_table(frame, table, str(path))


def check_table(frame: pd.DataFrame, table: Table, where: str) -> pd.DataFrame:
    """Return `frame` with the columns typed as `table` says; raise InputError where it breaks it.

    `where` names the file in messages; rows are counted as lines of that file (header = 1).
    """
    lacking = [c.name for c in table.columns if c.may_lack and c.name not in frame.columns]
    frame = frame.assign(**{name: pd.Series(None, frame.index, object) for name in lacking})
    missing = [name for name in table.names if name not in frame.columns]
    if missing:
        near = difflib.get_close_matches(missing[0], list(frame.columns), n=1)
        hint = f" (did you mean {near[0]!r} there?)" if near else ""
        raise InputError(
            f"{where}: column {missing[0]!r} is missing{hint}; needed: {', '.join(table.names)}"
        )
    extra = [name for name in frame.columns if name not in table.names]
    if extra and not table.open_ended:
        raise InputError(f"{where}: unknown column {extra[0]!r}; known: {', '.join(table.names)}")
    typed = {}
    for column in table.columns:
        typed[column.name] = _typed(frame[column.name], column, where)
    for name in extra:
        text = frame[name]
        numbers = pd.to_numeric(text, errors="coerce")
        is_number = bool((numbers.notna() == text.notna()).all())
        typed[name] = numbers.astype(float) if is_number else text.astype(object)
    result = pd.DataFrame(typed, index=frame.index)
    double = result.duplicated(subset=list(table.key), keep=False)
    if bool(double.any()):
        rows = [position + 2 for position, is_double in enumerate(double) if is_double][:2]
        values = ", ".join(f"{k}={result[k].iloc[rows[0] - 2]}" for k in table.key)
        raise InputError(
            f"{where}: rows {rows[0]} and {rows[1]} are for one key ({values}); keep one"
        )
    return result


def _typed(values: pd.Series, column: Column, where: str) -> pd.Series:
    def fail(position: int, what: str) -> InputError:
        return InputError(f"{where}: row {position + 2}, column {column.name!r}: {what}")

    present = values.notna().to_numpy()
    if column.required and not present.all():
        raise fail(int((~present).argmax()), "a value is needed here, found n/a")
    if column.allowed:
        wrong = present & ~values.isin(column.allowed).to_numpy()
        if wrong.any():
            at = int(wrong.argmax())
            raise fail(at, f"{values.iloc[at]!r} is not one of {', '.join(column.allowed)}")
    if column.kind == "text":
        return values.astype(object).where(values.notna(), None)
    if column.kind == "boolean":
        text = values.astype(str).str.lower()
        wrong = ~text.isin(["true", "false"]).to_numpy()
        if wrong.any():
            at = int(wrong.argmax())
            raise fail(at, f"{values.iloc[at]!r} is not true or false")
        return text == "true"
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = numbers.isna().to_numpy() & present
    if wrong.any():
        at = int(wrong.argmax())
        raise fail(at, f"{values.iloc[at]!r} is not a number")
    if column.kind == "integer" and present.all():
        if bool((numbers % 1 != 0).any()):
            at = int((numbers % 1 != 0).to_numpy().argmax())
            raise fail(at, f"{values.iloc[at]!r} is not a whole number")
        return numbers.astype("int64")
    return numbers.astype(float)


def read_decisions(path: str | os.PathLike[str], scan_ids: Collection[str]) -> pd.DataFrame:
    """Read a person's decisions on scans and check that each is on a scan that there is.

    Parameters
    ----------
    path
        As :data:`QC_DECISIONS`.
    scan_ids
        All scans of the study.

    Returns
    -------
    pandas.DataFrame
        Columns decision and comment, the index is scan_id.

    Raises
    ------
    InputError
        Naming the file, the row and what to do.
    """
    if not Path(path).is_file():
        raise InputError(
            f"quality.decisions: there is no file {path}; put the qc_decisions.tsv that the "
            "quality page saves there, or leave the key empty"
        )
    frame = read_table(path, QC_DECISIONS)
    for row, comment in enumerate(frame["comment"], start=2):
        if isinstance(comment, str) and re.search(r"[\t\r\n]", comment):
            raise InputError(
                f"{path}: row {row}: a quotation mark is left open there, so that the comment "
                "takes in what follows; close it or take it out"
            )
    known = set(scan_ids)
    for row, scan_id in enumerate(frame["scan_id"], start=2):
        if scan_id not in known:
            near = difflib.get_close_matches(scan_id, sorted(known), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(
                f"{path}: row {row}: there is no scan {scan_id!r}{hint}; correct the scan_id or "
                "take the row out"
            )
    return frame.set_index("scan_id")


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str], table: Table) -> None:
    """Check `frame` against `table`, sort it by its key and write it, whole or not at all.

    Raises
    ------
    InputError
        Where the frame breaks the contract.
    """
    frame = frame.reset_index(drop=True)
    frame = check_table(_as_text(frame), table, str(path))
    extra = [name for name in frame.columns if name not in table.names]
    frame = frame[[*table.names, *extra]].sort_values(list(table.key), kind="stable")
    with written_whole(path) as temporary:
        _as_text(frame).to_csv(
            temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n", encoding="utf-8"
        )


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    def text(value: object) -> str | None:
        if value is None or value is pd.NA or value != value:
            return None
        if isinstance(value, bool) or type(value).__name__ == "bool":
            return "true" if value else "false"
        if isinstance(value, float) or "float" in type(value).__name__:
            number = float(value)  # type: ignore[arg-type]
            return (
                str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.8g}"
            )
        # A tab or line end inside a value would shift the columns of everyone below it.
        return re.sub(r"[\t\r\n]+", " ", str(value))

    return pd.DataFrame(
        {name: pd.Series([text(v) for v in frame[name]], dtype=object) for name in frame.columns}
    )


SCAN_ID_PATTERN = re.compile(
    r"(?P<dataset>[A-Za-z0-9-]+)_(?P<participant>sub-[A-Za-z0-9+-]+)"
    r"(?:_(?P<session>ses-[A-Za-z0-9+-]+))?(?:_(?P<run>run-[0-9]+))?"
)


def derivative(folder: str | os.PathLike[str], scan_id: str, ending: str) -> Path:
    """Path of one file that imaging makes of a scan, laid out as BIDS derivatives.

    Parameters
    ----------
    folder
        The folder of all imaging results.
    scan_id
        ``dataset_sub-X[_ses-Y][_run-Z]``.
    ending
        One of the endings in :data:`DERIVATIVES`.

    Returns
    -------
    Path
        ``folder/dataset/sub-X[/ses-Y]/anat/sub-X[_ses-Y][_run-Z]_<ending>``.
    """
    match = SCAN_ID_PATTERN.fullmatch(scan_id)
    if match is None:
        raise InputError(f"{scan_id!r} is not a scan_id (dataset_sub-X[_ses-Y][_run-Z])")
    parts = [match["participant"], match["session"], match["run"]]
    stem = "_".join(part for part in parts if part)
    place = Path(folder) / match["dataset"] / match["participant"]
    if match["session"]:
        place = place / match["session"]
    return place / "anat" / f"{stem}_{ending}"


def person_hash(dataset: str, participant_id: str) -> str:
    """Name a person in a model's description without saying who it is.

    The model carries these for everyone whose age it saw, so that a probe can refuse to be
    tested on them.
    """
    return hashlib.sha256(f"{dataset}\t{participant_id}".encode()).hexdigest()[:16]


TEMPLATE_NAME = "MNI152NLin2009cSym"
# Skull-stripped, normalised, on the template's grid.
BRAIN = f"space-{TEMPLATE_NAME}_desc-brain_T1w.nii.gz"
MASK = "desc-brain_mask.nii.gz"  # in the scan's own space
TRANSFORM = f"from-T1w_to-{TEMPLATE_NAME}_mode-image_xfm.mat"
QUALITY = "desc-quality_T1w.json"
PICTURE = "desc-check_T1w.png"  # mask outline and registration in three planes
DERIVATIVES = (BRAIN, MASK, TRANSFORM, QUALITY, PICTURE)
