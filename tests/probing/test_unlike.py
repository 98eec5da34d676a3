"""Unlike the training data: rarely said of people like them, and said of another scanner."""

import numpy as np
import pandas as pd
import pytest
from other_scanners import KNOWN_SITES, draw, flagged

from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.core.unlike import (
    IMAGE_MEASURES,
    compared_people,
    mean_percentiles,
    unlike_training,
)
from brainage.probing.age import probe_age
from brainage.probing.baselines import predict_baseline
from brainage.probing.unlike import SiteDistance, add_percentiles, percentiles

from .simulated import SETTINGS, TRAINING, study


# Of 40 simulated studies with 40 test people each, the SE of the share is about half a percent.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("people", "details"),
    [
        (KNOWN_SITES, {}),
        (KNOWN_SITES, {"sites": 3}),
        (KNOWN_SITES, {"tail": 3}),
        ({**KNOWN_SITES, "calibration": 12}, {}),
        ({**KNOWN_SITES, "calibration": 12}, {"tail": 3}),
        ({**KNOWN_SITES, "train": 20, "calibration": 6, "validation": 6}, {"tail": 5}),
        ({"train": 60, "test": 40}, {"tail": 3}),
    ],
)
def test_few_held_out_people_are_flagged_when_nothing_is_the_matter(people, details):
    assert flagged(40, people, **details) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("test_ages", [(65, 80), (20, 35)])
def test_people_at_the_ends_of_the_ages_are_about_as_rarely_flagged(test_ages):
    """Percentiles are among people of all ages, so that 5 % is promised for all of them together.

    With 100 studies the SE is about half a percent.
    """
    assert flagged(100, KNOWN_SITES, test_ages=test_ages) < 0.06


@pytest.mark.slow
@pytest.mark.parametrize("moved", [(5, 0), (0, 4), (5, 4)])
@pytest.mark.parametrize("calibration", [45, 15])
def test_another_scanner_is_flagged(moved, calibration):
    people = {**KNOWN_SITES, "calibration": calibration}
    assert flagged(10, people, moved=moved) > 0.9


def test_a_scanner_between_those_trained_on_is_far_from_each():
    """One distance for all sites together would have it in the middle of them."""
    rng = np.random.default_rng(1)
    train = np.concatenate([rng.normal(-10, 1, (30, 4)), rng.normal(10, 1, (30, 4))])
    sites = pd.Series(["demo/a"] * 30 + ["demo/b"] * 30)
    distance = SiteDistance(train, np.empty((60, 0)), sites)
    near, between = distance.of(np.array([[10.0] * 4, [0.0] * 4]), np.empty((2, 0)))
    assert near < 1.5 and between > 10


def test_small_sites_count_as_one():
    """Else a person alone at a site would lie at its middle, and so would whoever is beside."""
    rng = np.random.default_rng(2)
    train = rng.normal(size=(30, 4))
    alone = SiteDistance(train, np.empty((30, 0)), pd.Series([f"demo/{i}" for i in range(30)]))
    whole = SiteDistance(train, np.empty((30, 0)), pd.Series(["demo/a"] * 30))
    np.testing.assert_allclose(
        alone.of(train, np.empty((30, 0))), whole.of(train, np.empty((30, 0)))
    )


def test_percentiles_by_hand():
    distances = np.append(np.arange(1.0, 41.0), [0.5, 40.0, 99.0, np.nan])
    person = np.append(np.arange(40), [40, 41, 42, 43])
    found = percentiles(distances, np.arange(40), person)
    assert found[40] == pytest.approx(0)
    assert found[41] == pytest.approx(100 * (1 - 2 / 41))
    assert found[42] == pytest.approx(100 * (1 - 1 / 41))
    assert np.isnan(found[43])
    # Nobody is compared with themself: 39 others, all of them nearer.
    assert found[39] == pytest.approx(100 * (1 - 1 / 40))
    assert unlike_training(both(found[[39]])).tolist() == ["true"]
    assert np.isnan(percentiles(distances, np.arange(9), person)).all()


def test_with_few_people_a_rank_is_not_enough_and_the_tail_is_fitted():
    distances = np.append(np.exp(np.linspace(-0.4, 0.4, 20)), [1.55, 20.0])
    found = percentiles(distances, np.arange(20), np.arange(22))
    assert distances[20] > distances[:20].max()
    assert 85 < found[20] < 97.5 < found[21]


def both(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"embedding_percentile": values, "image_percentile": np.nan})


