"""The simulated data set on disk."""

import gzip

import nibabel
import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.cohort import TRUTH
from brainage.core.files import InputError
from brainage.core.tables import read_table
from brainage.simulation import names, plan, simulate

SETTINGS = {
    "people": {"healthy": 8, "external": 4, "clinical": 6},
    "sites": {"healthy": 4, "external": 2, "clinical": 2},
    "visits": 2,
    "voxel_size": 6.0,
    "seed": 11,
    "troubles": True,
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    simulate.write_tables(SETTINGS, folder / "toy", folder / "toy_truth.tsv", "toy")
    return folder


@pytest.fixture(scope="module")
def dataset(tables):
    """The tables, and their images beside them."""
    simulate.write_images(SETTINGS, tables / "toy", plan.people(plan.make_plan(SETTINGS)))
    return tables


def read(path):
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def test_tables_agree_with_the_plan(tables):
    table = plan.make_plan(SETTINGS)
    people = read(tables / "toy" / "participants.tsv")
    assert list(people["participant_id"]) == plan.people(table)
    unknown = people.loc[people["age"] == "n/a", "participant_id"].tolist()
    assert unknown == table.loc[table["trouble"] == names.NO_AGE, "participant_id"].tolist()
    sessions = read(tables / "toy" / "sub-C0001" / "sub-C0001_sessions.tsv")
    expected = table[table["participant_id"] == "sub-C0001"]
    assert list(sessions["session_id"]) == list(expected["session_id"])
    assert np.allclose(sessions["age"].astype(float), expected["age"])


def test_truth_table_keeps_its_contract_and_names_every_trouble(tables):
    truth = read_table(tables / "toy_truth.tsv", TRUTH)
    assert len(truth) == len(plan.make_plan(SETTINGS))
    named = " / ".join(truth["trouble"].dropna())
    for trouble in names.TROUBLES:
        assert trouble in named
    assert "sub-T0006 and sub-T0007" in named


def test_nothing_in_the_data_set_tells_the_truth(tables):
    for path in (tables / "toy").rglob("*.tsv"):
        assert not {"true_gap", "true_brain_age", "off_axis", "trouble"} & set(read(path))


@pytest.mark.slow
def test_images_can_be_read_and_troubles_are_there(dataset):
    for row in plan.make_plan(SETTINGS).itertuples():
        path = dataset / "toy" / row.t1w
        if row.trouble == names.TRUNCATED:
            with pytest.raises(EOFError):
                gzip.decompress(path.read_bytes())
            continue
        image = nibabel.load(path)
        voxels = np.asarray(image.dataobj)
        assert image.header["qform_code"] == image.header["sform_code"] == 1
        assert (voxels.max() == 0) == (row.trouble == names.EMPTY)


@pytest.mark.slow
def test_one_scan_twice(dataset):
    paths = [
        dataset / "toy" / f"sub-T000{k}/ses-1/anat/sub-T000{k}_ses-1_T1w.nii.gz" for k in (6, 7)
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.slow
def test_same_bytes_in_any_company_and_with_more_processes(dataset, tmp_path):
    some = ["sub-H0002", "sub-E0001"]
    paths = simulate.write_images(SETTINGS, tmp_path, some, processes=2)
    assert len(paths) == 2
    for path in paths:
        assert path.read_bytes() == (dataset / "toy" / path.relative_to(tmp_path)).read_bytes()


@pytest.mark.slow
def test_motion_throws_ghosts_into_the_air():
    row = next(r for r in plan.make_plan(SETTINGS).itertuples() if r.trouble == names.MOTION)
    still = simulate.simulate_scan(SETTINGS, row._replace(trouble=None))[0].astype(float)
    moved = simulate.simulate_scan(SETTINGS, row)[0].astype(float)
    assert np.corrcoef(still.ravel(), moved.ravel())[0, 1] < 0.95
    assert np.percentile(moved, 10) > 1.3 * np.percentile(still, 10)


def test_unknown_people_are_refused(tmp_path):
    with pytest.raises(InputError, match="sub-X9"):
        simulate.write_images(SETTINGS, tmp_path, ["sub-X9"])


@pytest.fixture(scope="module")
def many():
    """Histograms, headers, ages and sites of more healthy people, in small images."""
    settings = SETTINGS | {
        "people": {"healthy": 80, "external": 40, "clinical": 0},
        "troubles": False,
        "voxel_size": 8.0,
    }
    table = plan.make_plan(settings)
    scans = [simulate.simulate_scan(settings, row) for row in table.itertuples()]
    largest = max(np.percentile(image, 99.9) for image, _ in scans)
    edges = np.concatenate([[0.0], np.geomspace(4, largest, 48)])
    histogram = np.array([np.histogram(image, edges)[0] / image.size for image, _ in scans])
    header = np.array([[*image.shape, *affine[:3].ravel()] for image, affine in scans])
    return table, histogram, header


@pytest.mark.slow
def test_the_site_is_easy_to_read_off_raw_histograms(many):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table, histogram, _ = many
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    named = cross_val_predict(model, histogram, table["site"], cv=folds)
    # 0.8 at the size of the demo (see benchmarks/simulation.py); here with 120 people.
    assert balanced_accuracy_score(table["site"], named) > 0.7


@pytest.mark.slow
def test_age_is_not_to_be_read_from_histogram_and_header(many):
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table, histogram, header = many
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 6, 13)))
    columns = np.hstack([histogram, header])
    folds = KFold(5, shuffle=True, random_state=0)
    found = cross_val_predict(model, columns, table["age"], cv=folds)
    # 0.2 at the size of the demo; a correlation over 120 people has a standard error of 0.09.
    assert abs(np.corrcoef(found, table["age"])[0, 1]) < 0.35
