"""ROC tables: known areas, direction, baselines and refusals."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import DIAGNOSIS_SCORES
from brainage.core.contracts.statistics import ROC, ROC_CURVES
from brainage.core.tables import read_table, write_table
from brainage.statistics.gaps import compute_gaps
from brainage.statistics.logistic import added_term
from brainage.statistics.roc import compute_roc, roc_rows

from .simulated import SETTINGS, experiment_of, predictions_of, scans_of, study, written

NO_SCORES = pd.DataFrame(columns=list(DIAGNOSIS_SCORES.names))


def rows_of(scans: pd.DataFrame, scores: pd.DataFrame = NO_SCORES) -> pd.DataFrame:
    rows, _ = roc_rows(experiment_of(scans), scores, SETTINGS)
    return pd.DataFrame(rows, columns=list(ROC.names)).set_index(["case", "score", "quantity"])


def groups(rng: np.random.Generator, **ad: object) -> pd.DataFrame:
    return pd.concat([scans_of("CN", 100, rng), scans_of("AD", 100, rng, **ad)])


@pytest.mark.slow
def test_area_of_a_planted_gap(tmp_path):
    scans = study(
        np.random.default_rng(1), CN={"people": 150, "visits": 2}, AD={"people": 150, "gap": 5.0}
    )
    path = written(predictions_of(scans), tmp_path)
    compute_gaps(path, tmp_path / "gaps.tsv", tmp_path / "reference.tsv")
    test = scans[(scans["role"] == "test") & (scans["years_since_first"] == 0)]
    scores = pd.DataFrame(
        {
            "scan_id": test["scan_id"],
            "experiment": "lexp",
            "seed": 1,
            "fold": 0,
            "control": "CN",
            "case": "AD",
            "score": (test["diagnosis"] == "AD") * 0.5 + 0.2,
        }
    )
    write_table(scores, tmp_path / "scores.tsv", DIAGNOSIS_SCORES)
    names = ["gaps.tsv", "scores.tsv", "roc.tsv", "curves.tsv"]
    compute_roc(*(tmp_path / name for name in names), SETTINGS)
    rows = read_table(tmp_path / "roc.tsv", ROC)
    rows = rows[rows["case"] == "AD"].set_index(["score", "quantity"])
    gap = rows.loc[("gap", "auc")]
    # Two normal groups 5 years apart with an SD of sqrt(10): Phi(5 / sqrt(20)) = 0.868.
    assert gap["estimate"] == pytest.approx(0.868, abs=0.05)
    assert gap["low"] < gap["estimate"] < gap["high"]
    assert (gap["n"], gap["n_cases"]) == (300, 150)
    assert rows.loc[("age", "auc"), "estimate"] == pytest.approx(0.5, abs=0.1)
    assert rows.loc[("gap", "added_value"), "p"] < 1e-6
    probe = rows.loc[("diagnosis_probe", "auc")]
    assert probe["estimate"] == 1 and "completely" in probe["note"]
    curves = read_table(tmp_path / "curves.tsv", ROC_CURVES)
    mine = curves[(curves["score"] == "gap") & (curves["case"] == "AD")].sort_values("point")
    area = np.trapezoid(mine["true_positive_rate"], mine["false_positive_rate"])
    assert area == pytest.approx(gap["estimate"], abs=1e-6)


def test_direction_is_fixed():
    rows = rows_of(groups(np.random.default_rng(2), gap=-5.0))
    assert rows.loc[("AD", "gap", "auc"), "estimate"] < 0.2


def test_gap_that_is_only_age_adds_nothing():
    scans = groups(np.random.default_rng(3), ages=(70, 90))
    scans["true_gap"] = scans["age"] - 70
    rows = rows_of(scans)
    assert rows.loc[("AD", "age", "auc"), "estimate"] > 0.8
    assert rows.loc[("AD", "age_sex", "auc"), "estimate"] > 0.75
    assert rows.loc[("AD", "gap", "added_value"), "p"] > 0.99


def test_added_value_agrees_with_statsmodels():
    statsmodels = pytest.importorskip("statsmodels.api")
    scans = groups(np.random.default_rng(4), gap=1.0, ages=(65, 85))
    y = (scans["diagnosis"] == "AD").to_numpy(float)
    x = np.column_stack([np.ones(len(y)), scans["age"], scans["sex"] == "M", scans["true_gap"]])
    full, base = (statsmodels.Logit(y, part).fit(disp=0).llf for part in (x, x[:, :3]))
    added = added_term(x[:, :3], x[:, 3], y == 1)
    assert added.ratio == pytest.approx(2 * (full - base), abs=1e-6)
    # With equal spreads the model's variance is right, and the scaling changes little.
    row = rows_of(scans).loc[("AD", "gap", "added_value")]
    assert row["estimate"] == pytest.approx(added.scaled, rel=1e-6)
    assert row["estimate"] == pytest.approx(added.ratio, rel=0.25)


@pytest.mark.slow
def test_unequal_spreads_are_no_added_value():
    rng = np.random.default_rng(11)
    is_case = np.arange(80) >= 60
    found = []
    for _ in range(400):
        age = rng.normal(size=80) + 1.5 * is_case
        x = np.column_stack([np.ones(80), age, rng.integers(0, 2, 80)])
        gap = np.where(is_case, 7, 4) * rng.normal(size=80)
        added = added_term(x, gap, is_case)
        found.append([added.scaled > 3.841, added.ratio > 3.841])
    scaled, plain = np.mean(found, axis=0)
    assert 0.02 < scaled < 0.075 < plain


def test_separation_is_said():
    scans = groups(np.random.default_rng(5), gap=200.0)
    row = rows_of(scans).loc[("AD", "gap", "added_value")]
    assert "separate the groups" in row["note"] and row["p"] < 1e-10


def test_fewer_than_twenty_have_no_area():
    rng = np.random.default_rng(6)
    rows = rows_of(pd.concat([scans_of("CN", 50, rng), scans_of("AD", 19, rng)]))
    assert rows["estimate"].isna().all()
    assert "19 with AD" in rows.loc[("AD", "gap", "auc"), "note"]


def test_controls_of_other_sites_are_left_out():
    scans = groups(np.random.default_rng(7))
    other = scans_of("CN", 80, np.random.default_rng(8), sites=("A",), gap=-50.0)
    row = rows_of(pd.concat([scans, other])).loc[("AD", "gap", "auc")]
    assert row["n"] == 200 and "80 people" in row["note"]
    assert row["estimate"] == pytest.approx(0.5, abs=0.15)


def test_groups_of_different_sites_are_refused():
    rng = np.random.default_rng(9)
    parts = [("CN", 38, "X"), ("CN", 2, "Y"), ("AD", 38, "Y"), ("AD", 2, "X")]
    scans = pd.concat([scans_of(group, n, rng, sites=(site,)) for group, n, site in parts])
    rows = rows_of(scans).loc[["AD"]]
    assert rows["estimate"].isna().all() and rows["note"].str.contains("confounded with site").all()


def test_no_diagnosis_gives_no_rows():
    assert len(rows_of(scans_of(None, 30, np.random.default_rng(10)))) == 0
