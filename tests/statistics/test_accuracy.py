"""Accuracy on healthy test people, by hand and with known answers."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import SITE_PROBE
from brainage.core.contracts.statistics import ACCURACY
from brainage.core.tables import read_table, write_table
from brainage.statistics.accuracy import measure_accuracy
from brainage.statistics.gaps import compute_gaps
from brainage.statistics.metrics import METRICS

from .simulated import SETTINGS, predictions_of, scans_of, study, written


def measured(table: pd.DataFrame, folder, predictor="single", **changes) -> pd.DataFrame:
    path = written(table, folder)
    compute_gaps(path, folder / "gaps.tsv", folder / "reference.tsv")
    measure_accuracy(folder / "gaps.tsv", path, folder / "accuracy.tsv", {**SETTINGS, **changes})
    rows = read_table(folder / "accuracy.tsv", ACCURACY)
    rows = rows[rows["predictor"] == predictor]
    return rows.set_index(["experiment", "people", "metric"])


def test_metrics_by_hand():
    age, predicted = np.array([20.0, 30.0, 40.0, 50.0]), np.array([25.0, 30.0, 35.0, 50.0])
    values = {name: float(function(age, predicted)) for name, (_, function, _) in METRICS.items()}
    assert values["mae"] == pytest.approx(2.5)
    assert values["rmse"] == pytest.approx(np.sqrt(50 / 4))
    assert values["r2"] == pytest.approx(1 - 50 / 500)
    assert values["slope"] == pytest.approx(np.polyfit(age, predicted, 1)[0])
    assert values["r"] == pytest.approx(np.corrcoef(age, predicted)[0, 1])
    assert values["mae_of_constant"] == pytest.approx(10)


def test_who_counts(tmp_path):
    rng = np.random.default_rng(1)
    scans = study(
        rng,
        CN={"people": 20, "sites": ("A", "B"), "visits": 2},
        AD={"people": 20, "sites": ("X",), "gap": 30.0},
    )
    scans = pd.concat([scans, scans_of("CN", 15, rng, sites=("E",), ages=(20, 80))])
    rows = measured(predictions_of(scans), tmp_path)
    n = rows.xs("mae", level="metric")["n"]
    assert n["lexp", "all"] == 35 and n["lexp", "internal"] == 20 and n["lexp", "external"] == 15
    # Patients and second visits would show as a larger error.
    first = scans[(scans["role"] == "test") & (scans["diagnosis"] == "CN")]
    first = first[first["years_since_first"] == 0]
    errors = np.abs(0.8 * (first["age"] + first["true_gap"]) + 10 - first["age"])
    mae = rows.loc[("lexp", "all", "mae")]
    assert mae["estimate"] == pytest.approx(errors.mean())
    assert mae["low"] < mae["estimate"] < mae["high"]
    median = first["age"].median()
    constant = rows.loc[("lexp", "all", "mae_of_constant"), "estimate"]
    assert constant == pytest.approx(np.abs(first["age"] - median).mean())


def test_external_sites_can_be_named(tmp_path):
    rng = np.random.default_rng(8)
    scans = study(rng, CN={"people": 20, "sites": ("E",)})
    scans = pd.concat([scans, scans_of("CN", 15, rng, sites=("X",))])
    rows = measured(predictions_of(scans), tmp_path, external_sites=["demo/E"])
    assert rows.loc[("lexp", "external", "mae"), "n"] == 20
    assert rows.loc[("lexp", "all", "mae"), "n"] == 35


def test_experiments_are_compared_on_the_same_people(tmp_path):
    scans = study(np.random.default_rng(2), CN={"people": 20, "sites": ("A",)})
    fewer = scans[scans["scan_id"] != scans["scan_id"].iloc[-1]]
    table = pd.concat([predictions_of(scans), predictions_of(fewer, experiment="other")])
    rows = measured(table, tmp_path)
    assert (rows.xs("all", level="people")["n"] == 19).all()
    assert "1 person" in rows.loc[("lexp", "all", "mae"), "note"]


def test_single_trainings_and_their_mean_stand_apart(tmp_path):
    scans = study(np.random.default_rng(3), CN={"people": 40, "sites": ("A",)})
    table = predictions_of(scans, seeds=3, seed_noise=12.0)
    single = measured(table, tmp_path).loc[("lexp", "all", "mae")]
    ensemble = measured(table, tmp_path, "ensemble").loc[("lexp", "all", "mae")]
    test = table[table["role"] == "test"]
    errors = (test["predicted_age"] - test["age"]).abs().groupby(test["seed"]).mean()
    assert single["estimate"] == pytest.approx(errors.mean())
    assert single["low"] < single["estimate"] < single["high"]
    by_person = test.groupby("scan_id")[["predicted_age", "age"]].mean()
    error = (by_person["predicted_age"] - by_person["age"]).abs().mean()
    assert ensemble["estimate"] == pytest.approx(error)
    for row in (single, ensemble):
        assert row[["seed_low", "seed_high"]].tolist() == pytest.approx(
            [errors.min(), errors.max()]
        )
    assert "mean prediction over 3 seeds" in ensemble["model"]


@pytest.mark.slow
def test_equal_experiments_with_other_numbers_of_seeds_rank_alike(tmp_path):
    """The mean of three trainings errs less than one: no reason to rank their experiment first."""
    scans = study(np.random.default_rng(14), CN={"people": 40, "sites": ("A",)})
    many = predictions_of(scans, seeds=3, seed_noise=12.0)
    one = many[many["seed"] == 1].assign(experiment="y_aware")
    ridge = one.assign(experiment="ridge_voxels", seed=7)
    table = pd.concat([many, one, ridge])
    rows = measured(table, tmp_path)
    for metric in METRICS:
        values = rows.xs(("all", metric), level=["people", "metric"])
        # The seed of a baseline is its own and restricts nobody.
        assert values["estimate"].nunique() == 1 and values["low"].nunique() == 1
    assert rows.loc[("lexp", "all", "mae_minus_ridge"), "verdict"] == "not distinguishable"
    ensemble = measured(table, tmp_path, "ensemble")
    assert set(ensemble.index.get_level_values("experiment")) == {"lexp"}
    assert ensemble.loc[("lexp", "all", "mae_minus_ridge"), "verdict"] == "beats ridge"
    others = table[table["experiment"] != "y_aware"]
    rows = measured(pd.concat([others, one.assign(seed=9)]), tmp_path)
    assert "no seed is shared by all experiments" in rows.loc[("lexp", "all", "mae"), "note"]


def test_healthy_is_read_from_the_table(tmp_path):
    """A converter is healthy at the first scan, whatever the later ones say."""
    scans = study(np.random.default_rng(15), CN={"people": 20, "sites": ("A",), "visits": 2})
    people = sorted(scans.loc[scans["role"] == "test", "participant_id"].unique())
    later = scans["years_since_first"] > 0
    converted = scans["participant_id"].isin(people[:5]) & later
    scans.loc[converted, ["diagnosis", "healthy"]] = ["MCI", False]
    # A visit without a diagnosis between two as a control is one of a control.
    scans.loc[scans["participant_id"].isin(people[5:8]) & ~later, "diagnosis"] = None
    rows = measured(predictions_of(scans), tmp_path)
    assert rows.loc[("lexp", "all", "mae"), "n"] == 20
    patients = scans["participant_id"].isin(people[:5]) & (scans["role"] == "test")
    scans.loc[patients, "healthy"] = False
    rows = measured(predictions_of(scans), tmp_path)
    assert rows.loc[("lexp", "all", "mae"), "n"] == 15


def test_constant_has_no_correlation(tmp_path):
    scans = study(np.random.default_rng(4), CN={"people": 20, "sites": ("A",)})
    rows = measured(predictions_of(scans, alpha=0.0, experiment="median"), tmp_path)
    assert np.isnan(rows.loc[("median", "all", "r"), "estimate"])
    assert rows.loc[("median", "all", "slope"), "estimate"] == pytest.approx(0, abs=1e-9)


def test_person_in_several_folds_counts_once(tmp_path):
    scans = study(np.random.default_rng(5), CN={"people": 20, "sites": ("E",)})
    table = pd.concat([predictions_of(scans), predictions_of(scans, fold=1, alpha=0.9)])
    rows = measured(table, tmp_path)
    assert rows.loc[("lexp", "external", "mae"), "n"] == 20


def test_no_external_people_is_said(tmp_path):
    scans = study(np.random.default_rng(6), CN={"people": 20, "sites": ("A",)})
    row = measured(predictions_of(scans), tmp_path).loc[("lexp", "external", "mae")]
    assert row["n"] == 0 and "no healthy test people" in row["note"]


def test_paired_difference_to_ridge_by_hand(tmp_path):
    scans = study(np.random.default_rng(11), CN={"people": 40, "sites": ("A",)})
    table = pd.concat(
        [
            predictions_of(scans, experiment="ridge_voxels"),
            predictions_of(scans, experiment="same"),
            predictions_of(scans, experiment="better"),
            predictions_of(scans, experiment="worse"),
        ],
        ignore_index=True,
    )
    error = table["predicted_age"] - table["age"]
    for name, factor in (("better", 0.5), ("worse", 1.5)):
        own = table["experiment"] == name
        table.loc[own, "predicted_age"] = table["age"] + factor * error
    rows = measured(table, tmp_path)
    ridge = rows.loc[("ridge_voxels", "all", "mae"), "estimate"]
    for name, factor, verdict in (
        ("same", 1.0, "not distinguishable"),
        ("better", 0.5, "beats ridge"),
        ("worse", 1.5, "worse than ridge"),
    ):
        row = rows.loc[(name, "all", "mae_minus_ridge")]
        assert row["verdict"] == verdict
        assert row["estimate"] == pytest.approx((factor - 1) * ridge)
        assert row["low"] <= row["estimate"] <= row["high"] and row["n"] == 40
    assert ("ridge_voxels", "all", "mae_minus_ridge") not in rows.index


@pytest.mark.slow
def test_difference_is_paired_by_person_not_by_order(tmp_path):
    scans = study(np.random.default_rng(12), CN={"people": 40, "sites": ("A",)})
    ridge = predictions_of(scans, experiment="ridge_voxels")
    own = predictions_of(scans, seeds=3, seed_noise=9.0).sample(frac=1, random_state=1)
    rows = measured(pd.concat([own, ridge]), tmp_path, "ensemble")
    mean = own.groupby("scan_id")["predicted_age"].mean()
    test = ridge[ridge["role"] == "test"].set_index("scan_id")
    paired = (mean[test.index] - test["age"]).abs() - (test["predicted_age"] - test["age"]).abs()
    row = rows.loc[("lexp", "all", "mae_minus_ridge")]
    assert row["estimate"] == pytest.approx(paired.mean())
    # Of differences of people the spread is smaller than that of two unrelated errors.
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * paired.std() / 40**0.5, rel=0.25)
    # One seed errs more than the mean of three.
    assert row["seed_low"] > row["estimate"]
    single = measured(pd.concat([own, ridge]), tmp_path)["estimate"]
    difference = single["lexp", "all", "mae"] - single["ridge_voxels", "all", "mae"]
    assert single["lexp", "all", "mae_minus_ridge"] == pytest.approx(difference)


def test_score_of_the_challenge_by_hand(tmp_path):
    rng = np.random.default_rng(13)
    scans = study(rng, CN={"people": 20, "sites": ("A",)})
    scans = pd.concat([scans, scans_of("CN", 15, rng, sites=("E",))])
    rows = [
        {"experiment": "lexp", "fold": 0, "seed": seed, "probe": probe, "protocol": protocol,
         "balanced_accuracy": value + 0.1 * seed, "low": 0.1, "high": 0.9, "chance": 0.5,
         "sites": 2, "n": 40}
        for probe, protocol, value in (
            ("embedding", "challenge", 0.2), ("embedding", "converged", 0.9),
            ("voxels", "challenge", 0.8),
        )
        for seed in (1, 2)
    ]  # fmt: skip
    write_table(pd.DataFrame(rows), tmp_path / "site_probe.tsv", SITE_PROBE)
    table = pd.concat(
        [
            predictions_of(scans, seeds=2, seed_noise=3.0),
            predictions_of(scans, experiment="y_aware"),
            predictions_of(scans, experiment="ridge_voxels"),
        ]
    )
    path = written(table, tmp_path)
    compute_gaps(path, tmp_path / "gaps.tsv", tmp_path / "reference.tsv")
    out = tmp_path / "accuracy.tsv"
    measure_accuracy(tmp_path / "gaps.tsv", path, out, SETTINGS, tmp_path / "site_probe.tsv")
    key = ["predictor", "experiment", "people", "metric"]
    found = read_table(out, ACCURACY).set_index(key)["estimate"]
    # Seed 1 is the one that all share: the site accuracy of the same training.
    for predictor, site in (("single", 0.3), ("ensemble", 0.35)):
        mae = found[predictor, "lexp", "external", "mae"]
        score = found[predictor, "lexp", "external", "challenge_score"]
        assert score == pytest.approx(mae * site**0.3)
        assert (predictor, "lexp", "internal", "challenge_score") not in found.index
    assert ("single", "ridge_voxels", "external", "challenge_score") not in found.index
