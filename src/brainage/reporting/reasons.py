"""Why a section of the report is switched off, in words. None where it is not."""

from __future__ import annotations

from typing import Any

from brainage.reporting import tables as tb
from brainage.reporting import words
from brainage.reporting.tables import PERSON, Tables


def no_predictions(tables: Tables, settings: dict[str, Any]) -> str | None:
    """Return why predicted ages cannot be shown."""
    main = tb.main_experiment(settings)
    if tb.test_scans(tables["gaps"], main).empty:
        return f"there is no predicted age of a test person by the main experiment ({main})"
    return None


def no_accuracy(tables: Tables, settings: dict[str, Any]) -> str | None:
    """Return why accuracies cannot be compared."""
    rows = tables["accuracy"]
    if rows[(rows["metric"] == "mae") & rows["estimate"].notna()].empty:
        return _notes(rows, "no healthy test person has a predicted age")
    return None


def no_sites(tables: Tables) -> str | None:
    """Return why nothing can be said about sites."""
    scans = tables["scans"]
    sites = sorted(set(scans.loc[scans["set_aside"].isna(), "site"].dropna()))
    if not sites:
        return "no scan has a site in the tables"
    if len(sites) == 1:
        return f"all scans are from one site ({sites[0]})"
    if tables["site_probe"].empty:
        return "fewer than two sites have enough people whom the encoder never saw"
    return None


def no_groups(tables: Tables, settings: dict[str, Any]) -> str | None:
    """Return why groups cannot be compared."""
    scans = tables["scans"]
    if scans["diagnosis"].isna().all():
        return "no scan has a diagnosis in the tables"
    ill = scans[~scans["diagnosis"].isin(settings["cohort"]["healthy"])]
    if ill["diagnosis"].dropna().empty:
        healthy = words.listing([str(d) for d in settings["cohort"]["healthy"]])
        return f"everyone is healthy ({healthy})"
    rows = tables["groups"]
    rows = rows[rows["experiment"] == tb.main_experiment(settings)]
    if rows[rows["estimate"].notna()].empty:
        return _notes(rows, "there are too few people in the groups")
    return None


def no_roc(tables: Tables, settings: dict[str, Any]) -> str | None:
    """Return why there is no ROC curve."""
    reason = no_groups(tables, settings)
    rows = tables["roc"]
    rows = rows[(rows["experiment"] == tb.main_experiment(settings)) & (rows["quantity"] == "auc")]
    if reason and rows["estimate"].notna().sum() == 0:
        return reason
    curves = tables["roc_curves"]
    drawn = curves[curves["experiment"] == tb.main_experiment(settings)]
    if rows["estimate"].notna().sum() == 0 or drawn.empty:
        return _notes(rows, "there are too few people in the groups")
    return None


def no_visits(tables: Tables, settings: dict[str, Any]) -> str | None:
    """Return why nothing can be said about change with time."""
    usable = tables["scans"]
    usable = usable[usable["set_aside"].isna()]
    if usable.empty or usable.groupby(PERSON)["scan_id"].count().max() < 2:
        return "nobody has two visits"
    scans = tb.test_scans(tables["gaps"], tb.main_experiment(settings))
    scans = scans[scans["gap_cole"].notna()]
    if scans.empty or scans.groupby(PERSON)["scan_id"].count().max() < 2:
        return "no test person has a corrected gap at two visits"
    return None


def no_regions(settings: dict[str, Any]) -> str | None:
    """Return why there is no ridge on regional volumes to compare with."""
    own_table = "your own table (probing.regions)"
    imaging = settings.get("imaging") or {}
    if (settings.get("probing") or {}).get("regions"):
        return None
    if imaging.get("registration") != "syn":
        return f"an affine carries no labels; it needs imaging.registration: syn, or {own_table}"
    if imaging.get("template"):
        return f"the template given in the config has no labels; it needs {own_table}"
    return None


def no_history(tables: Tables) -> str | None:
    """Return why there are no training curves."""
    return "no training run left a history" if tables["history"].empty else None


def no_grid(tables: Tables, table: str = "grid_accuracy") -> str | None:
    """Return why nothing can be said about the number of people trained on."""
    if tables["grid_accuracy"].empty:
        return "the config has no grid: every training is on all training people (section grid)"
    rows = tables[table]
    if rows[rows["estimate"].notna()].empty:
        nothing = {
            "grid_sites": "fewer than two sites have enough people whom the encoder never saw",
            "grid_diagnosis": "no two groups have enough people for a diagnosis probe",
        }
        return _notes(rows, nothing.get(table, "no healthy test person has a predicted age"))
    return None


def no_truth(tables: Tables) -> str | None:
    """Return why the truth cannot be compared."""
    if tables["truth"].empty:
        return "the data are real: the true brain ages are not known"
    return None


def _notes(rows: Any, otherwise: str) -> str:
    """Return the reason that the statistics gave, or `otherwise`."""
    notes = [str(note).rstrip(". ") for note in rows["note"].dropna().unique()]
    return "; ".join(notes[:3]) if notes else otherwise
