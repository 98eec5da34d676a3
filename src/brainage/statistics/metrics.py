"""Metrics of the accuracy of predicted ages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# One call scores many resamples: both arrays have shape (..., people).
Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _slope_and_r(age: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = age - age.mean(-1, keepdims=True)
    y = predicted - predicted.mean(-1, keepdims=True)
    xx, xy, yy = (x * x).sum(-1), (x * y).sum(-1), (y * y).sum(-1)
    # A constant prediction has a slope (0) but no correlation; people of one age have neither.
    nothing = yy <= 1e-18 * (predicted * predicted).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(nothing, np.nan, xy / np.sqrt(xx * yy))
        return np.where(xx > 0, np.where(nothing, 0.0, xy / xx), np.nan), r


def _r2(age: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    total = ((age - age.mean(-1, keepdims=True)) ** 2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, 1 - ((predicted - age) ** 2).sum(-1) / total, np.nan)


METRICS: dict[str, tuple[str, Metric, str]] = {
    "mae": ("years", lambda a, p: np.abs(p - a).mean(-1), "mean absolute error"),
    "rmse": (
        "years",
        lambda a, p: np.sqrt(((p - a) ** 2).mean(-1)),
        "root mean squared error",
    ),
    "r": (
        "none",
        lambda a, p: _slope_and_r(a, p)[1],
        "Pearson correlation of predicted age and age",
    ),
    "r2": ("none", _r2, "1 - squared errors / squared deviations from the mean age"),
    "slope": ("none", lambda a, p: _slope_and_r(a, p)[0], "slope of predicted age on age"),
    "mae_of_constant": (
        "years",
        lambda a, p: np.abs(a - np.median(a, axis=-1, keepdims=True)).mean(-1),
        "mean absolute error of the best constant for these people (their median age)",
    ),
}
NO_SPREAD = {"r", "r2", "slope"}  # metrics that need people of different ages
