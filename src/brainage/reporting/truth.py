"""How well a simulated truth came back. Nothing but this section reads the truth table."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.reporting import TRUTH_RECOVERY
from brainage.core.tables import write_table
from brainage.reporting import tables as tb
from brainage.reporting.tables import PERSON, Tables

# What the simulation plants for everyone of a group, whatever the size (years; years a year).
PLANTED_GAP = {"CN": 0.0, "MCI": 2.0, "AD": 5.0}
PLANTED_SLOPE = {"CN": 0.0, "MCI": 0.5, "AD": 1.0}
CRITICAL = 1.959964  # two-sided 5 % point of the normal distribution
MIN_PEOPLE = 5  # people for whom a mean error is worth printing


def write_truth_table(inputs: tb.Inputs, out: Path, settings: dict[str, Any]) -> None:
    """Write truth_recovery.tsv.

    Parameters
    ----------
    inputs
        Paths of scans, splits, gaps, accuracy, groups, slopes and truth (one or several);
        without truth the table has no rows.
    out
        The table, as :data:`TRUTH_RECOVERY` has it.
    settings
        The whole config.
    """
    write_table(recover(Tables(inputs), settings), out, TRUTH_RECOVERY)


def recover(tables: Tables, settings: dict[str, Any]) -> pd.DataFrame:
    """Return what was planted beside what came back, by the main experiment."""
    rows: list[dict[str, Any]] = []
    if len(tables["truth"]):
        rows += _ages(tables, settings) + _gaps(tables, settings)
        rows += _groups(tables, settings) + _slopes(tables, settings)
    names = TRUTH_RECOVERY.names
    return pd.DataFrame([{name: row.get(name) for name in names} for row in rows], columns=names)


def with_truth(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Add the true gap, brain age and extra slope to scans, joined by person and session."""
    truth = tables["truth"]
    columns = ["true_gap", "true_brain_age", "true_extra_slope"]
    keyed = truth[[*PERSON, "session_id", *columns]].copy()
    keyed["session_id"] = keyed["session_id"].fillna("")
    left = rows.assign(_session=rows["session_id"].fillna(""))
    joined = left.merge(
        keyed.rename(columns={"session_id": "_session"}), on=[*PERSON, "_session"], how="inner"
    )
    return joined.drop(columns="_session")


def _ages(tables: Tables, settings: dict[str, Any]) -> list[dict[str, Any]]:
    main = tb.main_experiment(settings)
    healthy = _healthy_firsts(tables, settings)
    rows: list[dict[str, Any]] = []
    # Where sites are named as external, accuracy.tsv means them, and so does the part below.
    named = bool((settings.get("splits") or {}).get("external_sites"))
    for people in ("internal", "all") if named else ("external", "internal", "all"):
        chosen = healthy[_chosen(healthy, people)]
        if len(chosen) < MIN_PEOPLE:
            continue
        error = (chosen["predicted_age"] - chosen["true_brain_age"]).abs().to_numpy()
        rows.append(
            _row(
                main,
                "mae_of_true_brain_age",
                people,
                "years",
                len(chosen),
                **_mean(error, settings),
            )
        )
        for quantity, experiment, name in (
            ("mae", main, "mae"),
            ("mae_of_constant", main, "mae_of_constant"),
            ("mae_of_ridge", "ridge_voxels", "mae"),
        ):
            found = tb.metric(tables, experiment, people, name)
            if found is not None:
                numbers = {key: found[key] for key in ("estimate", "low", "high")}
                rows.append(_row(main, quantity, people, "years", int(found["n"]), **numbers))
        rows += _floor_row(tables, settings, chosen, people)
    return rows + _external_sites(tables, settings, healthy)


