"""What counts as enough, wherever that is a constant and no key of the config."""

from __future__ import annotations

# Slope of the bias correction for a gap on Cole's scale: dividing by less makes noise of any gap.
MIN_ALPHA = 0.1
# Slope of the bias correction below which the noise of Cole's scale is more than doubled (its
# noise grows by 1/alpha), which is said.
LOW_ALPHA = 0.5

# reports
# Calibration people for the range of corrected gaps that holds 90 % of healthy people.
MIN_FOR_BAND = 40
# Calibration people for a percentile above the 90th or below the 10th.
MIN_FOR_TAILS = 100
# Calibration people at a site for a percentile at that site.
MIN_LOCAL = 20
# People of a group, to say how many of them lie inside the range.
MIN_CASES = 10
# People for whom a mean absolute error is worth printing.
MIN_PEOPLE = 5
# Two-sided 5 % point of the normal distribution.
CRITICAL = 1.959964
