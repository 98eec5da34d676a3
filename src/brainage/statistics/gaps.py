"""Brain-age gap and its correction with constants from held-out healthy people only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.contracts.statistics import GAPS, REFERENCE
from brainage.core.files import InputError
from brainage.core.software import write_result
from brainage.core.subjects import PERSON, first_scans
from brainage.core.tables import read_table
from brainage.core.thresholds import LOW_ALPHA, MIN_ALPHA, MIN_CALIBRATION
from brainage.core.unlike import mean_percentiles
from brainage.statistics.people import LOW_ALPHA_MEANS, rows_to_frame

RUN = ["experiment", "fold"]


def compute_gaps(predictions: Path, out_gaps: Path, out_reference: Path) -> None:
    """Compute the gap of each scan of calibration and test people, raw and corrected.

    A regressor that minimises its error predicts the young too old and the old too young. The
    predicted age is described as alpha * age + beta by ordinary least squares on the first scan
    of each calibration person, and nobody else. The corrected gap is the residual from that line,
    in years of predicted age (`gap_beheshti`: Beheshti et al. 2019, NeuroImage: Clinical), or
    that residual divided by alpha, in years of age (`gap_cole`: Cole's correction, as given by
    de Lange and Cole 2020, NeuroImage: Clinical). Both rank people alike.

    Parameters
    ----------
    predictions
        As :data:`PREDICTIONS`. A scan's prediction is the mean over seeds.
    out_gaps
        As :data:`GAPS`. Scans without an age have no gap and no row.
    out_reference
        As :data:`REFERENCE`: the constants, one row an experiment and fold.

    Raises
    ------
    InputError
        A person has two roles in one fold; seeds are missing for some scans; several rows for a
        scan without different seeds; a prediction is not finite.
    """
    frame = read_table(predictions, PREDICTIONS)
    _check(frame, predictions)
    scored = frame[frame["role"].isin(["calibration", "test"]) & frame["age"].notna()]
    means = _mean_over_seeds(scored, predictions)
    constants, parts = [], []
    for (experiment, fold), rows in means.groupby(RUN, sort=True):
        reference = fit_reference(rows[rows["role"] == "calibration"])
        constants.append({"experiment": experiment, "fold": fold, **reference})
        parts.append(apply_reference(rows, reference))
    gaps = pd.concat(parts, ignore_index=True) if parts else rows_to_frame([], GAPS)
    write_result(gaps[list(GAPS.names)], out_gaps, GAPS)
    write_result(rows_to_frame(constants, REFERENCE), out_reference, REFERENCE)


def fit_reference(calibration: pd.DataFrame) -> dict[str, object]:
    """Fit predicted age = alpha * age + beta on the first scan of each calibration person.

    Parameters
    ----------
    calibration
        Scans of calibration people of one experiment and fold (age, predicted_age, site and what
        names the person).

    Returns
    -------
    dict
        The columns of :data:`REFERENCE` but experiment and fold; alpha, beta
        and residual_sd are NaN where no line can be fitted, and `warning` says why.
    """
    people = first_scans(calibration)
    ages = people["age"].to_numpy(float)
    predicted = people["predicted_age"].to_numpy(float)
    n = len(people)
    reference: dict[str, object] = {
        "alpha": np.nan,
        "beta": np.nan,
        "n": n,
        "age_low": ages.min() if n else np.nan,
        "age_high": ages.max() if n else np.nan,
        "residual_sd": np.nan,
        "sites": ",".join(sorted(people["site"].dropna().unique())) or None,
        "warning": None,
    }
    if n < MIN_CALIBRATION:
        reference["warning"] = (
            f"no correction: {n} calibration people, at least {MIN_CALIBRATION} are required"
        )
        return reference
    centred = ages - ages.mean()
    if not np.any(centred):
        reference["warning"] = "no correction: all calibration people have the same age"
        return reference
    # One constant for everyone has a slope of exactly zero, whatever rounding makes of it.
    constant = np.ptp(predicted) <= 1e-9 * np.abs(predicted).max()
    alpha = 0.0 if constant else float(centred @ predicted / (centred @ centred))
    beta = float(predicted.mean() - alpha * ages.mean())
    residuals = predicted - (alpha * ages + beta)
    reference.update(alpha=alpha, beta=beta)
    reference["residual_sd"] = float(np.sqrt(residuals @ residuals / (n - 2)))
    if alpha <= MIN_ALPHA:
        reference["warning"] = (
            f"alpha is {alpha:.3f}: the prediction hardly varies with age, so there is no gap on "
            "Cole's scale"
        )
    elif alpha < LOW_ALPHA:
        reference["warning"] = f"alpha is {alpha:.3f}, under {LOW_ALPHA}: {LOW_ALPHA_MEANS}"
    return reference


def apply_reference(scans: pd.DataFrame, reference: dict[str, object]) -> pd.DataFrame:
    """Return `scans` with the gaps by constants of :func:`fit_reference`, applied unchanged."""
    alpha, beta = float(reference["alpha"]), float(reference["beta"])  # type: ignore[arg-type]  # numbers there
    ages = scans["age"]
    residual = scans["predicted_age"] - (alpha * ages + beta)
    return scans.assign(
        gap=scans["predicted_age"] - ages,
        gap_beheshti=residual,
        gap_cole=residual / alpha if alpha > MIN_ALPHA else np.nan,
        # A comparison with NaN is false: without a reference nobody is inside its range.
        in_age_range=(scans["age"] >= reference["age_low"])
        & (scans["age"] <= reference["age_high"]),
    )


def _check(frame: pd.DataFrame, path: Path) -> None:
    for column in ("predicted_age", "age"):
        wrong = np.isinf(frame[column])
        if wrong.any():
            raise InputError(f"{path}: {frame['scan_id'][wrong].iloc[0]}: {column} is not finite")
    roles = frame.drop_duplicates([*RUN, *PERSON, "role"])
    double = roles.duplicated([*RUN, *PERSON])
    if double.any():
        row = roles[double].iloc[0]
        found = roles[(roles[[*RUN, *PERSON]] == row[[*RUN, *PERSON]]).all(axis=1)]["role"]
        raise InputError(
            f"{path}: {row['participant_id']} of {row['dataset']} is {' and '.join(found)} in "
            f"experiment {row['experiment']}, fold {row['fold']}; a person has one role"
        )


def _mean_over_seeds(scored: pd.DataFrame, path: Path) -> pd.DataFrame:
    """One row per scan, experiment and fold. The SD over seeds is kept apart and enters no test."""
    key = [*RUN, "scan_id"]
    rows = scored.sort_values([*key, "seed"], kind="stable")
    grouped = rows.groupby(key, sort=False)
    means = rows.drop_duplicates(key).set_index(key).drop(columns=["seed"])
    means["predicted_age"] = grouped["predicted_age"].mean()
    means["seeds"] = grouped.size()
    means["seed_sd"] = grouped["predicted_age"].std()
    means = means.assign(**mean_percentiles(rows, key))
    several_ages = grouped["age"].nunique() > 1
    if several_ages.any():
        scan = several_ages[several_ages].reset_index()["scan_id"].iloc[0]
        raise InputError(f"{path}: {scan} has different ages in different rows")
    means = means.reset_index()
    wanted = rows.groupby(RUN)["seed"].nunique()
    wanted_here = wanted.reindex(pd.MultiIndex.from_frame(means[RUN])).to_numpy()
    fewer = means["seeds"].to_numpy() < wanted_here
    if fewer.any():
        row = means[fewer].iloc[0]
        others = wanted[row["experiment"], row["fold"]]
        raise InputError(
            f"{path}: {row['scan_id']} has predictions of {row['seeds']} seeds in experiment "
            f"{row['experiment']}, fold {row['fold']}, others have {others}; run the missing seeds"
        )
    return means
