import numpy as np
import pandas as pd
import pytest

from brainage.cohort.splits import usable_people, write_splits
from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.imaging import QC
from brainage.core.files import InputError
from brainage.core.subjects import PERSON
from brainage.core.tables import read_table, write_table

CONFIG = {
    "seed": 1,
    "runs": {
        "lexp": {"of": "lexp", "seeds": [1, 2], "datasets": None, "fraction": 1.0},
        "l1": {"of": "l1", "seeds": [1], "datasets": None, "fraction": 1.0},
    },
    "splits": {
        "scheme": "holdout",
        "folds": 4,
        "external_sites": ["d/E"],
        "test_sites": ["d/G"],
        "validation": 0.1,
        "calibration": 0.25,
        "internal_test": 0.15,
        "min_train": 10,
    },
}


def cohort(n=120):
    rng = np.random.default_rng(0)
    rows = []
    for person in range(n):
        site = "ABEG"[person % 4]
        sick = site == "G" and person % 8 < 4
        for visit in (1, 2):
            rows.append(
                {
                    "scan_id": f"d_sub-{person}_ses-{visit}",
                    "dataset": "d",
                    "participant_id": f"sub-{person}",
                    "session_id": f"ses-{visit}",
                    "run": None,
                    "t1w": "x",
                    "age": rng.uniform(20, 80),
                    "age_top_coded": person == 0,
                    "sex": "F",
                    "site": f"d/{site}",
                    "scanner": None,
                    "diagnosis": "AD" if sick else "CN",
                    "healthy": not sick,
                    "always_healthy": not sick,
                    "years_since_first": visit - 1.0,
                    "sex_original": None,
                    "diagnosis_original": None,
                    "set_aside": None,
                }
            )
    return pd.DataFrame(rows)


def run(tmp_path, scans, config, failed=()):
    verdict = ["fail" if s in failed else "pass" for s in scans["scan_id"]]
    qc = pd.DataFrame({"scan_id": scans["scan_id"], "verdict": verdict, "reason": None})
    write_table(scans, tmp_path / "scans.tsv", SCANS)
    write_table(qc, tmp_path / "qc.tsv", QC)
    write_splits(tmp_path / "scans.tsv", tmp_path / "qc.tsv", tmp_path / "splits.tsv", config)
    return read_table(tmp_path / "splits.tsv", SPLITS)


def test_holdout_gives_each_person_one_role_and_keeps_sites_apart(tmp_path):
    scans = cohort()
    splits = run(tmp_path, scans, CONFIG)
    # Two seeds of one experiment, one of the other.
    assert len(splits) == 3 * splits[PERSON].drop_duplicates().shape[0]
    one = splits[(splits["experiment"] == "lexp") & (splits["seed"] == 1)]
    assert not one.duplicated(PERSON).any()
    people = scans.drop_duplicates(PERSON)[[*PERSON, "site", "diagnosis"]]
    joined = one.merge(people, on=PERSON)
    assert set(joined.loc[joined["site"].isin(["d/E", "d/G"]), "role"]) == {"test"}
    assert set(joined.loc[joined["diagnosis"] == "AD", "role"]) == {"test"}
    inside = joined[joined["site"].isin(["d/A", "d/B"])]["role"].value_counts(normalize=True)
    assert inside["calibration"] == pytest.approx(0.25, abs=0.02)
    assert inside["train"] == pytest.approx(0.5, abs=0.02)
    assert set(joined.loc[joined["role"] == "calibration", "site"]) == {"d/A", "d/B"}
    # The person with a lower bound for an age has no role that learns from ages.
    assert "sub-0" not in set(joined.loc[joined["role"] != "test", "participant_id"])


def test_in_folds_everyone_is_test_once(tmp_path):
    scans = cohort()
    scans["always_healthy"] = True
    config = {**CONFIG, "splits": {**CONFIG["splits"], "scheme": "folds", "internal_test": 0.0}}
    splits = run(tmp_path, scans, config)
    one = splits[(splits["experiment"] == "lexp") & (splits["seed"] == 2)]
    tested = one[one["role"] == "test"]
    assert sorted(tested["participant_id"]) == sorted(scans["participant_id"].unique())
    for _, fold in one.groupby("fold"):
        assert not fold.duplicated(PERSON).any()
        assert {"train", "validation", "calibration", "test"} == set(fold["role"])


def test_failed_and_unusable_scans_give_no_role(tmp_path):
    scans = cohort()
    scans.loc[scans["participant_id"] == "sub-4", "set_aside"] = "no age"
    failed = {"d_sub-5_ses-1", "d_sub-5_ses-2", "d_sub-8_ses-1"}
    splits = run(tmp_path, scans, CONFIG, failed)
    named = set(splits["participant_id"])
    assert "sub-4" not in named
    assert "sub-5" not in named
    assert "sub-8" in named


def test_who_converts_later_neither_trains_nor_calibrates(tmp_path):
    scans = cohort()
    scans.loc[scans["participant_id"].isin(["sub-4", "sub-8", "sub-12"]), "always_healthy"] = False
    splits = run(tmp_path, scans, CONFIG).set_index("participant_id")["role"]
    assert set(splits[["sub-4", "sub-8", "sub-12"]]) == {"test"}


