"""The commands of the simulated cohort."""

import json

import pytest
from click.testing import CliRunner

from brainage.core.contracts.cohort import SIMULATED_IMAGES, TRUTH
from brainage.core.files import sha256
from brainage.core.layout import Layout
from brainage.core.tables import read_table
from brainage.simulation import commands

SIMULATION = {
    "people": {"healthy": 2, "external": 0, "clinical": 1},
    "sites": {"healthy": 1, "external": 0, "clinical": 1},
    "visits": 2,
    "voxel_size": 8.0,
    "seed": 3,
    "troubles": False,
}


def run(command, *arguments):
    CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)


@pytest.mark.slow
def test_a_data_set_is_written_table_by_table_and_chunk_by_chunk(tmp_path):
    files = Layout(tmp_path)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"simulation": SIMULATION, "people": ["sub-H0002"]}))
    run(commands.simulate_tables, tmp_path, "toy", "--settings", settings)
    assert set(read_table(files.file("truth", dataset="toy"), TRUTH)["dataset"]) == {"toy"}
    assert files.file("participants", dataset="toy").is_file()
    run(commands.simulate_images, tmp_path, "toy_3", "--settings", settings)
    table = read_table(
        files.file("simulated_images", dataset="toy", chunk="3"), SIMULATED_IMAGES
    ).to_dict("records")
    t1w = "sub-H0002/ses-1/anat/sub-H0002_ses-1_T1w.nii.gz"
    image = files.folder("simulated", dataset="toy") / t1w
    assert table == [{"scan_id": "toy_sub-H0002_ses-1", "t1w": t1w, "sha256": sha256(image)}]


def test_a_whole_data_set_has_the_people_that_were_asked_for(tmp_path, monkeypatch):
    from brainage.simulation import simulate

    written = {}

    def write_images(settings, folder, people, processes):
        written.update(settings=settings, people=people, processes=processes)

    monkeypatch.setattr(simulate, "write_images", write_images)
    options = ["--healthy", 2, "--external", 1, "--clinical", 3, "--external-sites", 1]
    run(commands.simulate, tmp_path / "toy", *options, "--no-troubles", "--processes", 2)
    assert written["people"] == ["sub-H0001", "sub-H0002", "sub-E0001"] + [
        f"sub-C000{k}" for k in (1, 2, 3)
    ]
    assert written["settings"]["sites"] == {"healthy": 4, "external": 1, "clinical": 2}
    assert written["processes"] == 2
    assert (tmp_path / "toy_truth.tsv").is_file()
