"""Logistic regression scored on people it was not fitted on."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import numpy as np

MAX_ITERATIONS = 20_000


def out_of_fold(
    features: np.ndarray,
    labels: np.ndarray,
    strengths: Sequence[float],
    *,
    standardise: bool,
    folds: int,
    seed: int,
    scoring: str,
    max_iterations: int = MAX_ITERATIONS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and probabilities of each row from a model fitted without that row.

    One row a person. The strength is chosen by folds inside each training part; standardisation
    takes its statistics from the training part.

    Parameters
    ----------
    features, labels
        Shape (people, features) and (people,); each label at least twice.
    strengths
        Values of C that are tried (inverse of the penalty).
    standardise
        Whether features are centred and scaled.
    folds, seed
        Number of folds (fewer where a label is rarer) and seed of their drawing.
    scoring
        scikit-learn's name of what the strength is chosen by.
    max_iterations
        Most iterations of the optimiser.

    Returns
    -------
    predicted
        Label of each row, shape (people,).
    probabilities
        Shape (people, labels).
    classes
        The labels, in the order of the columns of `probabilities`.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    classes, codes = np.unique(labels, return_inverse=True)
    outer = min(folds, int(np.bincount(codes).min()))
    predicted = np.empty(len(codes), dtype=int)
    probabilities = np.full((len(codes), len(classes)), np.nan)
    unfinished = 0
    splitter = StratifiedKFold(outer, shuffle=True, random_state=seed)
    for train, held_out in splitter.split(features, codes):
        fit, scored = _prepared(features[train], features[held_out], standardise)
        inner = min(folds, int(np.bincount(codes[train]).min()))
        model = LogisticRegression(max_iter=max_iterations)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ConvergenceWarning)
            if inner > 1:
                choice = StratifiedKFold(inner, shuffle=True, random_state=seed)
                # Weakest last: of equally good strengths the strongest penalty is taken.
                grid = {"C": sorted(strengths)}
                search = GridSearchCV(model, grid, scoring=scoring, cv=choice, n_jobs=1)
                model = search.fit(fit, codes[train]).best_estimator_
            else:
                model = model.fit(fit, codes[train])
        unfinished += sum(issubclass(w.category, ConvergenceWarning) for w in caught)
        predicted[held_out] = model.predict(scored)
        probabilities[held_out] = model.predict_proba(scored)
    if unfinished and max_iterations >= MAX_ITERATIONS:
        print(f"logistic probe: {unfinished} fits did not converge", file=sys.stderr)
    return classes[predicted], probabilities, classes


def _prepared(
    train: np.ndarray, held_out: np.ndarray, standardise: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Standardise by `train`; turn many features into as many as there are training rows.

    A penalised linear model sees its training rows through their inner products alone, so that
    turning the features into the space that those rows span changes no prediction.
    """
    if standardise:
        mean, scale = train.mean(axis=0), train.std(axis=0)
        scale = np.where(scale > 1e-12 * max(1.0, np.abs(train).max()), scale, np.inf)
        train, held_out = (train - mean) / scale, (held_out - mean) / scale
    if train.shape[1] > len(train):
        basis = np.linalg.svd(train, full_matrices=False)[2]
        train, held_out = train @ basis.T, held_out @ basis.T
    return train, held_out
