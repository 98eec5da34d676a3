"""The mixed model against R's lme4, and its refusals."""

import numpy as np
import pandas as pd
import pytest

from brainage.statistics.mixed import MixedFit, fit_mixed

from .simulated import r_output

# Intercept, slope, their covariance, residual.
STORED_VARIANCES = [7.6855909258, 1.1631749057, 0.8305707456, 1.0521738909]
STORED_FIXED = [-0.6380455533, 0.8225596310]


def fitted(y, x, person, years) -> MixedFit:
    """Random intercept and slope."""
    return fit_mixed(y, x, person, np.column_stack([np.ones(len(y)), years]))


@pytest.mark.slow
def test_sleepstudy(tmp_path):
    folder = r_output("sleepstudy", tmp_path)
    frame = pd.read_csv(folder / "people.csv")
    days = frame["Days"].to_numpy(float)
    x = np.column_stack([np.ones(len(days)), days])
    fit = fit_mixed(frame["Reaction"].to_numpy(float), x, frame["Subject"].to_numpy(), x)
    assert fit.trouble is None
    assert fit.estimates == pytest.approx([251.4051, 10.4673], rel=1e-3)
    found = [fit.random[0, 0], fit.random[1, 1], fit.random[0, 1], fit.residual]
    assert found == pytest.approx([612.096, 35.072, 9.605, 654.94], rel=1e-3)
    fixed = pd.read_csv(folder / "fixed.csv")
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(fixed["error"].to_numpy(), rel=1e-2)


def cohort(slope_sd: float, people: int = 60) -> tuple[np.ndarray, ...]:
    """Three visits of people with their own intercepts and slopes."""
    rng = np.random.default_rng(5)
    person = np.repeat(np.arange(people), 3)
    years = np.tile([0.0, 1.0, 2.0], people)
    intercept, slope = rng.normal(0, 3, people), rng.normal(1, slope_sd, people)
    y = intercept[person] + slope[person] * years + rng.normal(0, 1, len(person))
    return y, np.column_stack([np.ones(len(y)), years]), person, years


def test_good_fit_finds_what_was_planted():
    fit = fitted(*cohort(slope_sd=1.5))
    assert fit.trouble is None
    error = np.sqrt(fit.covariance[1, 1])
    assert abs(fit.estimates[1] - 1) < 3 * error
    assert np.sqrt(np.diag(fit.random)) == pytest.approx([3, 1.5], rel=0.3)
    # With balanced visits the slope is the mean of the people's own slopes, and so is its error.
    y, _, person, years = cohort(slope_sd=1.5)
    own = np.array(
        [np.polyfit(years[person == p], y[person == p], 1)[0] for p in np.unique(person)]
    )
    assert fit.estimates[1] == pytest.approx(own.mean(), abs=1e-6)
    assert error == pytest.approx(own.std(ddof=1) / np.sqrt(len(own)), rel=1e-3)


def test_boundary_is_seen():
    y, x, person, years = cohort(slope_sd=0.0)
    # Less spread of the slopes than the noise makes by chance: their variance comes out as zero.
    for p in np.unique(person):
        mine = person == p
        own = np.polyfit(years[mine], y[mine], 1)[0]
        y[mine] -= 0.9 * (own - 1) * years[mine]
    assert "boundary" in fitted(y, x, person, years).trouble


def test_stored_values_of_lme4():
    # What lme4 1.1-31 gives for cohort(1.5).
    fit = fitted(*cohort(slope_sd=1.5))
    found = [fit.random[0, 0], fit.random[1, 1], fit.random[0, 1], fit.residual]
    assert found == pytest.approx(STORED_VARIANCES, rel=1e-3)
    assert fit.estimates == pytest.approx(STORED_FIXED, rel=1e-4)
