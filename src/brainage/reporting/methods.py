"""The methods paragraph of the study's page, written from the config that was run."""

from __future__ import annotations

from typing import Any

from brainage.reporting import words

ENCODERS = {
    "small": "a small 3D convolutional network",
    "resnet18": "a 3D ResNet-18",
    "densenet121": "a 3D DenseNet121",
    "alexnet3d": "AlexNet3D",
}
LOSSES = {
    "exp": "the contrastive regression loss L^exp (Barbano et al., ISBI 2023)",
    "y_aware": "the y-aware contrastive loss (Dufumier et al., MICCAI 2021)",
    "threshold": "the threshold contrastive loss (Barbano et al., ISBI 2023)",
    "l1": "supervised regression with the L1 loss",
}
STRIPPING = {
    "template": (
        "by the brain mask of the template, carried over with an affine transform and refined by "
        "intensity"
    ),
    "deepbet": "by deepbet",
}

REGISTRATION = {"syn": "affine, then SyN"}


def paragraphs(settings: dict[str, Any], software: list[tuple[str, str]]) -> list[str]:
    """Return the methods in words, one text a paragraph; a key that is not set is left unsaid."""
    made = [
        _data(settings),
        _imaging(settings.get("imaging") or {}),
        _learning(settings),
        _testing(settings),
    ]
    versions = words.listing([f"{name} {version}" for name, version in software])
    made.append(f"Software: {versions}." if versions else "")
    return [text for text in made if text]


def _data(settings: dict[str, Any]) -> str:
    sets = settings.get("datasets") or {}
    told = [
        f"{name} (simulated)" if (part or {}).get("kind") == "simulated" else str(name)
        for name, part in sets.items()
    ]
    low, high = settings["cohort"]["age_range"]
    healthy = words.listing([str(d) for d in settings["cohort"]["healthy"]])
    return (
        f"Data sets: {words.listing(told)}. Scans at ages of {low:g} to {high:g} years were used; "
        f"people count as healthy with the diagnosis {healthy} only, or where no scan has a "
        "diagnosis."
    )


def _imaging(imaging: dict[str, Any]) -> str:
    if not imaging:
        return ""
    steps = []
    if imaging.get("n4"):
        steps.append("the bias field was corrected with N4 (Tustison et al., 2010)")
    if imaging.get("skull_stripping"):
        how = imaging["skull_stripping"]
        steps.append(f"the skull was removed {STRIPPING.get(how, f'with {how}')}")
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
                "its grey-matter probability was warped there and multiplied by the determinant of "
                "the whole transform"
            )
    return (
        f"Of each T1w image {words.listing(steps)}; intensities were brought to one scale."
        if steps
        else ""
    )


def _learning(settings: dict[str, Any]) -> str:
    told = []
    for name, part in (settings.get("experiments") or {}).items():
        part = part or {}
        loss = LOSSES.get(str(part.get("loss")), str(part.get("loss")))
        encoder = str((part.get("encoder") or {}).get("name", ""))
        text = f"{name}: {loss} on {ENCODERS.get(encoder, encoder) or 'the encoder of the config'}"
        if part.get("epochs"):
            text += f", {words.count(int(part['epochs']), 'epoch')}"
        told.append(text)
    every = {name: len(run["seeds"]) for name, run in (settings.get("runs") or {}).items()}
    runs = words.count(max(every.values(), default=1), "training seed")
    fewer = [f"{n} of {name}" for name, n in every.items() if n < max(every.values())]
    runs += f", but {words.listing(fewer)}" if fewer else ""
    return (
        f"Encoders were pretrained and then frozen ({'; '.join(told)}; {runs}). Age was read from "
        "the frozen embedding by ridge regression, site and diagnosis by logistic regression."
    )


def _testing(settings: dict[str, Any]) -> str:
    splits = settings.get("splits") or {}
    scheme = (
        f"{splits.get('folds', 5)} folds of people, the encoder trained anew in each"
        if splits.get("scheme") == "folds"
        else "one division of people, some sites kept for the test only"
    )
    return (
        f"Everyone has one role in an experiment ({scheme}): train, validation, calibration or test. The gap "
        "is predicted minus chronological age, corrected with a line fitted on calibration people "
        "only and divided by its slope α (Cole's scale). Groups were compared by a linear model "
        "with age, age², sex and site and HC3 errors, one scan a person; areas under ROC curves "
        "have DeLong intervals; change with time is from a mixed model with random intercept and "
        "slope for each person, or from each person's own slope where that does not converge. "
        "The model behind each number stands in its table."
    )
