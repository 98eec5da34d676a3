"""The gap, its correction, and the predictions that are refused."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.contracts.statistics import GAPS, REFERENCE
from brainage.core.files import InputError
from brainage.core.tables import read_table, write_table
from brainage.statistics.gaps import compute_gaps
from brainage.statistics.people import read_experiments

from .simulated import predictions_of, scans_of, study, written


def computed(table: pd.DataFrame, folder) -> tuple[pd.DataFrame, pd.DataFrame]:
    compute_gaps(written(table, folder), folder / "gaps.tsv", folder / "reference.tsv")
    return read_table(folder / "gaps.tsv", GAPS), read_table(folder / "reference.tsv", REFERENCE)


def test_both_scales_give_what_was_planted(tmp_path):
    scans = study(
        np.random.default_rng(1),
        CN={"people": 200, "ages": (20, 85)},
        AD={"people": 200, "ages": (20, 85), "gap": 5.0, "visits": 3, "slope": 1.0},
    )
    gaps, reference = computed(predictions_of(scans, alpha=0.7), tmp_path)
    assert reference["alpha"].iloc[0] == pytest.approx(0.7, abs=0.06)
    assert reference["n"].iloc[0] == 60
    alpha = reference["alpha"].iloc[0]
    test = gaps[gaps["role"] == "test"]
    first = test[test["years_since_first"] == 0].groupby("diagnosis")
    by_group = first["gap_cole"].mean()
    assert by_group["AD"] - by_group["CN"] == pytest.approx(5, abs=1.2)
    assert test["gap_beheshti"].to_numpy() == pytest.approx(alpha * test["gap_cole"].to_numpy())
    # Uncorrected, ageing of a year a year looks like a loss.
    ad = test[test["diagnosis"] == "AD"].pivot(index="participant_id", columns="session_id")
    years = ad["years_since_first"]["ses-3"] - ad["years_since_first"]["ses-1"]
    for column, expected in [("gap", 0.4), ("gap_beheshti", 0.7), ("gap_cole", 1.0)]:
        change = (ad[column]["ses-3"] - ad[column]["ses-1"]) / years
        assert change.mean() == pytest.approx(expected, abs=0.2)


def test_constants_come_from_calibration_people_alone(tmp_path):
    scans = study(np.random.default_rng(2), CN={"people": 30})
    _, before = computed(predictions_of(scans), tmp_path)
    table = predictions_of(scans)
    others = table["role"] != "calibration"
    table.loc[others, "predicted_age"] += 25
    _, after = computed(table, tmp_path)
    pd.testing.assert_frame_equal(before, after)


def test_constants_count_each_person_once(tmp_path):
    rng = np.random.default_rng(3)
    scans = scans_of("CN", 30, rng, role="calibration", visits=3, ages=(20, 80))
    first = scans[scans["years_since_first"] == 0]
    gaps, several = computed(predictions_of(scans), tmp_path)
    _, once = computed(predictions_of(first), tmp_path)
    pd.testing.assert_frame_equal(several, once)
    assert len(gaps) == 90


def test_mean_over_seeds_and_their_spread(tmp_path):
    scans = study(np.random.default_rng(4), CN={"people": 20})
    gaps, _ = computed(predictions_of(scans, seeds=3, seed_noise=2.0), tmp_path)
    assert len(gaps) == 80 and (gaps["seeds"] == 3).all()
    assert gaps["seed_sd"].mean() == pytest.approx(2 * np.sqrt(np.pi) / 2, rel=0.2)


def test_how_unlike_the_training_data_is_the_mean_over_seeds_and_folds(tmp_path):
    scans = study(np.random.default_rng(4), CN={"people": 20})
    parts = []
    for fold in (0, 1):
        table = predictions_of(scans, seeds=2, fold=fold)
        high = 99.0 if fold else 97.0
        table["embedding_percentile"] = np.where(table["seed"] == 1, high, high - 1)
        table["image_percentile"] = np.where(table["role"] == "test", 50.0, np.nan)
        parts.append(table)
    gaps, _ = computed(pd.concat(parts), tmp_path)
    one = gaps.set_index("fold")
    assert (one["embedding_percentile"] == one.index.map({0: 96.5, 1: 98.5})).all()
    assert (one["unlike_training"] == one.index.map({0: "false", 1: "true"})).all()
    (experiment,) = read_experiments(tmp_path / "gaps.tsv")
    assert (experiment.scans["embedding_percentile"] == 97.5).all()
    assert (experiment.scans["image_percentile"] == 50).all()
    assert (experiment.scans["unlike_training"] == "true").all()


def test_ages_outside_the_reference_are_flagged(tmp_path):
    scans = study(np.random.default_rng(5), CN={"people": 20, "ages": (86, 95)})
    gaps, reference = computed(predictions_of(scans), tmp_path)
    assert reference["age_high"].iloc[0] < 86
    assert not gaps.loc[gaps["role"] == "test", "in_age_range"].any()
    assert gaps.loc[gaps["role"] == "calibration", "in_age_range"].all()


def test_too_few_calibration_people_give_no_correction(tmp_path):
    rng = np.random.default_rng(6)
    scans = pd.concat([scans_of("CN", 9, rng, role="calibration"), scans_of("CN", 5, rng)])
    gaps, reference = computed(predictions_of(scans), tmp_path)
    assert "9 calibration people" in reference["warning"].iloc[0]
    assert gaps["gap_cole"].isna().all() and gaps["gap"].notna().all()


@pytest.mark.parametrize(
    ("alpha", "has_cole", "word"), [(0.4, True, "0.5"), (0.0, False, "hardly")]
)
def test_flat_predictions_are_warned_of(tmp_path, alpha, has_cole, word):
    scans = study(np.random.default_rng(7), CN={"people": 20})
    gaps, reference = computed(predictions_of(scans, alpha=alpha), tmp_path)
    assert word in reference["warning"].iloc[0]
    assert gaps["gap_cole"].notna().all() == has_cole
    assert gaps["gap_beheshti"].notna().all()


def test_scan_without_age_has_no_gap(tmp_path):
    table = predictions_of(study(np.random.default_rng(8), CN={"people": 20}))
    table.loc[table.index[-1], "age"] = np.nan
    gaps, _ = computed(table, tmp_path)
    assert table["scan_id"].iloc[-1] not in set(gaps["scan_id"])


def test_refusals(tmp_path):
    table = predictions_of(study(np.random.default_rng(9), CN={"people": 20}), seeds=2)

    def refused(wrong: pd.DataFrame, words: str) -> None:
        with pytest.raises(InputError, match=words):
            computed(wrong, tmp_path)

    refused(pd.concat([table, table.iloc[[-1]]]), "have the same key")
    refused(table.iloc[:-1], "1 seeds")
    two_roles = table.copy()
    two_roles.loc[two_roles.index[-1], "role"] = "calibration"
    refused(two_roles, "one role")
    other_age = table.copy()
    other_age.loc[other_age.index[-1], "age"] += 1
    refused(other_age, "different ages")


def test_no_rows(tmp_path):
    gaps, reference = computed(pd.DataFrame(columns=list(PREDICTIONS.names)), tmp_path)
    assert len(gaps) == 0 and len(reference) == 0


def test_same_input_same_bytes(tmp_path):
    table = predictions_of(study(np.random.default_rng(10), CN={"people": 20}), seeds=2)
    computed(table, tmp_path)
    before = (tmp_path / "gaps.tsv").read_bytes()
    path = tmp_path / "predictions.tsv"
    write_table(table.sample(frac=1, random_state=1), path, PREDICTIONS)
    compute_gaps(path, tmp_path / "gaps.tsv", tmp_path / "reference.tsv")
    assert (tmp_path / "gaps.tsv").read_bytes() == before
