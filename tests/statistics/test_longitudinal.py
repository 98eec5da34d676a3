"""Slopes of groups: against lme4, what was planted, and the fallback."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.statistics import PERSON_SLOPES, SLOPES
from brainage.core.tables import read_table
from brainage.statistics.gaps import compute_gaps
from brainage.statistics.longitudinal import (
    fit_slopes,
    followed_up,
    own_slopes,
    slope_rows,
    welch,
)

from .simulated import SETTINGS, experiment_of, predictions_of, r_output, scans_of, study, written

# Estimate and standard error of the contrast of AD and CN.
STORED = [1.05816219992431, 0.28936486292193]


def cohort(seed: int, people: int = 40, **details: object) -> pd.DataFrame:
    """CN, MCI and AD with slopes 0, 0.5 and 1 year a year, three visits."""
    rng = np.random.default_rng(seed)
    given = {"visits": 3, "slope_sd": 1.2, "noise": 0.8, **details}
    planted = {"CN": 0.0, "MCI": 0.5, "AD": 1.0}
    return pd.concat([scans_of(g, people, rng, slope=s, **given) for g, s in planted.items()])


def rows_of(scans: pd.DataFrame) -> pd.DataFrame:
    experiment = experiment_of(scans)
    kept = followed_up(experiment.scans, SETTINGS["follow_up"])
    rows = slope_rows(experiment, kept, own_slopes(kept), SETTINGS)
    return pd.DataFrame(rows, columns=list(SLOPES.names)).set_index(["group", "reference"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_agrees_with_lme4(tmp_path, seed):
    scans = cohort(seed)
    ours = rows_of(scans)
    assert "REML" in ours.loc[("AD", "CN"), "model"]
    followed_up(experiment_of(scans).scans, 0.5).to_csv(tmp_path / "people.csv", index=False)
    folder = r_output("slopes", tmp_path)
    assert not pd.read_csv(folder / "singular.csv")["singular"].iloc[0]
    theirs = pd.read_csv(folder / "fixed.csv").set_index("term")
    for group in ("MCI", "AD"):
        row, reference = ours.loc[(group, "CN")], theirs.loc[f"group{group}:years"]
        assert abs(row["estimate"] - reference["estimate"]) < 0.01 * reference["error"]
        assert row["standard_error"] == pytest.approx(reference["error"], rel=0.01)


def test_stored_values_of_lme4():
    # What lme4 1.1-31 gives for cohort(1), where R is not installed.
    row = rows_of(cohort(1)).loc[("AD", "CN")]
    assert [row["estimate"], row["standard_error"]] == pytest.approx(STORED, rel=1e-3)


@pytest.mark.slow
def test_planted_slopes_come_back_from_files(tmp_path):
    visits = {"people": 80, "visits": 3, "slope_sd": 1.2, "noise": 0.8, "ages": (50, 80)}
    scans = study(
        np.random.default_rng(4),
        CN=visits,
        AD={**visits, "slope": 1.0, "gap": 5.0},
        MCI={**visits, "slope": 0.5, "people": 6},
    )
    path = written(predictions_of(scans, alpha=0.7), tmp_path)
    compute_gaps(path, tmp_path / "gaps.tsv", tmp_path / "reference.tsv")
    fit_slopes(tmp_path / "gaps.tsv", tmp_path / "slopes.tsv", tmp_path / "own.tsv", SETTINGS)
    rows = read_table(tmp_path / "slopes.tsv", SLOPES)
    rows = rows.set_index([rows["group"], rows["reference"]])
    for key, planted in {("CN", None): 0.0, ("AD", None): 1.0, ("AD", "CN"): 1.0}.items():
        row = rows.loc[key]
        assert abs(row["estimate"] - planted) < 3.5 * row["standard_error"]
        assert row["low"] < row["estimate"] < row["high"]
    assert rows.loc[("AD", "CN"), "scans"] == 480
    few = rows.loc[("MCI", "CN")]
    assert "described, not tested" in few["note"] and np.isnan(few["low"])
    assert np.isfinite(few["estimate"])
    own = read_table(tmp_path / "own.tsv", PERSON_SLOPES)
    assert len(own) == 166 and (own["scans"] == 3).all()


def test_boundary_falls_back_to_own_slopes():
    scans = cohort(5, people=20, slope_sd=0.0, noise=3.0)
    rows = rows_of(scans)
    row = rows.loc[("AD", "CN")]
    assert "Welch" in row["model"] and "boundary" in row["note"]
    own = own_slopes(followed_up(experiment_of(scans).scans, 0.5)).set_index("group")["slope"]
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.ttest_ind(own["AD"], own["CN"], equal_var=False)
    assert row["p"] == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval()
    assert [row["low"], row["high"]] == pytest.approx([interval.low, interval.high])


def test_one_group_is_a_mean_with_a_t_interval():
    values = np.array([1.0, 2.0, 4.0])
    row = welch([values])
    assert row["estimate"] == pytest.approx(7 / 3)
    assert row["high"] - row["estimate"] == pytest.approx(4.302653 * values.std(ddof=1) / 3**0.5)


def test_own_slope_and_time_since_the_first_scan_used():
    scans = scans_of("CN", 1, np.random.default_rng(6), visits=3)
    scans["years_since_first"] = [1.0, 2.0, 4.0]
    scans["true_gap"] = [0.0, 2.0, 6.0]
    kept = followed_up(experiment_of(scans).scans, 0.5)
    assert kept["years"].tolist() == [0.0, 1.0, 3.0]
    own = own_slopes(kept)
    assert own["slope"].iloc[0] == pytest.approx(2.0) and own["years"].iloc[0] == 3.0


def test_group_is_the_diagnosis_at_the_first_scan():
    scans = cohort(7, people=15)
    converted = scans["scan_id"].str.contains("MCI0000") & (scans["years_since_first"] > 0)
    scans.loc[converted, "diagnosis"] = "AD"
    rows = rows_of(scans)
    assert rows.loc[("MCI", None), "n"] == 15 and rows.loc[("AD", None), "n"] == 15


def test_change_of_scanner_is_in_the_model():
    scans = cohort(8)
    later = (scans["years_since_first"] > 1.5) & scans["participant_id"].str.contains("[02468]X$")
    scans.loc[later, "scanner"] = "new"
    scans.loc[later, "true_gap"] += 6
    row = rows_of(scans).loc[("CN", None)]
    assert "+ scanner" in row["model"]
    assert abs(row["estimate"]) < 3.5 * row["standard_error"]


@pytest.mark.parametrize("visits", [1, 2])
def test_few_visits_are_no_error(visits):
    scans = cohort(9, people=12, visits=visits)
    rows = rows_of(scans)
    if visits == 1:
        assert len(rows) == 0
    else:
        assert "Welch" in rows.loc[("AD", "CN"), "model"]
        assert np.isfinite(rows.loc[("AD", "CN"), "p"])
