"""The tables that the pages and figures are made from, and what they say of the test people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainage.core import subjects
from brainage.core.contracts.cohort import SCANS, SPLITS, TRUTH
from brainage.core.contracts.grid import GRID_ACCURACY, GRID_DIAGNOSIS, GRID_SITES
from brainage.core.contracts.imaging import QC, UNEXPECTED
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
from brainage.core.layout import Layout
from brainage.core.subjects import PERSON
from brainage.core.unlike import mean_percentiles
from brainage.reporting import words

if TYPE_CHECKING:
    import pandas as pd

Settings = dict[str, Any]
"""The whole config, as the workflow gives it to the commands."""

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


PEOPLE = ("external", "internal", "all")  # of accuracy.tsv; the first that there is comes first


def tables_of(files: Layout, settings: Settings) -> dict[str, Any]:
    """Return the tables that figures and pages are made from, as :class:`Tables` takes them.

    Parameters
    ----------
    files
        The folder of results.
    settings
        The whole config with ``trainings`` (by experiment, the names of its trainings) and
        ``simulated`` (the simulated data sets).
    """
    trainings = [name for names in settings["trainings"].values() for name in names]
    found: dict[str, Any] = {
        "history": [files.file("training_history", training=name) for name in trainings],
        "truth": [files.file("truth", dataset=name) for name in settings["simulated"]],
    }
    for name in CONTRACTS:
        of_grid = name.startswith("grid_")
        if name not in found and (not of_grid or _has_grid(settings)):
            found[name] = files.file(name)
    return found


def paths_of(files: Layout, settings: Settings) -> dict[str, Any]:
    """Return all that a run leaves for the pages, by name.

    Beside the tables: the folder of ``figures``, the ``remarks`` of the data sets' readers, the
    ``encoders`` of the main experiment, and whether there are pages of ``people``.
    """
    main = settings["trainings"][main_experiment(settings)]
    return {
        **tables_of(files, settings),
        "figures": files.folder("figures"),
        "remarks": [files.file("dataset_remarks", dataset=name) for name in settings["datasets"]],
        "encoders": [files.file("encoder", training=name) for name in main],
        "people": settings["report"]["people"] != "none",
    }


def _has_grid(settings: Settings) -> bool:
    return any(run["of"] != name for name, run in settings["runs"].items())


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
        import pandas as pd

        from brainage.core.tables import check_table, read_table

        contract = CONTRACTS[name]
        read = [read_table(path, contract) for path in self.paths(name)]
        filled = [frame for frame in read if len(frame)]
        if filled:
            return pd.concat(filled, ignore_index=True)
        empty = pd.DataFrame({column: pd.Series([], dtype=object) for column in contract.names})
        return read[0] if read else check_table(empty, contract, contract.name)


def main_experiment(settings: Settings) -> str:
    """Return the name of the experiment that the reports are about."""
    return str(settings["report"]["main_experiment"])


def group_order(settings: Settings, found: Sequence[Any]) -> list[str]:
    """Return the groups among `found`: those of the config in its order, then the others.

    Where the config names none, the controls come first.
    """
    present = {group for group in found if isinstance(group, str)}
    first = settings["statistics"].get("groups") or [settings["statistics"].get("control")]
    named = [group for group in first if group in present]
    return named + sorted(present - set(named))


def test_scans(gaps: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Return the test scans of one experiment, one row each, in the order of visits.

    Who is test in several folds has the mean of their numbers over the folds, as in the tables
    of the statistics; gaps.tsv holds a row a fold.
    """
    rows = gaps[(gaps["experiment"] == experiment) & (gaps["role"] == "test")]
    if rows.duplicated("scan_id").any():
        numbers = ["predicted_age", "gap", "gap_beheshti", "gap_cole"]
        means = rows.groupby("scan_id")[numbers].transform("mean")
        rows = rows.assign(**{name: means[name] for name in numbers})
        inside = rows.groupby("scan_id")["in_age_range"].transform("all")
        unlike = mean_percentiles(rows, ["scan_id"])
        rows = rows.assign(in_age_range=inside).drop_duplicates("scan_id").set_index("scan_id")
        rows = rows.assign(**unlike).reset_index()
    return subjects.visit_order(rows).reset_index(drop=True)


def first_tests(tables: Tables, settings: Settings) -> pd.DataFrame:
    """Return each test person's first scan with a predicted age of the main experiment."""
    rows = test_scans(tables["gaps"], main_experiment(settings))
    return subjects.first_scans(rows).reset_index(drop=True)


