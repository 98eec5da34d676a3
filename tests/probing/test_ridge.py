"""Ridge regression and the choice of its strength."""

import numpy as np
import pytest

from brainage.probing.ridge import StandardisedRidge, choose

ALPHAS = [0.01, 1.0, 30.0, 1000.0]


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(40, 60)) * rng.uniform(0.1, 9, 60) + 5
    features[:, 7] = 3.0  # a feature that never changes
    return features, 50 + 2 * features[:, 0] + rng.normal(size=40)


@pytest.mark.parametrize("columns", [10, 60])  # fewer and more features than rows
def test_path_is_that_of_scikit_learn(data, columns):
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    features, ages = data
    fit, held_out = np.arange(30), np.arange(30, 40)
    path = StandardisedRidge(columns, 1.0).predict_path(
        features[fit], ages[fit], features[held_out], ALPHAS
    )
    scaler = StandardScaler().fit(features[fit, :columns])
    for place, alpha in enumerate(ALPHAS):
        model = Ridge(alpha=alpha).fit(scaler.transform(features[fit, :columns]), ages[fit])
        expected = model.predict(scaler.transform(features[held_out, :columns]))
        assert path[:, place] == pytest.approx(expected, rel=1e-9)
        one = StandardisedRidge(columns, alpha).fit(features[fit], ages[fit])
        assert one.predict(features[held_out]) == pytest.approx(expected, rel=1e-9)


def test_the_best_on_held_out_rows_is_chosen(data):
    features, ages = data
    rounds = [(np.arange(25), np.arange(25, 40)), (np.arange(15, 40), np.arange(15))]
    errors = {}
    for columns in (1, 20):
        for alpha in ALPHAS:
            missed = [
                np.abs(
                    StandardisedRidge(columns, alpha)
                    .fit(features[fit], ages[fit])
                    .predict(features[out])
                    - ages[out]
                )
                for fit, out in rounds
            ]
            errors[columns, alpha] = np.concatenate(missed).mean()
    best = choose(features, ages, rounds, [20, 1], ALPHAS)
    assert (best.columns, best.alpha) == min(errors, key=errors.get)


def test_of_equal_ones_the_simplest_is_chosen():
    features, ages = np.ones((12, 3)), np.arange(12.0)
    best = choose(features, ages, [(np.arange(8), np.arange(8, 12))], [3, 2], ALPHAS)
    assert (best.columns, best.alpha) == (2, 1000.0)
