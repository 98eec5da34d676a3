import errno
import json
import re
import shutil
from importlib import metadata

import numpy as np
import pytest

from brainage.core.config import defaults
from brainage.core.contracts.imaging import QC
from brainage.core.contracts.learning import INDEX
from brainage.core.files import InputError, write_json
from brainage.core.software import versions_of
from brainage.core.store import open_store
from brainage.core.tables import read_table, write_table
from brainage.learning import embed, pretrain, store
from tests.conftest import limited_files
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
    embed.embed(files, TOY, device="cpu", threads=1, code="c")
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


def test_embeddings_of_other_versions_are_not_mixed(copied, capsys, monkeypatch):
    def embedded():
        run(copied)
        return re.search(r"embed: (\d+) brains embedded", capsys.readouterr().err)[1]

    first, again = embedded(), embedded()
    assert first != "0" == again
    installed = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "0.0.1" if name == "torch" else installed(name)
    )
    assert embedded() == first
    index = copied.file("embedding_index", training=TOY)
    assert json.loads(versions_of(index).read_text())["versions"]["torch"] == "0.0.1"


def test_other_brains_are_refused(copied):
    path = copied.file("encoder_description", training=TOY)
    description = json.loads(path.read_text())
    description["preprocessing"]["shape"] = [1, 2, 3]
    write_json(path, description)
    with pytest.raises(InputError, match="a different shape"):
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
    shutil.rmtree(wide.folder("finished") / "embeddings")
    maps = np.load(wide.file("grey_matter"))
    np.save(wide.file("grey_matter"), maps[:, ::-1])
    after = np.load(run(wide)[0])
    assert not np.allclose(before, after)


def with_scans(toy, files, scan_ids):
    """Build a store of these scans only."""
    qc = read_table(toy.files.file("qc"), QC)
    qc.loc[~qc["scan_id"].isin(scan_ids), "verdict"] = "fail"
    for path in (files.file("qc"), files.folder("store")):
        if path.is_symlink():
            path.unlink()
    write_table(qc, files.file("qc"), QC)
    if not files.folder("imaging").joinpath("toy").exists():
        files.folder("imaging").joinpath("toy").symlink_to(toy.files.folder("imaging") / "toy")
    store.build(files)


def test_a_brain_is_embedded_alike_alone_and_among_others(toy, encoder, copied):
    array, index = run(encoder)
    rows = read_table(index, INDEX).set_index("scan_id")["row"]
    for scan_ids in (["toy_sub-07"], ["toy_sub-03", "toy_sub-07", "toy_sub-15"]):
        with_scans(toy, copied, scan_ids)
        shutil.rmtree(copied.folder("finished"), ignore_errors=True)
        alone = np.load(run(copied)[0])
        assert alone.tobytes() == np.load(array)[rows[scan_ids].to_numpy()].tobytes()


@pytest.mark.slow
def test_only_new_brains_are_embedded(toy, encoder, copied, capsys):
    expected = run(encoder)[0].read_bytes()
    every = [row["scan_id"] for row in toy.rows]

    def embedded(scan_ids):
        with_scans(toy, copied, scan_ids)
        capsys.readouterr()
        array, _ = run(copied)
        return capsys.readouterr().err.strip(), array.read_bytes()

    assert embedded(every[:4])[0] == "embed: 4 brains embedded, 0 found"
    assert embedded(every) == ("embed: 13 brains embedded, 4 found", expected)
    assert embedded(every[5:])[0] == "embed: 0 brains embedded, 12 found"
    assert embedded(every) == ("embed: 0 brains embedded, 17 found", expected)
    # Half a file of them is none.
    (kept,) = (copied.folder("finished") / "embeddings").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    message, array = embedded(every)
    assert message.endswith("embed: 17 brains embedded, 0 found")
    assert array == expected


def test_other_weights_or_code_find_nothing(copied, capsys):
    run(copied)
    embed.embed(copied, TOY, device="cpu", threads=1, code="d")
    assert capsys.readouterr().err.endswith("embed: 17 brains embedded, 0 found\n")


def test_a_full_disk_is_told_by_its_number_and_leaves_nothing(encoder, copied, monkeypatch):
    wide = np.zeros((1, 100_000), np.float32)
    monkeypatch.setattr(embed.finished.Embeddings, "of", lambda *_: wide)
    with limited_files(100_000), pytest.raises(OSError, match="File too large: .*embeddings.npy"):
        run(copied)
    made = copied.folder("training", training=TOY).iterdir()
    assert not [path.name for path in made if "embeddings" in path.name]


def test_kept_embeddings_that_cannot_be_read_now_are_not_lost(encoder, copied, monkeypatch):
    run(copied)
    (kept,) = (copied.folder("finished") / "embeddings").iterdir()
    before = kept.read_bytes()

    load = np.load

    def away(path, **more):
        if path == kept:
            raise OSError(errno.EIO, "Input/output error", str(kept))
        return load(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(np, "load", away)
        with pytest.raises(OSError, match="Input/output error"):
            run(copied)
    assert kept.read_bytes() == before
