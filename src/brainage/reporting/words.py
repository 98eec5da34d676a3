"""Numbers and names in words, the same on every page and figure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from brainage.core.choices import choices
from brainage.core.derivatives import SCAN_ID_PATTERN

if TYPE_CHECKING:
    from markupsafe import Markup

MISSING = "–"
BASELINE_NAMES = {
    "ridge_voxels": "ridge on voxels",
    "ridge_regions": "ridge on regional volumes",
    "median": "constant (median)",
}
SCORE_NAMES = {
    "gap": "corrected gap",
    "diagnosis_probe": "diagnosis probe on the embedding",
    "age": "age alone",
    "age_sex": "age and sex",
}
PEOPLE_NAMES = {
    "external_sites": "external sites, all ages",
    "external": "sites never trained on",
    "internal": "sites trained on",
    "all": "all healthy test people",
}
ROLE_NAMES = {
    "train": "training",
    "validation": "validation",
    "calibration": "calibration",
    "test": "test",
}
SEX_NAMES = {"F": "female", "M": "male", "O": "other"}


def missing(value: Any) -> bool:
    """Whether `value` is None or NaN."""
    return value is None or value != value


def number(value: Any, digits: int = 1, sign: bool = False) -> str:
    """Return `value` with `digits` decimals and a true minus sign; a dash where it is missing."""
    if missing(value):
        return MISSING
    # Adding zero turns a negative zero left by rounding into zero.
    rounded = round(float(value), digits) + 0.0
    text = f"{rounded:+.{digits}f}" if sign and rounded != 0 else f"{rounded:.{digits}f}"
    return text.replace("-", "−")


def interval(low: Any, high: Any, digits: int = 1) -> str:
    """Return ``[low to high]``, or nothing where an end is missing."""
    if missing(low) or missing(high):
        return ""
    return f"[{number(low, digits)} to {number(high, digits)}]"


def estimate(row: Any, digits: int = 1, unit: str = "") -> str:
    """Return ``4.2 years [3.1 to 5.3]`` from a row with estimate, low and high."""
    parts = [number(row["estimate"], digits) + (f" {unit}" if unit else "")]
    parts.append(interval(row["low"], row["high"], digits))
    return " ".join(part for part in parts if part)


def seed_range(row: Any, digits: int = 1, scale: float = 1) -> str:
    """Return ``4.1 to 4.6``, from the smallest to the largest over single trainings."""
    if missing(row["seed_low"]):
        return MISSING
    low, high = scale * row["seed_low"], scale * row["seed_high"]
    return f"{number(low, digits)} to {number(high, digits)}"


def p_value(value: Any) -> str:
    """Return a p value with two significant digits, never smaller than 0.001."""
    if missing(value):
        return MISSING
    if value < 0.001:
        return "< 0.001"
    return f"{value:.2g}" if value < 0.095 else f"{value:.2f}"


def count(n: int, one: str, many: str | None = None) -> str:
    """Return ``1 person`` or ``3 people``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def verdict(row: Any, otherwise: str = "not judged") -> str:
    """Return a scan's verdict and, where it is a manual decision, that it is one.

    `row` has verdict and decision, as :data:`QC`.
    """
    if not isinstance(row["verdict"], str):
        return otherwise
    # Of a scan without a brain the automatic verdict stays, whatever was decided.
    decided = {"keep": "pass", "drop": "fail"}.get(row["decision"])
    verdict = str(row["verdict"])
    return f"{verdict} (manual decision)" if decided == verdict else verdict


def brief_reason(text: str) -> str:
    """Return the kind of a reason, so that scans set aside for one kind can be counted together.

    The first of several reasons, without the figures and names that differ from scan to scan.
    """
    first = re.split(r"; | \(|: ", text, maxsplit=1)[0]
    return SCAN_ID_PATTERN.sub("another scan", first)


def listing(items: list[str]) -> str:
    """Return ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def capital(text: str) -> str:
    """Return `text` with its first letter large, the others as they were."""
    return text[:1].upper() + text[1:]


def labels(package: str) -> dict[str, str]:
    """Return the label of each choice of a package, such as ``brainage.learning.losses``."""
    return {name: choice.label for name, choice in choices(package).items()}


def sentences(package: str) -> dict[str, str]:
    """Return what the methods text says of each choice of a package."""
    return {name: choice.sentence for name, choice in choices(package).items()}


def experiment_names(settings: dict[str, Any]) -> dict[str, str]:
    """Return a name to read for each experiment of the config and each baseline.

    An experiment is called by its loss; where two share one, the key of the config follows.
    """
    own = settings.get("experiments") or {}
    losses = {name: str((part or {}).get("loss", name)) for name, part in own.items()}
    known = labels("brainage.learning.losses")
    names = dict(BASELINE_NAMES)
    for name, loss in losses.items():
        text = known.get(loss, loss)
        shared = sum(other == loss for other in losses.values()) > 1
        names[name] = f"{text} ({name})" if shared else text
    return names


def site_names(settings: dict[str, Any]) -> Callable[[str], str]:
    """Return the function that gives a site (``dataset/site``) its name to read.

    It is the site's own where the study has one data set, and says the data set where several
    may call two sites by one name.
    """
    if len(settings.get("datasets") or {}) == 1:
        return lambda site: site.partition("/")[2] or site
    return str


def with_exponent(text: str) -> Markup:
    """Return `text`, escaped, with the exponent of L^exp raised."""
    from markupsafe import Markup, escape

    return Markup(str(escape(text)).replace("L^exp", "L<sup>exp</sup>"))


def cell(text: str) -> Markup:
    """Return `text` as :func:`with_exponent` does, for a cell: an interval is not broken."""
    together = re.sub(
        r"\[[^\]]*\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text
    )
    return with_exponent(together)


def for_figure(text: str) -> str:
    """Return `text` for matplotlib: the exponent of L^exp raised, no other mathematics."""
    return text.replace("$", r"\$").replace("L^exp", r"$\mathregular{L^{exp}}$")


def clopper_pearson(successes: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson 1934), as fractions of 1."""
    from statsmodels.stats.proportion import proportion_confint

    if n == 0:
        return 0.0, 1.0
    low, high = proportion_confint(successes, n, method="beta")
    return float(low), float(high)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), as fractions of 1."""
    from statsmodels.stats.proportion import proportion_confint

    if n == 0:
        return 0.0, 1.0
    low, high = proportion_confint(successes, n, method="wilson")
    return float(low), float(high)
