import json
import os
import subprocess
import sys
import time

import pytest

from brainage import planning
from brainage.cohort import chunks
from brainage.core.config import complete
from brainage.core.files import InputError, MachineFault
from brainage.core.layout import Layout
from brainage.datasets.readers import bids
from brainage.datasets.table import write_dataset
from brainage.simulation import names
from brainage.simulation.plan import make_plan
from brainage.simulation.simulate import write_tables
from tests.conftest import ROOT
from tests.datasets.readers.test_bids import make

NOT_SNAKEMAKES = ("numpy", "pandas", "pyarrow", "scipy", "click", "nibabel", "torch", "ants")


def data_set(folder, sites, diagnoses=None):
    """A BIDS folder with a person at each site."""
    folder.mkdir()
    people = [f"sub-{number}" for number in range(1, len(sites) + 1)]
    make(folder, *(f"{person}/anat/{person}_T1w.nii.gz" for person in people))
    rows = zip(people, sites, diagnoses or ["n/a"] * len(sites), strict=True)
    (folder / "participants.tsv").write_text(
        "participant_id\tage\tsite\tdiagnosis\n"
        + "".join(f"{person}\t40\t{site}\t{word}\n" for person, site, word in rows)
    )
    return {"kind": "bids", "path": str(folder)}