def _external_sites(
    tables: Tables, settings: dict[str, Any], healthy: pd.DataFrame
) -> list[dict[str, Any]]:
    """Return errors on healthy people of splits.external_sites alone.

    Among all people of sites never trained on are the controls of the clinical part, who are
    older: their ages make the best constant look good or bad. The people here are of all ages.
    """
    main, people = tb.main_experiment(settings), "external_sites"
    chosen = healthy[healthy["site"].isin((settings.get("splits") or {}).get("external_sites", []))]
    if len(chosen) < MIN_PEOPLE:
        return []
    n, age = len(chosen), chosen["age"]
    true_error = (chosen["predicted_age"] - chosen["true_brain_age"]).abs().to_numpy()
    errors = {
        "mae": chosen["gap"].abs().to_numpy(),
        "mae_of_constant": (age - age.median()).abs().to_numpy(),
        "mae_of_true_brain_age": true_error,
    }
    ridge = tb.first_scans(tb.test_scans(tables["gaps"], "ridge_voxels"))
    ridge = ridge[ridge["scan_id"].isin(chosen["scan_id"])]
    # Only the same people make a fair comparison.
    if len(ridge) == n:
        errors["mae_of_ridge"] = ridge["gap"].abs().to_numpy()
    rows = [
        _row(main, quantity, people, "years", n, **_mean(error, settings))
        for quantity, error in errors.items()
    ]
    return rows + _floor_row(tables, settings, chosen, people)


def _floor_row(
    tables: Tables, settings: dict[str, Any], chosen: pd.DataFrame, people: str
) -> list[dict[str, Any]]:
    floor = _floor(tables, settings, chosen)
    if floor is None:
        return []
    main, quantity = tb.main_experiment(settings), "mae_of_true_brain_age_regression"
    note = "age regressed on true brain age, fitted on calibration people"
    numbers = _mean(floor, settings)
    return [_row(main, quantity, people, "years", len(chosen), note=note, **numbers)]


def _floor(tables: Tables, settings: dict[str, Any], test: pd.DataFrame) -> np.ndarray | None:
    """Return the errors (years) that even someone who knows each true brain age makes."""
    splits = tables["splits"]
    splits = splits[splits["experiment"] == tb.main_experiment(settings)]
    people = splits[splits["role"] == "calibration"][PERSON].drop_duplicates()
    scans = tables["scans"]
    scans = scans[scans["set_aside"].isna() & scans["age"].notna()]
    fitted = with_truth(tb.first_scans(scans.merge(people, on=PERSON)), tables)
    if len(fitted) < 3 or fitted["true_brain_age"].nunique() < 2:
        return None
    slope, constant = np.polyfit(fitted["true_brain_age"], fitted["age"], 1)
    return (slope * test["true_brain_age"] + constant - test["age"]).abs().to_numpy()


def _gaps(tables: Tables, settings: dict[str, Any]) -> list[dict[str, Any]]:
    main = tb.main_experiment(settings)
    scans = with_truth(tb.first_scans(tb.test_scans(tables["gaps"], main)), tables)
    scans = scans[scans["gap_cole"].notna()]
    n = len(scans)
    if n < MIN_PEOPLE or scans["true_gap"].nunique() < 2 or scans["gap_cole"].nunique() < 2:
        return []
    r = float(np.corrcoef(scans["true_gap"], scans["gap_cole"])[0, 1])
    # Fisher's z; the clip only keeps a perfect correlation finite.
    z, half = math.atanh(max(-0.9999999, min(0.9999999, r))), CRITICAL / math.sqrt(n - 3)
    note = "corrected gap (Cole's scale) against true gap, all test people"
    ends = {"low": math.tanh(z - half), "high": math.tanh(z + half)}
    return [_row(main, "correlation_of_gaps", "all", "none", n, estimate=r, note=note, **ends)]


def _groups(tables: Tables, settings: dict[str, Any]) -> list[dict[str, Any]]:
    main = tb.main_experiment(settings)
    table = tables["groups"]
    table = table[(table["experiment"] == main) & table["unit"].str.contains("year", na=False)]
    first = tb.first_scans(tb.test_scans(tables["gaps"], main))
    first = with_truth(tb.with_group(first), tables)
    sample = first.groupby("group")["true_gap"].mean().to_dict()
    return _planted_rows(
        main, table, PLANTED_GAP, sample, ("mean", "difference"), ("group_mean", "group_difference")
    )


def _slopes(tables: Tables, settings: dict[str, Any]) -> list[dict[str, Any]]:
    main = tb.main_experiment(settings)
    table = tables["slopes"]
    table = table[table["experiment"] == main]
    scans = tb.with_group(tb.test_scans(tables["gaps"], main))
    visits = scans.groupby(PERSON)["scan_id"].transform("count") if len(scans) else 0
    first = with_truth(tb.first_scans(scans[visits >= 2]) if len(scans) else scans, tables)
    sample = first.groupby("group")["true_extra_slope"].mean().to_dict()
    return _planted_rows(
        main, table, PLANTED_SLOPE, sample, ("slope", "contrast"), ("slope", "slope_contrast")
    )


