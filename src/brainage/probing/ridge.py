"""Ridge regression of age with its strength chosen on people that it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


class StandardisedRidge:
    """Ridge on the first `columns` features, standardised with the statistics of the fit rows."""

    def __init__(self, columns: int, alpha: float, standardise: bool = True) -> None:
        self.columns, self.alpha, self.standardise = columns, alpha, standardise

    def fit(self, features: np.ndarray, ages: np.ndarray) -> StandardisedRidge:
        """Fit on rows of shape (scans, features) and ages in years."""
        from sklearn.linear_model import Ridge

        used = features[:, : self.columns]
        self.mean = used.mean(axis=0)
        # Principal components keep their relative sizes, which is what ridge shrinks by.
        spread = used.std(axis=0) if self.standardise else np.full(used.shape[1], used.std())
        self.scale = np.where(spread > 1e-12 * max(1.0, np.abs(used).max()), spread, 1.0)
        self.model = Ridge(alpha=self.alpha).fit((used - self.mean) / self.scale, ages)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict ages in years."""
        return self.model.predict((features[:, : self.columns] - self.mean) / self.scale)


def choose(
    features: np.ndarray,
    ages: np.ndarray,
    rounds: Iterable[tuple[np.ndarray, np.ndarray]],
    columns: Sequence[int],
    alphas: Sequence[float],
    standardise: bool = True,
) -> StandardisedRidge:
    """Return the (not yet fitted) ridge with the least mean absolute error on held-out rows.

    Parameters
    ----------
    features, ages
        Shape (scans, features) and (scans,), in years.
    rounds
        Pairs of positions: rows to fit on and rows to score.
    columns, alphas
        What is tried. Of equally good ones the simplest: fewest columns, strongest penalty.
    standardise
        As in :class:`StandardisedRidge`.
    """
    rounds = list(rounds)
    candidates = [(k, a) for k in sorted(columns) for a in sorted(alphas, reverse=True)]
    errors = []
    for count, alpha in candidates:
        missed = []
        for fit, held_out in rounds:
            ridge = StandardisedRidge(count, alpha, standardise).fit(features[fit], ages[fit])
            missed.append(np.abs(ridge.predict(features[held_out]) - ages[held_out]))
        # Rounding must not decide between candidates that are equal.
        errors.append(round(float(np.concatenate(missed).mean()), 9))
    count, alpha = candidates[int(np.argmin(errors))]
    return StandardisedRidge(count, alpha, standardise)
