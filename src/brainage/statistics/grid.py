"""Effects of the number and diversity of training people on age, site and diagnosis.

A cell of the grid is a training on a part of the training people, tested on the same people as the
whole. What is measured is one training, not a mean of several: an estimate is the mean over seeds
of what each seed's training reaches. Its interval comes from resampling people; the range over
seeds stands beside it, in columns of its own, and the two are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.grid import GRID_ACCURACY, GRID_DIAGNOSIS, GRID_SITES
from brainage.core.contracts.probing import DIAGNOSIS_SCORES, PREDICTIONS, SITE_PROBE
from brainage.core.files import InputError
from brainage.core.intervals import percentile_interval
from brainage.core.layout import Layout
from brainage.core.software import write_result
from brainage.core.subjects import PERSON, first_scans, site_factor
from brainage.core.tables import read_table
from brainage.core.thresholds import MIN_SITES
from brainage.core.wording import counted
from brainage.statistics.accuracy import CHALLENGE_WORDS, challenge_score
from brainage.statistics.people import joined, rows_to_frame


def measure_grid(files: Layout, settings: dict[str, Any]) -> None:
    """Write the three tables of the grid.

    Parameters
    ----------
    files
        The results: read are the predictions, site probes and scores of diagnosis of all cells
        and of the experiments that they are of; written are :data:`GRID_ACCURACY` (with the score
        of the OpenBHB challenge, L_c = BAcc^0.3 * MAE, where there are external people and sites
        to predict), :data:`GRID_SITES` and :data:`GRID_DIAGNOSIS`.
    settings
        Section ``statistics`` of the config, ``seed``, ``external_sites`` and ``runs``.

    Raises
    ------
    InputError
        A run is not in the config, or lacks a test person that another has.
    """
    predictions = files.file("grid_predictions")
    table = read_table(predictions, PREDICTIONS)
    cells = _cells(table, settings)
    sites = _sites(read_table(files.file("grid_site_probe"), SITE_PROBE), cells, settings)
    accuracy = _accuracy(table, cells, sites, settings, predictions)
    scores = read_table(files.file("grid_diagnosis_scores"), DIAGNOSIS_SCORES)
    diagnosis = _diagnosis(scores, table, cells, settings)
    for name, rows, contract in (
        ("grid_accuracy", accuracy, GRID_ACCURACY),
        ("grid_sites", sites, GRID_SITES),
        ("grid_diagnosis", diagnosis, GRID_DIAGNOSIS),
    ):
        write_result(rows_to_frame(rows, contract), files.file(name), contract)


def _cells(table: pd.DataFrame, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each run was trained on: the columns that all three tables begin with."""
    cells = {}
    fit = table[table["role"] == "train"]
    for name, rows in table.groupby("experiment", sort=False):
        if name not in settings["runs"]:
            raise InputError(f"grid: {name} has predictions, but the config has no such run")
        run = settings["runs"][name]
        own = fit[fit["experiment"] == name].drop_duplicates(["fold", "seed", *PERSON])
        cells[str(name)] = {
            "run": name,
            "experiment": run["of"],
            "datasets": "+".join(run["datasets"]) if run["datasets"] else "all",
            "fraction": run["fraction"],
            "train_people": float(own.groupby(["fold", "seed"]).size().mean()) if len(own) else 0.0,
            "seeds": rows["seed"].nunique(),
        }
    return cells


