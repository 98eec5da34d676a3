"""The study's page: the findings, the people, the methods, and every number as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainage.core.contracts.reporting import TRUTH_RECOVERY
from brainage.core.files import read_json
from brainage.core.tables import write_table
from brainage.reporting import (
    figures,
    methods,
    pages,
    reasons,
    study_grid,
    study_tables,
    study_truth,
    words,
)
from brainage.reporting import tables as tb
from brainage.reporting.person_choice import chosen_people
from brainage.reporting.tables import PERSON, Tables
from brainage.reporting.truth import recover


def write_study_page(results: tb.Inputs, out_folder: Path, settings: dict[str, Any]) -> None:
    """Write the study's page: ``index.html`` with ``figures/`` and ``tables/`` beside it.

    Parameters
    ----------
    results
        Name of a table -> its path or paths (see :data:`brainage.reporting.tables.CONTRACTS`);
        scans and qc are needed, another that is not given counts as empty and switches its
        section off. `figures` is the folder of figures made by
        :func:`brainage.reporting.figures.draw` (drawn here where it is not given), `remarks` a
        JSON list of what the index had to say of the tables, `people` is
        anything true where persons' pages are beside this one.
    out_folder
        Folder of the report.
    settings
        The whole config.
    """
    tb.need(results, "scans", "qc")
    out_folder = Path(out_folder)
    tables = Tables(results)
    drawn = _figures(results, tables, out_folder / "figures", settings)
    copied = _tables(results, tables, out_folder / "tables", settings)
    off = _switched_off(tables, settings)
    sentence, key = headline(tables, settings)
    found = recover(tables, settings)
    truth = study_truth.truth(found, settings) if len(found) else None
    pages_of = chosen_people(tables, settings) if results.get("people") else []
    contents = [
        ("read", "How to read this page", True),
        ("off", "What it cannot show", bool(off)),
        ("accuracy", "Age", True),
        ("sites", "Sites", drawn["site_predictability"]["available"]),
        ("grid", "Training size", drawn["grid_accuracy"]["available"]),
        ("groups", "Groups", drawn["gap_by_diagnosis"]["available"]),
        ("roc", "Telling groups apart", drawn["roc"]["available"]),
        ("time", "Change over time", drawn["trajectories"]["available"]),
        ("truth", "Truth", truth is not None),
        ("people", "People", True),
        ("quality", "Quality", True),
        ("training", "Training", drawn["training_curves"]["available"]),
        ("methods", "Methods", True),
    ]
    pages.write_page(
        "study.html",
        out_folder / "index.html",
        title=settings["report"]["title"].rstrip("."),
        headline=sentence,
        subtitle=_subtitle(tables, settings),
        key=key,
        contents=[(id, name) for id, name, there in contents if there],
        alpha=tb.alpha_text(tables, tb.main_experiment(settings)),
        figures=drawn,
        tables=copied,
        switched_off=off,
        accuracy_table=study_tables.accuracy(tables, settings),
        site_table=study_tables.sites(tables, settings),
        grid_table=study_grid.cells(tables, settings),
        group_table=study_tables.groups(tables, settings),
        roc_table=study_tables.roc(tables, settings),
        slope_table=study_tables.slopes(tables, settings),
        people_table=study_tables.people(tables, settings),
        quality=study_tables.quality(tables),
        remarks=read_json(results["remarks"]) if results.get("remarks") else [],
        rates_table=study_tables.learning_rates(tables, settings),
        truth=truth,
        people_pages=words.count(len(pages_of), "person", "people") if pages_of else "",
        methods=methods.paragraphs(settings, pages.software()),
    )


def headline(tables: Tables, settings: dict[str, Any]) -> tuple[str, list[dict[str, str]]]:
    """Return the first line of the page, and the numbers under it.

    The error on people of sites never trained on is told where there is one, else that on sites
    trained on, always beside the best constant and ridge on voxels for the same people. A model
    worse than that ridge is said to be so first.
    """
    main = tb.main_experiment(settings)
    name = words.experiment_names(settings).get(main, main)
    for people in ("external", "internal", "all"):
        own = tb.metric(tables, main, people, "mae")
        if own is not None:
            break
    else:
        reason = reasons.no_accuracy(tables, settings) or f"{main} has no healthy test people"
        return f"How well {name} predicts age is not known: {reason}.", []
    ridge = tb.metric(tables, "ridge_voxels", people, "mae")
    constant = tb.metric(tables, main, people, "mae_of_constant")
    n = int(own["n"])
    where = {
        "external": " at sites never trained on",
        "internal": " at sites trained on",
        "all": "",
    }[people]
    whom = f"{words.count(n, 'healthy person', 'healthy people')}{where}"
    value = words.estimate(own, unit="years")
    key = [{"name": f"MAE of {name}", "value": words.number(own["estimate"]) + " years",
            "detail": f"{words.interval(own['low'], own['high'])}, n {n}"}]  # fmt: skip
    best = "not known"
    if constant is not None:
        best = f"{words.number(constant['estimate'])} years"
        key.append({"name": "Best constant", "value": best, "detail": "same people"})
    if ridge is None:
        text = (
            f"{name} predicts the age of {whom} with a mean error of {value}; the best constant is "
            f"off by {best}. There is no ridge on voxels to compare it with."
        )
        return text, key
    other = words.estimate(ridge, unit="years")
    key.append({"name": "Ridge on voxels", "value": words.number(ridge["estimate"]) + " years",
                "detail": words.interval(ridge["low"], ridge["high"]) + f", n {int(ridge['n'])}"}
               )  # fmt: skip
    if own["estimate"] > ridge["estimate"]:
        text = (
            f"{name} is worse than ridge regression on the same voxels: a mean error of {value} "
            f"against {other}, on {whom}; the best constant is off by {best}."
        )
    else:
        text = (
            f"{name} predicts the age of {whom} with a mean error of {value}; ridge on voxels is "
            f"off by {other}, the best constant by {best}."
        )
    if constant is not None and own["estimate"] >= constant["estimate"]:
        text += " It is no better than that constant."
    return text, key


def _subtitle(tables: Tables, settings: dict[str, Any]) -> str:
    scans = tables["scans"]
    used = scans[scans["set_aside"].isna()]
    people = words.count(used.drop_duplicates(PERSON).shape[0], "person", "people")
    sites = used["site"].nunique()
    text = f"{people}, {words.count(len(used), 'scan')}"
    return text + (f", {words.count(sites, 'site')}." if sites else ".")


def _switched_off(tables: Tables, settings: dict[str, Any]) -> list[tuple[str, str]]:
    questions = [
        ("Accuracy of the predicted age", reasons.no_accuracy(tables, settings)),
        ("How well the site can be told", reasons.no_sites(tables)),
        ("Number of people trained on", reasons.no_grid(tables)),
        ("Brain-age gap by diagnosis", reasons.no_groups(tables, settings)),
        ("Telling groups apart", reasons.no_roc(tables, settings)),
        ("Change over time", reasons.no_visits(tables, settings)),
        ("Ridge on regional volumes, to compare with", reasons.no_regions(settings)),
    ]
    main = tb.main_experiment(settings)
    predicted = reasons.no_predictions(tables, settings) is None
    if predicted and tb.metric(tables, main, "external", "mae") is None:
        questions.append(
            ("Accuracy on sites never trained on", "no healthy test person is from such a site")
        )
    return [(name, reason.rstrip(".")) for name, reason in questions if reason]


def _figures(
    results: tb.Inputs, tables: Tables, folder: Path, settings: dict[str, Any]
) -> dict[str, dict[str, Any]]:
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


def _tables(
    results: tb.Inputs, tables: Tables, folder: Path, settings: dict[str, Any]
) -> list[str]:
    """Put every table beside the page; return the names of those that are there."""
    copied = []
    for name, contract in tb.CONTRACTS.items():
        paths = tables.paths(name)
        if len(paths) == 1:
            pages.copy_file(paths[0], folder / f"{name}.tsv")
        elif paths:
            write_table(tables[name], folder / f"{name}.tsv", contract)
        if paths:
            copied.append(name)
    if len(tables["truth"]):
        name = "truth_recovery"
        write_table(recover(tables, settings), folder / f"{name}.tsv", TRUTH_RECOVERY)
        copied.append(name)
    return copied
