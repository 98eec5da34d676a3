"""The tables that the pages and figures are made from, and who is who in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from brainage.core.contracts.cohort import SCANS, SPLITS, TRUTH
from brainage.core.contracts.grid import GRID_ACCURACY, GRID_DIAGNOSIS, GRID_SITES
from brainage.core.contracts.imaging import QC
from brainage.core.contracts.learning import HISTORY
from brainage.core.contracts.probing import DIAGNOSIS_SCORES, PREDICTIONS, SITE_PROBE
from brainage.core.contracts.statistics import (
    ACCURACY,
    GAPS,
    GROUPS,
    PERSON_SLOPES,
    REFERENCE,
    ROC,
    ROC_CURVES,
    SLOPES,
)
from brainage.core.files import InputError
from brainage.core.tables import check_table, read_table

Inputs = Mapping[str, Any]
"""Name of a table -> its path, or several paths whose rows belong together (history, truth)."""

CONTRACTS = {
    "scans": SCANS,
    "qc": QC,
    "splits": SPLITS,
    "history": HISTORY,
    "predictions": PREDICTIONS,
    "site_probe": SITE_PROBE,
    "diagnosis_scores": DIAGNOSIS_SCORES,
    "reference": REFERENCE,
    "gaps": GAPS,
    "accuracy": ACCURACY,
    "groups": GROUPS,
    "roc": ROC,
    "roc_curves": ROC_CURVES,
    "slopes": SLOPES,
    "person_slopes": PERSON_SLOPES,
    "truth": TRUTH,
    "grid_accuracy": GRID_ACCURACY,
    "grid_sites": GRID_SITES,
    "grid_diagnosis": GRID_DIAGNOSIS,
}
PERSON = ["dataset", "participant_id"]


class Tables:
    """Tables read when first asked for; one that was not given has no rows.

    Parameters
    ----------
    inputs
        Name of a table (a key of :data:`CONTRACTS`) -> path or paths. Other names are ignored
        here (they are files that are no tables).
    """

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return the table `name`; raise InputError where its file breaks the contract."""
        if name not in self._read:
            self._read[name] = self._load(name)
        return self._read[name]

    def paths(self, name: str) -> list[Path]:
        """Return the paths given under `name`."""
        given = self._inputs.get(name)
        if given is None:
            return []
        if isinstance(given, str) or not isinstance(given, Sequence):
            given = [given]
        return [Path(path) for path in given]

    def _load(self, name: str) -> pd.DataFrame:
        contract = CONTRACTS[name]
        read = [read_table(path, contract) for path in self.paths(name)]
        filled = [frame for frame in read if len(frame)]
        if filled:
            return pd.concat(filled, ignore_index=True)
        empty = pd.DataFrame({column: pd.Series([], dtype=object) for column in contract.names})
        return read[0] if read else check_table(empty, contract, contract.name)


def main_experiment(settings: dict[str, Any]) -> str:
    """Return the name of the experiment that the reports are about."""
    return str(settings["report"]["main_experiment"])


def group_order(settings: dict[str, Any], found: Sequence[str | None]) -> list[str]:
    """Return the groups among `found`: those of the config in its order, then the others.

    Where the config names none, the controls come first.
    """
    present = {str(group) for group in found if isinstance(group, str)}
    first = settings["statistics"].get("groups") or [settings["statistics"].get("control")]
    named = [group for group in first if group in present]
    return named + sorted(present - set(named))


def healthy_people(scans: pd.DataFrame, settings: dict[str, Any]) -> pd.Series:
    """Return one boolean a row: whether this person counts as healthy.

    Healthy is who has healthy diagnoses only, at every visit; without any diagnosis in the
    table everyone counts as healthy.
    """
    if scans["diagnosis"].isna().all():
        return pd.Series(True, index=scans.index)
    ill = ~scans["diagnosis"].isin(settings["cohort"]["healthy"])
    return ~ill.groupby([scans["dataset"], scans["participant_id"]]).transform("any")


def test_scans(gaps: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Return the test scans of one experiment, one row each, in the order of visits.

    Who is test in several folds has the mean of their numbers over the folds.
    """
    rows = gaps[(gaps["experiment"] == experiment) & (gaps["role"] == "test")]
    if rows.duplicated("scan_id").any():
        numbers = ["predicted_age", "gap", "gap_beheshti", "gap_cole"]
        means = rows.groupby("scan_id")[numbers].transform("mean")
        rows = rows.assign(**{name: means[name] for name in numbers})
        inside = rows.groupby("scan_id")["in_age_range"].transform("all")
        rows = rows.assign(in_age_range=inside).drop_duplicates("scan_id")
    return by_visit(rows)


def by_visit(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort by person, then visit."""
    order = rows.assign(_time=rows["years_since_first"].fillna(0.0))
    order = order.sort_values([*PERSON, "_time", "age", "scan_id"], kind="stable")
    return order.drop(columns="_time").reset_index(drop=True)


def first_scans(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each person's first scan of `rows`."""
    return by_visit(rows).drop_duplicates(PERSON).reset_index(drop=True)


def with_group(rows: pd.DataFrame) -> pd.DataFrame:
    """Add `group`: the diagnosis at the person's first scan of `rows`."""
    if rows.empty:
        return rows.assign(group=pd.Series([], dtype=object))
    firsts = first_scans(rows).set_index(PERSON)["diagnosis"].rename("group")
    return rows.join(firsts, on=PERSON)


def trained_sites(tables: Tables, experiment: str, roles: Sequence[str] = ("train",)) -> set[str]:
    """Return the sites of people who have one of `roles` in `experiment`."""
    splits = tables["splits"]
    # Baselines read the rows of any experiment: roles of a fold are the same in all of them.
    if experiment in set(splits["experiment"]):
        splits = splits[splits["experiment"] == experiment]
    chosen = splits[splits["role"].isin(roles)][PERSON].drop_duplicates()
    scans = tables["scans"]
    usable = scans[scans["set_aside"].isna()]
    return set(usable.merge(chosen, on=PERSON)["site"].dropna())


def external_people(tables: Tables, rows: pd.DataFrame, experiment: str) -> pd.Series:
    """Return one boolean a row: whether the site is one that nobody was fitted on."""
    return ~rows["site"].isin(trained_sites(tables, experiment)) & rows["site"].notna()


def metric(tables: Tables, experiment: str, people: str, name: str) -> pd.Series | None:
    """Return the row of accuracy.tsv with an estimate of this metric, or None."""
    rows = tables["accuracy"]
    rows = rows[
        (rows["experiment"] == experiment) & (rows["people"] == people) & (rows["metric"] == name)
    ]
    rows = rows[rows["estimate"].notna()]
    return None if rows.empty else rows.iloc[0]


def alpha_text(tables: Tables, experiment: str) -> str:
    """Return ``α = 0.83``, or the range over the folds, or nothing where none was fitted."""
    reference = tables["reference"]
    alphas = reference.loc[reference["experiment"] == experiment, "alpha"].dropna()
    if alphas.empty:
        return ""
    if len(alphas) == 1 or round(alphas.min(), 2) == round(alphas.max(), 2):
        return f"α = {alphas.iloc[0]:.2f}"
    return f"α = {alphas.min():.2f} to {alphas.max():.2f} over {len(alphas)} folds"


def need(inputs: Inputs, *names: str) -> None:
    """Raise InputError naming the first of `names` that was not given."""
    for name in names:
        if inputs.get(name) is None:
            raise InputError(f"the report needs the table {name!r}, and it was not given")