def _planted_rows(
    main: str,
    table: pd.DataFrame,
    planted: dict[str, float],
    sample: dict[str, float],
    found: tuple[str, str],
    named: tuple[str, str],
) -> list[dict[str, Any]]:
    """Join estimates of groups and of their differences with what was planted."""
    rows = []
    for group in [g for g in planted if g in set(table["group"])]:
        line = table[(table["quantity"] == found[0]) & (table["group"] == group)]
        if len(line):
            values = {"planted": planted[group], "sample": sample.get(group)}
            rows.append(_compared(main, named[0], line.iloc[0], group, None, values, 1))
    for low, high in combinations(planted, 2):
        both = table[table["quantity"] == found[1]]
        line = both[(both["group"].isin([low, high])) & (both["reference"].isin([low, high]))]
        if line.empty:
            continue
        # The table may hold CN minus AD where AD minus CN is told: turn it round.
        sign = 1 if line.iloc[0]["group"] == high else -1
        values = {"planted": planted[high] - planted[low], "sample": None}
        if low in sample and high in sample:
            values["sample"] = sample[high] - sample[low]
        rows.append(_compared(main, named[1], line.iloc[0], high, low, values, sign))
    return rows


def _compared(
    main: str,
    quantity: str,
    line: pd.Series,
    group: str,
    reference: str | None,
    values: dict[str, float | None],
    sign: int,
) -> dict[str, Any]:
    low, high = line["low"] * sign, line["high"] * sign
    low, high = min(low, high), max(low, high)
    known = not (math.isnan(low) or math.isnan(high))
    planted = values["planted"]
    error = line["standard_error"]
    if math.isnan(error) and known:
        error = (high - low) / (2 * CRITICAL)
    n = int(line["n"])
    if reference is not None and not math.isnan(line["n_reference"]):
        n += int(line["n_reference"])
    row = _row(
        main,
        quantity,
        group,
        str(line["unit"]),
        n,
        reference=reference,
        estimate=line["estimate"] * sign,
        low=low,
        high=high,
        note=line["note"],
        **values,
    )
    if known:
        row["contains_planted"] = "yes" if low <= planted <= high else "no"
        row["excludes_zero"] = "yes" if low > 0 or high < 0 else "no"
    if planted and error > 0:
        row["power"] = power(planted, float(error))
    return row


def power(difference: float, standard_error: float) -> float:
    """Return the chance that a 95 % interval excludes 0 where `difference` is true."""
    shift = difference / standard_error

    def below(z: float) -> float:
        return 0.5 * (1 + math.erf(z / math.sqrt(2)))

    return 1 - below(CRITICAL - shift) + below(-CRITICAL - shift)


def _healthy_firsts(tables: Tables, settings: dict[str, Any]) -> pd.DataFrame:
    main = tb.main_experiment(settings)
    scans = tables["scans"]
    healthy = scans[tb.healthy_people(scans, settings)]
    rows = tb.first_scans(tb.test_scans(tables["gaps"], main))
    rows = rows.merge(healthy[PERSON].drop_duplicates(), on=PERSON)
    rows["external"] = tb.external_people(tables, rows, main)
    return with_truth(rows, tables)


def _chosen(rows: pd.DataFrame, people: str) -> pd.Series:
    if people == "all":
        return pd.Series(True, index=rows.index)
    return rows["external"] if people == "external" else ~rows["external"]


def _mean(values: np.ndarray, settings: dict[str, Any]) -> dict[str, float]:
    """Return the mean with its 95 % interval by 1,000 bootstrap draws over people."""
    draws = np.random.default_rng(settings["seed"]).integers(0, len(values), (1000, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return {"estimate": float(values.mean()), "low": float(low), "high": float(high)}


def _row(
    experiment: str, quantity: str, group: str, unit: str, n: int, **others: Any
) -> dict[str, Any]:
    return {
        "experiment": experiment,
        "quantity": quantity,
        "group": group,
        "unit": unit,
        "n": n,
        **others,
    }
