import json
from types import SimpleNamespace

import numpy as np
import pytest

from brainage.core.config import defaults
from brainage.core.contracts.learning import INDEX
from brainage.core.files import InputError
from brainage.core.tables import read_table
from brainage.learning import embed, pretrain, store
from tests.learning.toys import write_grey

SETTINGS = {
    **defaults("learning"),
    "encoder": {"name": "small", "width": 0.25},
    "epochs": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def encoder(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    pretrain.pretrain(
        toy.store, toy.scans, toy.splits, folder / "out", folder / "checkpoints", SETTINGS,
        "toy", 0, 1, 1, "c",
    )  # fmt: skip
    return folder / "out"


def run(toy, encoder, folder, name="a"):
    array, index = folder / f"{name}.npy", folder / f"{name}.tsv"
    embed.embed(toy.store, encoder, array, index, 1, "cpu")
    return array, index


def test_one_row_a_scan_and_the_same_bytes_again(toy, encoder, tmp_path):
    first, again = run(toy, encoder, tmp_path, "a"), run(toy, encoder, tmp_path, "b")
    assert first[0].read_bytes() == again[0].read_bytes()
    assert first[1].read_bytes() == again[1].read_bytes()
    index = read_table(first[1], INDEX)
    values = np.load(first[0])
    size = json.loads((encoder / pretrain.DESCRIPTION).read_text())["architecture"]["feature_size"]
    assert values.shape == (len(toy.rows), size)
    assert values.dtype == np.float32
    assert sorted(index["scan_id"]) == sorted(row["scan_id"] for row in toy.rows)
    assert len(np.unique(values, axis=0)) == len(values)


def test_other_brains_are_refused(toy, encoder, tmp_path):
    description = json.loads((encoder / pretrain.DESCRIPTION).read_text())
    description["preprocessing"]["shape"] = [1, 2, 3]
    other = tmp_path / "other"
    other.mkdir()
    (other / pretrain.DESCRIPTION).write_text(json.dumps(description))
    (other / pretrain.WEIGHTS).write_bytes((encoder / pretrain.WEIGHTS).read_bytes())
    with pytest.raises(InputError, match="another shape"):
        run(toy, other, tmp_path)


def test_damaged_weights(toy, encoder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in (pretrain.DESCRIPTION, pretrain.WEIGHTS):
        (other / name).write_bytes((encoder / name).read_bytes()[: None if "json" in name else 500])
    with pytest.raises(InputError, match="cannot be used"):
        run(toy, other, tmp_path)


@pytest.mark.parametrize("channels", [["grey_matter"], ["brain", "grey_matter"]])
def test_training_and_embedding_see_grey_matter(toy, tmp_path, channels):
    for row in toy.rows:
        shape = store.open_store(toy.store).brains.shape[1:]
        random = np.random.default_rng(int(row["age"]))
        write_grey(toy.derivatives, row["scan_id"], random.random(shape).astype(np.float32))
    wide = SimpleNamespace(store=tmp_path / "store", rows=toy.rows)
    store.build(toy.qc, toy.scans, toy.derivatives, wide.store, channels)
    settings = {**SETTINGS, "channels": channels}
    pretrain.pretrain(
        wide.store, toy.scans, toy.splits, tmp_path / "out", tmp_path / "checkpoints", settings,
        "toy", 0, 1, 1, "c",
    )  # fmt: skip
    before = np.load(run(wide, tmp_path / "out", tmp_path)[0])
    with pytest.raises(InputError, match="the store has no grey matter"):
        run(toy, tmp_path / "out", tmp_path)
    maps = np.load(wide.store / "grey_matter.npy")
    np.save(wide.store / "grey_matter.npy", maps[:, ::-1])
    after = np.load(run(wide, tmp_path / "out", tmp_path)[0])
    assert not np.allclose(before, after)
