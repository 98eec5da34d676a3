"""The commands find all files by the layout of the results."""

import copy
import shutil

import pytest
from click.testing import CliRunner

from brainage.core.command import commands_of
from brainage.core.derivatives import QUALITY, derivative
from brainage.core.files import write_json
from brainage.core.layout import Layout
from brainage.core.software import versions_of
from brainage.reporting.tables import CONTRACTS
from tests.reporting.conftest import check_page
from tests.reporting.fake_results import SETTINGS


def recorded(version):
    return {"versions": {"scikit-learn": version}}


def lay_out(study, root):
    """Put the made-up results where the workflow has them; return their layout and settings."""
    files = Layout(root)
    settings = copy.deepcopy(SETTINGS)
    training = "lexp/fold-0_seed-1"
    settings |= {"trainings": {"lexp": [training]}, "simulated": ["demo"]}
    settings["locked"] = {"torch": "2.13.0"}
    settings["runs"]["lexp.all.0.5"] = {**settings["runs"]["lexp"], "fraction": 0.5}
    settings["report"]["people"] = ["sub-C001"]
    places = {name: files.file(name) for name in CONTRACTS if name not in ("history", "truth")}
    places["history"] = files.file("training_history", training=training)
    places["truth"] = files.file("truth", dataset="demo")
    for name, path in places.items():
        if name in study:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(study[name], path)
    for name in ("diagnosis_scores",):
        header = "\t".join(CONTRACTS[name].names)
        places[name].parent.mkdir(parents=True, exist_ok=True)
        places[name].write_text(f"{header}\n", encoding="utf-8")
    versions = {"versions": {"torch": "2.12.1"}}
    write_json(files.file("encoder_description", training=training), versions)
    write_json(versions_of(files.file("predictions_of", training=training)), recorded("1.7.1"))
    median = "median/fold-0_seed-1"
    write_json(versions_of(files.file("predictions_of", training=median)), recorded("1.7.2"))
    write_json(versions_of(files.file("accuracy")), recorded("1.7.2"))
    files.file("encoder", training=training).write_bytes(b"weights")
    record = derivative(files.folder("imaging"), "demo_sub-C001_ses-1", QUALITY)
    write_json(record, {"versions": {"antspyx": "0.6.3"}})
    remark = ["demo: 1 image has no row"]
    write_json(files.file("dataset_remarks", dataset="demo"), remark)
    write_json(root / "settings.json", settings)
    return files


@pytest.mark.slow
def test_every_command_finds_its_files(study, tmp_path):
    files = lay_out(study, tmp_path / "results")
    for command in commands_of("reporting"):
        arguments = [str(files.results), "--settings", str(files.results / "settings.json")]
        done = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert done.exit_code == 0, (command.name, done.output)
    report = files.file("study_page").parent
    text = check_page(files.file("study_page"), report).text
    assert "torch 2.12.1 was used, but the lock file pins 2.13.0." in text
    several = "several versions of scikit-learn: 1.7.1 in 1 table, 1.7.2 in 2 tables."
    assert several in text
    assert "antspyx 0.6.3" in text and "demo: 1 image has no row" in text
    assert "L_c" in text, "the grid is read"
    assert files.file("truth_recovery").is_file()
    check_page(files.file("quality_page"), report)
    person = files.file("people_page").parent / "demo_sub-C001.html"
    assert "encoder SHA-256" in check_page(person, report).text