def _accuracy(
    table: pd.DataFrame,
    cells: dict[str, dict[str, Any]],
    sites: list[dict[str, Any]],
    settings: dict[str, Any],
    path: Path,
) -> list[dict[str, Any]]:
    test = table[(table["role"] == "test") & table["age"].notna() & table["healthy"]]
    people = first_scans(test)
    # External are the sites that no cell was trained on, so that all have the same people.
    seen = set(table.loc[table["role"] == "train", "site"].dropna())
    outside = people["site"].notna() & ~people["site"].isin(seen)
    if settings["external_sites"]:
        outside &= people["site"].isin(settings["external_sites"])
    rows = []
    for whom, chosen in (("external", people[outside]), ("all", people)):
        chosen = chosen.sort_values("scan_id").reset_index(drop=True)
        if chosen.empty:
            continue
        weights, how, notes = resamples(chosen, whom == "external", settings)
        for name, cell in cells.items():
            errors = _errors(test[test["experiment"] == name], chosen["scan_id"], name, path)
            row = {
                **cell,
                "people": whom,
                "unit": "years",
                "sites": site_factor(chosen).nunique(),
                "n": len(chosen),
            }
            maes = errors.mean(1)
            rows.append(
                {
                    **row,
                    "metric": "mae",
                    **_summary(maes, weights @ errors.mean(0)),
                    "model": "mean absolute error of the uncorrected predicted age of one "
                    f"training, mean over {counted(len(maes), 'seed', 'seeds')}, first scan of "
                    f"each healthy test person; {how}",
                    "note": joined(notes),
                }
            )
            site = [
                s for s in sites
                if (s["run"], s["probe"], s["protocol"]) == (name, "embedding", "challenge")
            ]  # fmt: skip
            if whom == "external" and site:
                rows.append({**row, "metric": "challenge_score", **_challenge(maes, site[0])})
    return rows


def _errors(rows: pd.DataFrame, scans: pd.Series, name: str, path: Path) -> np.ndarray:
    """Absolute errors of one run, shape (seeds, people); of several folds their mean."""
    error = (rows["predicted_age"] - rows["age"]).abs()
    by_seed = error.groupby([rows["seed"], rows["scan_id"]]).mean().unstack("scan_id")
    by_seed = by_seed.reindex(columns=scans)
    if by_seed.empty or by_seed.isna().any().any():
        lost = scans.iloc[0] if by_seed.empty else by_seed.columns[by_seed.isna().any()][0]
        raise InputError(f"{path}: {name} has no prediction of {lost}, which another run has")
    return by_seed.to_numpy(float)


def _challenge(maes: np.ndarray, site: dict[str, Any]) -> dict[str, Any]:
    return {
        "estimate": challenge_score(site["estimate"], maes.mean()),
        "model": CHALLENGE_WORDS,
        "note": "no interval, as the two parts are from different people",
    }


def _sites(
    table: pd.DataFrame, cells: dict[str, dict[str, Any]], settings: dict[str, Any]
) -> list[dict[str, Any]]:
    rows = []
    for (name, probe, protocol), runs in table.groupby(
        ["experiment", "probe", "protocol"], sort=True
    ):
        name = str(name)
        if name not in cells:
            raise InputError(f"grid: {name} has site predictability, but no predictions")
        by_seed = runs.groupby("seed")["balanced_accuracy"].mean().to_numpy(float)
        several = len(runs) > 1
        row = {
            **cells[name],
            "probe": probe,
            "protocol": protocol,
            "unit": "balanced accuracy, 0 to 1",
            **_summary(by_seed, None),
            "low": float(runs["low"].mean()),
            "high": float(runs["high"].mean()),
            "chance": float(runs["chance"].mean()),
            "sites": int(runs["sites"].max()),
            "n": int(runs["n"].max()),
            "model": "balanced accuracy of site prediction by logistic regression, out of fold by "
            f"person, mean over {counted(len(by_seed), 'seed', 'seeds')}; bootstrap over people "
            "within sites",
        }
        if several:
            row["note"] = "the interval limits are means over single trainings"
        rows.append(row)
    return rows


