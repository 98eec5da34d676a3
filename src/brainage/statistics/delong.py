"""DeLong's covariance of areas under ROC curves from the same people."""

from __future__ import annotations

import numpy as np

from brainage.core.intervals import CONFIDENCE


def midranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1, equal values sharing the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[inverse]


def delong(scores: np.ndarray, is_case: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the ROC curves of several scores on the same people, and their covariance.

    DeLong, DeLong and Clarke-Pearson 1988, Biometrics; computed from midranks as in Sun and Xu
    2014, IEEE Signal Processing Letters. A larger score means case, always.

    Parameters
    ----------
    scores
        Shape (scores, people).
    is_case
        Booleans, shape (people,); at least two people of each kind.

    Returns
    -------
    areas
        Shape (scores,).
    covariance
        Shape (scores, scores).
    """
    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    is_case = np.asarray(is_case, dtype=bool)
    cases, controls = scores[:, is_case], scores[:, ~is_case]
    m, n = cases.shape[1], controls.shape[1]
    if m < 2 or n < 2:
        raise ValueError(f"at least two cases and two controls are required, found {m} and {n}")
    together = np.array([midranks(row) for row in np.hstack([cases, controls])])
    among_cases = np.array([midranks(row) for row in cases])
    among_controls = np.array([midranks(row) for row in controls])
    # Placement of each case among the controls, and of each control among the cases.
    of_cases = (together[:, :m] - among_cases) / n
    of_controls = 1 - (together[:, m:] - among_controls) / m
    covariance = np.cov(of_cases) / m + np.cov(of_controls) / n
    return of_cases.mean(axis=1), np.atleast_2d(covariance)


def delong_interval(area: float, variance: float) -> tuple[float, float]:
    """Return the normal 95 % interval of an area, cut at 0 and 1 (as R's pROC does)."""
    from scipy import stats

    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * float(np.sqrt(variance))
    return max(0.0, area - half), min(1.0, area + half)


def delong_test(scores: np.ndarray, is_case: np.ndarray) -> tuple[float, float]:
    """Return Z and two-sided p of the difference of two areas on the same people.

    Not for a model and another nested in it: there the test is invalid, use the likelihood ratio.
    """
    from scipy import stats

    areas, covariance = delong(scores, is_case)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    z = float((areas[0] - areas[1]) / np.sqrt(variance)) if variance > 0 else float("nan")
    return z, float(2 * stats.norm.sf(abs(z)))


def roc_points(score: np.ndarray, is_case: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-score, kind="stable")
    ordered, case = score[order], is_case[order].astype(float)
    last_of_value = np.append(np.diff(ordered) != 0, True)
    true = np.cumsum(case)[last_of_value] / case.sum()
    false = np.cumsum(1 - case)[last_of_value] / (1 - case).sum()
    return np.append(0.0, false), np.append(0.0, true)
