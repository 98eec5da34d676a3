"""Group differences: what was planted, robust errors, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.statistics import GROUPS
from brainage.core.tables import read_table
from brainage.statistics.gaps import compute_gaps
from brainage.statistics.groups import compare_groups, group_rows, holm
from brainage.statistics.linear import robust_fit

from .simulated import SETTINGS, experiment_of, predictions_of, scans_of, study, written


def rows_of(scans: pd.DataFrame) -> pd.DataFrame:
    rows = pd.DataFrame(group_rows(experiment_of(scans), SETTINGS), columns=list(GROUPS.names))
    rows["unit"] = ["SD" if unit == "SD" else "years" for unit in rows["unit"]]
    return rows.set_index(["group", "reference", "unit"])


@pytest.mark.slow
def test_planted_differences_come_back(tmp_path):
    sites = ("X", "Y")
    scans = study(
        np.random.default_rng(1),
        CN={"people": 80, "sites": sites, "visits": 2},
        MCI={"people": 80, "sites": sites, "gap": 2.0, "ages": (65, 85)},
        AD={"people": 80, "sites": sites, "gap": 5.0, "ages": (65, 85)},
    )
    scans.loc[scans["site"] == "demo/Y", "true_gap"] += (
        4  # an offset of the site is nobody's disease
    )
    path = written(predictions_of(scans), tmp_path)
    compute_gaps(path, tmp_path / "gaps.tsv", tmp_path / "reference.tsv")
    compare_groups(tmp_path / "gaps.tsv", tmp_path / "groups.tsv", SETTINGS)
    rows = read_table(tmp_path / "groups.tsv", GROUPS)
    years = rows[(rows["quantity"] == "difference") & (rows["unit"] != "SD")]
    years = years.set_index(["group", "reference"])
    planted = {("MCI", "CN"): 2, ("AD", "CN"): 5, ("AD", "MCI"): 3}
    for pair, value in planted.items():
        row = years.loc[pair]
        assert abs(row["estimate"] - value) < 3 * row["standard_error"]
        assert row["low"] < row["estimate"] < row["high"]
        assert row["p_holm"] >= row["p"]
        assert row["unit"].startswith("years on Cole's scale (alpha 0.")
    # One row a person, whatever the visits; people of training sites take no part.
    assert years.loc[("AD", "CN"), "n_reference"] == 80
    sd = rows[rows["unit"] == "SD"].set_index(["group", "reference"])
    assert sd.loc[("AD", "CN"), "estimate"] == pytest.approx(5 / 3.16, rel=0.3)
    means = rows[rows["quantity"] == "mean"].set_index("group")["estimate"]
    assert means["AD"] - means["CN"] == pytest.approx(years.loc[("AD", "CN"), "estimate"], abs=1e-6)


def test_errors_are_hc3():
    statsmodels = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(40), rng.normal(size=40), rng.integers(0, 2, 40)])
    y = x @ [1.0, 2.0, 3.0] + rng.normal(size=40) * (1 + 3 * x[:, 2])
    ours = robust_fit(y, x, ["a", "b", "c"])
    theirs = statsmodels.OLS(y, x).fit(cov_type="HC3", use_t=True)
    assert ours.estimates == pytest.approx(theirs.params)
    assert ours.covariance == pytest.approx(np.asarray(theirs.cov_params()))
    row = ours.contrast(np.array([0.0, 0.0, 1.0]))
    assert row["p"] == pytest.approx(theirs.pvalues[2])
    assert [row["low"], row["high"]] == pytest.approx(list(theirs.conf_int()[2]))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_group_at_a_site_of_its_own_is_refused():
    rng = np.random.default_rng(3)
    scans = pd.concat(
        [
            scans_of("CN", 40, rng, sites=("X", "Y")),
            scans_of("MCI", 40, rng, sites=("X", "Y")),
            scans_of("AD", 40, rng, sites=("Z",), gap=5.0),
        ]
    )
    rows = rows_of(scans)
    refused = rows.loc[("AD", "CN", "years")]
    assert np.isnan(refused["estimate"]) and "Z" in refused["note"]
    assert np.isfinite(rows.loc[("MCI", "CN", "years"), "estimate"])


def test_group_mostly_at_one_site_is_refused():
    rng = np.random.default_rng(4)
    scans = pd.concat(
        [
            scans_of("CN", 28, rng, sites=("X",)),
            scans_of("CN", 2, rng, sites=("Y",)),
            scans_of("AD", 26, rng, sites=("Y",)),
            scans_of("AD", 4, rng, sites=("X",)),
        ]
    )
    row = rows_of(scans).loc[("AD", "CN", "years")]
    assert np.isnan(row["estimate"]) and "confounded with site" in row["note"]


def test_many_small_sites_are_random():
    rng = np.random.default_rng(5)
    sites = tuple(f"S{number:02d}" for number in range(15))
    scans = pd.concat(
        [scans_of("CN", 45, rng, sites=sites), scans_of("AD", 30, rng, sites=sites, gap=5.0)]
    )
    offset = dict(zip([f"demo/{site}" for site in sites], 3 * rng.normal(size=15), strict=True))
    scans["true_gap"] += scans["site"].map(offset)
    row = rows_of(scans).loc[("AD", "CN", "years")]
    assert "site (random)" in row["model"]
    assert abs(row["estimate"] - 5) < 3 * row["standard_error"] < 4


def test_small_groups_and_missing_groups_are_said():
    rng = np.random.default_rng(6)
    scans = pd.concat([scans_of("CN", 30, rng), scans_of("AD", 3, rng)])
    rows = rows_of(scans)
    assert "3 people with AD" in rows.loc[("AD", "CN", "years"), "note"]
    assert "0 people with MCI" in rows.loc[("MCI", None, "years"), "note"]
    mean = rows.loc[("CN", None, "years")]
    assert mean["low"] < 0 < mean["high"]


def test_people_outside_the_age_range_are_counted():
    rng = np.random.default_rng(7)
    experiment = experiment_of(scans_of("CN", 30, rng))
    experiment.scans["in_age_range"] = [False] * 4 + [True] * 26
    assert "4 people outside" in group_rows(experiment, SETTINGS)[0]["note"]


def test_no_diagnosis_gives_no_rows():
    assert group_rows(experiment_of(scans_of(None, 30, np.random.default_rng(8))), SETTINGS) == []
