"""Whether two groups are confounded with the sites that they were scanned at."""

from __future__ import annotations

import pandas as pd

from brainage.core.subjects import site_factor
from brainage.core.thresholds import MAX_EXPLAINED, MIN_AT_SITE


def confounded(
    people: pd.DataFrame, group: str, reference: str, *, dataset: bool = False
) -> list[str]:
    """Return why two groups are confounded with site, or an empty list.

    Parameters
    ----------
    people
        One row a person, with `diagnosis`, `dataset` and `site`. A site is of its data set, and an
        unknown one its data set's own, so that two data sets are never one site.
    group, reference
        Two diagnoses.
    dataset
        Whether only a difference of data sets matters, as for change within a person, from which
        what is constant at a site is gone.
    """
    two = people[people["diagnosis"].isin([group, reference])]
    sites = two["dataset"] if dataset else site_factor(two)
    if explained(two["diagnosis"] == group, sites) <= MAX_EXPLAINED:
        return []
    table = pd.crosstab(sites, two["diagnosis"])
    lopsided = table[(table < MIN_AT_SITE).any(axis=1)]
    names = pd.Series((lopsided if len(lopsided) else table).index)
    place = ", as data sets differ: few" if dataset else ": few"
    return [
        f"group is confounded with site{place} of {group} or of {reference} "
        f"{'in' if dataset else 'at'} {some(names)}"
    ]


def explained(in_group: pd.Series, levels: pd.Series) -> float:
    """Return the share of a group label's variance that a factor explains (adjusted R2).

    Parameters
    ----------
    in_group
        Whether each person is of the group.
    levels
        The level of the factor of each person, such as their site.

    Returns
    -------
    float
        0 where the factor has one level or everyone is of one kind.
    """
    label = in_group.astype(float)
    n, k = len(label), levels.nunique()
    if k < 2 or label.nunique() < 2:
        return 0.0
    share = label.groupby(levels).transform("mean")
    r2 = float(((share - label.mean()) ** 2).sum() / ((label - label.mean()) ** 2).sum())
    # With many small sites some of it is chance, which the adjustment takes off.
    return 1 - (1 - r2) * (n - 1) / (n - k) if n > k else 1.0


def some(names: pd.Series) -> str:
    """Name at most five."""
    found = sorted(names.astype(str).unique())
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return ", ".join(found[:5]) + more
