"""Recovery of the simulated truth. Only this section reads the truth table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.reporting import TRUTH_RECOVERY
from brainage.core.planted import GROUPS
from brainage.core.subjects import PERSON, first_scans
from brainage.core.tables import write_table
from brainage.core.thresholds import CRITICAL, MIN_PEOPLE
from brainage.reporting import tables as tb
from brainage.reporting.tables import Settings, Tables

# What the simulation plants for everyone of a group, whatever the size (years; years per year).
PLANTED_GAP = {name: group.gap for name, group in GROUPS.items()}
PLANTED_SLOPE = {name: group.extra_slope for name, group in GROUPS.items()}
# What the tables of the statistics call a quantity, and what it is called here.
QUANTITIES = {
    "mean": "group_mean",
    "difference": "group_difference",
    "slope": "slope",
    "contrast": "slope_contrast",
}


def write_truth_table(inputs: tb.Inputs, out: Path, settings: Settings) -> None:
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


def recover(tables: Tables, settings: Settings) -> pd.DataFrame:
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


def _ages(tables: Tables, settings: Settings) -> list[dict[str, Any]]:
    """Return errors of age beside that of the true brain age, for each kind of healthy people."""
    main = tb.main_experiment(settings)
    healthy = with_truth(tb.healthy_tests(tables, settings), tables)
    external = tb.is_external(tables, settings, healthy)
    chosen = {"external": external, "internal": ~external & healthy["site"].notna()}
    if _external_names(settings):
        # Then accuracy.tsv means them by external, and so does the part below.
        del chosen["external"]
    chosen["all"] = pd.Series(True, index=healthy.index)
    rows: list[dict[str, Any]] = []
    for people, which in chosen.items():
        here = healthy[which]
        if len(here) < MIN_PEOPLE:
            continue
        error = (here["predicted_age"] - here["true_brain_age"]).abs().to_numpy()
        numbers = _mean(error, settings)
        rows.append(_row(main, "mae_of_true_brain_age", people, "years", len(here), **numbers))
        for quantity, experiment, metric in (
            ("mae", main, "mae"),
            ("mae_of_constant", main, "mae_of_constant"),
            ("mae_of_ridge", "ridge_voxels", "mae"),
        ):
            found = _of_ensemble(tables, experiment, people, metric)
            if found is not None:
                ends = {key: found[key] for key in ("estimate", "low", "high")}
                rows.append(_row(main, quantity, people, "years", int(found["n"]), **ends))
        rows += _floor_row(tables, settings, here, people)
    return rows + _external_sites(tables, settings, healthy)


def _of_ensemble(tables: Tables, experiment: str, people: str, metric: str) -> pd.Series | None:
    """Return a row of accuracy.tsv of the mean over seeds, which gaps.tsv holds too.

    Where an experiment has one seed, its single training is that.
    """
    found = tb.accuracy_of(tables, experiment, people, metric, "ensemble")
    return tb.accuracy_of(tables, experiment, people, metric) if found is None else found


def _external_names(settings: Settings) -> list[str]:
    return list((settings.get("splits") or {}).get("external_sites") or [])


def _external_sites(
    tables: Tables, settings: Settings, healthy: pd.DataFrame
) -> list[dict[str, Any]]:
    """Return errors on healthy people of splits.external_sites alone.

    Among all people of sites never trained on are the controls of the clinical part, who are
    older: their ages make the best constant look good or bad. The people here are of all ages.
    """
    main, people = tb.main_experiment(settings), "external_sites"
    chosen = healthy[healthy["site"].isin(_external_names(settings))]
    if len(chosen) < MIN_PEOPLE:
        return []
    n, age = len(chosen), chosen["age"]
    true_error = (chosen["predicted_age"] - chosen["true_brain_age"]).abs().to_numpy()
    errors = {
        "mae": chosen["gap"].abs().to_numpy(),
        "mae_of_constant": (age - age.median()).abs().to_numpy(),
        "mae_of_true_brain_age": true_error,
    }
    ridge = tb.test_scans(tables["gaps"], "ridge_voxels")
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
    tables: Tables, settings: Settings, chosen: pd.DataFrame, people: str
) -> list[dict[str, Any]]:
    floor = _floor(tables, settings, chosen)
    if floor is None:
        return []
    main, quantity = tb.main_experiment(settings), "mae_of_true_brain_age_regression"
    note = "age regressed on true brain age, fitted on calibration people"
    numbers = _mean(floor, settings)
    return [_row(main, quantity, people, "years", len(chosen), note=note, **numbers)]


def _floor(tables: Tables, settings: Settings, test: pd.DataFrame) -> np.ndarray | None:
    """Return the errors (years) that even someone who knows each true brain age makes."""
    splits = tables["splits"]
    splits = splits[splits["experiment"] == tb.main_experiment(settings)]
    people = splits[splits["role"] == "calibration"][PERSON].drop_duplicates()
    scans = tables["scans"]
    scans = scans[scans["set_aside"].isna()]
    fitted = with_truth(first_scans(scans.merge(people, on=PERSON)), tables)
    if len(fitted) < 3 or fitted["true_brain_age"].nunique() < 2:
        return None
    slope, constant = np.polyfit(fitted["true_brain_age"], fitted["age"], 1)
    return np.abs(np.asarray(slope * test["true_brain_age"] + constant - test["age"]))


def _gaps(tables: Tables, settings: Settings) -> list[dict[str, Any]]:
    main = tb.main_experiment(settings)
    scans = with_truth(tb.first_tests(tables, settings), tables)
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


def _groups(tables: Tables, settings: Settings) -> list[dict[str, Any]]:
    main = tb.main_experiment(settings)
    table = tables["groups"]
    table = table[(table["experiment"] == main) & table["unit"].str.contains("year", na=False)]
    first = with_truth(tb.with_group(tb.first_tests(tables, settings)), tables)
    sample = _means(first, "true_gap")
    return _planted_rows(main, table, PLANTED_GAP, sample, ("mean", "difference"))


def _slopes(tables: Tables, settings: Settings) -> list[dict[str, Any]]:
    main = tb.main_experiment(settings)
    table = tables["slopes"]
    table = table[table["experiment"] == main]
    scans = tb.with_group(tb.test_scans(tables["gaps"], main))
    first = with_truth(first_scans(scans[scans.duplicated(PERSON, keep=False)]), tables)
    sample = _means(first, "true_extra_slope")
    return _planted_rows(main, table, PLANTED_SLOPE, sample, ("slope", "contrast"))


def _means(people: pd.DataFrame, column: str) -> dict[str, float]:
    means = people.groupby("group")[column].mean()
    return {str(group): float(mean) for group, mean in means.items()}


def _planted_rows(
    main: str,
    table: pd.DataFrame,
    planted: dict[str, float],
    sample: dict[str, float],
    quantities: tuple[str, str],
) -> list[dict[str, Any]]:
    """Join estimates of groups and of their differences with what was planted."""
    one, two = quantities
    rows = []
    for group in [g for g in planted if g in set(table["group"])]:
        line = table[(table["quantity"] == one) & (table["group"] == group)]
        if len(line):
            effect = _Effect(QUANTITIES[one], group, None, planted[group], sample.get(group))
            rows.append(effect.compared(main, line.iloc[0], 1))
    for low, high in combinations(planted, 2):
        both = table[table["quantity"] == two]
        line = both[(both["group"].isin([low, high])) & (both["reference"].isin([low, high]))]
        if line.empty:
            continue
        # The table may hold CN minus AD where AD minus CN is meant: turn it round.
        sign = 1 if line.iloc[0]["group"] == high else -1
        both_drawn = low in sample and high in sample
        drawn = sample[high] - sample[low] if both_drawn else None
        effect = _Effect(QUANTITIES[two], high, low, planted[high] - planted[low], drawn)
        rows.append(effect.compared(main, line.iloc[0], sign))
    return rows


@dataclass(frozen=True)
class _Effect:
    """A planted effect, with what the people drawn happen to have of it."""

    quantity: str
    group: str
    reference: str | None
    planted: float
    sample: float | None

    def compared(self, main: str, line: pd.Series, sign: int) -> dict[str, Any]:
        """Return the row of truth_recovery.tsv, with the estimate of `line` times `sign`."""
        low, high = sorted((float(line["low"]) * sign, float(line["high"]) * sign))
        known = not (math.isnan(low) or math.isnan(high))
        error = float(line["standard_error"])
        if math.isnan(error) and known:
            error = (high - low) / (2 * CRITICAL)
        n = int(line["n"])
        if self.reference is not None and not math.isnan(line["n_reference"]):
            n += int(line["n_reference"])
        estimate = {"estimate": float(line["estimate"]) * sign, "low": low, "high": high}
        row = {**vars(self), **estimate, "experiment": main, "unit": str(line["unit"])}
        row |= {"n": n, "note": line["note"]}
        if known:
            row["contains_planted"] = "yes" if low <= self.planted <= high else "no"
            row["excludes_zero"] = "yes" if low > 0 or high < 0 else "no"
        if self.planted and error > 0:
            row["power"] = power(self.planted, error)
        return row


def power(difference: float, standard_error: float) -> float:
    """Return the chance that a 95 % interval excludes 0 where `difference` is true."""
    shift = difference / standard_error

    def below(z: float) -> float:
        return 0.5 * (1 + math.erf(z / math.sqrt(2)))

    return 1 - below(CRITICAL - shift) + below(-CRITICAL - shift)


def _mean(values: np.ndarray, settings: Settings) -> dict[str, float]:
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
