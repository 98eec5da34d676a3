"""Intervals of every table: percentiles of resamples of people, and t intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

CONFIDENCE = 0.95  # coverage of every interval in a table
AT_ONCE = 2_000_000  # people drawn at once, which bounds the memory


def percentile_interval(resampled: np.ndarray) -> tuple[float | None, float | None]:
    """Return the percentile interval of a statistic's resamples, those without a value left out.

    Parameters
    ----------
    resampled
        The statistic in each resample, shape (resamples,).

    Returns
    -------
    low, high
        Both None where no resample has a value.
    """
    if not np.isfinite(resampled).any():
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_interval(
    statistic: Callable[[np.ndarray], np.ndarray], people: int, settings: Mapping[str, Any]
) -> tuple[float | None, float | None]:
    """Return the percentile interval of a statistic over resamples of people.

    The resamples follow from the seed and the number of people alone, so that experiments are
    compared on the same resamples.

    Parameters
    ----------
    statistic
        Takes positions of people, shape (resamples, people), and returns shape (resamples,).
    people
        Number of people.
    settings
        `bootstrap`, the number of resamples, and `seed`.
    """
    return percentile_interval(np.concatenate([statistic(d) for d in _draws(people, settings)]))


def _draws(people: int, settings: Mapping[str, Any]) -> Iterator[np.ndarray]:
    rng = np.random.default_rng([settings["seed"], people])
    step = max(1, AT_ONCE // people)
    for start in range(0, settings["bootstrap"], step):
        yield rng.integers(0, people, (min(step, settings["bootstrap"] - start), people))


def t_interval(estimate: float, error: float, freedom: float) -> dict[str, float]:
    """Return estimate, interval, standard error and two-sided p by the t distribution.

    Parameters
    ----------
    estimate, error
        The estimate and its standard error.
    freedom
        Degrees of freedom.

    Returns
    -------
    dict
        ``estimate``, ``low``, ``high``, ``standard_error`` and ``p``, NaN without an error.
    """
    from scipy import stats

    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(estimate) / error, freedom)) if error > 0 else float("nan")
    return {
        "estimate": estimate,
        "low": estimate - half,
        "high": estimate + half,
        "standard_error": error,
        "p": p,
    }
