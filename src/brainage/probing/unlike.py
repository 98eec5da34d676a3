"""How unlike the training data a scan is, in the embedding and in measures of its image."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from brainage.core.subjects import PERSON, first_scans, site_factor
from brainage.core.thresholds import MIN_AT_SITE, MIN_UNLIKE_PEOPLE, MIN_UNLIKE_RANKS
from brainage.core.unlike import IMAGE_MEASURES, compared_people

MAX_MISSING = 0.05  # share of training people without a measure that is used all the same
# Of the spread of log distances where it is fitted. As it is, it would flag too many where the
# distances have heavy tails.
WIDER = 1.25
FOLDS = 10  # of training people, where they are compared with each other


class SiteDistance:
    """Mahalanobis distance to the nearest training site, what age explains taken out.

    The covariance is that within sites (Lee et al. 2018, NeurIPS: classes are sites), shrunk
    towards a multiple of the identity (Ledoit and Wolf 2004, Journal of Multivariate Analysis
    88:365), which is what makes it invertible with fewer people than features. Sites with fewer
    than ``MIN_AT_SITE`` people count as one. One distance for all sites together would take what
    lies between two sites for ordinary.

    Parameters
    ----------
    values, covariates
        Of training people, one scan each: shape (people, features) and (people, covariates). What
        the covariates explain within sites, by least squares, is taken out.
    sites
        Shape (people,).
    """

    def __init__(self, values: np.ndarray, covariates: np.ndarray, sites: pd.Series) -> None:
        from sklearn.covariance import LedoitWolf

        counts = sites.map(sites.value_counts())
        labels = sites.where(counts >= MIN_AT_SITE, "").to_numpy(str)
        own = [labels == label for label in np.unique(labels)]
        within, explaining = values.copy(), covariates.copy()
        for rows in own:
            within[rows] -= within[rows].mean(axis=0)
            explaining[rows] -= explaining[rows].mean(axis=0)
        self.slopes = np.linalg.lstsq(explaining, within, rcond=None)[0]
        left = values - covariates @ self.slopes
        self.middles = [left[rows].mean(axis=0) for rows in own]
        shrunk = LedoitWolf(assume_centered=True).fit(within - explaining @ self.slopes)
        self.precision = shrunk.precision_

    def of(self, values: np.ndarray, covariates: np.ndarray) -> np.ndarray:
        """Distance of each row; NaN where a value is."""
        left = values - covariates @ self.slopes
        squares = [
            np.einsum("ij,jk,ik->i", left - middle, self.precision, left - middle, optimize=True)
            for middle in self.middles
        ]
        return np.sqrt(np.maximum(np.min(squares, axis=0), 0))


def percentiles(distances: np.ndarray, compared: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Percentile of each distance among those of held-out people.

    The rank of conformal prediction (Vovk et al. 2005): with n people, a new one of the same kind
    has a percentile of 100 * (1 - p) or more with a chance of at most p, whatever the distribution.
    Nobody is compared with themself. Fewer than ``MIN_UNLIKE_RANKS`` people have no rank that is
    high enough for a flag; then the logarithm of the distance is taken as normal, with the t
    distribution of a new person's and a spread that is ``WIDER`` times theirs.

    Parameters
    ----------
    distances
        Of every scan, shape (scans,).
    compared
        Positions of the scans compared with, one a person.
    person
        Number of each scan's person, shape (scans,).

    Returns
    -------
    numpy.ndarray
        0 to 100, shape (scans,); NaN where the distance is, or fewer than ``MIN_UNLIKE_PEOPLE``
        people are compared with.
    """
    from scipy import stats

    compared = compared[np.isfinite(distances[compared])]
    found = np.full(len(distances), np.nan)
    if len(compared) < MIN_UNLIKE_PEOPLE:
        return found
    theirs, names = distances[compared], person[compared]
    by_rank = len(compared) >= MIN_UNLIKE_RANKS
    logarithms = np.log(np.maximum(theirs, np.finfo(float).tiny))
    for row in np.flatnonzero(np.isfinite(distances)):
        others = names != person[row]
        n = int(others.sum())
        if by_rank:
            p = (1 + (theirs[others] >= distances[row]).sum()) / (n + 1)
        else:
            own = np.log(max(distances[row], np.finfo(float).tiny))
            spread = WIDER * logarithms[others].std(ddof=1) * np.sqrt(1 + 1 / n)
            away = (own - logarithms[others].mean()) / max(spread, np.finfo(float).tiny)
            p = stats.t.sf(away, n - 1)
        found[row] = 100 * (1 - p)
    return found


