"""Print the accuracy of every experiment whose folds are all trained, before the others are.

A second table has the main experiment's absolute errors minus those of each other, paired by
person, and the errors in the first fold alone.

    PYTHONPATH=src python scripts/finished_cells.py CONFIG RESULTS [OUT]

A seed counts when all its folds are there, an experiment when one of its seeds does. The tables go
to OUT (RESULTS/finished), a Markdown table to stdout.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from brainage.core.config import complete
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.contracts.statistics import ACCURACY
from brainage.core.files import InputError
from brainage.core.tables import read_table
from brainage.probing.gather import gather
from brainage.statistics.accuracy import bootstrap_interval, measure_accuracy
from brainage.statistics.gaps import compute_gaps

BASELINES = ("ridge_voxels", "mean")


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
                results / "probing" / name / f"fold-{fold}_seed-{seed}" / "predictions.tsv"
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
    settings = {
        **config["statistics"],
        "seed": config["seed"],
        "healthy": config["cohort"]["healthy"],
        "external_sites": config["splits"]["external_sites"],
    }
    measure_accuracy(out / "gaps.tsv", out / "predictions.tsv", out / "accuracy.tsv", settings)
    rows = read_table(out / "accuracy.tsv", ACCURACY)
    rows = rows[rows["people"] == "all"].set_index(["experiment", "metric"])
    folds = len({path.parent.name.split("_")[0] for path in paths[min(paths)]})
    order = rows.xs("mae", level="metric")["estimate"].sort_values().index
    lines = [
        "| experiment | seeds | n | MAE (years) [95 %] | single seeds | r | R² "
        "| MAE − ridge [95 %] | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in order:
        value = {metric: rows.loc[(name, metric)] for metric in ("mae", "r", "r2")}
        mae = value["mae"]
        paired = ["–", "–"]
        if (name, "mae_minus_ridge") in rows.index:
            against = rows.loc[(name, "mae_minus_ridge")]
            paired = [_interval(against), str(against["verdict"])]
        spread = "–" if mae["seed_low"] != mae["seed_low"] else _range(mae)
        cells = [name, str(len(paths[name]) // folds), str(mae["n"]), _interval(mae), spread]
        cells += [_number(value[metric]["estimate"]) for metric in ("r", "r2")]
        lines.append(f"| {' | '.join([*cells, *paired])} |")
    lines += _against_main(config, out / "predictions.tsv", settings)
    lost = [name for name in config["runs"] if name not in paths]
    return "\n".join(lines + ([f"\nNot finished: {', '.join(lost)}."] if lost else []))


def _against_main(config: dict[str, Any], predictions: Path, settings: dict[str, Any]) -> list[str]:
    """Lines of the second table; none where the main experiment is not finished."""
    rows = read_table(predictions, PREDICTIONS)
    rows = rows[(rows["role"] == "test") & rows["age"].notna()]
    main, first = config["report"]["main_experiment"], rows["seed"].min()
    if main not in set(rows["experiment"]):
        return []
    every, one_seed = _errors(rows), _errors(rows[rows["seed"] == first])
    in_fold = _errors(rows[rows["fold"] == rows["fold"].min()]).mean()
    lines = [
        f"\n{main} minus each other, absolute errors (years) paired by person [95 %]; "
        f"in the first fold alone {main} is off by {_number(in_fold[main])}:\n",
        f"| other | all seeds | seed {first} alone | MAE of the other in the first fold |",
        "| --- | --- | --- | --- |",
    ]
    for name in [name for name in every if name != main]:
        cells = []
        for errors in (every, one_seed):
            if name not in errors or main not in errors:
                cells.append("–")
                continue
            pair = errors[[main, name]].dropna()
            difference = (pair[main] - pair[name]).to_numpy()
            low, high = bootstrap_interval(
                lambda _, paired: paired.mean(-1), difference, difference, settings
            )
            cells.append(_interval({"estimate": difference.mean(), "low": low, "high": high}))
        lines.append(f"| {name} | {' | '.join(cells)} | {_number(in_fold[name])} |")
    return lines


def _errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Absolute error of each person (rows) by each experiment, from the mean over its seeds."""
    keys = ["experiment", "dataset", "participant_id"]
    ages = rows.groupby([*keys, "scan_id"])[["age", "predicted_age"]].mean()
    return (ages["predicted_age"] - ages["age"]).abs().groupby(keys).mean().unstack("experiment")


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
        given = {"bids": ".", **yaml.safe_load(config_path.read_text(encoding="utf-8"))}
        print(table(complete(given, [config_path]), results, out))
    except (InputError, OSError) as error:
        print(f"finished_cells: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
