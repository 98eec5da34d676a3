"""The diagnosis probe: out of fold, one scan a person, no controls of other sites."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import DIAGNOSIS_SCORES
from brainage.core.subjects import site_key
from brainage.core.tables import read_table
from brainage.probing.diagnosis import probe_diagnosis

from .simulated import SETTINGS, TRAINING, Study, study


def scored(made: Study) -> pd.DataFrame:
    files = made.write()
    probe_diagnosis(files, TRAINING, SETTINGS)
    out = files.file("diagnosis_scores_of", training=TRAINING)
    return read_table(out, DIAGNOSIS_SCORES).merge(made.scans, on="scan_id")


def area(table: pd.DataFrame) -> float:
    cases = table.loc[table["diagnosis"] == "AD", "score"].to_numpy()
    controls = table.loc[table["diagnosis"] == "CN", "score"].to_numpy()
    return float((cases[:, None] > controls[None, :]).mean())


@pytest.mark.slow
def test_disease_in_the_embedding_is_found(tmp_path):
    table = scored(study(tmp_path))
    assert len(table) == 60 and table["participant_id"].is_unique
    assert (table["session_id"] == "ses-1").all() and set(table["site"]) == {"demo/X"}
    assert set(table["case"]) == {"AD"} and table["score"].between(0, 1).all()
    assert area(table) > 0.75


@pytest.mark.slow
def test_noise_is_not_found(tmp_path):
    found = []
    for seed in range(6):
        made = study(tmp_path, seed=seed)
        made.embeddings = np.random.default_rng(seed).normal(size=made.embeddings.shape)
        found.append(area(scored(made)))
    assert 0.35 < np.mean(found) < 0.65


def test_too_few_people_give_no_rows(tmp_path):
    people = {
        "train": (30, "train", "CN", "A", 1),
        "controls": (30, "test", "CN", "X", 1),
        "patients": (9, "test", "AD", "X", 1),
    }
    assert len(scored(study(tmp_path, **people))) == 0


def test_groups_of_different_sites_give_no_rows(tmp_path):
    people = {
        "train": (30, "train", "CN", "A", 1),
        "controls": (30, "test", "CN", "X", 1),
        "patients": (30, "test", "AD", "Y", 1),
    }
    assert len(scored(study(tmp_path, **people))) == 0


def test_no_diagnosis_gives_no_rows(tmp_path):
    people = {"train": (30, "train", None, "A", 1), "test": (30, "test", None, "X", 1)}
    assert len(scored(study(tmp_path, **people))) == 0


@pytest.mark.parametrize("site", [None, pytest.param("1", marks=pytest.mark.slow)])
def test_groups_of_different_data_sets_give_no_rows(tmp_path, site):
    people = {
        "train": (30, "train", "CN", "A", 1),
        "controls": (30, "test", "CN", "X", 1, "ours"),
        "patients": (30, "test", "AD", "X", 1, "theirs"),
    }
    made = study(tmp_path, **people)
    made.scans["site"] = [site_key(dataset, site) for dataset in made.scans["dataset"]]
    assert len(scored(made)) == 0
    # In one data set the very same people are scored.
    made.scans["dataset"] = made.splits["dataset"] = "ours"
    made.scans["site"] = site_key("ours", site)
    assert len(scored(made)) == 60
