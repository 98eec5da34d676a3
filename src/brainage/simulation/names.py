"""Who is in a simulated cohort and at which sites, by name alone.

Planning a run needs no more, and can do it in a Python that has no numpy.
"""

from __future__ import annotations

from typing import Any

PARTS = ("healthy", "external", "clinical")
DIAGNOSES = ("CN", "MCI", "AD")  # the clinical part takes them in turn

TRUNCATED = "truncated file"
EMPTY = "empty volume"
BOTTLE = "phantom bottle, no brain"
MOTION = "heavy motion"
NO_AGE = "no age in the tables"
TWICE = "duplicate image"
TROUBLES = (TRUNCATED, EMPTY, BOTTLE, MOTION, NO_AGE, TWICE, TWICE)
"""One simulated fault per person; the last two people share one scan."""


def participant(part: str, index: int) -> str:
    """Return the name of the person of a part (or of ``trouble``) with this number, from 0."""
    return f"sub-{part[0].upper()}{index + 1:04d}"


def participants(settings: dict[str, Any]) -> list[str]:
    """Return everyone in a simulated cohort.

    Parameters
    ----------
    settings
        Section `simulation` of a data set in the config.
    """
    counts = {part: int(settings["people"][part]) for part in PARTS}
    if settings["troubles"] and int(settings["sites"]["healthy"]):
        counts["trouble"] = len(TROUBLES)
    return [participant(part, index) for part, count in counts.items() for index in range(count)]


def planned_scans(settings: dict[str, Any]) -> int:
    """Return how many scans there are where nobody leaves the study early."""
    clinical = int(settings["people"]["clinical"])
    return len(participants(settings)) + clinical * (int(settings["visits"]) - 1)


def site_names(settings: dict[str, Any]) -> dict[str, list[str]]:
    """Return the sites of each part of the cohort (healthy, external, clinical)."""
    return {
        part: [f"{part}-{number + 1}" for number in range(int(settings["sites"][part]))]
        for part in PARTS
    }


def sites_with_people(settings: dict[str, Any]) -> set[str]:
    """Return the sites that somebody is scanned at."""
    found = set()
    for part, sites in site_names(settings).items():
        people = int(settings["people"][part])
        places = -(-people // len(DIAGNOSES)) if part == "clinical" else people
        if part == "healthy" and settings["troubles"]:
            places = max(places, len(TROUBLES))
        found |= set(sites[:places])
    return found


def diagnoses(settings: dict[str, Any]) -> set[str]:
    """Return the diagnoses that somebody has."""
    clinical = int(settings["people"]["clinical"])
    healthy = len(participants(settings)) > clinical
    return {"CN"} | set(DIAGNOSES[:clinical]) if healthy else set(DIAGNOSES[:clinical])
