"""Site predictability: from the embedding, from age alone, and from the voxels."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import SITE_PROBE
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.probing.site import probe_site

from .simulated import CELL, SETTINGS, TRAINING, Study, study


def probed(made: Study, training: Training = TRAINING, **changes) -> pd.DataFrame:
    files = made.write()
    # Fewer folds and voxels than the default, for the time they take.
    probe_site(files, training, {**SETTINGS, "folds": 3, "site_voxels": 8, **changes})
    out = files.file("site_probe_of", training=training)
    return read_table(out, SITE_PROBE).set_index(["probe", "protocol"])


@pytest.mark.slow
def test_site_is_in_the_voxels_and_not_in_the_embedding(tmp_path):
    rows = probed(study(tmp_path), site_voxels=40)
    assert rows["n"].unique().tolist() == [55] and rows["sites"].unique().tolist() == [2]
    assert (rows["chance"] == 0.5).all()
    assert rows.loc["voxels", "balanced_accuracy"].min() > 0.9
    assert rows.loc["embedding", "balanced_accuracy"].max() < 0.75
    assert (rows["low"] <= rows["balanced_accuracy"]).all()
    assert (rows["balanced_accuracy"] <= rows["high"]).all()


@pytest.mark.slow
def test_site_is_found_where_it_is(tmp_path):
    made = study(tmp_path)
    made.embeddings[:, 5] += 4 * (made.scans["site"] == "demo/A")
    rows = probed(made, folds=5)
    assert rows.loc[("embedding", "converged"), "balanced_accuracy"] > 0.9


@pytest.mark.slow
def test_age_alone_predicts_sites_of_different_ages(tmp_path):
    made = study(tmp_path)
    made.scans["age"] = np.where(made.scans["site"] == "demo/A", 30, 60) + made.scans["age"] / 10
    rows = probed(made)
    assert rows.loc[("age_sex", "converged"), "balanced_accuracy"] > 0.95


def test_one_site_gives_no_rows(tmp_path):
    made = study(tmp_path, train=(30, "train", "CN", "A", 1), test=(20, "test", "CN", "AB", 1))
    assert len(probed(made)) == 0


@pytest.mark.parametrize(
    ("min_at_site", "rows"), [pytest.param(5, 5, marks=pytest.mark.slow), (6, 0)]
)
def test_sites_with_few_people_do_not_count(tmp_path, min_at_site, rows):
    people = {"train": (30, "train", None, "AB", 1), "test": (10, "test", None, "AB", 1)}
    assert len(probed(study(tmp_path, **people), min_at_site=min_at_site)) == rows


@pytest.mark.slow
def test_a_cell_is_probed_on_the_people_and_sites_of_the_whole(tmp_path):
    made = study(tmp_path)
    whole = probed(made)
    # Trained on site A only: by its own roles there would be one site and nothing to tell.
    site = made.scans.drop_duplicates("participant_id").set_index("participant_id")["site"]
    fit_at_b = (made.splits["role"] == "train") & (
        made.splits["participant_id"].map(site) == "demo/B"
    )
    part = made.splits[~fit_at_b].assign(experiment="lexp.all.0.5")
    made.splits = pd.concat([made.splits, part])
    training = Training.parse(CELL)
    assert probed(made, training, people_of="lexp.all.0.5").empty
    cell = probed(made, training)
    assert (cell["experiment"] == "lexp.all.0.5").all()
    same = ["balanced_accuracy", "low", "high", "sites", "n"]
    pd.testing.assert_frame_equal(cell[same], whole[same])


@pytest.mark.slow
def test_sites_of_one_name_are_two_in_two_data_sets(tmp_path):
    made = study(
        tmp_path,
        train=(30, "train", "CN", "1", 1, "ours"),
        ours=(20, "test", "CN", "1", 1, "ours"),
        theirs=(20, "test", "CN", "1", 1, "theirs"),
    )
    # Trained on one site: that of the other data set is none of the sites that are predicted.
    assert len(probed(made)) == 0
    made = study(
        tmp_path,
        train_ours=(30, "train", "CN", "1", 1, "ours"),
        train_theirs=(30, "train", "CN", "1", 1, "theirs"),
        ours=(20, "test", "CN", "1", 1, "ours"),
        theirs=(20, "test", "CN", "1", 1, "theirs"),
    )
    rows = probed(made)
    assert (rows["sites"] == 2).all() and (rows["n"] == 40).all()


def test_an_unknown_site_is_never_predicted(tmp_path):
    made = study(tmp_path)
    made.scans.loc[made.scans["site"] == "demo/B", "site"] = None
    assert len(probed(made)) == 0


@pytest.mark.slow
def test_whether_somebody_is_healthy_is_read_from_the_table(tmp_path):
    made = study(tmp_path)
    people = made.scans["participant_id"].str.startswith("sub-test")
    made.scans.loc[people & (made.scans["site"] == "demo/A"), "healthy"] = False
    assert (probed(made)["n"] == 45).all()
