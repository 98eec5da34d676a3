"""The definitions of person, first scan, site and healthy, shared by all packages.

A person is a data set and a participant, a site is a data set and a site: two data sets that call
a person or a place by one name mean two. Every package reads these here and nobody derives them
again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from brainage.core.files import InputError

if TYPE_CHECKING:
    import pandas as pd

PERSON = ["dataset", "participant_id"]
UNKNOWN_SITE = "(unknown)"


def visit_order(scans: pd.DataFrame) -> pd.DataFrame:
    """Sort scans by person, then by time (years since the first scan, else age), then by name."""
    return scans.sort_values([*PERSON, "years_since_first", "age", "scan_id"], kind="stable")


def label_order(label: str) -> list[str]:
    """Return a key that sorts labels with numbers in them as numbers: ses-2 before ses-10."""
    return [part.zfill(12) if part.isdigit() else part for part in re.split(r"(\d+)", label)]


def first_scans(scans: pd.DataFrame) -> pd.DataFrame:
    """Return the first scan with a known age of each person, in order (the index is kept).

    One person is one unit of analysis. What may be used is for the caller to choose beforehand:
    the first of its rows is meant, such as the first usable scan (:func:`usable`).
    """
    return visit_order(scans[scans["age"].notna()]).drop_duplicates(PERSON)


def usable(scans: pd.DataFrame, qc: pd.DataFrame) -> pd.Series:
    """Return which scans may be used: not set aside, and not failed in quality control.

    Parameters
    ----------
    scans, qc
        As :data:`~brainage.core.contracts.cohort.SCANS` and
        :data:`~brainage.core.contracts.imaging.QC`.

    Returns
    -------
    pandas.Series
        One boolean a row of `scans`.

    Raises
    ------
    InputError
        A scan is in one of the tables only.
    """
    if set(scans["scan_id"]) != set(qc["scan_id"]):
        lost = sorted(set(scans["scan_id"]) ^ set(qc["scan_id"]))[0]
        raise InputError(f"{lost} is in only one of scans.tsv and qc.tsv; run the workflow again")
    verdict = qc.set_index("scan_id")["verdict"]
    return scans["set_aside"].isna() & (scans["scan_id"].map(verdict) != "fail")


def site_key(dataset: str, site: str | None) -> str | None:
    """Return ``dataset/site``, or None where the site is unknown."""
    return None if site is None else f"{dataset}/{site}"


def site_factor(people: pd.DataFrame) -> pd.Series:
    """Return the site of each row as a level of a model: an unknown one is its data set's own.

    An unknown site is no site that could be predicted or that counts as one trained on; there a
    missing value is left as it is.
    """
    return people["site"].fillna(people["dataset"] + f"/{UNKNOWN_SITE}").astype(str)


def scanners_of(scans: pd.DataFrame) -> list[str]:
    """Return the scanners of some scans, each as ``dataset/site`` or ``dataset/site, scanner``.

    Two scanners with one name at two sites are two, and so is one scanner of two data sets. What is
    not known counts as little as it can: a scan without a scanner, at a site where others have one,
    is no scanner more, and one without a site is none where its data set has sites, unless the
    data set names more scanners than its sites have.
    """
    found: list[str] = []
    for dataset, own in scans.groupby("dataset", sort=True):
        at_sites = own[own["site"].notna()]
        named = at_sites[at_sites["scanner"].notna()]
        places = {*(named["site"] + ", " + named["scanner"].astype(str))}
        places |= {*at_sites["site"]} - {*named["site"]}
        unknown = f"{dataset}/{UNKNOWN_SITE}"
        names = {f"{unknown}, {scanner}" for scanner in own["scanner"].dropna()}
        found += sorted((names if len(names) > len(places) else places) or {unknown})
    return found


def find_sites(names: Sequence[str], known: Collection[str], key: str) -> list[str]:
    """Return the sites that a config means, each as ``dataset/site``.

    Parameters
    ----------
    names
        Each ``dataset/site``, or ``site`` alone where one data set has a site of that name.
    known
        All sites of the tables, as :func:`site_key` gives them.
    key
        Of the config, for messages.

    Raises
    ------
    InputError
        A site that no row has, or a name that several data sets have.
    """
    found = []
    for name in names:
        meant = [name] if name in known else []
        meant = meant or sorted(site for site in known if site.partition("/")[2] == name)
        if not meant:
            raise InputError(
                f"config: {key} names site {name!r}, which is in no row; the tables have: "
                f"{', '.join(sorted(known)) or 'no site'}"
            )
        if len(meant) > 1:
            raise InputError(
                f"config: {key} names site {name!r}, which several data sets have; "
                f"write one of: {', '.join(meant)}"
            )
        found += meant
    return found


def healthy_at_visits(diagnoses: Sequence[str | None], controls: Collection[str]) -> list[bool]:
    """Return at which of a person's visits, in order of time, they were a control.

    A visit without a diagnosis changes nothing: there a person is a control where the last known
    diagnosis before and the next one after, as far as there are any, are both a control's.

    Parameters
    ----------
    diagnoses
        One a visit; None where it is not known.
    controls
        The diagnoses of healthy people.

    Returns
    -------
    list of bool
        All False where no diagnosis is known at all.
    """
    healthy = []
    for visit, diagnosis in enumerate(diagnoses):
        if diagnosis is None:
            before = [known for known in diagnoses[:visit] if known is not None][-1:]
            after = [known for known in diagnoses[visit:] if known is not None][:1]
            around = before + after
        else:
            around = [diagnosis]
        healthy.append(bool(around) and all(known in controls for known in around))
    return healthy
