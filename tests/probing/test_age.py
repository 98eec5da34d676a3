"""The age probe: joined by key, fitted on training people alone, and leaks refused."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.tables import read_table
from brainage.probing.age import probe_age

from .simulated import SETTINGS, TRAINING, Study, study


def predicted(made: Study, **changes) -> pd.DataFrame:
    files = made.write()
    probe_age(files, TRAINING, {**SETTINGS, **changes})
    out = files.file("predictions_of", training=TRAINING)
    return read_table(out, PREDICTIONS).set_index("scan_id")


def test_every_scan_is_predicted_and_follows_age(tmp_path):
    made = study(tmp_path)
    table = predicted(made)
    assert set(table.index) == set(made.scans["scan_id"])
    test = table[table["role"] == "test"]
    assert np.abs(test["predicted_age"] - test["age"]).mean() < 6
    assert table["role"].value_counts().to_dict() == {
        "test": 140,
        "train": 60,
        "calibration": 20,
        "validation": 15,
    }


def test_ages_of_others_change_nothing(tmp_path):
    made = study(tmp_path)
    before = predicted(made)["predicted_age"]
    role = made.splits.set_index("participant_id")["role"]
    others = made.scans["participant_id"].map(role).isin(["calibration", "test"])
    made.scans.loc[others, "age"] = 100 - made.scans.loc[others, "age"]
    after = predicted(made)["predicted_age"]
    pd.testing.assert_series_equal(before, after)


def test_noise_predicts_nobody(tmp_path):
    made = study(tmp_path)
    made.embeddings = np.random.default_rng(3).normal(size=made.embeddings.shape)
    table = predicted(made)
    test = table[table["role"] == "test"]
    assert abs(np.corrcoef(test["age"], test["predicted_age"])[0, 1]) < 0.35


def test_few_validation_people_fall_back_to_folds(tmp_path, capsys):
    table = predicted(study(tmp_path), min_validation=16)
    assert "15 validation people" in capsys.readouterr().err
    test = table[table["role"] == "test"]
    assert np.abs(test["predicted_age"] - test["age"]).mean() < 6


def test_unknown_and_top_coded_ages_are_not_fitted_and_stay_unknown(tmp_path):
    made = study(tmp_path)
    made.scans.loc[made.scans.index[0], "age"] = np.nan
    made.scans.loc[made.scans.index[1], ["age", "age_top_coded"]] = [89.0, True]
    first = predicted(made)
    assert first.loc[made.scans["scan_id"].iloc[:2], "age"].isna().all()
    made.scans.loc[made.scans.index[1], "age"] = 20.0
    pd.testing.assert_frame_equal(first, predicted(made))


def test_people_without_a_role_are_left_out(tmp_path):
    made = study(tmp_path)
    made.splits = made.splits[made.splits["participant_id"] != "sub-test000"]
    assert not predicted(made).index.str.contains("sub-test000").any()


def test_same_bytes(tmp_path):
    made = study(tmp_path)
    predicted(made)
    out = Layout(tmp_path).file("predictions_of", training=TRAINING)
    first = out.read_bytes()
    predicted(made)
    assert out.read_bytes() == first


def test_two_roles_are_refused(tmp_path):
    made = study(tmp_path)
    second = made.splits.iloc[[0]].assign(role="test")
    files = made.write()
    text = pd.concat([made.splits, second])
    text.to_csv(files.file("splits"), sep="\t", index=False)
    with pytest.raises(InputError, match="have the same key"):
        probe_age(files, TRAINING, SETTINGS)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: setattr(m, "scans", m.scans.iloc[:-1]), "no scan of that person|not in"),
        (lambda m: setattr(m, "embeddings", m.embeddings[:-1]), "names row"),
        (lambda m: m.embeddings.__setitem__((3, 2), np.nan), "not finite"),
        (lambda m: m.splits.__setitem__("seed", 9), "no rows for experiment lexp, fold 0, seed 1"),
        (lambda m: m.scans.__setitem__("age", np.nan), "0 training people"),
    ],
)
def test_what_does_not_match_is_refused(tmp_path, spoil, words):
    made = study(tmp_path)
    files = made.write()
    spoil(made)
    if len(made.embeddings) == len(made.scans):
        made.write()
    elif len(made.embeddings) < len(made.scans):
        out = files.file("embeddings", training=TRAINING)
        np.save(out, made.embeddings.astype(np.float32))
    else:
        made.scans.to_csv(files.file("scans"), sep="\t", index=False, na_rep="n/a")
    with pytest.raises(InputError, match=words):
        probe_age(files, TRAINING, SETTINGS)


def test_person_without_a_scan_in_the_array_is_refused(tmp_path):
    made = study(tmp_path)
    files = made.write()
    path = files.file("embedding_index", training=TRAINING)
    index = pd.read_csv(path, sep="\t")
    index[~index["scan_id"].str.contains("train000")].to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match="sub-train000"):
        probe_age(files, TRAINING, SETTINGS)
