"""Areas under ROC curves against R's pROC, and by hand."""

import numpy as np
import pandas as pd
import pytest

from brainage.statistics.delong import delong, delong_interval, delong_test, midranks, roc_points

from .simulated import r_output

STORED_INTERVAL = [0.677682406078753, 0.788888888888889, 0.900095371699025]
STORED_Z = 1.61672788244192


def people(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two related scores with ties, and who is a case."""
    rng = np.random.default_rng(seed)
    is_case = np.arange(70) < 25
    common = rng.normal(size=70) + is_case
    scores = np.stack([common + rng.normal(size=70), common + rng.normal(size=70)])
    return np.round(scores, 1), is_case


def test_midranks_share_the_mean_of_their_ranks():
    assert midranks(np.array([5.0, 1.0, 5.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_area_counts_pairs_and_keeps_its_direction():
    score = np.array([1.0, 2.0, 2.0, 0.0])
    is_case = np.array([True, True, False, False])
    # Of the four pairs: 1 > 0, 2 > 0, 2 = 2 (half), 1 < 2 (none).
    assert delong(score, is_case)[0][0] == pytest.approx(2.5 / 4)
    assert delong(-score, is_case)[0][0] == pytest.approx(1.5 / 4)


@pytest.mark.slow
def test_reference_values_of_asah(tmp_path):
    folder = r_output("asah", tmp_path)
    frame = pd.read_csv(folder / "people.csv")
    is_case = frame["case"].to_numpy() == 1
    areas, _ = delong(frame[["wfns", "s100b", "ndka"]].to_numpy().T, is_case)
    assert areas == pytest.approx([0.823679, 0.731369, 0.611958], abs=1e-6)
    z = {
        pair: delong_test(frame[list(pair)].to_numpy().T, is_case)[0]
        for pair in [("wfns", "s100b"), ("wfns", "ndka"), ("ndka", "s100b")]
    }
    assert z["wfns", "s100b"] == pytest.approx(2.20898359144091, abs=1e-6)
    assert z["wfns", "ndka"] == pytest.approx(2.79777591868904, abs=1e-6)
    assert z["ndka", "s100b"] == pytest.approx(-1.39077, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_intervals_and_tests_agree_with_proc(tmp_path, seed):
    scores, is_case = people(seed)
    frame = pd.DataFrame({"first": scores[0], "second": scores[1], "case": is_case.astype(int)})
    frame.to_csv(tmp_path / "people.csv", index=False)
    folder = r_output("roc", tmp_path)
    theirs = pd.read_csv(folder / "areas.csv")
    areas, covariance = delong(scores, is_case)
    ours = [delong_interval(areas[i], covariance[i, i]) for i in range(2)]
    assert areas == pytest.approx(theirs["auc"].to_numpy(), abs=1e-6)
    assert np.array(ours) == pytest.approx(theirs[["low", "high"]].to_numpy(), abs=1e-6)
    z, p = delong_test(scores, is_case)
    test = pd.read_csv(folder / "tests.csv").iloc[0]
    assert [z, p] == pytest.approx([test["z"], test["p"]], abs=1e-6)


def test_stored_values_of_proc():
    # What pROC 1.18.0 gives for people(1); the test above makes them anew where R is installed.
    scores, is_case = people(1)
    areas, covariance = delong(scores, is_case)
    low, high = delong_interval(areas[0], covariance[0, 0])
    assert [low, areas[0], high] == pytest.approx(STORED_INTERVAL, abs=1e-6)
    assert delong_test(scores, is_case)[0] == pytest.approx(STORED_Z, abs=1e-6)


def test_curve_has_the_area_that_is_reported():
    scores, is_case = people(4)
    false, true = roc_points(scores[0], is_case)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(delong(scores[0], is_case)[0][0])
