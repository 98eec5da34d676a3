"""Outliers among the scans of a site, or of all sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from brainage.imaging.measure import Measure, Outlier

MAD_TO_SD = 1.4826  # of a normal distribution


class Comparison(NamedTuple):
    """Scans that are compared with each other.

    Attributes
    ----------
    name
        In words, behind "median".
    judged, reference
        bool: which scans are judged, and by which.
    """

    name: str
    judged: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True)
class Found:
    """One outlier: its rule, how many robust SD it is on the bad side, and what it means."""

    rule: Outlier
    distance: float
    words: str


def find_outliers(
    scans: pd.DataFrame,
    sites: pd.Series,
    sound: np.ndarray,
    measures: Mapping[str, Measure],
    settings: Mapping[str, Any],
) -> list[list[tuple[bool, str]]]:
    """Find the outliers of each scan.

    Parameters
    ----------
    scans
        One row a scan: fault and the measures.
    sites
        Site of each row; missing where it is unknown.
    sound
        bool: scans that the others are compared with. Scans that fail a limit would widen the
        spread that the others are measured by; they are judged all the same, as that says why
        they look as they do.
    measures
        All measures, in the order of their words.
    settings
        The section ``quality`` of the config.

    Returns
    -------
    list of list of (bool, str)
        For each row: whether an outlier sets the scan aside, and its words.
    """
    minimum = int(settings["min_site_scans"])
    judgeable = np.array([not isinstance(fault, str) for fault in scans["fault"]])
    comparisons, small = _of_sites(sites.to_numpy(dtype=object), judgeable, sound, minimum)
    found: list[list[Found]] = [[] for _ in range(len(scans))]
    for name, measure in measures.items():
        rule = measure.outlier
        if rule is None or name not in scans:
            continue
        compared = list(comparisons)
        if sound.sum() >= minimum:
            whom = judgeable if rule.everywhere else judgeable & small
            compared.append(Comparison("of all scans", whom, sound))
        values = scans[name].to_numpy(dtype=float)
        worst = _worst(name, values, rule, compared, minimum)
        for position, outlier in worst.items():
            if outlier.distance > float(settings["outlier_warn"]):
                found[position].append(outlier)
    limit = float(settings["outlier_fail"])
    return [_judged(outliers, limit) for outliers in found]


def _of_sites(
    site: np.ndarray, judgeable: np.ndarray, sound: np.ndarray, minimum: int
) -> tuple[list[Comparison], np.ndarray]:
    """Comparisons within sites, and which scans are of a site too small for one, or of none."""
    comparisons = []
    small = np.array([not isinstance(name, str) for name in site])
    for name in sorted({name for name in site if isinstance(name, str)}):
        here = site == name
        if (here & sound).sum() >= minimum:
            comparisons.append(Comparison(f"at site {name}", here & judgeable, here & sound))
        else:
            small |= here
    return comparisons, small


def _worst(
    name: str, values: np.ndarray, rule: Outlier, comparisons: list[Comparison], minimum: int
) -> dict[int, Found]:
    """How far each scan lies on the bad side, in that comparison in which it lies furthest."""
    worst: dict[int, Found] = {}
    for where, judged, compared in comparisons:
        reference = values[compared & np.isfinite(values)]
        if len(reference) < minimum:
            continue
        middle = float(np.median(reference))
        spread = max(MAD_TO_SD * float(np.median(np.abs(reference - middle))), rule.floor)
        for position in np.flatnonzero(judged & np.isfinite(values)).tolist():
            z = float(values[position] - middle) / spread
            distance = {"low": -z, "high": z, "both": abs(z)}[rule.direction]
            if distance > 0 and (position not in worst or distance > worst[position].distance):
                words = (
                    f"{rule.words} ({name} {values[position]:.3g}, "
                    f"median {where} {middle:.3g}, {abs(z):.1f} robust SD)"
                )
                worst[position] = Found(rule, distance, words)
    return worst


def _judged(outliers: list[Found], limit: float) -> list[tuple[bool, str]]:
    """Whether each outlier of a scan sets it aside.

    A brain far from the others may be an old or a sick one: that alone is no reason to leave it
    out. With a picture that is poor as well, it is.
    """
    poor_picture = any(not found.rule.everywhere for found in outliers)
    return [
        (found.distance > limit and (poor_picture or not found.rule.everywhere), found.words)
        for found in outliers
    ]