def _diagnosis(
    scores: pd.DataFrame,
    table: pd.DataFrame,
    cells: dict[str, dict[str, Any]],
    settings: dict[str, Any],
) -> list[dict[str, Any]]:
    diagnosis = table.drop_duplicates("scan_id").set_index("scan_id")["diagnosis"]
    rows = []
    for (control, case), pair in scores.groupby(["control", "case"], sort=True):
        for name, own in pair.groupby("experiment", sort=True):
            name = str(name)
            if name not in cells:
                raise InputError(f"grid: {name} has diagnosis scores, but no predictions")
            by_seed = own.groupby(["seed", "scan_id"])["score"].mean().unstack("scan_id")
            group = diagnosis.reindex(by_seed.columns)
            ill = (group == case).to_numpy()
            row = {
                **cells[name],
                "control": control,
                "case": case,
                "unit": "area under the ROC curve",
                "n": len(ill),
                "n_cases": int(ill.sum()),
                "model": "area under the ROC curve of the diagnosis probe (out of fold by "
                f"person), mean over {counted(len(by_seed), 'seed', 'seeds')}; percentile "
                f"bootstrap over people within groups ({settings['bootstrap']} resamples)",
            }
            smaller = min(int(ill.sum()), int((~ill).sum()))
            if smaller < settings["min_roc"]:
                row["note"] = (
                    f"{smaller} people in the smaller group, {settings['min_roc']} are required "
                    "(key statistics.min_roc)"
                )
            else:
                row |= _area(by_seed.to_numpy(float), ill, settings)
            rows.append(row)
    return rows


def _area(scores: np.ndarray, ill: np.ndarray, settings: dict[str, Any]) -> dict[str, Any]:
    """AUC as the share of pairs in the right order, ties half (Mann and Whitney, 1947)."""
    cases, controls = scores[:, ill], scores[:, ~ill]
    right = (np.sign(cases[:, :, None] - controls[:, None, :]) + 1) / 2
    rng = np.random.default_rng([settings["seed"], len(ill)])
    weights = [
        rng.multinomial(size, np.full(size, 1 / size), settings["bootstrap"]) / size
        for size in (cases.shape[1], controls.shape[1])
    ]
    resampled = ((weights[0] @ right.mean(0)) * weights[1]).sum(1)
    return _summary(right.mean((1, 2)), resampled)


def _summary(per_seed: np.ndarray, resampled: np.ndarray | None) -> dict[str, Any]:
    """Mean over seeds, their range where there are several, and the interval of the resamples."""
    found: dict[str, Any] = {"estimate": float(per_seed.mean())}
    if len(per_seed) > 1:
        found |= {"seed_low": float(per_seed.min()), "seed_high": float(per_seed.max())}
    if resampled is not None:
        found["low"], found["high"] = percentile_interval(resampled)
    return found


def resamples(
    people: pd.DataFrame, by_site: bool, settings: dict[str, Any]
) -> tuple[np.ndarray, str, list[str]]:
    """Draw people with replacement; by site where the claim is about other sites.

    Sites are drawn first and people within the drawn ones. With fewer than :data:`MIN_SITES`
    sites people are drawn within the sites that are there, and that is said.

    Parameters
    ----------
    people
        One row a person, with `site`.
    by_site
        Whether sites count as drawn from many.
    settings
        `bootstrap` and `seed`.

    Returns
    -------
    weights
        Share of each person in each resample, shape (resamples, people); rows sum to 1.
    how
        In words.
    notes
        What to beware of.
    """
    count, n = settings["bootstrap"], len(people)
    rng = np.random.default_rng([settings["seed"], n])
    words = f"({count} resamples)"
    if not by_site:
        drawn = rng.multinomial(n, np.full(n, 1 / n), count)
        return drawn / n, f"percentile bootstrap over people {words}", []
    codes, sites = pd.factorize(site_factor(people), sort=True)
    members = [np.flatnonzero(codes == code) for code in range(len(sites))]
    weights = np.zeros((count, n))
    few = len(sites) < MIN_SITES
    for row in weights:
        of_sites: Iterable[int] = range(len(sites))
        if not few:
            of_sites = rng.integers(0, len(sites), len(sites))
        for site in of_sites:
            own = members[site]
            np.add.at(row, rng.choice(own, len(own)), 1)
    weights /= weights.sum(1, keepdims=True)
    if not few:
        return weights, f"percentile bootstrap over sites, then people within them {words}", []
    note = (
        f"{counted(len(sites), 'site', 'sites')}: the interval does not generalise to other sites"
    )
    return weights, f"percentile bootstrap over people within sites {words}", [note]
