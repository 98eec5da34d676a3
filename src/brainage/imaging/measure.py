"""What a quality measure is: how it is taken, what an outlier of it means, and its hard limit.

A measure is a choice in :mod:`brainage.imaging.measures`; nothing else has to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from brainage.core.choices import Choice, choices

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from brainage.imaging.registered import RegisteredScan

PACKAGE = "brainage.imaging.measures"


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """What an outlier among the scans of a site, or of all sites, means.

    Attributes
    ----------
    direction
        Which side is bad.
    floor
        Smallest robust SD believed: a spread below it is luck, not quality.
    words
        For the reader.
    everywhere
        It is about anatomy and alignment, not about the picture: compared over all sites too.
    """

    direction: Literal["low", "high", "both"]
    floor: float
    words: str
    everywhere: bool = False


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A fixed limit of a measure, independent of the other scans.

    Attributes
    ----------
    key
        Its key in the section ``quality``: a number, two for a range, or ``warn`` or ``fail`` for
        ``yes``.
    bound
        What the key says; with ``yes`` the measure is 1 or 0, and 0 crosses it.
    words
        What it means to cross it; ``{value}`` and ``{limit}``, or ``{low}`` and ``{high}``,
        are filled in.
    sets_aside
        Such a scan is not used, nor is one of which this measure is missing; else it is shown.
    """

    key: str
    bound: Literal["min", "max", "range", "yes"]
    words: str
    sets_aside: bool = True

    def crossed(self, value: float, settings: Mapping[str, Any]) -> str | None:
        """Return what is wrong with a value, in words; None where it is within the limit."""
        limit = settings[self.key]
        if self.bound == "yes":
            return self.words if value == 0 else None
        if self.bound == "range":
            low, high = map(float, limit)
            wrong, named = value < low or value > high, {"low": low, "high": high}
        else:
            wrong = value < float(limit) if self.bound == "min" else value > float(limit)
            named = {"limit": float(limit)}
        return self.words.format(value=value, **named) if wrong else None

    def fails(self, settings: Mapping[str, Any]) -> bool:
        """Return whether to cross it, or to have no value, sets a scan aside."""
        return self.sets_aside and settings[self.key] != "warn"


@dataclass(frozen=True)
class Cohort:
    """All scans together, for measures that compare them.

    Attributes
    ----------
    scans
        One row a scan: scan_id, fault and the measures of scans.
    people
        The table of scans (:data:`brainage.core.contracts.cohort.SCANS`) by scan_id.
    brain
        Reads the brain of a scan by its scan_id.
    settings
        The section ``quality`` of the config.
    """

    scans: pd.DataFrame
    people: pd.DataFrame
    brain: Callable[[str], np.ndarray]
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Measure(Choice):
    """One quality measure.

    Attributes
    ----------
    order
        Its place among the measures, in reasons and on pages.
    of_scan
        Takes it from a registered scan; None where there is nothing to measure.
    of_cohort
        Takes it from all scans together, one value a row of the table.
    needs_warp
        It exists with a non-linear registration only.
    outlier, limit
        When a scan is shown or set aside by it; None: never.
    """

    order: int
    of_scan: Callable[[RegisteredScan], float | None] | None = None
    of_cohort: Callable[[Cohort], Sequence[float | None]] | None = None
    needs_warp: bool = False
    outlier: Outlier | None = None
    limit: Limit | None = None

    def taken(self, scan: RegisteredScan) -> float | None:
        """Return the measure of a scan, as exact as its table."""
        assert self.of_scan is not None  # it is one of all scans together
        value = self.of_scan(scan)
        return None if value is None else float(f"{value:.7g}")


def all_measures() -> dict[str, Measure]:
    """Return every measure by name, in its order."""
    found: dict[str, Measure] = choices(PACKAGE)
    return found


def of_scans(registration: str) -> dict[str, Measure]:
    """Return the measures that are taken from each scan with ``imaging.registration``."""
    return {
        name: measure
        for name, measure in all_measures().items()
        if measure.of_scan is not None and (registration == "syn" or not measure.needs_warp)
    }
