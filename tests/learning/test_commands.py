"""The commands of learning, from the tables and the images to the embeddings."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from brainage.core.command import commands_of
from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.files import write_text
from brainage.core.layout import Layout
from brainage.core.subjects import scanners_of
from brainage.core.tables import read_table
from tests.learning.trainings import SMALL, TOY


@pytest.fixture
def call(toy, tmp_path):
    """Call a command with its settings on results that have what imaging leaves."""
    files = Layout(tmp_path / "results")
    for name in ("scans", "splits", "qc"):
        write_text(files.file(name), toy.files.file(name).read_text())
    files.folder("imaging").joinpath("toy").symlink_to(toy.files.folder("imaging") / "toy")
    commands = {command.name: command for command in commands_of("learning")}

    def called(name, settings, *what):
        write_text(tmp_path / "settings.json", json.dumps(settings))
        arguments = [str(files.results), *what, "--settings", str(tmp_path / "settings.json")]
        CliRunner().invoke(commands[name], arguments, catch_exceptions=False)
        return files

    return called


def test_store_pretrain_embed(toy, call):
    call("store", {"channels": ["brain"]})
    learning = {**SMALL, "epochs": 1}
    call("pretrain", {"learning": learning, "steps_of": "toy", "threads": 1, "code": "c"}, str(TOY))
    files = call("embed", {"device": "cpu", "threads": 1, "code": "c"}, str(TOY))
    description = json.loads(files.file("encoder_description", training=TOY).read_text())
    scans = read_table(files.file("scans"), SCANS).merge(read_table(files.file("splits"), SPLITS))
    train = scans[scans["role"] == "train"]
    assert description["training"]["sites"] == sorted(train["site"].unique())
    assert description["training"]["scanners"] == scanners_of(train)
    values = np.load(files.file("embeddings", training=TOY))
    assert values.shape == (len(toy.rows), description["architecture"]["feature_size"])
