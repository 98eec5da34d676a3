"""The simulated effects of every cohort, which the reports compare with their estimates.

Chosen beforehand and never tuned to a result.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """What is true of a diagnosis: means over its people.

    Attributes
    ----------
    gap
        Mean of brain age minus age at the first scan, in years.
    extra_slope
        Mean growth of the gap, in years per year.
    off_axis, off_axis_sd
        Mean and SD of the part of the disease that is no ageing (cut off at 0 and 1).
    """

    gap: float
    extra_slope: float
    off_axis: float
    off_axis_sd: float


GROUPS = {
    "CN": Group(gap=0.0, extra_slope=0.0, off_axis=0.0, off_axis_sd=0.0),
    "MCI": Group(gap=2.0, extra_slope=0.5, off_axis=0.25, off_axis_sd=0.15),
    "AD": Group(gap=5.0, extra_slope=1.0, off_axis=0.6, off_axis_sd=0.2),
}
