import json

import numpy as np
import pytest

from brainage.core.config import defaults
from brainage.core.contracts.learning import INDEX
from brainage.core.files import InputError, write_json
from brainage.core.store import open_store
from brainage.core.tables import read_table
from brainage.learning import embed, pretrain, store
from tests.learning.toys import write_grey
from tests.learning.trainings import TOY, results

SETTINGS = {
    **defaults("learning"),
    "encoder": {"name": "small", "width": 0.25},
    "epochs": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def encoder(toy, tmp_path_factory):
    """Results with a trained encoder."""
    files = results(toy, tmp_path_factory.mktemp("encoder"))
    pretrain.pretrain(files, TOY, SETTINGS, threads=1, code="c")
    return files


@pytest.fixture
def copied(toy, encoder, tmp_path):
    """Results of their own with the same encoder."""
    files = results(toy, tmp_path)
    files.folder("training", training=TOY).mkdir(parents=True)
    for name in ("encoder", "encoder_description"):
        content = encoder.file(name, training=TOY).read_bytes()
        files.file(name, training=TOY).write_bytes(content)
    return files


def run(files):
    embed.embed(files, TOY, device="cpu", threads=1)
    return [files.file(name, training=TOY) for name in ("embeddings", "embedding_index")]


def test_one_row_a_scan_and_the_same_bytes_again(toy, encoder, copied):
    array, index = run(encoder)
    for path, again in zip((array, index), run(copied), strict=True):
        assert path.read_bytes() == again.read_bytes()
    table, values = read_table(index, INDEX), np.load(array)
    description = json.loads(encoder.file("encoder_description", training=TOY).read_text())
    assert values.shape == (len(toy.rows), description["architecture"]["feature_size"])
    assert values.dtype == np.float32
    assert sorted(table["scan_id"]) == sorted(row["scan_id"] for row in toy.rows)
    assert len(np.unique(values, axis=0)) == len(values)
    seen = set(description["training"]["brain_sha256"])
    people = table.loc[table["brain_sha256"].isin(seen), "scan_id"].str.split("_").str[1]
    assert set(people) == {person for person, role in toy.roles.items() if role == "train"}


def test_other_brains_are_refused(copied):
    path = copied.file("encoder_description", training=TOY)
    description = json.loads(path.read_text())
    description["preprocessing"]["shape"] = [1, 2, 3]
    write_json(path, description)
    with pytest.raises(InputError, match="another shape"):
        run(copied)


def test_damaged_weights(copied):
    path = copied.file("encoder", training=TOY)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be used"):
        run(copied)


@pytest.mark.parametrize("channels", [["grey_matter"], ["brain", "grey_matter"]])
def test_training_and_embedding_see_grey_matter(toy, tmp_path, channels):
    plain, wide = results(toy, tmp_path / "plain"), results(toy, tmp_path / "wide")
    imaging, shape = toy.files.folder("imaging"), open_store(plain.folder("store")).brains.shape[1:]
    wide.folder("imaging").joinpath("toy").symlink_to(imaging / "toy")
    wide.folder("store").unlink()  # a link to that of the others
    for row in toy.rows:
        random = np.random.default_rng(int(row["age"]))
        write_grey(imaging, row["scan_id"], random.random(shape).astype(np.float32))
    store.build(wide, channels)
    pretrain.pretrain(wide, TOY, {**SETTINGS, "channels": channels}, threads=1, code="c")
    before = np.load(run(wide)[0])
    plain.folder("training", training=TOY).parent.mkdir(parents=True, exist_ok=True)
    plain.folder("training", training=TOY).symlink_to(wide.folder("training", training=TOY))
    with pytest.raises(InputError, match="the store has no grey matter"):
        run(plain)
    maps = np.load(wide.file("grey_matter"))
    np.save(wide.file("grey_matter"), maps[:, ::-1])
    after = np.load(run(wide)[0])
    assert not np.allclose(before, after)
