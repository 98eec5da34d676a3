"""The baselines: ridge on voxels, and the constant."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.probing.baselines import predict_baseline

from .simulated import SETTINGS, Study, study


def predicted(made: Study, kind: str, **changes) -> pd.DataFrame:
    files, baseline = made.write(), Training(kind, 0, 1)
    predict_baseline(files, baseline, {**SETTINGS, **changes})
    return read_table(files.file("predictions_of", training=baseline), PREDICTIONS)


def test_constant_is_the_median_of_training_people(tmp_path):
    made = study(tmp_path)
    table = predicted(made, "median")
    median = table.loc[table["role"] == "train", "age"].median()
    assert table["predicted_age"].to_numpy() == pytest.approx(np.full(len(table), median))
    assert set(table["experiment"]) == {"median"} and len(table) == len(made.scans)


@pytest.mark.parametrize("changes", [{}, {"voxels": 50}, {"component_people": 30}])
@pytest.mark.slow
def test_ridge_on_voxels_follows_age(tmp_path, changes):
    table = predicted(study(tmp_path), "ridge_voxels", **changes)
    test = table[table["role"] == "test"]
    assert np.abs(test["predicted_age"] - test["age"]).mean() < 6


def test_components_and_ridge_come_from_training_people_alone(tmp_path):
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
    out = Layout(tmp_path).file("predictions_of", training=Training("ridge_voxels", 0, 1))
    first = out.read_bytes()
    predicted(made, "ridge_voxels")
    assert out.read_bytes() == first


def test_unknown_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="ridge_voxels, ridge_regions, median"):
        predicted(study(tmp_path), "forest")


@pytest.mark.slow
def test_ridge_reads_the_channels_of_the_encoder(tmp_path):
    made = study(tmp_path)
    files = made.write()
    brains, maps = np.load(files.file("brains")), files.file("grey_matter")
    # Age is in the maps alone: the brains are of nobody.
    np.save(maps, brains)
    made.brains[:] = np.random.default_rng(0).normal(0, 0.1, size=made.brains.shape)
    errors = {}
    for channels in (["brain"], ["grey_matter"], ["brain", "grey_matter"]):
        table = predicted(made, "ridge_voxels", channels=channels)
        test = table[table["role"] == "test"]
        errors[tuple(channels)] = np.abs(test["predicted_age"] - test["age"]).mean()
    assert errors["grey_matter",] < 6 and errors["brain", "grey_matter"] < 6 < errors["brain",]
    np.save(maps, brains[1:])
    with pytest.raises(InputError, match=r"grey_matter\.npy.*rebuild the store"):
        predicted(made, "ridge_voxels", channels=["brain", "grey_matter"])


def volumes(made: Study, **columns) -> pd.DataFrame:
    """Ages of the scans as two regions, shuffled: only the key joins them."""
    rng = np.random.default_rng(3)
    ages = made.scans["age"].to_numpy()
    table = pd.DataFrame(
        {
            "scan_id": made.scans["scan_id"],
            "ventricle": 5000 + 200 * ages + rng.normal(0, 400, len(ages)),
            "cortex": 9000 - 30 * ages + rng.normal(0, 60, len(ages)),
        }
    ).assign(**columns)
    return table.sample(frac=1, random_state=1)


def on_regions(made: Study, table: pd.DataFrame) -> pd.DataFrame:
    path = made.folder / "regions.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return predicted(made, "ridge_regions", regions=str(path))


def test_ridge_on_regions_follows_age_and_fits_on_training_people_alone(tmp_path):
    made = study(tmp_path)
    table = volumes(made)
    before = on_regions(made, table)
    test = before["role"] == "test"
    assert np.abs(before["predicted_age"] - before["age"])[test].mean() < 3
    others = before.loc[test, "scan_id"]
    table.loc[table["scan_id"].isin(others), ["ventricle", "cortex"]] *= 2
    after = on_regions(made, table)
    pd.testing.assert_frame_equal(before[~test], after[~test])
    assert not np.allclose(before.loc[test, "predicted_age"], after.loc[test, "predicted_age"])


@pytest.mark.slow
def test_a_wrong_table_of_regions_is_refused(tmp_path):
    made = study(tmp_path)
    whole = volumes(made)
    scan_id = made.scans["scan_id"].iloc[0]
    with pytest.raises(InputError, match=rf"no row for {scan_id} \(1 of "):
        on_regions(made, whole[whole["scan_id"] != scan_id])
    with pytest.raises(InputError, match=f"{scan_id}, column 'cortex': a volume is required"):
        on_regions(made, whole.assign(cortex=whole["cortex"].where(whole["scan_id"] != scan_id)))
    with pytest.raises(InputError, match="column 'note' holds text"):
        on_regions(made, whole.assign(note="good"))
    with pytest.raises(InputError, match="one column per region is required"):
        on_regions(made, whole[["scan_id"]])
