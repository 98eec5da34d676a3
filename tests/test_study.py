import errno
import json
from pathlib import Path

import pytest

from brainage.core.files import InputError, MachineFault
from brainage.study import Study


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(**sections):
        people = {"healthy": 6, "external": 2, "clinical": 3}
        data = {"kind": "simulated", "simulation": {"people": people}}
        experiments = {"lexp": {"loss": "exp", "seeds": [1, 2]}, "l1": {"loss": "l1"}}
        config = {"datasets": {"demo": data}, "experiments": experiments, **sections}
        return Study(config, [])

    return made


def test_trainings_are_every_fold_and_seed_and_a_baseline_has_the_first_seed(study):
    found = study(splits={"scheme": "folds", "folds": 2})
    assert found.trainings(["lexp", "median"]) == [
        "lexp/fold-0_seed-1",
        "lexp/fold-0_seed-2",
        "lexp/fold-1_seed-1",
        "lexp/fold-1_seed-2",
        "median/fold-0_seed-1",
        "median/fold-1_seed-1",
    ]


def test_cells_stand_beside_the_experiments_that_they_are_of(study):
    found = study(grid={"experiments": ["l1"], "fractions": [0.5]})
    assert found.cells == ["l1.all.0.5"]
    assert found.grid == ["l1", "l1.all.0.5"]
    assert found.learning("l1.all.0.5/fold-0_seed-1")["loss"] == "l1"


def test_an_experiment_has_no_key_that_only_other_losses_take(study):
    found = study()
    assert "bandwidth" in found.learning("lexp/fold-0_seed-1")
    assert "bandwidth" not in found.learning("l1/fold-0_seed-1")


def test_regional_volumes_are_the_users_or_those_of_a_warp(study, tmp_path):
    assert study().baselines == ["ridge_voxels", "median"]
    warped = study(imaging={"registration": "syn"})
    assert warped.regions == "results/imaging/regions.tsv"
    assert "ridge_regions" in warped.baselines
    (tmp_path / "own.tsv").write_text("scan_id\tputamen\n")
    assert study(probing={"regions": "own.tsv"}).regions == "own.tsv"


def test_settings_are_named_by_their_content_and_written_once_asked(study):
    found = study()
    path = found.settings("split", "seed", runs={})
    assert path == found.settings("split", "seed", runs={})
    assert path != found.settings("split", "seed", runs={"a": 1})
    assert not Path("results").exists()
    found.write_settings()
    assert json.loads(Path(path).read_text()) == {"seed": 2025, "runs": {}}
    # What is there by this name has this content: it is not written again.
    before = Path(path).stat().st_mtime_ns
    found.settings("split", "seed", runs={})
    found.write_settings()
    assert Path(path).stat().st_mtime_ns == before


def test_what_planning_found_is_in_the_config(study):
    found = study(splits={"external_sites": ["external-1"]})
    assert found.config["splits"]["external_sites"] == ["demo/external-1"]
    assert found.config["statistics"]["groups"] == ["CN", "AD", "MCI"]


def test_the_saved_plan_serves_the_jobs_of_a_cluster(study, monkeypatch):
    config = {"datasets": {"demo": {"kind": "simulated"}}}
    first = Study(config, [])
    from brainage import planning

    def fails(_):
        raise AssertionError("planned again")

    monkeypatch.setattr(planning, "plan", fails)
    assert Study(config, [], reuse=True).plan == first.plan


def test_a_folder_of_results_that_cannot_be_written_is_named(study):
    Path("taken").write_text("a file")
    with pytest.raises(InputError, match="taken is not a folder that can be written"):
        study(results="taken/results")


def test_a_disk_that_does_not_answer_is_one_message(study, monkeypatch):
    from brainage import planning

    def away(_):
        raise OSError(errno.ESTALE, "Stale file handle", "data/sub-1")

    monkeypatch.setattr(planning, "plan", away)
    with pytest.raises(InputError, match="Stale file handle: 'data/sub-1'; the disk or network"):
        study()


def test_a_second_run_is_refused_and_a_job_of_the_first_is_not(study):
    first = study()
    first.start()
    with pytest.raises(MachineFault, match="results: results: process .* is writing this already"):
        study().start()
    Study({"datasets": {"demo": {"kind": "simulated"}}}, [], reuse=True).start()