def test_planning_loads_nothing_that_snakemake_does_not_require(tmp_path):
    """The demo and a BIDS folder, in an interpreter in which the rest cannot be imported."""
    data_set(tmp_path / "one", ["A", "B"])
    script = f"""
import sys
class Blocked:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {NOT_SNAKEMAKES!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
import yaml
from brainage.core.config import complete
from brainage import planning
demo = yaml.safe_load(open({str(ROOT / "config" / "config.yaml")!r}))
one = {{"kind": "bids", "path": {str(tmp_path / "one")!r}, "all_controls": True}}
demo["datasets"]["one"] = one
plan = planning.plan(complete(demo))
print(len(plan["chunks"]["demo"]), plan["groups"], len(plan["read"]))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "4 ['CN', 'MCI', 'AD'] 1"


def test_a_site_is_one_of_its_data_set(tmp_path):
    datasets = {
        "one": data_set(tmp_path / "one", ["1", "2"]),
        "two": data_set(tmp_path / "two", ["1", "3"]),
    }

    def planned(*sites):
        config = {"datasets": datasets, "splits": {"external_sites": list(sites)}}
        return planning.plan(complete(config))["external_sites"]

    assert planned("two/1", "3") == ["two/1", "two/3"]
    with pytest.raises(InputError, match=r"'1', which several data sets have.*one/1, two/1"):
        planned("1")
    with pytest.raises(InputError, match=r"'two/2', which is in no row"):
        planned("two/2")


def test_a_data_set_without_diagnoses_beside_one_with_them_stops_planning(tmp_path):
    datasets = {
        "one": data_set(tmp_path / "one", ["A", "B"], ["CN", "AD"]),
        "two": data_set(tmp_path / "two", ["A", "B"]),
    }
    with pytest.raises(InputError, match=r"datasets\.two\.all_controls"):
        planning.plan(complete({"datasets": datasets}))
    datasets["two"]["all_controls"] = True
    assert planning.plan(complete({"datasets": datasets}))["groups"] == ["CN", "AD"]


def test_codes_of_sex_may_be_numbers(tmp_path):
    own = data_set(tmp_path / "one", ["A"])
    (tmp_path / "one" / "participants.tsv").write_text("participant_id\tage\tsex\nsub-1\t40\t2\n")
    config = complete({"datasets": {"one": own | {"sex_map": {1: "M", 2: "F"}}}})
    planning.plan(config)
    # What the job reads from its settings is what planning read.
    config = json.loads(json.dumps(config))
    files = Layout(tmp_path / "results")
    write_dataset(files, "one", {"dataset": config["datasets"]["one"], "run": "first"})
    assert "\tF\t" in files.file("dataset_scans", dataset="one").read_text()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("participants.json", '{"age": {"Units": "months"}}'),
        (".bidsignore", "sub-2\n"),
        ("sub-1/sub-1_sessions.tsv", "session_id\tage\nses-1\t50\n"),
    ],
)
def test_every_file_that_changes_what_is_read_runs_the_reader_again(tmp_path, name, text):
    config = complete({"datasets": {"one": data_set(tmp_path / "one", ["A", "A"])}})
    make(tmp_path / "one", "sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz")
    before = planning.plan(config)["read"]
    assert planning.plan(config)["read"] == before
    (tmp_path / "one" / name).write_text(text)
    assert planning.plan(config)["read"] != before
    assert (tmp_path / "one" / name) in bids.tables(tmp_path / "one", ["sub-1", "sub-2"])


def test_a_scan_that_cannot_be_used_is_in_the_table_of_scans_with_its_reason(tmp_path):
    own = data_set(tmp_path / "one", ["A", "A"])
    make(tmp_path / "one", "sub-2/anat/sub-2_acq-fast_T1w.nii.gz")
    (tmp_path / "exclude.tsv").write_text("scan_id\treason\none_sub-1\tno consent\n")
    exclude = {"exclude": str(tmp_path / "exclude.tsv")}
    config = complete({"datasets": {"one": own}, "imaging": exclude})
    reasons = planning.plan(config)["exclude"]
    assert reasons["one_sub-1"] == "excluded by the user: no consent"
    files = Layout(tmp_path / "results")
    write_dataset(files, "one", {"dataset": config["datasets"]["one"], "run": "first"})
    assert reasons["one_sub-2"] in files.file("dataset_scans", dataset="one").read_text()
    remarks = json.loads(files.file("dataset_remarks", dataset="one").read_text())
    assert "2 images are set aside (several T1w images of one session)" in remarks[0]


def locked(folder):
    """A folder with five images, of which two are links without content and one is a loop."""
    own = data_set(folder, ["A"] * 5)
    for number, target in ((1, "../annex/x"), (2, "../annex/y"), (3, "sub-3_T1w.nii.gz")):
        image = folder / f"sub-{number}/anat/sub-{number}_T1w.nii.gz"
        image.unlink()
        image.symlink_to(target)
    return own


def test_images_that_cannot_be_opened_are_set_aside_and_said(tmp_path, monkeypatch):
    own = locked(tmp_path / "one")
    access = os.access
    monkeypatch.setattr(os, "access", lambda p, m: "sub-4" not in str(p) and access(p, m))
    (tmp_path / "exclude.tsv").write_text("scan_id\treason\none_sub-1\tno consent\n")
    imaging = {"exclude": str(tmp_path / "exclude.tsv")}
    found = planning.plan(complete({"datasets": {"one": own}, "imaging": imaging}))
    assert found["exclude"] == {
        "one_sub-1": "excluded by the user: no consent",
        "one_sub-2": "the image is a link to content that is not there (with DataLad: datalad get)",
        "one_sub-3": "the image is a link that leads back to itself",
        "one_sub-4": "the image is a file that may not be read (permission denied)",
    }
    assert (
        "one: 2 scans are set aside, as the image of each is a link to content that is not there "
        "(with DataLad: datalad get): one_sub-1, one_sub-2"
    ) in found["remarks"]


def test_a_data_set_without_any_image_that_can_be_opened_stops_planning(tmp_path):
    own = data_set(tmp_path / "one", ["A"])
    image = tmp_path / "one/sub-1/anat/sub-1_T1w.nii.gz"
    image.unlink()
    image.symlink_to("nowhere")
    with pytest.raises(InputError, match="none of its 1 images .*one_sub-1 is a link to content"):
        planning.plan(complete({"datasets": {"one": own}}))


def test_a_folder_that_goes_away_before_its_table_is_made_is_waited_for(tmp_path, monkeypatch):
    """Else fewer scans, or an error that reads like one of the user."""
    own = data_set(tmp_path / "one", ["A", "B"])
    config = complete({"datasets": {"one": own}})
    settings = {
        "dataset": config["datasets"]["one"],
        "run": "first",
        "listing": planning.plan(config)["read"]["one"]["listing"],
    }
    results, gone = Layout(tmp_path / "results"), tmp_path / "gone"
    for place in (tmp_path / "one", tmp_path / "one" / "sub-2"):
        place.rename(gone)
        monkeypatch.setattr(time, "sleep", lambda _: None)
        with pytest.raises(MachineFault, match="one: cannot be read any more"):
            write_dataset(results, "one", settings)
        monkeypatch.setattr(time, "sleep", lambda _, back=place: gone.rename(back))
        write_dataset(results, "one", settings)


def test_a_new_person_leaves_everybody_elses_chunk_alone(tmp_path):
    own = data_set(tmp_path / "one", ["A"] * 8)
    config = complete({"datasets": {"one": own}, "imaging": {"chunk_size": 2}})

    def chunk_of():
        chunks = planning.plan(config)["chunks"]["one"]
        return {scan: number for number, part in chunks.items() for scan, _ in part["scans"]}

    before = chunk_of()
    make(tmp_path / "one", "sub-9/anat/sub-9_T1w.nii.gz")
    after = chunk_of()
    assert set(after) - set(before) == {"one_sub-9"}
    # Nine scans are more than four chunks of two: then their number doubles, and only then.
    assert len(set(before.values())) > 1
    (tmp_path / "one" / "sub-8" / "anat" / "sub-8_T1w.nii.gz").unlink()
    fewer = chunk_of()
    assert {scan: before[scan] for scan in fewer if scan in before} == {
        scan: number for scan, number in fewer.items() if scan in before
    }


def dated(path, text, days):
    """Write a file whose date lies so many days back."""
    path.write_text(text)
    when = time.time() - days * 86400
    os.utime(path, (when, when))


def test_what_tables_and_images_hold_counts_and_not_their_dates(tmp_path):
    own = data_set(tmp_path / "one", ["A"] * 8)
    image = tmp_path / "one" / "sub-1" / "anat" / "sub-1_T1w.nii.gz"
    people = tmp_path / "one" / "participants.tsv"
    text = people.read_text()
    dated(image, "new", 1)
    dated(people, text, 1)
    config = complete({"datasets": {"one": own}, "imaging": {"chunk_size": 1}})

    def planned():
        plan = planning.plan(config)
        return plan["read"], [chunk["images"] for chunk in plan["chunks"]["one"].values()]

    read, images = planned()
    dated(image, "old", 9)
    again, older = planned()
    assert again == read
    changed = [one != other for one, other in zip(images, older, strict=True)]
    assert changed.count(True) == 1 < len(changed)
    # An age that is corrected, in a file that is older than the one before.
    dated(people, text.replace("40\tA", "41\tA", 1), 9)
    assert planned()[0] != read
    dated(people, text, 0)
    assert planned()[0] == read


def test_what_the_files_that_the_config_names_hold_counts(tmp_path):
    own = data_set(tmp_path / "one", ["A"])
    decisions = tmp_path / "decisions.tsv"
    config = complete({"datasets": {"one": own}, "quality": {"decisions": str(decisions)}})
    dated(decisions, "scan_id\tdecision\none_sub-1\tkeep\n", 1)
    before = planning.plan(config)["contents"]
    assert list(before) == ["quality.decisions"]
    dated(decisions, "scan_id\tdecision\none_sub-1\tdrop\n", 9)
    assert planning.plan(config)["contents"] != before
    config["imaging"]["template"] = str(tmp_path / "gone.nii.gz")
    with pytest.raises(InputError, match=r"imaging\.template: there is no file .*gone"):
        planning.plan(config)


@pytest.mark.parametrize("name", ["participants.tsv", "sub-1/anat/sub-1_T1w.nii.gz"])
def test_a_date_in_the_future_is_refused_with_the_file(tmp_path, name):
    own = data_set(tmp_path / "one", ["A"])
    path = tmp_path / "one" / name
    config = complete({"datasets": {"one": own}})
    dated(path, path.read_text(), -1)
    with pytest.raises(InputError, match=f"{name}: its date, .* is in the future.*touch "):
        planning.plan(config)


def test_chunks_grow_where_there_would_be_many():
    def chunks_of(scans, size=None):
        return len(chunks.split([f"sub-{number}" for number in range(scans)], scans, size))

    assert chunks_of(16) == 1
    assert chunks_of(2048) == chunks_of(8192) == 128
    assert chunks_of(20_000) == 512
    assert chunks_of(20_000, size=16) == 2048


@pytest.mark.parametrize("clinical", [0, 1, 7])
def test_the_names_of_a_simulated_cohort_are_those_of_its_plan(clinical):
    settings = complete(
        {
            "datasets": {
                "demo": {
                    "kind": "simulated",
                    "simulation": {"people": {"healthy": 5, "external": 1, "clinical": clinical}},
                }
            }
        }
    )["datasets"]["demo"]["simulation"]
    plan = make_plan(settings)
    assert set(names.participants(settings)) == set(plan["participant_id"])
    assert names.diagnoses(settings) == set(plan["diagnosis"])
    assert names.sites_with_people(settings) == set(plan["site"])
    assert names.planned_scans(settings) >= len(plan)


def test_heads_of_an_earlier_larger_plan_are_not_of_the_cohort(tmp_path):
    def simulation(healthy):
        people = {"healthy": healthy, "external": 2, "clinical": 3}
        data = {"kind": "simulated", "simulation": {"people": people, "troubles": False}}
        return complete({"datasets": {"demo": data}})["datasets"]["demo"]

    files = Layout(tmp_path)
    folder = files.folder("simulated", dataset="demo")
    for healthy in (12, 8):
        settings = simulation(healthy)["simulation"]
        write_tables(settings, folder, tmp_path / "truth.tsv", "demo")
        plan = make_plan(settings)
        for t1w in plan["t1w"]:
            (folder / t1w).parent.mkdir(parents=True, exist_ok=True)
            (folder / t1w).touch()
    images = files.file("simulated_images", dataset="demo", chunk=0)
    images.parent.mkdir()
    plan.assign(scan_id="x", sha256="x")[["scan_id", "t1w", "sha256"]].to_csv(
        images, sep="\t", index=False
    )
    write_dataset(files, "demo", {"dataset": simulation(8), "run": "first", "chunks": ["0"]})
    scans = files.file("dataset_scans", dataset="demo").read_text().splitlines()
    assert len(scans) == len(plan) + 1
    assert json.loads(files.file("dataset_remarks", dataset="demo").read_text()) == []
