import pytest

from brainage.core import code_hash

BEFORE = '''"""What it does."""

def double(x):
    """Twice."""
    return 2 * x
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    for folder in ("room", "core/contracts"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(code_hash, "PACKAGE", tmp_path)

    def hashed(text, room="room", **others):
        for name, content in {"room/module.py": text, **others}.items():
            (tmp_path / name).write_text(content)
        code_hash.room_hash.cache_clear()
        code_hash._read.cache_clear()
        return code_hash.room_hash(room)

    yield hashed
    code_hash.room_hash.cache_clear()
    code_hash._read.cache_clear()


def test_comments_docstrings_and_layout_change_nothing(package):
    first = package(BEFORE)
    assert package(BEFORE.replace("Twice", "Two times")) == first
    assert package(BEFORE.replace("    return", "    # because\n\n    return")) == first
    assert package(BEFORE.replace('    """Twice."""\n', "")) == first


def test_a_real_change_does(package):
    first = package(BEFORE)
    assert package(BEFORE.replace("2 * x", "3 * x")) != first
    assert package(BEFORE + "\nX = 'a text that is no docstring'\n") != first


@pytest.mark.parametrize(
    "line",
    [
        "from brainage.core.contracts.cohort import SCANS",
        "from brainage.core.contracts import cohort",
        "import brainage.core.contracts.cohort",
        "def f():\n    from brainage.core.contracts import cohort",
    ],
)
def test_what_a_room_imports_counts_and_nothing_else(package, line):
    text = f"{line}\n{BEFORE}"
    first = package(
        text, **{"core/contracts/cohort.py": "SCANS = 1", "core/contracts/grid.py": "G = 1"}
    )
    assert package(text, **{"core/contracts/grid.py": "G = 2"}) == first
    assert package(text, **{"core/contracts/cohort.py": "SCANS = 2"}) != first


def test_a_module_brings_what_it_imports_of_its_own_room_and_beyond(package):
    text = "from brainage.room.other import f"
    others = {"room/other.py": "from brainage.core.tables import g", "core/tables.py": "g = 1"}
    first = package(text, "room/module.py", **others, **{"room/third.py": "h = 1"})
    assert package(text, "room/module.py", **{"room/third.py": "h = 2"}) == first
    assert package(text, "room/module.py", **{"core/tables.py": "g = 2"}) != first


def test_the_template_of_a_page_counts(package):
    first = package(BEFORE, **{"room/page.html": "<p>one</p>"})
    assert package(BEFORE, **{"room/page.html": "<p>two</p>"}) != first


def test_a_rule_of_a_verdict_is_no_part_of_what_is_done_to_a_scan():
    whole = code_hash.room_hash("imaging")
    assert code_hash.room_hash("imaging", of_each_scan=True) != whole
    assert code_hash.room_hash("cohort", of_each_scan=True) == code_hash.room_hash("cohort")


def test_one_module_of_a_room_can_be_hashed():
    whole, part = (code_hash.room_hash(name) for name in ("cohort", "cohort/splits.py"))
    assert whole != part
    assert len(part) == 16


def test_the_gaps_hang_on_who_is_counted_as_one_person():
    found = code_hash._read(code_hash.PACKAGE / "statistics" / "gaps.py")[1]
    assert code_hash.PACKAGE / "statistics" / "people.py" in found
