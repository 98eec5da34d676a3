"""The settings of this room, with their defaults (the config fills in what a user leaves out)."""

from __future__ import annotations

from typing import Any

DEFAULTS: dict[str, Any] = {
    # Diagnoses that count as healthy. Where no scan has a diagnosis, everyone does.
    "healthy": ["CN"],
    # Diagnoses that are compared, in the order of the report; differences are later minus earlier.
    "groups": ["CN", "MCI", "AD"],
    # Sites whose healthy people are called external in accuracy.tsv. None given: all sites that no
    # fit person is of, those of a clinical part included.
    "external_sites": [],
    # The group that is scored low in ROC curves.
    "control": "CN",
    # Resamples of people behind a bootstrap interval.
    "bootstrap": 1000,
    # Every random number of this room follows from it.
    "seed": 2025,
    # Coverage of the intervals.
    "confidence": 0.95,
    # Folds of people for scores that are fitted (age + sex).
    "folds": 5,
    # Fewest people of a group for a mean or a difference of gaps.
    "least_group": 5,
    # Fewest people of a group for an area under the ROC curve.
    "least_roc": 20,
    # Fewest people with two visits for a test of a group's slope.
    "least_slopes": 10,
    # Fewest years from a person's first to last scan for a slope of their own.
    "follow_up": 0.5,
}


def complete(settings: dict[str, Any]) -> dict[str, Any]:
    """Return `settings` with the default of every key that it lacks."""
    return {**DEFAULTS, **settings}