def healthy_tests(tables: Tables, settings: Settings) -> pd.DataFrame:
    """Return the healthy test people, each by the first scan at which they were a control.

    They are the people of accuracy.tsv: who fell ill later is among them, by an earlier scan.
    """
    rows = test_scans(tables["gaps"], main_experiment(settings))
    return subjects.first_scans(rows[rows["healthy"].astype(bool)]).reset_index(drop=True)


def with_group(rows: pd.DataFrame) -> pd.DataFrame:
    """Add `group`: the diagnosis at the person's first scan of `rows`."""
    if rows.empty:
        return rows.assign(group=rows["diagnosis"])
    firsts = subjects.visit_order(rows).drop_duplicates(PERSON)
    return rows.join(firsts.set_index(PERSON)["diagnosis"].rename("group"), on=PERSON)


def trained_sites(tables: Tables, settings: Settings) -> set[str]:
    """Return the sites that the main experiment was trained on; an unknown site is none of them.

    As in accuracy.tsv: of the scans of training people that are in predictions.tsv.
    """
    return set(trained_scans(tables, settings)["site"].dropna())


def trained_scans(tables: Tables, settings: Settings) -> pd.DataFrame:
    """Return the scans of the training people of the main experiment in predictions.tsv."""
    rows = tables["predictions"]
    return rows[(rows["experiment"] == main_experiment(settings)) & (rows["role"] == "train")]


def one_scanner(tables: Tables, settings: Settings, model: str) -> str:
    """Return the sentence that the model was trained on one scanner, or nothing.

    Two sites are two scanners. Where no training scan has a site or a scanner, their number is not
    known, and neither is anything about other scanners; where some have, it is what they say.
    """
    scans = trained_scans(tables, settings)
    if len(subjects.scanners_of(scans)) != 1:
        return ""
    external = accuracy_of(tables, main_experiment(settings), "external", "mae") is not None
    errors = "errors on other scanners " + ("" if external else "are unknown and ")
    errors += "can exceed ten years."
    sites, scanners = scans["site"].dropna(), scans["scanner"].dropna()
    if sites.empty and scanners.empty:
        text = f"the tables do not say on how many scanners {model} was trained: {errors}"
        return words.capital(text)
    site = words.site_names(settings)(sites.iloc[0]) if len(sites) else ""
    where = f"one scanner ({f'site {site}' if site else scanners.iloc[0]})"
    if scanners.empty:
        where = f"one site ({site})"
    unsure = "" if len(sites) == len(scans) else "as far as the tables say, "
    return words.capital(f"{unsure}{model} was trained on scans of {where}: {errors}")


def is_external(tables: Tables, settings: Settings, rows: pd.DataFrame) -> pd.Series:
    """Tell of each row whether its site is a known one that nobody was trained on."""
    return ~rows["site"].isin(trained_sites(tables, settings)) & rows["site"].notna()


def accuracies(tables: Tables, metric: str, predictor: str = "single") -> pd.DataFrame:
    """Return the rows of accuracy.tsv that have an estimate of this metric.

    `predictor` is ``single``, by which experiments are compared (the mean over single trainings
    of the seeds that all of them share), or ``ensemble`` (of the mean over an experiment's seeds).
    """
    rows = tables["accuracy"]
    chosen = (rows["metric"] == metric) & (rows["predictor"] == predictor)
    return rows[chosen & rows["estimate"].notna()]


def accuracy_of(
    tables: Tables, experiment: str, people: str, metric: str, predictor: str = "single"
) -> pd.Series | None:
    """Return the row of accuracy.tsv with an estimate of this metric, or None."""
    rows = accuracies(tables, metric, predictor)
    rows = rows[(rows["experiment"] == experiment) & (rows["people"] == people)]
    return None if rows.empty else rows.iloc[0]


def by_name(rows: pd.DataFrame, column: str) -> dict[str, pd.Series]:
    """Return each row by its value in a column, in their order; the last where it is double."""
    return {str(row[column]): row for _, row in rows.iterrows()}


def unexpected_faults(qc: pd.DataFrame) -> list[tuple[str, int]]:
    """Return each fault that no check foresaw, with its number of scans, the most common first."""
    faults = qc["fault"].dropna().astype(str)
    counts = faults[faults.str.startswith(UNEXPECTED)].value_counts()
    return sorted(((str(text), int(n)) for text, n in counts.items()), key=lambda x: (-x[1], x[0]))


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
            raise InputError(f"the report requires the table {name!r}, which was not given")
