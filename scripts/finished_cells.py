"""Print the accuracy of every experiment whose folds are all trained, before the others are.

Experiments are ranked by single trainings over the seeds that all of them have; the mean of an
experiment's seeds stands below. A second table has the main experiment's absolute errors minus
those of each other, paired by person, over the same seeds, and the errors in the first fold alone.

    PYTHONPATH=src python scripts/finished_cells.py CONFIG RESULTS [OUT]

A seed counts when all its folds are there, an experiment when one of its seeds does. The tables go
to OUT (RESULTS/finished), a Markdown table to stdout.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from brainage.core.config import complete
from brainage.core.contracts.probing import BASELINES, PREDICTIONS
from brainage.core.contracts.statistics import ACCURACY
from brainage.core.files import InputError
from brainage.core.intervals import bootstrap_interval
from brainage.core.layout import Layout
from brainage.core.subjects import PERSON, find_sites
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.probing.gather import gather
from brainage.statistics.accuracy import measure_accuracy
from brainage.statistics.gaps import compute_gaps


def finished(config: dict[str, Any], results: Path) -> dict[str, list[Path]]:
    """Return the tables of predictions of each experiment and baseline, whole seeds only."""
    folds = config["splits"]["folds"] if config["splits"]["scheme"] == "folds" else 1
    first = next(iter(config["runs"].values()))["seeds"][:1]
    seeds = {name: run["seeds"] for name, run in config["runs"].items()}
    seeds |= {name: first for name in BASELINES}
    found: dict[str, list[Path]] = {}
    for name, own in seeds.items():
        for seed in own:
            paths = [
                Layout(results).file("predictions_of", training=Training(name, fold, seed))
                for fold in range(folds)
            ]
            if all(path.is_file() for path in paths):
                found.setdefault(name, []).extend(paths)
    return found


def table(config: dict[str, Any], results: Path, out: Path) -> str:
    """Measure what is finished and return it as Markdown, best first."""
    paths = finished(config, results)
    if not paths:
        raise InputError(f"{results}: no experiment has all its folds yet")
    gather([path for own in paths.values() for path in own], out / "predictions.tsv", PREDICTIONS)
    compute_gaps(out / "predictions.tsv", out / "gaps.tsv", out / "reference.tsv")
    predictions = read_table(out / "predictions.tsv", PREDICTIONS)
    sites = set(predictions["site"].dropna())
    external = find_sites(config["splits"]["external_sites"], sites, "splits.external_sites")
    settings = {**config["statistics"], "seed": config["seed"], "external_sites": external}
    measure_accuracy(out / "gaps.tsv", out / "predictions.tsv", out / "accuracy.tsv", settings)
    rows = read_table(out / "accuracy.tsv", ACCURACY)
    rows = rows[rows["people"] == "all"].set_index(["predictor", "experiment", "metric"])
    lines = [
        "| experiment | seeds | n | MAE (years) [95 %] | single trainings | r | R² "
        "| MAE − ridge [95 %] | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    seeds = predictions.groupby("experiment")["seed"].unique()
    own = [set(found) for name, found in seeds.items() if name not in BASELINES]
    shared = set.intersection(*own) if own else set()
    for predictor in ("single", "ensemble"):
        maes = rows.xs("mae", level="metric")["estimate"]
        maes = maes[maes.index.get_level_values("predictor") == predictor]
        for _, name in maes.sort_values().index:
            count = len(seeds[name])
            if predictor == "single" and name not in BASELINES:
                count = len(shared) or count
            lines.append(_line(rows, predictor, name, count))
    everyone = predictions[predictions["seed"].isin(shared or set(predictions["seed"]))]
    baselines = predictions[predictions["experiment"].isin(BASELINES)]
    compared = pd.concat([everyone[~everyone["experiment"].isin(BASELINES)], baselines])
    lines += _against_main(config["report"]["main_experiment"], compared, settings)
    lost = [name for name in config["runs"] if name not in paths]
    return "\n".join(lines + ([f"\nNot finished: {', '.join(lost)}."] if lost else []))


def _line(rows: pd.DataFrame, predictor: str, name: str, seeds: int) -> str:
    """A row of the first table; that of an ensemble says so."""
    mae = rows.loc[(predictor, name, "mae")]
    paired = ["–", "–"]
    if (predictor, name, "mae_minus_ridge") in rows.index:
        against = rows.loc[(predictor, name, "mae_minus_ridge")]
        paired = [_interval(against), str(against["verdict"])]
    spread = "–" if mae["seed_low"] != mae["seed_low"] else _range(mae)
    words = name if predictor == "single" else f"{name}, mean of its seeds"
    cells = [words, str(seeds), str(mae["n"]), _interval(mae), spread]
    cells += [_number(rows.loc[(predictor, name, metric)]["estimate"]) for metric in ("r", "r2")]
    return f"| {' | '.join([*cells, *paired])} |"


def _against_main(main: str, rows: pd.DataFrame, settings: dict[str, Any]) -> list[str]:
    """Lines of the second table; none where the main experiment is not finished."""
    rows = rows[(rows["role"] == "test") & rows["age"].notna()]
    if main not in set(rows["experiment"]):
        return []
    errors = _errors(rows)
    in_fold = _errors(rows[rows["fold"] == rows["fold"].min()]).mean()
    lines = [
        f"\n{main} minus each other, absolute errors (years) of single trainings paired by person "
        f"[95 %]; in the first fold alone {main} is off by {_number(in_fold[main])}:\n",
        "| other | difference | MAE of the other in the first fold |",
        "| --- | --- | --- |",
    ]
    for name in [name for name in errors if name != main]:
        pair = errors[[main, name]].dropna()
        difference = (pair[main] - pair[name]).to_numpy()
        low, high = bootstrap_interval(partial(_means, difference), len(difference), settings)
        cell = _interval({"estimate": difference.mean(), "low": low, "high": high})
        lines.append(f"| {name} | {cell} | {_number(in_fold[name])} |")
    return lines


def _means(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    return values[drawn].mean(-1)


def _errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Absolute error of each person (rows) by each experiment, mean over single trainings."""
    errors = (rows["predicted_age"] - rows["age"]).abs()
    keys = [rows[column] for column in ("experiment", *PERSON)]
    return errors.groupby(keys).mean().unstack("experiment")


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.2f}".replace("-", "−")


def _interval(row: Any) -> str:
    return f"{_number(row['estimate'])} [{_number(row['low'])} to {_number(row['high'])}]"


def _range(row: Any) -> str:
    return f"{_number(row['seed_low'])} to {_number(row['seed_high'])}"


def main() -> int:
    """Read the arguments and print the table."""
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    config_path, results = Path(sys.argv[1]), Path(sys.argv[2])
    out = Path(sys.argv[3]) if len(sys.argv) == 4 else results / "finished"
    try:
        # No image is read here, so that the folder of raw heads does not matter.
        given = {"bids": "not-read", **yaml.safe_load(config_path.read_text(encoding="utf-8"))}
        print(table(complete(given, [config_path]), results, out))
    except (InputError, OSError) as error:
        print(f"finished_cells: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
