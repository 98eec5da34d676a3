"""Ridge regression of age with its strength chosen on people that it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


class StandardisedRidge:
    """Ridge on the first `columns` features, standardised by the training rows."""

    def __init__(self, columns: int, alpha: float, standardise: bool = True) -> None:
        self.columns, self.alpha, self.standardise = columns, alpha, standardise

    def fit(self, features: np.ndarray, ages: np.ndarray) -> StandardisedRidge:
        """Fit on rows of shape (scans, features) and ages in years."""
        self.weights = self._path(features, ages, [self.alpha])[:, 0]
        return self

    def _path(self, features: np.ndarray, ages: np.ndarray, alphas: Sequence[float]) -> np.ndarray:
        """Weights for each alpha, shape (columns, alphas), by one singular value decomposition.

        With X = U S V' they are V S / (S^2 + alpha) U' y (Hastie et al., The Elements of
        Statistical Learning, 2009, equation 3.47).
        """
        used = features[:, : self.columns]
        self.mean, self.age = used.mean(axis=0), ages.mean()
        # Principal components keep their relative sizes, which is what ridge shrinks by.
        spread = used.std(axis=0) if self.standardise else np.full(used.shape[1], used.std())
        self.scale = np.where(spread > 1e-12 * max(1.0, np.abs(used).max()), spread, 1.0)
        left, sizes, right = np.linalg.svd((used - self.mean) / self.scale, full_matrices=False)
        shrunk = sizes[:, None] / (sizes[:, None] ** 2 + np.asarray(alphas, dtype=float))
        return right.T @ (shrunk * (left.T @ (ages - self.age))[:, None])

    def _standard(self, features: np.ndarray) -> np.ndarray:
        return (features[:, : self.columns] - self.mean) / self.scale

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict ages in years."""
        return self._standard(features) @ self.weights + self.age

    def predict_path(
        self,
        features: np.ndarray,
        ages: np.ndarray,
        held_out: np.ndarray,
        alphas: Sequence[float],
    ) -> np.ndarray:
        """Fit with every alpha at the cost of one; returns ages of shape (held out, alphas)."""
        weights = self._path(features, ages, alphas)
        return self._standard(held_out) @ weights + self.age


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
    strongest_first = sorted(alphas, reverse=True)
    candidates = [(count, alpha) for count in sorted(columns) for alpha in strongest_first]
    errors: list[float] = []
    for count in sorted(columns):
        missed = []
        for fit, held_out in rounds:
            ridge = StandardisedRidge(count, strongest_first[0], standardise)
            predicted = ridge.predict_path(
                features[fit], ages[fit], features[held_out], strongest_first
            )
            missed.append(np.abs(predicted - ages[held_out][:, None]))
        errors += list(np.concatenate(missed).mean(axis=0))
    # Rounding must not decide between candidates that are equal.
    count, alpha = candidates[int(np.argmin(np.round(errors, 9)))]
    return StandardisedRidge(count, alpha, standardise)
