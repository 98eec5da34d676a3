"""The grid: single trainings, the same test people, intervals apart from seeds."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.grid import GRID_ACCURACY, GRID_DIAGNOSIS, GRID_SITES
from brainage.core.contracts.probing import DIAGNOSIS_SCORES, PREDICTIONS, SITE_PROBE
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.tables import read_table, write_table
from brainage.statistics.grid import measure_grid, resamples

from .simulated import SETTINGS, predictions_of, scans_of, study

CELL = {"of": "lexp", "seeds": [1, 2], "datasets": None, "fraction": 0.5}
RUNS = {"lexp": {**CELL, "fraction": 1.0}, "lexp.all.0.5": CELL}


@pytest.fixture
def scans():
    rng = np.random.default_rng(1)
    inside = study(rng, CN={"people": 20, "sites": ("A",)}, AD={"people": 20, "sites": ("A",)})
    return pd.concat([inside, scans_of("CN", 30, rng, sites=("E", "F"), ages=(20, 80))])


def predictions(scans, noise=9.0):
    whole = predictions_of(scans, seeds=2, seed_noise=noise)
    part = predictions_of(scans, seeds=2, seed_noise=noise, experiment="lexp.all.0.5", alpha=0.6)
    few = sorted(part.loc[part["role"] == "train", "participant_id"].unique())[::2]
    return pd.concat([whole, part[(part["role"] != "train") | part["participant_id"].isin(few)]])


def site_probe():
    run = {"low": 0.4, "high": 0.6, "chance": 0.5, "sites": 2, "n": 40, "fold": 0}
    rows = [
        {"experiment": name, "seed": seed, "probe": probe, "protocol": "challenge",
         "balanced_accuracy": value + 0.02 * seed, **run}
        for name, value in (("lexp", 0.5), ("lexp.all.0.5", 0.6))
        for seed in (1, 2)
        for probe in ("embedding", "voxels")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def scores_of(scans, rng, better=1.0):
    test = scans[(scans["role"] == "test") & (scans["site"] == "demo/A")]
    test = test[test["years_since_first"] == 0]
    ill = (test["diagnosis"] == "AD").to_numpy()
    parts = []
    for name in RUNS:
        for seed in (1, 2):
            score = better * ill + rng.normal(size=len(ill))
            run = {"experiment": name, "seed": seed, "fold": 0, "control": "CN", "case": "AD"}
            parts.append(test[["scan_id"]].assign(**run, score=score))
    return pd.concat(parts)


def measured(table, scores, folder, **changes):
    files = Layout(folder)
    write_table(table, files.file("grid_predictions"), PREDICTIONS)
    write_table(site_probe(), files.file("grid_site_probe"), SITE_PROBE)
    write_table(scores, files.file("grid_diagnosis_scores"), DIAGNOSIS_SCORES)
    measure_grid(files, {**SETTINGS, "runs": RUNS, **changes})
    tables = {"accuracy": GRID_ACCURACY, "sites": GRID_SITES, "diagnosis": GRID_DIAGNOSIS}
    return [read_table(files.file(f"grid_{name}"), table) for name, table in tables.items()]


def test_every_number_by_hand(scans, tmp_path):
    table, scores = predictions(scans), scores_of(scans, np.random.default_rng(2))
    accuracy, sites, diagnosis = measured(table, scores, tmp_path)
    accuracy = accuracy.set_index(["run", "people", "metric"])
    part = table[table["experiment"] == "lexp.all.0.5"]
    external = part[part["site"].isin(["demo/E", "demo/F"])]
    errors = (external["predicted_age"] - external["age"]).abs().groupby(external["seed"]).mean()
    row = accuracy.loc[("lexp.all.0.5", "external", "mae")]
    # The error of one training, not of the mean of two.
    assert row["estimate"] == pytest.approx(errors.mean())
    assert row["seed_low"] == pytest.approx(errors.min())
    assert row["seed_high"] == pytest.approx(errors.max())
    assert row["low"] < row["estimate"] < row["high"] and row["n"] == 30 and row["sites"] == 2
    assert "does not generalise to other sites" in row["note"]
    fit = part[part["role"] == "train"]["participant_id"].nunique()
    assert row["train_people"] == fit
    assert accuracy.loc[("lexp", "external", "mae"), "train_people"] in (2 * fit, 2 * fit - 1)
    assert accuracy.loc[("lexp", "all", "mae"), "n"] == 50
    score = accuracy.loc[("lexp.all.0.5", "external", "challenge_score"), "estimate"]
    assert score == pytest.approx(errors.mean() * 0.63**0.3)

    site = sites.set_index(["run", "probe"]).loc[("lexp", "embedding")]
    assert site["estimate"] == pytest.approx(0.53)
    assert (site["seed_low"], site["seed_high"]) == pytest.approx((0.52, 0.54))
    assert (site["low"], site["high"]) == pytest.approx((0.4, 0.6))

    from sklearn.metrics import roc_auc_score

    own = scores[scores["experiment"] == "lexp"]
    ill = own["scan_id"].map(scans.set_index("scan_id")["diagnosis"]) == "AD"
    areas = [roc_auc_score(ill[own["seed"] == s], own["score"][own["seed"] == s]) for s in (1, 2)]
    area = diagnosis.set_index("run").loc["lexp"]
    assert area["estimate"] == pytest.approx(np.mean(areas))
    assert (area["seed_low"], area["seed_high"]) == pytest.approx((min(areas), max(areas)))
    assert area["low"] < area["estimate"] < area["high"] and area["n_cases"] == 20


def test_all_cells_have_the_same_people(scans, tmp_path):
    table = predictions(scans)
    lost = table["scan_id"][table["role"] == "test"].iloc[-1]
    fewer = table[(table["experiment"] == "lexp") | (table["scan_id"] != lost)]
    scores = scores_of(scans, np.random.default_rng(2))
    with pytest.raises(InputError, match=f"no prediction of {lost}"):
        measured(fewer, scores, tmp_path)
    with pytest.raises(InputError, match="the config has no such run"):
        measured(table.replace({"experiment": {"lexp": "other"}}), scores, tmp_path)


def test_a_site_that_one_cell_was_trained_on_is_external_for_none(scans, tmp_path):
    table = predictions(scans)
    more = scans[scans["role"] == "train"].head(4).assign(site="demo/E", participant_id="sub-more")
    more["scan_id"] = [f"demo_sub-more_ses-{i}" for i in range(len(more))]
    table = pd.concat([table, predictions_of(more.head(1), seeds=2)])
    accuracy, *_ = measured(table, scores_of(scans, np.random.default_rng(3)), tmp_path)
    external = accuracy[(accuracy["people"] == "external") & (accuracy["metric"] == "mae")]
    assert list(external["n"]) == [15, 15] and list(external["sites"]) == [1, 1]


def test_sites_are_drawn_before_people():
    """With people alike within sites, the interval must be as wide as sites differ."""
    rng = np.random.default_rng(4)
    site = np.repeat([f"S{i}" for i in range(8)], 40)
    error = np.repeat(rng.normal(5, 2, 8), 40) + 0.1 * rng.normal(size=320)
    people = pd.DataFrame({"dataset": "demo", "site": site})
    by_people, _, _ = resamples(people, False, SETTINGS)
    by_site, how, notes = resamples(people, True, SETTINGS)
    assert np.allclose(by_site.sum(1), 1) and np.allclose(by_people.sum(1), 1)
    expected = error.reshape(8, 40).mean(1).std() / np.sqrt(8)
    assert (by_site @ error).std() == pytest.approx(expected, rel=0.25)
    assert (by_people @ error).std() < 0.3 * expected
    assert "over sites" in how and not notes


def test_too_few_people_for_a_diagnosis_are_told(scans, tmp_path):
    scores = scores_of(scans, np.random.default_rng(5))
    *_, diagnosis = measured(predictions(scans), scores, tmp_path, min_roc=21)
    assert diagnosis["estimate"].isna().all()
    assert "20 people in the smaller group, 21 are required" in diagnosis["note"].iloc[0]
