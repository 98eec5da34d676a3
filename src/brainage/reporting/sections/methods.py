"""The methods text, written from the config of this run."""

from __future__ import annotations

from typing import Any

from brainage.core.thresholds import UNLIKE_PERCENTILE
from brainage.core.unlike import IMAGE_ASPECTS
from brainage.reporting import words
from brainage.reporting.section import Block, Bullets, Report, Section, Software, Text
from brainage.reporting.tables import Settings, Tables

CHOICE = Section(
    label="Methods",
    sentence="what was done, as a text for a methods section",
    order=110,
    short="Methods",
)
STRIPPING = {
    "template": (
        "by the brain mask of the template, transformed by an affine and refined by intensity"
    ),
    "deepbet": "by deepbet",
}
REGISTRATION = {"syn": "affine, then SyN"}


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return None: every study has methods."""
    return None


def blocks(report: Report) -> list[Block]:
    """Return the paragraphs, and what to beware of in the versions of the software."""
    found: list[Block] = [Text(text) for text in paragraphs(report.settings, report.software)]
    if report.software.warnings:
        found.append(Bullets("Note these differences in versions:", report.software.warnings))
    return found


def paragraphs(settings: Settings, software: Software) -> list[str]:
    """Return the methods in words, one text a paragraph; a key that is not set is left unsaid."""
    made = [
        _data(settings),
        _imaging(settings.get("imaging") or {}),
        _learning(settings),
        _testing(settings),
    ]
    versions = words.listing([f"{name} {version}" for name, version in software.versions])
    made.append(f"Software: {versions}." if versions else "")
    return [text for text in made if text]


def _data(settings: Settings) -> str:
    sets = settings.get("datasets") or {}
    names = [
        f"{name} (simulated)" if (part or {}).get("kind") == "simulated" else str(name)
        for name, part in sets.items()
    ]
    low, high = settings["cohort"]["age_range"]
    healthy = words.listing([str(d) for d in settings["cohort"]["healthy"]])
    return (
        f"Data sets: {words.listing(names)}. Scans at ages of {low:g} to {high:g} years were "
        f"used. People count as healthy at a scan with the diagnosis {healthy}, or in a data set "
        "of controls only; people with another diagnosis at any visit were not used for "
        "training, validation or calibration."
    )


def _imaging(imaging: dict[str, Any]) -> str:
    if not imaging:
        return ""
    steps = []
    if imaging.get("n4"):
        steps.append("the bias field was corrected with N4 (Tustison et al., 2010)")
    if imaging.get("skull_stripping"):
        how = imaging["skull_stripping"]
        steps.append(f"the skull was stripped {STRIPPING.get(how, f'with {how}')}")
    template = (
        "the template given in the config"
        if imaging.get("template")
        else "the ICBM152 2009c symmetric template"
    )
    if imaging.get("registration"):
        how = REGISTRATION.get(imaging["registration"], imaging["registration"])
        steps.append(
            f"the brain was registered to {template} ({how}, ANTsPy) and "
            f"resampled to {imaging.get('voxel_size', 0):g} mm"
        )
        if imaging.get("grey_matter"):
            steps.append(
                "its grey-matter probability map was warped to the template and multiplied by "
                "the Jacobian determinant of the whole transform"
            )
    return (
        f"Of each T1w image {words.listing(steps)}; intensities were rescaled to a common scale."
        if steps
        else ""
    )


def _learning(settings: Settings) -> str:
    losses = words.sentences("brainage.learning.losses")
    encoders = words.sentences("brainage.learning.encoders")
    described = []
    for name, part in (settings.get("experiments") or {}).items():
        part = part or {}
        loss = losses.get(str(part.get("loss")), str(part.get("loss")))
        encoder = str((part.get("encoder") or {}).get("name", ""))
        text = f"{name}: {loss} on {encoders.get(encoder, encoder) or 'the encoder of the config'}"
        if part.get("epochs"):
            text += f", {words.count(int(part['epochs']), 'epoch')}"
        described.append(text)
    every = {name: len(run["seeds"]) for name, run in (settings.get("runs") or {}).items()}
    trainings = words.count(max(every.values(), default=1), "training seed")
    fewer = [f"{n} of {name}" for name, n in every.items() if n < max(every.values())]
    trainings += f", but {words.listing(fewer)}" if fewer else ""
    return (
        f"Encoders were pretrained and then frozen ({'; '.join(described)}; {trainings}). Age was "
        "predicted from the frozen embedding by ridge regression, site and diagnosis by logistic "
        "regression."
    )


def _testing(settings: Settings) -> str:
    splits = settings.get("splits") or {}
    scheme = (
        f"{splits.get('folds', 5)} cross-validation folds by person, with the encoder retrained "
        "in each"
        if splits.get("scheme") == "folds"
        else "one split of the people, with some sites used for testing only"
    )
    return (
        f"Everyone has one role in an experiment ({scheme}): training, validation, calibration or "
        "test. The gap is predicted minus chronological age, corrected with a line fitted on "
        "calibration people only and divided by its slope α (Cole's scale). A scan is said to be "
        "unlike the training data if its Mahalanobis distance to the nearest training site (in the "
        "embedding, what the predicted age explains taken out, or in measures of "
        f"{words.listing(IMAGE_ASPECTS)} of the image) is at or above the {UNLIKE_PERCENTILE:g}th "
        "percentile of held-out healthy people. Groups were compared "
        "by a linear model with age, age², sex and site and heteroscedasticity-consistent (HC3) "
        "standard errors, one scan per person; areas under ROC curves have DeLong intervals; "
        "longitudinal change was estimated by a mixed model with random intercept and slope for "
        "each person, or from each person's own slope if that model does not converge. The model "
        "for each number is given in its table."
    )
