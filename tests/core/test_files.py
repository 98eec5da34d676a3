import errno
import json
import os
import time

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from brainage.core.files import (
    InputError,
    MachineFault,
    atomic_write,
    disk_fault,
    patiently,
    read_json,
    require_room,
    reserve,
    sha256,
    write_json,
)
from tests.conftest import limited_files


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "table.tsv"
    with pytest.raises(ZeroDivisionError), atomic_write(path) as beside:
        beside.write_text("half")
        1 / 0  # noqa: B018
    assert list(path.parent.iterdir()) == []
    with atomic_write(path) as beside:
        beside.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["table.tsv"]


def test_what_a_killed_writer_left_is_gone_after_the_next(tmp_path):
    path = tmp_path / "state.pt"
    killed = atomic_write(path)
    with killed.__enter__().open("w") as beside:
        beside.write("half of what is long")
    assert [p.name for p in tmp_path.iterdir()] == [".state.pt.partial.pt"]
    with atomic_write(path) as beside, beside.open("a") as appended:
        appended.write("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]
    assert path.read_text() == "whole"


def test_an_old_file_survives_a_failed_new_one(tmp_path):
    path = tmp_path / "image.nii.gz"
    path.write_text("old")
    with pytest.raises(OSError), atomic_write(path) as beside:
        assert beside.name.endswith(".nii.gz")
        raise OSError("disk full")
    assert path.read_text() == "old"


def test_json_has_sorted_keys_and_no_nan(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": "é"})
    assert path.read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text())["b"] == 1


def test_unreadable_json_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"a\.json"):
        read_json(path)
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "b.json")


def test_sha256_of_known_bytes(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256(path).startswith("ba7816bf8f01cfea")


def test_a_file_is_as_readable_as_any_other_whoever_wrote_it(tmp_path):
    """safetensors, as other libraries, puts a file there that nobody else may read."""
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "encoder.safetensors") as beside:
            save_file({"weights": np.zeros(3, np.float32)}, beside)
            assert beside.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert (tmp_path / "encoder.safetensors").stat().st_mode & 0o777 == 0o640


def written_by_torch(path):
    torch.save({"weights": torch.zeros(1_000_000)}, path)


def written_by_numpy(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(1_000_000, np.float32))


WRITERS = [written_by_torch, written_by_numpy]


@pytest.mark.parametrize("write", WRITERS)
def test_libraries_hide_a_full_disk_and_atomic_write_does_not(small_disk, write):
    path = small_disk / "folder" / "state"
    full = "No space left on device: .*/folder/state'"
    with pytest.raises(OSError, match=full) as caught, atomic_write(path) as beside:
        write(beside)
    assert "free some disk space" in disk_fault(caught.value)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("write", WRITERS)
def test_so_it_does_where_files_must_be_small(tmp_path, write):
    """As a full disk, and possible everywhere: the limit on the size of a file."""
    large = "File too large: .*/state'"
    with (
        limited_files(2**20),
        pytest.raises(OSError, match=large) as caught,
        atomic_write(tmp_path / "state") as beside,
    ):
        write(beside)
    assert "ulimit -f" in disk_fault(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_other_exceptions_stay_what_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "state"):
        1 / 0  # noqa: B018


def test_space_is_reserved(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    for how in (os.posix_fallocate, unknown):
        monkeypatch.setattr(os, "posix_fallocate", how)
        with (tmp_path / "file").open("wb") as file:
            reserve(file, 3_000_000)
            file.write(b"start")
        assert (tmp_path / "file").read_bytes() == b"start" + bytes(2_999_995)
        with limited_files(2**20), pytest.raises(OSError, match="File too large"):
            require_room(tmp_path, 2**21)


def test_a_fault_of_the_disk_is_found_behind_what_a_library_made_of_it():
    full = OSError(errno.ENOSPC, "No space left on device")
    try:
        try:
            raise full
        except OSError:
            raise RuntimeError("enforce fail")  # noqa: B904
    except RuntimeError as error:
        assert disk_fault(error).startswith("[Errno 28] No space left on device; free some")
    assert disk_fault(OSError("no number")) is None
    assert disk_fault(ValueError()) is None


def test_what_is_away_is_waited_for(monkeypatch, capsys):
    slept, errors = [], [FileNotFoundError("of nibabel"), OSError(errno.ESTALE, "Stale file")]
    monkeypatch.setattr(time, "sleep", slept.append)

    def read():
        if errors:
            raise errors.pop(0)
        return "content"

    assert patiently(read, "drive/a") == "content"
    assert slept == [1, 4]
    assert "drive/a: Stale file; trying again in 4 s" in capsys.readouterr().err


def test_what_stays_away_is_the_machines_fault_and_another_error_what_it_was(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    calls = []

    def read(error):
        calls.append(error)
        raise error

    with pytest.raises(MachineFault, match="drive/a: cannot be read any more .Stale file"):
        patiently(lambda: read(OSError(errno.ESTALE, "Stale file")), "drive/a")
    assert len(calls) == 4
    # Of a header that cannot be true: the same however often it is read.
    with pytest.raises(OSError, match="Invalid argument"):
        patiently(lambda: read(OSError(errno.EINVAL, "Invalid argument")), "drive/a")
    assert len(calls) == 5
