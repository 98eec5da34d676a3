"""A site's offset from a few healthy people who were scanned there, and the error that is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainage.core.files import InputError
from brainage.core.intervals import CONFIDENCE

# What the reference's SD counts for, in degrees of freedom. It is that of a chi-squared variance
# whose SD differs between scanners by about a quarter (1 / sqrt(2 * 8), on the log scale), and no
# more than the fewest calibration people (MIN_CALIBRATION) give a line's residual SD.
REFERENCE_FREEDOM = 8


@dataclass(frozen=True)
class LocalCalibration:
    """The offset of a site's gaps, in years, and how well it is known.

    Attributes
    ----------
    n
        Number of local people.
    offset
        What is subtracted from a gap at this site.
    standard_error
        Of the offset.
    sd
        SD of the gap between healthy people of this site.
    freedom
        Degrees of freedom of `sd`.
    """

    n: int
    offset: float
    standard_error: float
    sd: float
    freedom: int

    def error(self, people: int = 1) -> float:
        """Standard error of the mean gap of `people` new healthy people, less the offset.

        The offset is one for all of them, so that its error does not shrink with their number.
        """
        return math.sqrt(self.sd**2 / people + self.standard_error**2)

    def interval(self, people: int = 1, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Interval, in years, for the gap of a new healthy person, the offset still in it.

        Parameters
        ----------
        people
            Of so many new people their mean gap is meant.
        confidence
            Coverage, 0 to 1.
        """
        from scipy import stats

        half = float(stats.t.ppf((1 + confidence) / 2, self.freedom)) * self.error(people)
        return self.offset - half, self.offset + half


def calibrate_locally(
    gaps: Sequence[float] | np.ndarray,
    reference_sd: float,
    between_site_sd: float | None = None,
) -> LocalCalibration:
    """Estimate a site's offset from the gaps of healthy people who were scanned there.

    The offset is their mean. The SD between people is pooled: that of the reference counts as
    ``REFERENCE_FREEDOM`` degrees of freedom, that of the local people as n - 1 (a scaled inverse
    chi-squared prior: Gelman et al., Bayesian Data Analysis, 3rd edition, section 3.3), and the
    interval of a new person has a t distribution with their sum, sd * sqrt(1 + 1/n) wide. So one
    person is enough, and with many the local SD decides.

    In simulations with normal gaps (``benchmarks/other_scanners.py``), intervals of 95 % hold 98,
    97, 96, 96 and 95 % of new people with n of 1, 3, 5, 12 and 30, whatever the offset; where
    people of the site differ by half more than those of the reference, 88, 89, 90, 92 and 93 %. The
    t interval of the local people alone holds 95 % everywhere, but with three people it is 4.4 SD
    to each side, against 2.6, and with one there is none.

    Parameters
    ----------
    gaps
        Gaps of healthy people of the site who were used for nothing else, one scan each, in years
        and on the scale of `reference_sd`.
    reference_sd
        SD of the gap between healthy people of one site, from the reference.
    between_site_sd
        SD of the offsets of sites around zero, where it is known. The offset is then shrunk
        towards zero (empirical Bayes: Morris 1983, Journal of the American Statistical
        Association 78:47), and no local person is needed. Left out, it is not shrunk: with a
        stated SD of 3 years, an offset of 18 (six SDs) leaves 43, 77 and 86 % of new people in
        the interval with 1, 3 and 5 local people.

    Raises
    ------
    InputError
        A gap that is not finite, an SD that is not positive, or nobody without `between_site_sd`.
    """
    values = np.asarray(gaps, dtype=float)
    if not np.isfinite(values).all():
        raise InputError("local calibration: a gap is not finite; leave such people out")
    if not (math.isfinite(reference_sd) and reference_sd > 0):
        raise InputError(f"local calibration: the reference's SD is {reference_sd}, not above zero")
    if between_site_sd is not None and not (math.isfinite(between_site_sd) and between_site_sd > 0):
        raise InputError(
            f"local calibration: the SD between sites is {between_site_sd}, not above zero"
        )
    n = len(values)
    if n == 0 and between_site_sd is None:
        raise InputError(
            "local calibration: no healthy person of the site has a gap, and no SD between sites "
            "is given; scan at least one"
        )
    mean = float(values.mean()) if n else 0.0
    squares = float(((values - mean) ** 2).sum())
    freedom = REFERENCE_FREEDOM + max(0, n - 1)
    sd = math.sqrt((REFERENCE_FREEDOM * reference_sd**2 + squares) / freedom)
    precision = n / sd**2
    whole = precision + (0.0 if between_site_sd is None else 1 / between_site_sd**2)
    return LocalCalibration(n, precision / whole * mean, 1 / math.sqrt(whole), sd, freedom)
