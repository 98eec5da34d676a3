"""Cohorts with little in them: tables with no rows or with notes, and never a crash."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import DIAGNOSIS_SCORES, PREDICTIONS
from brainage.core.contracts.statistics import (
    ACCURACY,
    GROUPS,
    PERSON_SLOPES,
    ROC,
    ROC_CURVES,
    SLOPES,
)
from brainage.core.tables import read_table, write_table
from brainage.statistics.accuracy import measure_accuracy
from brainage.statistics.gaps import compute_gaps
from brainage.statistics.groups import compare_groups
from brainage.statistics.longitudinal import fit_slopes
from brainage.statistics.roc import compute_roc

from .simulated import SETTINGS, predictions_of, scans_of, study, written


def everything(table: pd.DataFrame, folder) -> dict[str, pd.DataFrame]:
    def at(name: str):
        return folder / f"{name}.tsv"

    predictions = written(table, folder)
    write_table(pd.DataFrame(columns=list(DIAGNOSIS_SCORES.names)), at("scores"), DIAGNOSIS_SCORES)
    compute_gaps(predictions, at("gaps"), at("reference"))
    measure_accuracy(at("gaps"), predictions, at("accuracy"), SETTINGS)
    compare_groups(at("gaps"), at("groups"), SETTINGS)
    compute_roc(at("gaps"), at("scores"), at("roc"), at("curves"), SETTINGS)
    fit_slopes(at("gaps"), at("slopes"), at("own"), SETTINGS)
    tables = {
        "accuracy": ACCURACY,
        "groups": GROUPS,
        "roc": ROC,
        "curves": ROC_CURVES,
        "slopes": SLOPES,
        "own": PERSON_SLOPES,
    }
    return {name: read_table(at(name), contract) for name, contract in tables.items()}


def plain(rng: np.random.Generator, group: str | None, sites: tuple[str, ...]) -> pd.DataFrame:
    parts = [("train", 30), ("calibration", 20), ("test", 20)]
    return pd.concat(
        [scans_of(group, n, rng, role=role, sites=sites, ages=(20, 80)) for role, n in parts]
    )


@pytest.mark.slow
def test_one_site_all_healthy_one_visit(tmp_path):
    scans = plain(np.random.default_rng(1), "CN", ("A",))
    found = everything(predictions_of(scans), tmp_path)
    groups = found["groups"].set_index(["quantity", "group"])
    assert np.isfinite(groups.loc[("mean", "CN"), "estimate"])
    assert found["groups"].query("quantity == 'difference'")["estimate"].isna().all()
    assert found["roc"]["estimate"].isna().all() and found["roc"]["note"].notna().all()
    assert len(found["curves"]) == len(found["slopes"]) == len(found["own"]) == 0


@pytest.mark.slow
def test_no_diagnosis_no_sex_no_site(tmp_path):
    scans = plain(np.random.default_rng(2), None, ("A",))
    scans[["sex", "site", "scanner", "session_id", "years_since_first"]] = None
    found = everything(predictions_of(scans), tmp_path)
    accuracy = found["accuracy"].set_index(["people", "metric"])
    assert accuracy.loc[("all", "mae"), "n"] == 20
    assert accuracy.loc[("external", "mae"), "n"] == 0
    assert len(found["groups"]) == len(found["roc"]) == len(found["slopes"]) == 0


@pytest.mark.slow
def test_no_calibration_people(tmp_path):
    visits = {"people": 25, "visits": 2}
    scans = study(np.random.default_rng(3), CN=visits, AD=visits)
    found = everything(predictions_of(scans[scans["role"] != "calibration"]), tmp_path)
    assert found["groups"]["note"].str.contains("no gap on Cole's scale").all()
    assert np.isfinite(found["accuracy"]["estimate"]).any()
    gap = found["roc"].query("score == 'gap'")
    assert gap["estimate"].isna().all() and gap["note"].notna().all()
    assert len(found["slopes"]) == 0


@pytest.mark.parametrize(
    "people", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 4))]
)
def test_a_handful_of_test_people(tmp_path, people):
    rng = np.random.default_rng(4)
    scans = plain(rng, "CN", ("A",))
    scans = pd.concat([scans[scans["role"] != "test"], scans_of("AD", people, rng, visits=2)])
    found = everything(predictions_of(scans), tmp_path)
    assert len(found["own"]) == people


@pytest.mark.slow
def test_constant_baseline_beside_an_experiment(tmp_path):
    visits = {"people": 25, "visits": 3}
    scans = study(np.random.default_rng(5), CN=visits, AD=visits, MCI=visits)
    table = [predictions_of(scans), predictions_of(scans, experiment="median", alpha=0.0)]
    found = everything(pd.concat(table), tmp_path)
    rows = found["groups"].set_index("experiment")
    assert rows.loc["median", "note"].str.contains("Cole").all()
    assert rows.loc["lexp", "estimate"].notna().all()


def test_nothing_at_all(tmp_path):
    found = everything(pd.DataFrame(columns=list(PREDICTIONS.names)), tmp_path)
    assert all(len(table) == 0 for table in found.values())
