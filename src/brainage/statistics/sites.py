"""Whether two groups can be told apart from the sites that they were scanned at."""

from __future__ import annotations

import pandas as pd

from brainage.statistics.people import sites_of

MIN_AT_SITE = 3  # people of each group, for a site to count as holding it
# Share of the group label's variance that site explains (adjusted R2). Above it most of the
# comparison would rest on the model's guess of what site alone does.
MAX_EXPLAINED = 0.5


def inseparable(people: pd.DataFrame, group: str, reference: str) -> list[str]:
    """Return why two groups cannot be told apart from their sites, or an empty list."""
    two = people[people["diagnosis"].isin([group, reference])]
    sites = sites_of(two)
    label = (two["diagnosis"] == group).astype(float)
    n, k = len(two), sites.nunique()
    if k < 2:
        return []
    share = label.groupby(sites).transform("mean")
    explained = float(((share - label.mean()) ** 2).sum() / ((label - label.mean()) ** 2).sum())
    # With many small sites some of it is chance, which the adjustment takes off.
    adjusted = 1 - (1 - explained) * (n - 1) / (n - k) if n > k else 1.0
    if adjusted <= MAX_EXPLAINED:
        return []
    table = pd.crosstab(sites, two["diagnosis"])
    lopsided = table[(table < MIN_AT_SITE).any(axis=1)]
    names = pd.Series((lopsided if len(lopsided) else table).index)
    return [
        f"group and site cannot be told apart: few of {group} or of {reference} at {some(names)}"
    ]


def some(sites: pd.Series) -> str:
    """Name at most five sites."""
    names = sorted(sites.astype(str).unique())
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
