"""The baselines: ridge on voxels, and the best constant."""

import numpy as np
import pandas as pd
import pytest

from brainage.contracts import PREDICTIONS
from brainage.files import InputError
from brainage.probing.baselines import predict_baseline
from brainage.tables import read_table

from .simulated import SETTINGS, Study, study


def predicted(made: Study, kind: str, **changes) -> pd.DataFrame:
    paths = made.write()
    out = made.folder / "predictions.tsv"
    settings = {**SETTINGS, **changes}
    store = made.folder / "store"
    predict_baseline(store, paths["scans"], paths["splits"], out, kind, "lexp", 0, 1, settings)
    return read_table(out, PREDICTIONS)


def test_mean_is_the_median_of_fit_people(tmp_path):
    made = study(tmp_path)
    table = predicted(made, "mean")
    median = table.loc[table["role"] == "fit", "age"].median()
    assert table["predicted_age"].to_numpy() == pytest.approx(np.full(len(table), median))
    assert set(table["experiment"]) == {"mean"} and len(table) == len(made.scans)


@pytest.mark.parametrize("changes", [{}, {"voxels": 50}, {"component_people": 30}])
def test_ridge_on_voxels_follows_age(tmp_path, changes):
    table = predicted(study(tmp_path), "ridge_voxels", **changes)
    test = table[table["role"] == "test"]
    assert np.abs(test["predicted_age"] - test["age"]).mean() < 6


def test_components_and_ridge_come_from_fit_people_alone(tmp_path):
    made = study(tmp_path)
    before = predicted(made, "ridge_voxels")
    role = made.scans["participant_id"].map(made.splits.set_index("participant_id")["role"])
    changed = (role == "test").to_numpy()
    made.brains[changed] += np.random.default_rng(1).normal(size=made.brains[changed].shape)
    after = predicted(made, "ridge_voxels")
    same = before["role"] != "test"
    pd.testing.assert_frame_equal(before[same], after[same])
    assert not np.allclose(before[~same]["predicted_age"], after[~same]["predicted_age"])


def test_same_bytes(tmp_path):
    made = study(tmp_path)
    predicted(made, "ridge_voxels")
    first = (tmp_path / "predictions.tsv").read_bytes()
    predicted(made, "ridge_voxels")
    assert (tmp_path / "predictions.tsv").read_bytes() == first


def test_unknown_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="ridge_voxels, mean"):
        predicted(study(tmp_path), "forest")
