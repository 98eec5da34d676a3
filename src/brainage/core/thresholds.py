"""Minimum numbers and other thresholds that are constants, not keys of the config."""

from __future__ import annotations

# Training people with a known age for a ridge regression of age.
MIN_TRAIN = 3
# Calibration people for a bias correction: a line through fewer says little about its slope.
MIN_CALIBRATION = 10
# Slope of the bias correction for a gap on Cole's scale: dividing by less mostly amplifies noise.
MIN_ALPHA = 0.1
# Slope of the bias correction below which the noise of Cole's scale is more than doubled (its
# noise grows by 1/alpha), which is said.
LOW_ALPHA = 0.5
# People for a bootstrap interval, and for a correlation, slope or R2.
MIN_FOR_INTERVAL = 3
# Sites for drawing sites with replacement; fewer carry little information, and people are drawn
# within sites instead.
MIN_SITES = 5
# Sites for a random site intercept: a variance between fewer cannot be estimated.
MIN_RANDOM_SITES = 6
# People of each group at a site, for the site to count as having it.
MIN_AT_SITE = 3
# Share of the group label's variance that site may explain (adjusted R2). Above it most of the
# comparison would rest on the model's guess of what site alone does.
MAX_EXPLAINED = 0.5
# Residual degrees of freedom of a linear model, between people.
MIN_RESIDUAL_DF = 5
# Scans beyond the terms and people of a mixed model with a random slope.
MIN_EXTRA_SCANS = 3
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
# Percentile of a distance from the training data from which a scan is unlike it: of two distances
# each is exceeded by 2.5 % of held-out healthy people.
UNLIKE_PERCENTILE = 97.5
# Held-out people for percentiles by ranks: 1 / (n + 1) is the smallest share that n people show.
MIN_UNLIKE_RANKS = 39
# People for a percentile at all, by a fitted distribution, and for the fit of a distance.
MIN_UNLIKE_PEOPLE = 10
# Two-sided 5 % point of the normal distribution.
CRITICAL = 1.959964
