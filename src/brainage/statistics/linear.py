"""Least squares with heteroscedasticity-consistent errors, and its design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainage.core.intervals import t_interval
from brainage.core.subjects import site_factor
from brainage.core.thresholds import MIN_RESIDUAL_DF
from brainage.statistics.mixed import fit_mixed


@dataclass(frozen=True)
class LinearFit:
    """Least squares with a heteroscedasticity-consistent covariance.

    Attributes
    ----------
    estimates, covariance
        Coefficients, shape (terms,), and their HC3 covariance.
    residuals
        Shape (people,), on the scale of the outcome.
    freedom
        Residual degrees of freedom.
    names
        Terms, in the order of the coefficients.
    """

    estimates: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    freedom: int
    names: list[str]

    def contrast(self, weights: np.ndarray) -> dict[str, float]:
        """Estimate, t interval, standard error and p of a weighted sum of coefficients."""
        error = float(np.sqrt(weights @ self.covariance @ weights))
        return t_interval(float(weights @ self.estimates), error, self.freedom)


def design(
    people: pd.DataFrame, groups: list[str], site: bool
) -> tuple[np.ndarray, list[str], list[str]]:
    """Design matrix: one column per group (no intercept), age, age^2, sex and, if asked, site.

    Age is centred and in decades, which changes no contrast and keeps the numbers well scaled.
    Columns that follow from those before them are left out.

    Returns
    -------
    x
        Shape (people, terms).
    names
        Of the terms.
    dropped
        Names of the columns that were left out.
    """
    columns: dict[str, np.ndarray] = {
        f"group {g}": (people["diagnosis"] == g).to_numpy(float) for g in groups
    }
    age = people["age"].to_numpy(float)
    age = (age - age.mean()) / 10
    columns["age"], columns["age^2"] = age, age**2
    factors = {"sex": people["sex"].fillna("unknown")}
    if site:
        factors["site"] = site_factor(people)
    for factor, values in factors.items():
        for level in sorted(values.unique())[1:]:
            columns[f"{factor} {level}"] = (values == level).to_numpy(float)
    names: list[str] = []
    dropped: list[str] = []
    kept: list[np.ndarray] = []
    basis: list[np.ndarray] = []
    for name, column in columns.items():
        rest = column.copy()
        for _ in range(2):  # twice, as once loses orthogonality to rounding
            for unit in basis:
                rest -= (unit @ rest) * unit
        if np.linalg.norm(rest) > 1e-8 * max(1.0, float(np.linalg.norm(column))):
            names.append(name)
            kept.append(column)
            basis.append(rest / np.linalg.norm(rest))
        else:
            dropped.append(name)
    return np.column_stack(kept), names, dropped


def robust_fit(y: np.ndarray, x: np.ndarray, names: list[str]) -> LinearFit | None:
    """Ordinary least squares with HC3 covariance; None with too few residual degrees of freedom.

    A person whom the model fits exactly (leverage 1: the only one of a sex or site) says nothing
    about anyone else and has no HC3 error; that person's part of the covariance is zero.
    """
    from statsmodels.regression.linear_model import OLS
    from statsmodels.stats.outliers_influence import OLSInfluence

    n, terms = x.shape
    if n - terms < MIN_RESIDUAL_DF:
        return None
    fit = OLS(y, x).fit()
    exact = OLSInfluence(fit).hat_matrix_diag > 1 - 1e-9
    if exact.any():
        # statsmodels would divide 0 by 0 there.
        inverse = np.linalg.inv(x.T @ x)
        leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
        inflated = np.where(exact, 0.0, fit.resid / np.where(exact, 1.0, 1 - leverage))
        covariance = inverse @ ((x * inflated[:, None] ** 2).T @ x) @ inverse
    else:
        covariance = fit.cov_HC3
    return LinearFit(fit.params, covariance, fit.resid, n - terms, names)


def random_site_fit(
    y: np.ndarray, x: np.ndarray, names: list[str], sites: pd.Series
) -> LinearFit | None:
    """Random site intercept (REML), then least squares with HC3 on the transformed rows.

    With the variances known, taking a share of each site's mean from every row of it makes rows
    independent (the random-effects transformation, Fuller and Battese 1973); HC3 on those rows
    allows for unequal variances of the groups, which the mixed model's own errors do not.
    """
    codes = pd.factorize(sites, sort=True)[0]
    if len(y) - x.shape[1] < MIN_RESIDUAL_DF:
        return None
    # A site variance of zero is on the boundary, and a fine answer here.
    fitted = fit_mixed(y, x, codes, np.ones((len(y), 1)))
    between, within = float(fitted.random[0, 0]), fitted.residual
    size = np.bincount(codes)
    share = 1 - np.sqrt(within / (within + size * between))

    def transformed(values: np.ndarray) -> np.ndarray:
        means = np.array([values[codes == c].mean(axis=0) for c in range(len(size))])
        weights = share[codes] if values.ndim == 1 else share[codes][:, None]
        return values - weights * means[codes]

    fit = robust_fit(transformed(y), transformed(x), names)
    if fit is None:
        return None
    return LinearFit(fit.estimates, fit.covariance, y - x @ fit.estimates, fit.freedom, names)