def test_the_flag_is_one_rule_over_seeds():
    rows = pd.DataFrame(
        {
            "scan_id": ["a", "a", "b", "b", "c", "d"],
            "embedding_percentile": [99.0, 97.0, 99.0, 90.0, np.nan, np.nan],
            "image_percentile": [50.0, 50.0, 60.0, 60.0, 97.5, np.nan],
        }
    )
    assert unlike_training(rows).tolist() == ["true", "false", "true", "false", "true", None]
    means = mean_percentiles(rows, ["scan_id"])
    assert means["unlike_training"].tolist() == ["true", "false", "true", None]
    assert means.loc["a", "embedding_percentile"] == pytest.approx(98)


@pytest.mark.slow
@pytest.mark.parametrize(("moved", "low", "high"), [((0, 0), 0, 0.05), ((5, 4), 0.9, 1)])
def test_the_mean_over_seeds_flags_as_one_seed_does(moved, low, high):
    shares = []
    for number in range(30):
        people, predicted, embedding, qc = draw(number, KNOWN_SITES, moved=moved)
        rng = np.random.default_rng([7, number])
        seeds = [embedding + rng.normal(0, 0.7, embedding.shape) for _ in range(3)]
        tables = [add_percentiles(people, predicted, values, qc) for values in seeds]
        means = mean_percentiles(pd.concat(tables), ["scan_id"])
        test = people.loc[people["role"] == "test", "scan_id"]
        shares.append((means.loc[test, "unlike_training"] == "true").mean())
    assert low <= np.mean(shares) <= high


def test_validation_people_serve_where_calibration_people_are_few():
    def compared(**people):
        roles = compared_people(draw(1, {"train": 20, "test": 9, **people})[0])["role"]
        return dict(roles.value_counts())

    assert compared(calibration=39, validation=50) == {"calibration": 39}
    assert compared(calibration=38, validation=2) == {"calibration": 38, "validation": 2}
    assert compared(calibration=38) == {"calibration": 38}
    assert compared(calibration=5, validation=4) == {}


@pytest.mark.parametrize("calibration", [45, 120])
def test_only_people_of_sites_trained_on_are_compared_with(calibration):
    """Else the calibration people of another scanner would make that scanner look ordinary."""
    people = {**KNOWN_SITES, "calibration": calibration}
    table, predicted, embedding, qc = draw(4, people)
    rows = table["role"].isin(["calibration", "test"]) & (table.index % 3 != 0)
    table["site"] = table["site"].mask(rows, "demo/new")
    embedding[rows] += 30
    qc.loc[rows, list(IMAGE_MEASURES)] += 30
    found = add_percentiles(table, predicted, embedding, qc)
    assert not (compared_people(found)["site"] == "demo/new").any()
    new = found[rows & (found["role"] == "test")]
    assert len(new) and (new[["embedding_percentile", "image_percentile"]] > 97.5).all(axis=None)


@pytest.mark.parametrize("training", [1, 9])
def test_too_few_training_people_leave_nothing_known(training):
    table = add_percentiles(*draw(5, {**KNOWN_SITES, "train": training}))
    assert unlike_training(table).isna().all()


def test_singular_covariances():
    """More features than people, copies of features, no spread at all: no error, and no flag."""
    people, predicted, embedding, qc = draw(6, KNOWN_SITES)
    test = people["role"] == "test"
    wide = np.tile(embedding, (1, 40))
    same = qc.assign(**dict.fromkeys(IMAGE_MEASURES, qc["cjv"]))
    for features in (wide, np.ones_like(embedding), np.outer(predicted, np.ones(16))):
        table = add_percentiles(people, predicted, features, same)
        assert (unlike_training(table[test]) == "true").mean() < 0.12
        assert table.loc[test, "image_percentile"].notna().all()
    table = add_percentiles(people, predicted, np.ones_like(embedding), same)
    assert table["embedding_percentile"].isna().all()
    flat = qc.assign(**dict.fromkeys(IMAGE_MEASURES, 1.0))
    table = add_percentiles(people, predicted, wide, flat)
    assert table["image_percentile"].isna().all()


def test_a_scan_without_quality_measures_is_compared_by_its_embedding_alone():
    people, predicted, embedding, qc = draw(7, KNOWN_SITES)
    last = people.index[people["role"] == "test"][-1]
    fewer = qc[qc["scan_id"] != people.at[last, "scan_id"]]
    table = add_percentiles(people, predicted, embedding, fewer)
    assert np.isnan(table.at[last, "image_percentile"])
    assert table.at[last, "embedding_percentile"] == pytest.approx(
        add_percentiles(people, predicted, embedding, qc).at[last, "embedding_percentile"]
    )


