"""The people whose gaps are analysed, one row per scan, and the description of their scale."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contract import Table
from brainage.core.contracts.statistics import GAPS
from brainage.core.subjects import PERSON, visit_order
from brainage.core.tables import read_table
from brainage.core.thresholds import LOW_ALPHA
from brainage.core.unlike import mean_percentiles
from brainage.core.wording import counted

LOW_ALPHA_MEANS = "the noise of Cole's scale is more than doubled"


@dataclass(frozen=True)
class Experiment:
    """The test people's gaps of one experiment.

    Attributes
    ----------
    name
        Name of the experiment, or of a baseline.
    scans
        One row a scan with the columns of :data:`GAPS` (the mean over folds
        for people who were tested in several) and `folds`; rows in order of person and time.
    alphas
        Slope of the bias correction in each fold that has one.
    """

    name: str
    scans: pd.DataFrame
    alphas: tuple[float, ...]

    @property
    def alpha_words(self) -> str:
        """Alpha in words, for the unit of every number in years."""
        if not self.alphas:
            return "no alpha"
        low, high = (f"{value:.3f}" for value in (min(self.alphas), max(self.alphas)))
        return f"alpha {low}" if low == high else f"alpha {low} to {high} over folds"

    @property
    def cautions(self) -> list[str]:
        """Cautions that apply to all numbers of this experiment."""
        words = []
        if self.alphas and min(self.alphas) < LOW_ALPHA:
            words.append(f"alpha is under {LOW_ALPHA}: {LOW_ALPHA_MEANS}")
        return words


def read_experiments(gaps: str | os.PathLike[str]) -> list[Experiment]:
    """Read gaps.tsv and return the test people of each experiment, in order of name."""
    frame = read_table(gaps, GAPS)
    frame = frame[frame["role"] == "test"]
    experiments = []
    for name, rows in frame.groupby("experiment", sort=True):
        alphas = []
        for _, fold in rows.groupby("fold", sort=True):
            both = fold[["gap_beheshti", "gap_cole"]].dropna().to_numpy()
            if len(both) and np.any(both[:, 1] != 0):
                alphas.append(float(both[:, 0] @ both[:, 1] / (both[:, 1] @ both[:, 1])))
        experiments.append(Experiment(str(name), _mean_over_folds(rows), tuple(alphas)))
    return experiments


def _mean_over_folds(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per scan. People tested in several folds (usually patients) count once."""
    numbers = ["predicted_age", "seeds", "seed_sd", "gap", "gap_beheshti", "gap_cole"]
    order = ["scan_id", "fold"]
    rows = rows.sort_values(order, kind="stable")
    grouped = rows.groupby("scan_id", sort=True)
    first = rows.drop_duplicates("scan_id").set_index("scan_id")
    folds = grouped.size()
    if int(folds.max()) > 1:
        first[numbers] = grouped[numbers].mean()
        # A correction that one fold lacks must not be hidden by the others.
        for column in ("gap_beheshti", "gap_cole"):
            first[column] = first[column].where(grouped[column].count() == folds)
        first["in_age_range"] = grouped["in_age_range"].min().astype(bool)
        first = first.assign(**mean_percentiles(rows, ["scan_id"]))
    first["folds"] = folds
    return visit_order(first.reset_index())


def outside_range(scans: pd.DataFrame) -> list[str]:
    """Say how many people were scanned outside the reference's ages, if any."""
    outside = len(scans[~scans["in_age_range"].astype(bool)].drop_duplicates(PERSON))
    if outside == 0:
        return []
    return [
        f"{counted(outside, 'person', 'people')} outside the age range of the calibration people"
    ]


def joined(notes: list[str]) -> str | None:
    """Join notes to one text, or None where there are none."""
    return "; ".join(notes) or None


def pairs(groups: list[str]) -> list[tuple[str, str]]:
    """All (group, reference) pairs, later minus earlier in the given order."""
    return [(groups[j], groups[i]) for i in range(len(groups)) for j in range(i + 1, len(groups))]


def rows_to_frame(rows: Sequence[Mapping[str, Any]], table: Table) -> pd.DataFrame:
    """Make a table of rows; a column that a row does not name is n/a there."""
    return pd.DataFrame(list(rows), columns=list(table.names))