def add_percentiles(
    people: pd.DataFrame,
    predicted: np.ndarray,
    features: np.ndarray | None,
    qc: pd.DataFrame,
) -> pd.DataFrame:
    """Add the columns `embedding_percentile` and `image_percentile` of PREDICTIONS.

    The encoder has seen training people, whose embeddings lie closer together than new ones do:
    percentiles are among held-out healthy people (:func:`compared_people`), and training people
    have none. What the predicted age explains is taken out of the embedding, and what age explains
    out of the measures: neither an old brain nor one that looks old is unlike for that.

    Parameters
    ----------
    people, predicted, features
        As :func:`brainage.probing.people.read_people` returns them, their predicted ages, and
        their embeddings, shape (scans, features), or None where there are none.
    qc
        As :data:`~brainage.core.contracts.imaging.QC`; of ``IMAGE_MEASURES`` those that it has
        are used.
    """
    train = people["role"] == "train"
    fit = first_scans(people[train]).index.to_numpy()
    compared = compared_people(people)
    held_out = compared.index.to_numpy()
    person = people.groupby(PERSON).ngroup().to_numpy()
    sites = site_factor(people)
    embedding = np.full(len(people), np.nan)
    if features is not None and len(held_out) and len(fit) >= MIN_UNLIKE_PEOPLE:
        looks = _standard(predicted, fit)
        covariates = np.column_stack([looks, looks**2])
        if features[fit].std(axis=0).any():
            distance = SiteDistance(features[fit], covariates[fit], sites.iloc[fit])
            embedding = percentiles(distance.of(features, covariates), held_out, person)
    image = _image_percentiles(people, qc, fit, held_out)
    _say(len(fit), compared)
    return people.assign(
        embedding_percentile=np.where(train, np.nan, embedding),
        image_percentile=np.where(train, np.nan, image),
    )


def _image_percentiles(
    people: pd.DataFrame, qc: pd.DataFrame, fit: np.ndarray, held_out: np.ndarray
) -> np.ndarray:
    """Percentiles of the distance in the measures; no training changes these.

    So training people serve to compare with where too few others do, each by a fit without a
    tenth of them that they are in.
    """
    values = _measures(people, qc, fit)
    fit = fit[np.isfinite(values[fit]).all(axis=1)]
    person = people.groupby(PERSON).ngroup().to_numpy()
    if not values.shape[1] or len(fit) < MIN_UNLIKE_PEOPLE:
        return np.full(len(people), np.nan)
    sites = site_factor(people)
    age = np.nan_to_num(_standard(people["age"].to_numpy(float), fit))[:, None]
    distances = SiteDistance(values[fit], age[fit], sites.iloc[fit]).of(values, age)
    if np.isfinite(distances[held_out]).sum() < MIN_UNLIKE_PEOPLE:
        held_out = fit
        for fold in range(min(FOLDS, len(fit))):
            # In the order of the table, which is that of sites within data sets or of names.
            left_out = fit[fold::FOLDS]
            others = np.setdiff1d(fit, left_out)
            distance = SiteDistance(values[others], age[others], sites.iloc[others])
            distances[left_out] = distance.of(values[left_out], age[left_out])
    return percentiles(distances, held_out, person)


def _measures(people: pd.DataFrame, qc: pd.DataFrame, fit: np.ndarray) -> np.ndarray:
    """The measures used, in robust standard deviations of training people: (scans, measures)."""
    known = [name for name in IMAGE_MEASURES if name in qc.columns]
    table = qc.set_index("scan_id")[known].reindex(people["scan_id"])
    columns: list[np.ndarray] = []
    for name in known:
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(float)
        found = values[fit][np.isfinite(values[fit])]
        if len(found) < max(1, (1 - MAX_MISSING) * len(fit)):
            continue
        middle = np.median(found)
        scale = 1.4826 * np.median(np.abs(found - middle)) or found.std()
        if scale > 0:
            columns.append((values - middle) / scale)
    return np.column_stack(columns) if columns else np.empty((len(people), 0))


def _standard(values: np.ndarray, fit: np.ndarray) -> np.ndarray:
    spread = values[fit].std()
    return (values - values[fit].mean()) / (spread if spread > 0 else 1.0)


def _say(training: int, compared: pd.DataFrame) -> None:
    calibration = int((compared["role"] == "calibration").sum())
    if calibration >= MIN_UNLIKE_RANKS:
        return
    validation = len(compared) - calibration
    how = f"among {calibration} calibration and {validation} validation people"
    if compared.empty:
        how = "of the image among training people, and none of the embedding"
    print(
        f"unlike training: {training} training people; percentiles are {how}; {MIN_UNLIKE_RANKS} "
        "calibration people at sites trained on are required for ranks",
        file=sys.stderr,
    )
