"""Numbers and names in words, the same on every page and figure."""

from __future__ import annotations

import math
import re
from typing import Any

from markupsafe import Markup, escape

from brainage.core.derivatives import SCAN_ID_PATTERN

MISSING = "–"
LOSS_NAMES = {
    "exp": "L^exp",
    "y_aware": "y-aware",
    "threshold": "threshold",
    "supcon": "SupCon on age bins",
    "rank_n_contrast": "Rank-N-Contrast",
    "l1": "supervised L1",
}
BASELINE_NAMES = {
    "ridge_voxels": "ridge on voxels",
    "ridge_regions": "ridge on regional volumes",
    "mean": "predicting the mean",
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
    """Return a scan's verdict and, where it is a person's word, that it is one.

    `row` has verdict and decision, as :data:`QC`.
    """
    if not isinstance(row["verdict"], str):
        return otherwise
    # Of a scan without a brain the verdict stays the machine's, whatever a person said.
    word = {"keep": "pass", "drop": "fail"}.get(row["decision"])
    return f"{row['verdict']} (a person's word)" if word == row["verdict"] else row["verdict"]


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


def experiment_names(settings: dict[str, Any]) -> dict[str, str]:
    """Return a name to read for each experiment of the config and each baseline.

    An experiment is called by its loss; where two share one, the key of the config follows.
    """
    own = settings.get("experiments") or {}
    losses = {name: str((part or {}).get("loss", name)) for name, part in own.items()}
    names = dict(BASELINE_NAMES)
    for name, loss in losses.items():
        text = LOSS_NAMES.get(loss, loss)
        shared = sum(other == loss for other in losses.values()) > 1
        names[name] = f"{text} ({name})" if shared else text
    return names


def with_exponent(text: str) -> Markup:
    """Return `text`, escaped, with the exponent of L^exp raised."""
    return Markup(str(escape(text)).replace("L^exp", "L<sup>exp</sup>"))


def for_figure(text: str) -> str:
    """Return `text` for matplotlib: the exponent of L^exp raised, no other mathematics."""
    return text.replace("$", r"\$").replace("L^exp", r"$\mathregular{L^{exp}}$")


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), as fractions of 1."""
    if n == 0:
        return 0.0, 1.0
    z = 1.959964
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and at n the closed form differs from 0 and 1 by a rounding error only.
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == n else middle + half
    return low, high
