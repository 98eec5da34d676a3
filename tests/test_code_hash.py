import pytest

from brainage import code_hash

BEFORE = '''"""What it does."""

def double(x):
    """Twice."""
    return 2 * x
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    for name in code_hash.SHARED:
        (tmp_path / name).write_text("")
    monkeypatch.setattr(code_hash, "PACKAGE", tmp_path)

    def hashed(text, shared=""):
        (tmp_path / "room" / "module.py").write_text(text)
        (tmp_path / "contracts.py").write_text(shared)
        code_hash.room_hash.cache_clear()
        return code_hash.room_hash("room")

    yield hashed
    code_hash.room_hash.cache_clear()


def test_comments_docstrings_and_layout_change_nothing(package):
    first = package(BEFORE)
    assert package(BEFORE.replace("Twice", "Two times")) == first
    assert package(BEFORE.replace("    return", "    # because\n\n    return")) == first
    assert package(BEFORE.replace('    """Twice."""\n', "")) == first


def test_a_real_change_here_or_in_what_all_share_does(package):
    first = package(BEFORE)
    assert package(BEFORE.replace("2 * x", "3 * x")) != first
    assert package(BEFORE, shared="ROLES = 1") != first
    assert (
        package(BEFORE.replace("Twice.", "Twice.") + "\nX = 'a text that is no docstring'\n")
        != first
    )


def test_a_rule_of_a_verdict_is_no_part_of_what_is_done_to_a_scan():
    whole = code_hash.room_hash("imaging")
    assert code_hash.room_hash("imaging", of_each_scan=True) != whole
    assert code_hash.room_hash("cohort", of_each_scan=True) == code_hash.room_hash("cohort")


def test_one_module_of_a_room_can_be_hashed():
    whole, part = (code_hash.room_hash(name) for name in ("cohort", "cohort/splits.py"))
    assert whole != part
    assert len(part) == 16
