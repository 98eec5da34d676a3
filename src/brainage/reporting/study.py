"""The study's page: findings, participants, methods, and every number as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from brainage.core.contracts.reporting import TRUTH_RECOVERY
from brainage.core.files import read_json
from brainage.core.subjects import PERSON, scanners_of
from brainage.core.tables import write_table
from brainage.reporting import figures, pages, words
from brainage.reporting import tables as tb
from brainage.reporting.person_choice import chosen_people
from brainage.reporting.section import Report, Software, sections
from brainage.reporting.sections import accuracy
from brainage.reporting.tables import Settings, Tables
from brainage.reporting.truth import recover

WHERE = {"external": " at sites never trained on", "internal": " at sites trained on", "all": ""}


def write_study_page(
    results: tb.Inputs,
    out_folder: Path,
    settings: Settings,
    software: Software | None = None,
) -> None:
    """Write the study's page: ``index.html`` with ``figures/`` and ``tables/`` beside it.

    Parameters
    ----------
    results
        Name of a table -> its path or paths (see :data:`brainage.reporting.tables.CONTRACTS`);
        scans and qc are needed, another that is not given counts as empty and switches its
        section off. `figures` is the folder of figures made by
        :func:`brainage.reporting.figures.draw` (drawn here where it is not given), `remarks`
        are JSON lists of what the readers had to say of the tables, `people` is anything true
        where persons' pages are beside this one.
    out_folder
        Folder of the report.
    settings
        The whole config.
    software
        What the results were made with, as :func:`brainage.reporting.versions.software` says.
    """
    tb.need(results, "scans", "qc")
    out_folder = Path(out_folder)
    tables = Tables(results)
    drawn = _figures(results, out_folder / "figures", settings)
    copied = _tables(tables, out_folder / "tables", settings)
    report = Report(
        tables,
        settings,
        [remark for path in tables.paths("remarks") for remark in read_json(path)],
        len(chosen_people(tables, settings)) if results.get("people") else 0,
        software or Software(),
    )
    sentence, key = headline(tables, settings)
    pages.write_page(
        "study.html",
        out_folder / "index.html",
        title=settings["report"]["title"].rstrip("."),
        headline=sentence,
        subtitle=_subtitle(tables, settings),
        key=key,
        alpha=tb.alpha_text(tables, tb.main_experiment(settings)),
        figures=drawn,
        tables=copied,
        switched_off=switched_off(tables, settings),
        sections=[
            (name, section.CHOICE, section.blocks(report))
            for name, section in sections().items()
            if section.reason(tables, settings) is None
        ],
        unexpected=tb.unexpected_faults(tables["qc"]),
        warnings=report.software.warnings,
    )


def headline(tables: Tables, settings: Settings) -> tuple[str, list[dict[str, str]]]:
    """Return the first line of the page, and the numbers under it.

    The error on people of sites never trained on is given where there is one, else that on sites
    trained on, always beside the best constant and ridge on voxels for the same people. A model
    worse than that ridge is said to be so first. The error is the mean over single trainings,
    by which the experiments are ranked. A model that was trained on one scanner is said to be so.
    """
    main = tb.main_experiment(settings)
    name = words.experiment_names(settings).get(main, main)
    one_scanner = [sentence for sentence in [tb.one_scanner(tables, settings, name)] if sentence]
    found = [(p, tb.accuracy_of(tables, main, p, "mae")) for p in tb.PEOPLE]
    known = [(people, row) for people, row in found if row is not None]
    if not known:
        why = accuracy.reason(tables, settings) or f"{main} has no healthy test people"
        text = f"How well {name} predicts age is not known: {why}."
        return " ".join([text, *one_scanner]), []
    people, own = known[0]
    ridge = tb.accuracy_of(tables, "ridge_voxels", people, "mae")
    constant = tb.accuracy_of(tables, main, people, "mae_of_constant")
    whom = words.count(int(own["n"]), "healthy person", "healthy people") + WHERE[people]
    key = [_key(f"MAE of {name}", own)]
    best = "not known"
    if constant is not None:
        best = f"{words.number(constant['estimate'])} years"
        key.append({"name": "Best constant", "value": best, "detail": "same people"})
    if ridge is not None:
        key.append(_key("Ridge on voxels", ridge))
    text = _sentence(name, whom, own, ridge, best)
    if constant is not None and own["estimate"] >= constant["estimate"]:
        text += " It is no better than that constant."
    return " ".join([text, *one_scanner]), key


def _key(name: str, row: pd.Series) -> dict[str, str]:
    """Return a number under the headline: its name, value, interval and number of people."""
    value = f"{words.number(row['estimate'])} years"
    detail = f"{words.interval(row['low'], row['high'])}, n {int(row['n'])}"
    return {"name": name, "value": value, "detail": detail}


def _sentence(name: str, whom: str, own: pd.Series, ridge: pd.Series | None, best: str) -> str:
    error = words.estimate(own, unit="years")
    predicts = f"{name} predicts the age of {whom} with a mean absolute error of {error}"
    if ridge is None:
        return (
            f"{predicts}; that of the best constant is {best}. No ridge regression on voxels is "
            "available for comparison."
        )
    other = words.estimate(ridge, unit="years")
    if own["estimate"] > ridge["estimate"]:
        return (
            f"{name} is worse than ridge regression on the same voxels: a mean absolute error of "
            f"{error} against {other}, on {whom}; that of the best constant is {best}."
        )
    return f"{predicts}; that of ridge on voxels is {other}, that of the best constant {best}."


def _subtitle(tables: Tables, settings: Settings) -> str:
    scans, qc = tables["scans"], tables["qc"]
    passed = scans["scan_id"].isin(qc.loc[qc["verdict"] != "fail", "scan_id"])
    used = scans[passed & scans["set_aside"].isna()]
    people = words.count(used.drop_duplicates(PERSON).shape[0], "person", "people")
    sites = used["site"].nunique()
    text = f"{people}, {words.count(len(used), 'scan')}"
    text += f", {words.count(sites, 'site')}" if sites else ""
    trained = tb.trained_scans(tables, settings)
    places = len(tb.trained_sites(tables, settings))
    if places:
        text += f"; trained on scans of {words.count(places, 'site')}"
    if trained["scanner"].notna().any():
        scanners = words.count(len(scanners_of(trained)), "scanner")
        text += f" ({scanners})" if places else f"; trained on scans of {scanners}"
    return f"{text}."


def switched_off(tables: Tables, settings: Settings) -> list[tuple[str, str]]:
    """Return what this study cannot show, each with the reason."""
    found = [
        (section.CHOICE.label, section.reason(tables, settings))
        for section in sections().values()
        if section.CHOICE.tell_off
    ]
    found.append(("Ridge on regional volumes, for comparison", _no_regions(settings)))
    main = tb.main_experiment(settings)
    predicted = accuracy.no_predictions(tables, settings) is None
    if predicted and tb.accuracy_of(tables, main, "external", "mae") is None:
        why = "no healthy test person is from such a site"
        found.append(("Accuracy on sites never trained on", why))
    return [(name, why.rstrip(".")) for name, why in found if why]


def _no_regions(settings: Settings) -> str | None:
    """Return why there is no ridge on regional volumes to compare with."""
    own_table = "your own table (probing.regions)"
    imaging = settings.get("imaging") or {}
    if (settings.get("probing") or {}).get("regions"):
        return None
    if imaging.get("registration") != "syn":
        return (
            "an affine registration gives no regional volumes; they require "
            f"imaging.registration: syn, or {own_table}"
        )
    if imaging.get("template"):
        return f"the template given in the config has no labels; they require {own_table}"
    return None


def _figures(results: tb.Inputs, folder: Path, settings: Settings) -> dict[str, dict[str, Any]]:
    """Put every figure beside the page; return its words."""
    given = results.get("figures")
    if given is None:
        figures.draw_all(results, folder, settings)
    found = {}
    for name, figure in figures.FIGURES.items():
        target = folder / f"{name}.svg"
        if given is not None:
            pages.copy_file(Path(given) / f"{name}.svg", target)
        available, text = figures.read_words(target)
        found[name] = {"available": available, "text": text, "caption": figure.caption}
    return found


def _tables(tables: Tables, folder: Path, settings: Settings) -> list[str]:
    """Put every table beside the page; return the names of those that are there."""
    copied = []
    for name, contract in tb.CONTRACTS.items():
        paths = tables.paths(name)
        if not paths:
            continue
        target = folder / f"{name}.tsv"
        if len(paths) > 1:
            write_table(tables[name], target, contract)
        pages.copy_table(paths[0] if len(paths) == 1 else target, target)
        copied.append(name)
    if len(tables["truth"]):
        name = "truth_recovery"
        write_table(recover(tables, settings), folder / f"{name}.tsv", TRUTH_RECOVERY)
        copied.append(name)
    return copied
