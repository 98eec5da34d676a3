"""How many scans of each site are unlike those that the model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.core.thresholds import (
    MIN_UNLIKE_PEOPLE,
    MIN_UNLIKE_RANKS,
    UNLIKE_PERCENTILE,
)
from brainage.core.unlike import IMAGE_ASPECTS, PERCENTILES, compared_people, is_far
from brainage.reporting import tables as tb
from brainage.reporting import words
from brainage.reporting.section import Block, Downloads, Printed, Report, Section, Text
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

CHOICE = Section(
    label="Scans unlike the training data",
    sentence="how many scans of each site are unlike those that the model was trained on",
    order=15,
    short="Unlike training",
)
UNKNOWN = "site not known"


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return why no scan can be compared with those trained on."""
    rows = tb.first_tests(tables, settings)
    if rows.empty:
        return "no test person has a predicted age"
    if rows["unlike_training"].isna().all():
        return (
            f"at least {MIN_UNLIKE_PEOPLE} training people and as many held-out healthy people, or "
            "image measures of training people, are required"
        )
    return None


def blocks(report: Report) -> list[Block]:
    """Return what the flag means, the counts of each site, and the download."""
    tables, settings = report.tables, report.settings
    return [
        Text(
            "The embedding (what the encoder computes from the brain) and the image "
            f"({words.listing(IMAGE_ASPECTS)} inside the brain) of each scan are compared with "
            "those of the training people at the nearest training site. A scan is unlike the "
            f"training data if it is farther away than {UNLIKE_PERCENTILE:g} % of held-out healthy "
            "people in either; of such people 5 % or fewer are expected to be. The predicted age "
            "of a scan that is unlike the training data may be wrong by many years, also where it "
            "passed quality control."
        ),
        table(tables, settings),
        Text(compared_with(tables, settings), "small"),
        Downloads(("predictions", "gaps")),
    ]


def compared_with(tables: Tables, settings: Settings) -> str:
    """Return with whom scans are compared, and what is not known with so few people."""
    rows = tables["predictions"]
    rows = rows[rows["experiment"] == tb.main_experiment(settings)]
    fold = rows["fold"] == rows["fold"].min()
    people = compared_people(rows[fold])
    text = "Percentiles of one person from several seeds or folds are averaged. "
    if people.empty:
        return text + (
            f"Fewer than {MIN_UNLIKE_PEOPLE} calibration and validation people at training sites: "
            "the embedding is not compared, and the image is compared with training people."
        )
    counts = people["role"].value_counts()
    named = [f"{n} {words.ROLE_NAMES[str(role)]}" for role, n in counts.sort_index().items()]
    text += f"They are percentiles among {words.listing(named)} people at training sites"
    if len(people) < MIN_UNLIKE_RANKS:
        return text + (
            f"; with fewer than {MIN_UNLIKE_RANKS} people they are those of a fitted distribution, "
            "and rough."
        )
    return text + "."


def table(tables: Tables, settings: Settings) -> Printed:
    """Return the share flagged of each site, healthy people and others apart, one scan each."""
    people = tb.first_tests(tables, settings)
    people = people[people["unlike_training"].notna()]
    known = tb.trained_sites(tables, settings)
    name = words.site_names(settings)
    rows = []
    sites = sorted(people["site"].dropna().unique(), key=lambda site: (site not in known, site))
    for site in [*sites, None]:
        here = people[people["site"].isna() if site is None else people["site"] == site]
        trained = "not known" if site is None else "yes" if site in known else "no"
        for healthy, group in ((True, "healthy"), (False, "others")):
            own = here[here["healthy"].astype(bool) == healthy]
            if len(own):
                title = UNKNOWN if site is None else name(str(site))
                rows.append([title, trained, group, *_shares(own)])
    heads = ["Site", "Trained on", "People", "Number", "Unlike training (%)"]
    heads += ["By the embedding", "By the image"]
    notes = []
    if (~people["healthy"].astype(bool)).any():
        notes.append(
            "A disease that training people do not have can make a brain unlike theirs too: "
            "compare patients with healthy people of the same site."
        )
    caption = "Test people whose scan is unlike the training data, with exact 95 % intervals."
    return Printed(caption, heads, rows, {3, 4, 5, 6}, notes=notes).without_empty()


def _shares(people: pd.DataFrame) -> list[str]:
    """Return number of people, share flagged with its interval, and counts by each distance."""
    n, flagged = len(people), int((people["unlike_training"] == "true").sum())
    low, high = words.clopper_pearson(flagged, n)
    share = f"{words.number(100 * flagged / n, 0)} {words.interval(100 * low, 100 * high, 0)}"
    counts = []
    for name in PERCENTILES:
        values = people[name].astype(float).dropna()
        above = sum(map(is_far, values))
        counts.append(f"{above} of {len(values)}" if len(values) else words.MISSING)
    return [str(n), share, *counts]
