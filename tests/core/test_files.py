import json

import pytest

from brainage.core.files import InputError, atomic_write, read_json, sha256, write_json


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
