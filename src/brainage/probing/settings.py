"""The settings of this room, with their defaults (the config fills in what a user leaves out)."""

from __future__ import annotations

from typing import Any

DEFAULTS: dict[str, Any] = {
    # Every random number of this room follows from it.
    "seed": 2025,
    # Diagnoses that count as healthy. Where no scan has a diagnosis, everyone does.
    "healthy": ["CN"],
    # Diagnoses for which the diagnosis probe is fitted, each against the control group.
    "groups": ["CN", "MCI", "AD"],
    # The group that is scored low.
    "control": "CN",
    # Strengths of ridge regression that are tried, features being standardised.
    "ridge_alphas": [0.01, 0.1, 1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, 100000.0],
    # Fewest tune people on whom that strength is chosen; with fewer, by folds of fit people.
    "least_tune": 10,
    # Folds of people, wherever something is chosen or scored out of fold.
    "folds": 5,
    # Numbers of principal components that are tried for ridge on voxels.
    "components": [10, 20, 50, 100, 200],
    # Most voxels a brain for ridge on voxels; larger images are averaged over blocks.
    "voxels": 200000,
    # Most fit people behind the principal components (they are drawn), which bounds the memory.
    "component_people": 1000,
    # Fewest people a site must have to be told from others.
    "least_at_site": 5,
    # Most voxels a brain for the site probe.
    "site_voxels": 5000,
    # Inverse strengths (C) of logistic regression that are tried, features being standardised.
    "logistic_c": [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0],
    # Fewest people in each group for a diagnosis probe.
    "least_diagnosis": 10,
    # Resamples of people behind a bootstrap interval.
    "bootstrap": 1000,
    # Coverage of the intervals.
    "confidence": 0.95,
}


def complete(settings: dict[str, Any]) -> dict[str, Any]:
    """Return `settings` with the default of every key that it lacks."""
    filled = {**DEFAULTS, **settings}
    if "control" not in settings and settings.get("groups"):
        filled["control"] = settings["groups"][0]
    return filled