def test_nobody_held_out_leaves_the_measures(capsys):
    table = add_percentiles(*draw(1, {"train": 60, "test": 1}, moved=(9, 9)))
    test = table[table["role"] == "test"]
    assert test["embedding_percentile"].isna().all()
    assert unlike_training(test).tolist() == ["true"]
    assert "none of the embedding" in capsys.readouterr().err


def test_training_people_have_no_percentile():
    table = add_percentiles(*draw(2, KNOWN_SITES))
    known = table[["embedding_percentile", "image_percentile"]].notna()
    assert not known[table["role"] == "train"].any(axis=None)
    assert known[table["role"] != "train"].all(axis=None)


def test_measures_that_are_missing():
    people, predicted, embedding, qc = draw(3, KNOWN_SITES)
    last = people["scan_id"][people["role"] == "test"].iloc[0]
    row = people["scan_id"] == last
    qc.loc[qc["scan_id"] == last, "snr_wm"] = np.nan
    table = add_percentiles(people, predicted, embedding, qc)
    assert table["image_percentile"][~row & (table["role"] != "train")].notna().all()
    assert table["image_percentile"][row].isna().all()
    assert unlike_training(table[row]).notna().all()
    # A measure that training people lack is not compared.
    qc["cjv"] = np.nan
    rare = qc["scan_id"].str.contains("train00")
    qc["snr_gm"] = qc["snr_gm"].mask(rare)
    fewer = qc.drop(columns=["cjv", "snr_gm"])
    pd.testing.assert_frame_equal(
        add_percentiles(people, predicted, embedding, qc),
        add_percentiles(people, predicted, embedding, fewer),
    )
    none = add_percentiles(people, predicted, None, qc[["scan_id"]])
    assert unlike_training(none).isna().all()


def test_a_gap_alone_is_not_unlike_the_training_data():
    """With the age in place of the predicted age, 10 % were flagged instead of 3 %."""
    assert flagged(15, KNOWN_SITES, test_ages=(25, 55), gap=10) < 0.08


@pytest.mark.parametrize("same_name", [True, False])
def test_two_data_sets_with_one_name_of_a_site_are_two_sites(tmp_path, same_name):
    """Far apart, a data set's own scanner is near; what lies between is not."""
    other = "A" if same_name else "B"
    made = study(
        tmp_path,
        train=(30, "train", "CN", "A", 1, "one"),
        train_two=(30, "train", "CN", other, 1, "two"),
        calibration=(45, "calibration", "CN", "A", 1, "one"),
        test=(20, "test", "CN", other, 1, "two"),
        between=(20, "test", "CN", "X", 1, "three"),
    )
    dataset = made.scans["dataset"].to_numpy()
    made.embeddings += np.where(dataset == "one", -30, np.where(dataset == "two", 30, 0))[:, None]
    files = made.write()
    probe_age(files, TRAINING, SETTINGS)
    table = read_table(files.file("predictions_of", training=TRAINING), PREDICTIONS)
    by = table.assign(flag=table["unlike_training"] == "true").groupby(["dataset", "role"])["flag"]
    shares = by.mean()
    assert shares["two", "test"] < 0.3
    assert shares["three", "test"] == 1


def test_baselines_are_compared_by_the_measures_alone(tmp_path):
    made = study(tmp_path)
    external = made.scans["site"] == "demo/X"
    made.qc.loc[external, list(IMAGE_MEASURES)] += 20
    files = made.write()
    ridge = Training("ridge_voxels", 0, 1)
    predict_baseline(files, ridge, SETTINGS)
    probe_age(files, TRAINING, SETTINGS)
    tables = [
        read_table(files.file("predictions_of", training=of), PREDICTIONS).set_index("scan_id")
        for of in (ridge, TRAINING)
    ]
    baseline, own = tables
    assert baseline["embedding_percentile"].isna().all()
    assert own.loc[own["role"] == "test", "embedding_percentile"].notna().all()
    pd.testing.assert_series_equal(baseline["image_percentile"], own["image_percentile"])
    assert (baseline.loc[baseline["site"] == "demo/X", "unlike_training"] == "true").all()
    inside = baseline[(baseline["site"] != "demo/X") & (baseline["role"] == "test")]
    assert (inside["unlike_training"] == "false").mean() > 0.8
