"""Every figure of the reports by name: what it needs, what it shows, how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainage.core.files import InputError
from brainage.reporting import (
    figures_age,
    figures_cohort,
    figures_grid,
    figures_groups,
    style,
    words,
)
from brainage.reporting.style import Picture
from brainage.reporting.tables import Inputs, Tables


@dataclass(frozen=True)
class Figure:
    """One figure: how it is drawn, the tables that it needs, its title and its caption."""

    draw: Callable[[Tables, dict[str, Any]], Picture | str]
    needs: tuple[str, ...]
    title: str
    caption: str


FIGURES: dict[str, Figure] = {
    "flow": Figure(
        figures_cohort.flow,
        ("scans", "qc", "splits"),
        "From images to people",
        "Every image that was found, what was set aside at each step and why, and what the people "
        "are for. Nobody has two roles in one experiment.",
    ),
    "accuracy": Figure(
        figures_age.accuracy,
        ("accuracy",),
        "Accuracy of the predicted age",
        "Mean absolute error (MAE) of the uncorrected predicted age on healthy test people, one "
        "scan each, with 95 % intervals. Open marks are baselines; the dashed line is the error of "
        "the best constant for the same people.",
    ),
    "age_by_site": Figure(
        figures_age.age_by_site,
        ("scans", "splits", "gaps"),
        "Predicted age against age, by site",
        "Uncorrected predicted age of healthy test people, one scan each; one panel a site, all "
        "others in grey. The line is predicted = chronological age: young people above it and old "
        "people below it are the regression towards the mean that the correction takes out.",
    ),
    "site_predictability": Figure(
        figures_cohort.site_predictability,
        ("scans", "site_probe"),
        "How well the site can be told",
        "Balanced accuracy of a linear probe that names the site of people whom the encoder never "
        "saw: lower is better for an embedding. The probe on age and sex shows how much of the "
        "site the ages alone give away; that on voxels, how much there was to be seen.",
    ),
    "gap_by_diagnosis": Figure(
        figures_groups.gap_by_diagnosis,
        ("scans", "gaps", "reference", "groups"),
        "Brain-age gap by diagnosis",
        "Corrected gap of each test person, one scan each, at the sites that have patients. Dark "
        "marks are the means of the model with 95 % intervals. Groups overlap: one person's gap "
        "does not tell the group.",
    ),
    "roc": Figure(
        figures_groups.roc,
        ("scans", "groups", "roc", "roc_curves"),
        "Telling groups apart",
        "ROC curves, one scan a person, with the area and its 95 % interval. A larger gap counts "
        "for disease, fixed beforehand. What age and sex alone reach is the measure of the others.",
    ),
    "trajectories": Figure(
        figures_groups.trajectories,
        ("scans", "gaps", "reference", "slopes"),
        "Brain-age gap over time",
        "Corrected gap of each person over the visits, groups by diagnosis at the first "
        "scan. Lines "
        "are broken where the scanner changed. The dark line is the group's slope through its "
        "centre, the fan its 95 % interval. A person whose brain ages one year a year stays level.",
    ),
    "accuracy_and_diagnosis": Figure(
        figures_groups.accuracy_and_diagnosis,
        ("scans", "groups", "accuracy", "roc", "roc_curves"),
        "Accuracy of age and of diagnosis",
        "Age error and diagnosis from one frozen encoder, a mark for each experiment, 95 % "
        "intervals. A few experiments can show a direction at most, not a law.",
    ),
    "grid_accuracy": Figure(
        figures_grid.accuracy,
        ("grid_accuracy",),
        "Age error against the number of people trained on",
        "Error of single trainings on the same test people, each with the same number of optimiser "
        f"steps. {figures_grid.BARS}",
    ),
    "grid_sites": Figure(
        figures_grid.sites,
        ("grid_accuracy", "grid_sites"),
        "Telling the site against the number of people trained on",
        "Balanced accuracy of the standardised, converged probe on the embedding, on the same "
        "people and sites in every cell: lower is better. Dashed: chance, and what age, age² and "
        f"sex or the voxels alone give away. {figures_grid.BARS}",
    ),
    "grid_diagnosis": Figure(
        figures_grid.diagnosis,
        ("grid_accuracy", "grid_diagnosis"),
        "Accuracy of age and of diagnosis over all trainings",
        "Age error and diagnosis from one frozen encoder, a mark for each cell, larger marks for "
        f"more people trained on. {figures_grid.BARS}",
    ),
    "training_curves": Figure(
        figures_age.training_curves,
        ("history",),
        "Training curves",
        "Loss over the epochs, and the error of an age probe on validation people. Losses of different "
        "kinds are not comparable in height. Thin lines are single runs, thick ones their mean.",
    ),
    "truth": Figure(
        figures_age.truth_recovered,
        ("scans", "splits", "gaps", "accuracy", "groups", "slopes", "truth"),
        "How well the simulated truth came back",
        "Left: predicted age against the true brain age of the simulation, test people, one scan "
        "each. Right: each planted effect (open diamond) beside its estimate with 95 % interval.",
    ),
}


def draw(name: str, inputs: Inputs, out: Path, settings: dict[str, Any]) -> None:
    """Draw one figure as SVG, the same bytes each time.

    Parameters
    ----------
    name
        A key of :data:`FIGURES`.
    inputs
        Name of a table -> its path or paths; the figure reads those it needs. A table that is
        not given counts as empty.
    out
        Path of the SVG. Where the tables hold nothing to draw, it says why instead.
    settings
        The whole config.

    Raises
    ------
    InputError
        For an unknown name, or a table that breaks its contract.
    """
    _save(name, Tables(inputs), Path(out), settings)


def draw_all(inputs: Inputs, folder: Path, settings: dict[str, Any]) -> list[Path]:
    """Draw every figure as ``folder/<name>.svg``; return the paths."""
    tables = Tables(inputs)
    paths = [Path(folder) / f"{name}.svg" for name in FIGURES]
    for name, path in zip(FIGURES, paths, strict=True):
        _save(name, tables, path, settings)
    return paths


def _save(name: str, tables: Tables, out: Path, settings: dict[str, Any]) -> None:
    if name not in FIGURES:
        raise InputError(f"there is no figure {name!r}; there are: {', '.join(FIGURES)}")
    figure = FIGURES[name]
    with style.look():
        found = figure.draw(tables, settings)
        if isinstance(found, str):
            text = not_available(name, found)
            style.save(style.sentence(text), out, figure.title, text, available=False)
        else:
            style.save(found.figure, out, found.title, found.text)


def not_available(name: str, reason: str) -> str:
    """Return the sentence that stands where a figure cannot be drawn."""
    return f"{words.capital(FIGURES[name].title)}: not available because {reason.rstrip('.')}."


def read_words(path: Path) -> tuple[bool, str]:
    """Return from an SVG drawn here whether it is a figure, and what it shows in words."""
    import xml.etree.ElementTree as tree

    space = {"dc": "http://purl.org/dc/elements/1.1/"}
    root = tree.parse(path).getroot()
    found = root.find(".//dc:description", space)
    keywords = [e.text for subject in root.iterfind(".//dc:subject", space) for e in subject.iter()]
    text = (found.text or "") if found is not None else ""
    return style.NOT_AVAILABLE not in keywords, text
