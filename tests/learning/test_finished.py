"""What trains anew, and what finds its finished result."""

import json
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.layout import Layout
from brainage.core.store import open_store
from brainage.core.tables import read_table, write_table
from brainage.core.training import Training
from brainage.learning import finished, people, store
from tests.learning.trainings import SMALL, TOY, output, results, run

FOUND = "pretrain: found finished, 0 epochs trained\n"


@pytest.mark.slow
def test_what_a_training_does_not_use_trains_nobody(toy, tmp_path, capsys):
    files = results(toy, tmp_path, without="splits")
    splits = read_table(toy.files.file("splits"), SPLITS)
    # Another experiment of the same settings, on people of the same roles in another fold.
    other = Training("other", 3, 1)
    write_table(pd.concat([splits, splits.assign(**other.columns)]), files.file("splits"), SPLITS)
    first = run(toy, tmp_path)
    assert capsys.readouterr().err.endswith("pretrain: trained 4 epochs\n")
    again = run(toy, tmp_path, training=other)
    assert capsys.readouterr().err == FOUND
    assert again[0] == first[0]
    description, of_other = json.loads(first[1]), json.loads(again[1])
    assert description["training"]["experiment"] == "toy"
    assert of_other["training"] == {**description["training"], **other.columns}
    renamed = first[2].decode().replace("toy\t0\t1\t", "other\t3\t1\t")
    assert again[2].decode() == renamed

    # A patient's corrected sex, and brains fewer in the store, so that all rows are others.
    scans = read_table(files.file("scans"), SCANS)
    tested = [name for name, role in toy.roles.items() if role == "test"]
    scans.loc[scans["participant_id"] == tested[0], "sex"] = "M"
    scans.loc[scans["participant_id"] == tested[1], "set_aside"] = "for a test"
    for path in (files.file("scans"), files.folder("store")):
        path.unlink()
    write_table(scans, files.file("scans"), SCANS)
    files.folder("imaging").joinpath("toy").symlink_to(toy.files.folder("imaging") / "toy")
    store.build(files)
    assert open_store(files.folder("store")).rows != open_store(toy.files.folder("store")).rows
    output(tmp_path, "encoder").unlink()  # as Snakemake does before it starts a job
    assert run(toy, tmp_path) == first
    assert capsys.readouterr().err == FOUND


def test_half_a_finished_training_is_not_used(toy, tmp_path, capsys):
    first = run(toy, tmp_path, epochs=1)
    (kept,) = (Layout(tmp_path).folder("finished") / "training").iterdir()
    (kept / "encoder.json").unlink()
    capsys.readouterr()
    assert run(toy, tmp_path, epochs=1) == first
    assert capsys.readouterr().err.endswith("pretrain: trained 1 epochs\n")
    run(toy, tmp_path, epochs=1)
    assert capsys.readouterr().err == FOUND


def test_what_was_imported_is_recorded(toy, tmp_path):
    versions = json.loads(run(toy, tmp_path, epochs=1)[1])["versions"]
    assert versions == {
        name: version(name).partition("+")[0] for name in ("numpy", "safetensors", "torch")
    }


@pytest.fixture(scope="module")
def used(toy):
    """What a training uses, by changes of its data and settings."""
    data = open_store(toy.files.folder("store"))
    groups = people.read_groups(toy.files, data, TOY)

    def of(train=None, validation=None, hashes=None, info=None, **settings):
        settings = {**SMALL, **settings}
        return finished.data_that_count(
            replace(
                data, hashes={**data.hashes, **(hashes or {})}, info={**data.info, **(info or {})}
            ),
            replace(groups[0], **(train or {})),
            replace(groups[1], **(validation or {})),
            settings,
        ), finished.settings_that_count(settings)

    of.train, of.validation = groups
    return of


def test_brains_ages_and_people_count(used):
    train = used.train
    for changes in (
        {"hashes": {train.scan_ids[0]: "other"}},
        {"train": {"ages": train.ages + 1}},
        {"train": {"people": [np.concatenate(train.people[:2]), *train.people[2:]]}},
        {"info": {"scale": "1 is 200"}},
    ):
        assert used(**changes) != used(), changes


def test_names_and_rows_do_not_count(used):
    more = {"train": {"rows": used.train.rows[::-1]}, "info": {"sha256": "other", "scans": 99}}
    assert used(**more) == used()


def test_sites_count_where_they_are_drawn_by(used):
    elsewhere = {"train": {"sites": np.full(len(used.train.sites), "toy/B")}}
    assert used(**elsewhere) == used()
    for sampling in ("site", "age_and_site"):
        assert used(**elsewhere, sampling=sampling) != used(sampling=sampling)


@pytest.mark.parametrize(
    "settings",
    [{"choose_epoch": "validation"}, {"validation_every": 2}, {"learning_rate": [0.1, 0.2]}],
)
def test_validation_people_count_where_they_are_looked_at(used, settings):
    older = {"validation": {"ages": used.validation.ages + 1}}
    assert used(**older) == used()
    assert used(**older, **settings) != used(**settings)


def test_settings_of_other_losses_do_not_count(used):
    assert used(bin_width=7.0, normaliser="rivals", hold_brains=True) == used()
    assert used(loss="supcon", bin_width=7.0) != used(loss="supcon")
    for changes in ({"bandwidth": 7.0}, {"loss": "l1"}, {"encoder": {"name": "small", "width": 1}}):
        assert used(**changes) != used(), changes
    assert used(loss="l1", bandwidth=7.0) == used(loss="l1")
