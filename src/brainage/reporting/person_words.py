"""The fixed sentences of a person's page. They state the finding without interpreting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brainage.core.thresholds import MIN_CASES, MIN_FOR_BAND, MIN_FOR_TAILS, MIN_LOCAL
from brainage.core.unlike import IMAGE_ASPECTS, is_far
from brainage.reporting import words
from brainage.reporting.band import Reference, share_below

if TYPE_CHECKING:
    import pandas as pd

NOT_RULED_OUT = "A result inside the range does not rule out disease"
WHY_NOT_KNOWN = (
    "The result does not say why: motion, the scanner, dehydration and many conditions can have "
    "this effect."
)
WIDER = "by the wider range for other sites"
BELOW_MEANS = (
    "A gap below the range has no established clinical meaning; check that age and images belong "
    "to this person."
)
REPEAT_NOT_KNOWN = "The test-retest variability of the gap on this scanner is not known."

COMPARED = {
    "image_percentile": words.listing(IMAGE_ASPECTS) + " of the image",
    "embedding_percentile": "what the model computes from the brain",
}


def unlike(scan: Mapping[Any, Any] | pd.Series) -> str:
    """Return the sentence that a scan is unlike the training data, or nothing.

    Parameters
    ----------
    scan
        Its row of gaps.tsv.
    """
    if scan["unlike_training"] != "true":
        return ""
    named = [text for name, text in COMPARED.items() if is_far(scan[name])]
    return (
        f"This scan is unlike the training scans in {' and in '.join(named)}: the predicted age "
        "may be wrong by many years."
    )


def not_compared(scan: Mapping[Any, Any] | pd.Series) -> str:
    """Return the sentence on what of a scan was not compared with the training data, or nothing.

    Parameters
    ----------
    scan
        Its row of gaps.tsv.
    """
    lacking = [text for name, text in COMPARED.items() if scan[name] != scan[name]]
    if len(lacking) == len(COMPARED):
        return "Whether this scan is like the training scans is not known."
    return f"Not compared with the training scans: {lacking[0]}." if lacking else ""


def result(
    gap: float, local: bool, inside_ages: bool, reference: Reference, cases: str
) -> dict[str, str]:
    """Return the result of one scan: `state`, `headline` and `text`.

    Parameters
    ----------
    gap
        Corrected gap, Cole's scale, in years.
    local
        Whether the reference holds at least 20 healthy people of this site.
    inside_ages
        Whether the age lies in the reference's range.
    reference
        The healthy people to compare with.
    cases
        A clause on how many patients of this study lie inside the range, or nothing.
    """
    if not inside_ages:
        return {
            "state": "outside ages",
            "headline": "Outside the ages of the healthy reference: not compared.",
            "text": (
                f"The reference holds healthy people of {words.number(reference.age_low)} to "
                f"{words.number(reference.age_high)} years. Beyond these ages the correction is "
                "extrapolated linearly, and the gap is not compared with a range."
            ),
        }
    band = reference.band if local else reference.wide
    if band is None:
        why = (
            f"there are {reference.n} healthy people to compare with, and {MIN_FOR_BAND} are "
            "required"
            if reference.n < MIN_FOR_BAND
            else f"fewer than {MIN_LOCAL} healthy people from this site are in the reference, and "
            "it has too few sites to estimate how much a new site shifts the gap"
        )
        return {
            "state": "no range",
            "headline": "Not compared with a healthy range.",
            "text": f"No range is given: {why}.",
        }
    if not local:
        return _elsewhere(gap, band, cases)
    values = reference.people["gap_cole"].to_numpy(float)
    n, low, high = share_below(gap, values)
    about = f"about {n} (95 % interval {low} to {high})"
    if reference.n < MIN_FOR_TAILS and n >= 90:
        about = f"90 or more (95 % interval {low} to {high})"
    if reference.n < MIN_FOR_TAILS and n <= 10:
        about = f"10 or fewer (95 % interval {low} to {high})"
    if gap > band[1]:
        return {
            "state": "above",
            "headline": f"The brain looks older than in {about} of 100 healthy people.",
            "text": f"5 of 100 healthy people also lie above the range. {WHY_NOT_KNOWN}",
        }
    if gap < band[0]:
        return {
            "state": "below",
            "headline": "The brain looks younger than expected for age.",
            "text": f"5 of 100 healthy people also lie below the range. {BELOW_MEANS}",
        }
    return {
        "state": "inside",
        "headline": "The brain looks as old as expected for age.",
        "text": f"Of 100 healthy people {about} have a smaller gap. {NOT_RULED_OUT}{cases}.",
    }


def _elsewhere(gap: float, band: tuple[float, float], cases: str) -> dict[str, str]:
    """Return the result on a site that the reference hardly knows: the wider range."""
    why = (
        f"Fewer than {MIN_LOCAL} healthy people from this site are in the reference, so the wider "
        "range for sites outside it is used and no percentile is given: a new scanner alone can "
        "shift the gap by years."
    )
    if gap > band[1]:
        return {
            "state": "above",
            "headline": f"The brain looks older than expected for age, even {WIDER}.",
            "text": "By design, 5 of 100 healthy people also lie above the range. "
            f"{WHY_NOT_KNOWN} {why}",
        }
    if gap < band[0]:
        return {
            "state": "below",
            "headline": f"The brain looks younger than expected for age, even {WIDER}.",
            "text": f"{BELOW_MEANS} {why}",
        }
    return {
        "state": "inside",
        "headline": f"The brain looks as old as expected for age, {WIDER}.",
        "text": f"{NOT_RULED_OUT}{cases}. {why}",
    }


def cases_clause(group: str | None, inside: int, n: int) -> str:
    """Return the clause that says how many patients of this study lie inside the range."""
    if group is None or n < MIN_CASES:
        return ""
    return f": in this study {inside} of {n} people with {group} are inside it"


def change(first: float, last: float, years: float, same_scanner: bool) -> str:
    """Return the sentence on the change between two visits."""
    if not same_scanner:
        return (
            "The scanner changed between the visits, so no change is given: a new scanner alone "
            "can shift the gap by years."
        )
    return (
        f"From the first to the last visit on the same scanner ({words.number(years)} years) the "
        f"gap changed by {words.number(last - first, sign=True)} years. {REPEAT_NOT_KNOWN}"
    )