def test_too_few_people_and_lost_scans_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"500 are required \(key splits\.min_train\)"):
        run(tmp_path, cohort(), {**CONFIG, "splits": {**CONFIG["splits"], "min_train": 500}})
    scans = cohort()
    qc = pd.DataFrame({"scan_id": scans["scan_id"][1:], "verdict": "pass", "reason": None})
    with pytest.raises(InputError, match="d_sub-0_ses-1 is in only one of"):
        usable_people(scans, qc)


def with_cells(**cells):
    whole = CONFIG["runs"]["lexp"]
    return {**CONFIG, "runs": {**CONFIG["runs"], **{k: {**whole, **v} for k, v in cells.items()}}}


def test_cells_of_the_grid_have_nested_training_people_and_the_same_others(tmp_path):
    scans = cohort(240)
    config = with_cells(small={"fraction": 0.25}, half={"fraction": 0.5})
    splits = run(tmp_path, scans, config)
    sites = scans.drop_duplicates("participant_id").set_index("participant_id")["site"]
    ages = scans.drop_duplicates("participant_id").set_index("participant_id")["age"]
    drawn = []
    for seed in (1, 2):
        train, others = {}, {}
        for name in ("lexp", "half", "small"):
            own = splits[(splits["experiment"] == name) & (splits["seed"] == seed)]
            own = own.set_index("participant_id")["role"]
            train[name], others[name] = (
                set(own.index[own == "train"]),
                own[own != "train"].to_dict(),
            )
        assert train["small"] < train["half"] < train["lexp"]
        assert len(train["half"]) == round(len(train["lexp"]) / 2)
        assert others["small"] == others["half"] == others["lexp"]
        # Alike in site and age: a quarter of each site, and of its younger half.
        for site in "AB":
            here = sorted(
                (p for p in train["lexp"] if sites[p] == f"d/{site}"), key=lambda p: ages[p]
            )
            young = set(here[: len(here) // 2])
            assert len(train["small"] & set(here)) == pytest.approx(len(here) / 4, abs=2)
            assert len(train["small"] & young) == pytest.approx(len(young) / 4, abs=2)
        drawn.append(train["small"])
    assert drawn[0] != drawn[1]


def test_a_cell_may_be_of_one_data_set_and_must_be_large_enough(tmp_path):
    scans = cohort(240)
    other = scans["participant_id"].str[-1].isin([*"0123"])
    scans.loc[other, "dataset"] = "other"
    splits = run(tmp_path, scans, with_cells(other={"datasets": ["other"]}))
    own = splits[splits["experiment"] == "other"]
    assert set(own.loc[own["role"] == "train", "dataset"]) == {"other"}
    assert set(own.loc[own["role"] == "test", "dataset"]) == {"d", "other"}
    with pytest.raises(InputError, match=r"grid: tiny has 2 people to train on in fold 0"):
        run(tmp_path, scans, with_cells(tiny={"fraction": 0.03}))


def roles(splits):
    own = splits[(splits["experiment"] == "lexp") & (splits["seed"] == 1)]
    return own.set_index(["dataset", "participant_id", "fold"])["role"].to_dict()


@pytest.mark.parametrize("scheme", ["holdout", "folds"])
@pytest.mark.slow
def test_a_data_set_added_or_a_patient_changed_moves_nobody(tmp_path, scheme):
    config = {**CONFIG, "splits": {**CONFIG["splits"], "scheme": scheme}}
    scans = cohort()
    before = roles(run(tmp_path, scans, config))
    other = cohort(60)
    other["dataset"] = "a"  # in the alphabet's order it stands before
    other["scan_id"] = other["scan_id"].str.replace("d_", "a_")
    other["site"] = other["site"].str.replace("d/", "a/")
    after = roles(run(tmp_path, pd.concat([scans, other], ignore_index=True), config))
    assert before.items() <= after.items()
    sick = ~scans["always_healthy"]
    scans.loc[sick, "age"] += 3
    assert roles(run(tmp_path, scans, config)) == before
    gone = scans[scans["participant_id"] != scans.loc[sick, "participant_id"].iloc[0]]
    assert roles(run(tmp_path, gone.reset_index(drop=True), config)).items() <= before.items()


def test_each_data_set_is_shared_out_by_itself(tmp_path):
    scans = cohort(240)
    other = scans["participant_id"].str[-1].isin([*"0123"])
    scans.loc[other, "dataset"] = "other"
    scans.loc[other, "site"] = None  # unknown sites are none that is set apart
    splits = run(tmp_path, scans, CONFIG)
    one = splits[(splits["experiment"] == "lexp") & (splits["seed"] == 1)]
    one = one.merge(scans.drop_duplicates(PERSON)[[*PERSON, "always_healthy"]], on=PERSON)
    inside = one[(one["dataset"] == "other") & one["always_healthy"]]
    share = inside["role"].value_counts(normalize=True)
    assert share["calibration"] == pytest.approx(0.25, abs=0.02)
    assert share["train"] == pytest.approx(0.5, abs=0.03)
