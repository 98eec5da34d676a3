import os
import subprocess
import sys

import numpy as np
import pytest

from brainage.core.derivatives import BRAIN, derivative
from brainage.core.files import InputError, write_text
from brainage.core.layout import Layout
from brainage.core.store import open_store
from brainage.learning import store
from tests.conftest import ROOT, limited_files
from tests.learning.toys import brain, scan_row, write_brain, write_grey, write_tables


def build(folder, channels=("brain",)):
    store.build(Layout(folder), channels)
    return open_store(Layout(folder).folder("store"))


def cohort(folder, count=3, verdicts=None, **more):
    rows = [scan_row(f"sub-{i}", 30.0 + i) for i in range(count)]
    rows[-1].update(more)
    for seed, row in enumerate(rows):
        write_brain(folder / "imaging", row["scan_id"], brain(row["age"], seed))
    write_tables(Layout(folder), rows, {}, verdicts)
    return rows


def test_rows_are_found_by_scan_id(toy):
    data = open_store(toy.files.folder("store"))
    assert data.brains.dtype == np.uint8
    assert list(data.brains.shape) == [len(toy.rows), *data.info["shape"]]
    for seed, row in enumerate(toy.rows):
        stored = data.brains[data.rows[row["scan_id"]]].astype(float)
        original = brain(row["age"], seed)
        assert np.abs(stored / 255 - original).max() < 0.5 / 255 + 1e-6
        assert data.voxel_size == pytest.approx(12.0)


def test_failed_and_set_aside_scans_stay_out(tmp_path):
    cohort(tmp_path, 4, {"toy_sub-0": "fail", "toy_sub-1": "warn"}, set_aside="age is missing")
    assert sorted(build(tmp_path).rows) == ["toy_sub-1", "toy_sub-2"]


def test_same_bytes_again(toy, tmp_path):
    files = Layout(tmp_path)
    for name in ("scans", "qc"):
        write_text(files.file(name), toy.files.file(name).read_text())
    files.folder("imaging").joinpath("toy").symlink_to(toy.files.folder("imaging") / "toy")
    store.build(files)
    for name in ("brains", "store_index", "store_info"):
        assert files.file(name).read_bytes() == toy.files.file(name).read_bytes()


def test_a_hash_names_the_voxels_of_a_scan(tmp_path):
    rows = cohort(tmp_path)
    before = build(tmp_path)
    assert len(set(before.hashes.values())) == 3
    assert {len(value) for value in before.hashes.values()} == {16}
    write_brain(tmp_path / "imaging", "toy_sub-1", brain(rows[0]["age"], 0))
    after = build(tmp_path)
    assert after.hashes["toy_sub-1"] == after.hashes["toy_sub-0"] == before.hashes["toy_sub-0"]
    assert after.hashes["toy_sub-2"] == before.hashes["toy_sub-2"]


def test_nothing_passed(tmp_path):
    cohort(tmp_path, 1, {"toy_sub-0": "fail"})
    with pytest.raises(InputError, match="no scan passed"):
        build(tmp_path)


def test_missing_brain_is_named_and_nothing_is_left(tmp_path):
    cohort(tmp_path)
    derivative(tmp_path / "imaging", "toy_sub-1", BRAIN).unlink()
    with pytest.raises(InputError, match="toy_sub-1"):
        build(tmp_path)
    assert not list(Layout(tmp_path).folder("store").glob("*"))


@pytest.mark.parametrize(
    ("volume", "offset", "message"),
    [
        (brain(50, 0)[:-1], 0.0, "a different grid"),
        (brain(50, 0), 5.0, "a different grid"),
        (np.full((16, 19, 16), np.nan, np.float32), 0.0, "not finite"),
        (np.zeros((16, 19, 16), np.float32), 0.0, "empty"),
        (100 * brain(50, 0), 0.0, "normalised"),
    ],
)
def test_a_bad_brain_is_named(tmp_path, volume, offset, message):
    cohort(tmp_path)
    write_brain(tmp_path / "imaging", "toy_sub-2", volume, offset)
    with pytest.raises(InputError, match=f"toy_sub-2.*{message}"):
        build(tmp_path)


def test_truncated_brain_is_named(tmp_path):
    cohort(tmp_path)
    path = derivative(tmp_path / "imaging", "toy_sub-2", BRAIN)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="toy_sub-2"):
        build(tmp_path)


def test_grey_matter_lies_beside_the_brains(tmp_path):
    rows = cohort(tmp_path)
    maps = [write_grey(tmp_path / "imaging", row["scan_id"], brain(row["age"], seed))
            for seed, row in enumerate(rows)]  # fmt: skip
    plain = build(tmp_path)
    with pytest.raises(InputError, match="no grey matter"):
        plain.read(np.array([0]), ["grey_matter"])
    before = Layout(tmp_path).file("brains").read_bytes()
    data = build(tmp_path, ["brain", "grey_matter"])
    assert data.hashes == plain.hashes  # a map beside it is no other brain
    assert len(set(data.grey_matter_hashes.values())) == 3
    assert Layout(tmp_path).file("brains").read_bytes() == before
    both = data.read(np.array([2, 0]), ["brain", "grey_matter"])
    assert both.shape == (2, 2, *data.brains.shape[1:]) and both.dtype == np.uint8
    assert (both[:, 0] == data.brains[[2, 0]]).all()
    assert np.abs(both[:, 1] / 100 - np.stack([maps[2], maps[0]])).max() < 0.5 / 100 + 1e-6


def test_a_missing_map_is_named(tmp_path):
    cohort(tmp_path)
    with pytest.raises(InputError, match="toy_sub-0.*label-GM.*missing"):
        build(tmp_path, ["grey_matter"])
    assert not Layout(tmp_path).file("store_info").exists()


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing(small_disk, tmp_path):
    """In a process of its own, as memory mapped to a full disk ended it by a bus error."""
    count = 600  # brains of 5 kB: more than the disk has
    rows = [scan_row(f"sub-{i}", 30.0) for i in range(count)]
    volume = brain(30.0, 0)
    for row in rows:
        write_brain(tmp_path / "imaging", row["scan_id"], volume)
    write_tables(Layout(tmp_path), rows, {})
    (tmp_path / "learning").symlink_to(small_disk)
    settings = tmp_path / "store.json"
    settings.write_text('{"channels": ["brain"]}')
    done = subprocess.run(
        [sys.executable, "-m", "brainage", "store", str(tmp_path), "--settings", str(settings)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr and "store/brains.npy" in done.stderr
    assert "free some disk space" in done.stderr
    assert not list((small_disk / "store").iterdir())


def test_a_disk_that_is_too_small_is_met_before_any_brain_is_read(tmp_path, monkeypatch):
    cohort(tmp_path)
    monkeypatch.setattr(store, "_compact", None)
    with limited_files(10_000), pytest.raises(OSError, match="File too large: .*brains.npy"):
        build(tmp_path)
