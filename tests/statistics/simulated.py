"""Small tables with a known truth, for the tests of this package."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.config import defaults
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.contracts.unlike import UNLIKE_TRAINING
from brainage.core.subjects import site_key, visit_order
from brainage.core.tables import write_table
from brainage.statistics.people import Experiment
from tests.conftest import lacking

UNLIKE = [column.name for column in UNLIKE_TRAINING]
SETTINGS: dict[str, Any] = {
    **defaults("statistics"),
    "groups": ["CN", "MCI", "AD"],
    "external_sites": [],
    "seed": 2025,
    "bootstrap": 200,
}


def scans_of(
    group: str | None,
    people: int,
    rng: np.random.Generator,
    *,
    role: str = "test",
    sites: tuple[str, ...] = ("X",),
    ages: tuple[float, float] = (60.0, 80.0),
    visits: int = 1,
    gap: float = 0.0,
    gap_sd: float = 3.0,
    slope: float = 0.0,
    slope_sd: float = 0.5,
    noise: float = 1.0,
    dataset: str = "demo",
) -> pd.DataFrame:
    """People of one group with a true gap at each visit: columns of scans, and true_gap."""
    rows = []
    for number in range(people):
        name = f"sub-{role}{group or 'none'}{number:04d}{sites[0]}"
        first_age = rng.uniform(*ages)
        own_gap, own_slope = gap + gap_sd * rng.normal(), slope + slope_sd * rng.normal()
        sex, site = "FM"[int(rng.integers(2))], sites[number % len(sites)]
        for visit in range(visits):
            years = visit + (0.1 * rng.uniform(-1, 1) if visit else 0.0)
            rows.append(
                {
                    "scan_id": f"{dataset}_{name}_ses-{visit + 1}",
                    "participant_id": name,
                    "session_id": f"ses-{visit + 1}",
                    "dataset": dataset,
                    "site": site_key(dataset, site),
                    "scanner": f"{site}-scanner",
                    "sex": sex,
                    "diagnosis": group,
                    "healthy": group in (None, "CN"),
                    "years_since_first": years,
                    "role": role,
                    "age": first_age + years,
                    "true_gap": own_gap + own_slope * years + noise * rng.normal(),
                }
            )
    return pd.DataFrame(rows)


def predictions_of(
    scans: pd.DataFrame,
    *,
    experiment: str = "lexp",
    alpha: float = 0.8,
    seeds: int = 1,
    fold: int = 0,
    seed_noise: float = 0.0,
) -> pd.DataFrame:
    """Predicted age = alpha * (age + true gap) + 10, in the columns of PREDICTIONS."""
    rng = np.random.default_rng(7)
    parts = []
    for seed in range(1, seeds + 1):
        predicted = alpha * (scans["age"] + scans["true_gap"]) + 10
        predicted = predicted + seed_noise * rng.normal(size=len(scans))
        parts.append(
            scans.assign(experiment=experiment, seed=seed, fold=fold, predicted_age=predicted)
        )
    whole = pd.concat(parts, ignore_index=True)
    return whole.assign(**{**dict.fromkeys(UNLIKE), **whole})[list(PREDICTIONS.names)]


def study(rng: np.random.Generator, **groups: dict[str, Any]) -> pd.DataFrame:
    """Training and calibration people at two sites, and test people of the groups given."""
    training = {"sites": ("A", "B"), "ages": (20.0, 85.0)}
    parts = [
        scans_of("CN", 20, rng, role="train", **training),
        scans_of("CN", 60, rng, role="calibration", **training),
    ]
    parts += [scans_of(group, rng=rng, **details) for group, details in groups.items()]
    return pd.concat(parts, ignore_index=True)


def written(table: pd.DataFrame, folder: Path) -> Path:
    """Write predictions.tsv into a folder and return its path."""
    path = folder / "predictions.tsv"
    write_table(table, path, PREDICTIONS)
    return path


def experiment_of(scans: pd.DataFrame, name: str = "lexp") -> Experiment:
    """An experiment whose corrected gap is the true gap, without going through files."""
    gaps = scans.assign(
        gap_cole=scans["true_gap"], gap_beheshti=scans["true_gap"], in_age_range=True, folds=1
    )
    return Experiment(name, visit_order(gaps), (1.0,))


def r_output(what: str, folder: Path) -> Path:
    """Run reference.R in `folder` and return the folder; skip where R or a package is missing."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        lacking("R is not installed")
    script = Path(__file__).with_name("reference.R")
    done = subprocess.run(
        [rscript, "--vanilla", str(script), what, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 42:
        lacking(f"an R package is not installed: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return folder
