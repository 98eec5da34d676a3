import ast
import sys
from importlib import metadata

import pytest

from brainage.core import versions
from brainage.core.versions import imported_versions, locked_versions, module_hash, step_hash

MODULE = '''"""What it does."""

def double(x):
    """Twice."""
    return 2 * x
'''
COMMANDS = '''"""Commands."""
from __future__ import annotations

from brainage.core.command import step
from brainage.core.files import write_json


@step()
def run(files, settings):
    """Run it."""
    from brainage.room.module import double

    double(LIMIT)


@step()
def other(files, settings):
    """Run the other."""
    from brainage.room.third import h

    write_json(h(_path(files)))


def _path(files):
    return files


LIMIT = 3
'''
FILES = {
    "room/commands.py": COMMANDS,
    "room/module.py": MODULE,
    "room/third.py": "def h(): return 1",
    "room/choice.py": "CHOICE = Choice(label='One', sentence='it is one')",
    "core/files.py": "def write_json(): return 1",
    "core/command.py": "def step(): return 1",
    "core/contracts/grid.py": "G = 1",
    "core/contracts/cohort.py": "SCANS = 1",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package; called with other texts of files, it clears what was read."""
    root = tmp_path / "src" / "brainage"
    lock = tmp_path / "workflow.lock"
    monkeypatch.setattr(versions, "PACKAGE", root)
    monkeypatch.setattr(versions, "REQUIREMENTS", tmp_path)
    caches = [found for found in vars(versions).values() if hasattr(found, "cache_clear")]

    def write(**others):
        lock.write_text(others.pop("lock", "antspyx==0.6.3\ntorch==2.13.0+cpu\n"))
        for name, text in {**FILES, **others}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        for found in caches:
            found.cache_clear()

    yield write
    monkeypatch.undo()
    for found in caches:
        found.cache_clear()


def test_comments_docstrings_and_layout_change_nothing(package):
    package()
    first = step_hash("room.run")
    for text in (
        MODULE.replace("Twice", "Two times"),
        MODULE.replace("    return", "    # because\n\n    return"),
        MODULE.replace('    """Twice."""\n', ""),
        MODULE.replace("2 * x", "(2\n        * x)"),
    ):
        package(**{"room/module.py": text})
        assert step_hash("room.run") == first
    package(**{"room/module.py": MODULE.replace("2 * x", "3 * x")})
    assert step_hash("room.run") != first


@pytest.mark.parametrize(
    ("before", "after", "runs_again"),
    [
        ("LIMIT = 3", "LIMIT = 4", {"run"}),
        ("double(LIMIT)", "double(2 * LIMIT)", {"run"}),
        ("return files", "return [files]", {"other"}),
        ("Run it.", "Run it again.", set()),
        ("@step()\ndef run", '@step(of="dataset")\ndef run', set()),
        ("import h", "import h as k", {"other"}),
    ],
)
def test_a_command_counts_without_its_neighbours(package, before, after, runs_again):
    package()
    first = {name: step_hash(f"room.{name}") for name in ("run", "other")}
    assert before in COMMANDS
    package(**{"room/commands.py": COMMANDS.replace(before, after)})
    assert {name for name in first if step_hash(f"room.{name}") != first[name]} == runs_again


def test_what_a_command_imports_counts_for_it_alone(package):
    package()
    first = {name: step_hash(f"room.{name}") for name in ("run", "other")}
    package(**{"core/files.py": "def write_json(): return 2"})
    assert step_hash("room.run") == first["run"]
    assert step_hash("room.other") != first["other"]
    package(**{"core/command.py": "def step(): return 2"})
    assert {name: step_hash(f"room.{name}") for name in first} == first


def test_hashes_are_kept_for_the_code_as_it_is(package, tmp_path, monkeypatch):
    path = tmp_path / "code.json"
    monkeypatch.setattr(versions, "_kept", None)
    monkeypatch.setattr(versions.atexit, "register", lambda function: None)

    def found(save=True):
        """What a process of its own finds, and how many hashes it had to compute."""
        versions._hash.cache_clear()
        versions.keep_hashes(path, save)
        before = len(versions._kept.hashes)
        value = step_hash("room.run")
        versions.save_hashes()
        return value, len(versions._kept.hashes) - before

    package()
    first, _ = found(save=False)
    assert not path.exists()
    assert found() == (first, 1)
    assert found() == (first, 0)
    package(**{"room/module.py": MODULE.replace("2 * x", "3 * x")})
    changed, computed = found()
    assert changed != first
    assert computed == 1


def test_a_command_that_is_not_there_is_named(package):
    package()
    with pytest.raises(ValueError, match="no function runn"):
        step_hash("room.runn")


@pytest.mark.parametrize(
    "line",
    [
        "from brainage.core.contracts.cohort import SCANS",
        "from brainage.core.contracts import cohort",
        "import brainage.core.contracts.cohort",
        "def f():\n    from brainage.core.contracts import cohort",
    ],
)
def test_what_a_module_imports_counts_and_nothing_else(package, line):
    text = f"{line}\n{MODULE}"
    package(**{"room/module.py": text})
    first = module_hash("brainage.room.module")
    package(**{"room/module.py": text, "core/contracts/grid.py": "G = 2"})
    assert module_hash("brainage.room.module") == first
    package(**{"room/module.py": text, "core/contracts/cohort.py": "SCANS = 2"})
    assert module_hash("brainage.room.module") != first


def test_a_choice_counts_but_not_its_words(package):
    package()
    choice = ["brainage.room.choice"]
    first = step_hash("room.run", choice)
    assert first != step_hash("room.run")
    package(**{"room/choice.py": FILES["room/choice.py"].replace("One", "1").replace("it is", "")})
    assert step_hash("room.run", choice) == first
    package(**{"room/choice.py": FILES["room/choice.py"] + "\nX = 1\n"})
    assert step_hash("room.run", choice) != first


def test_words_and_templates_count_for_what_is_shown(package):
    of_pages = {
        "reporting/commands.py": "def page():\n    from brainage.reporting import pages\n",
        "reporting/pages.py": "A = 1",
        "reporting/templates/study.html": "<p>one</p>",
    }
    choice = ["brainage.room.choice"]
    package(**of_pages)
    first = step_hash("reporting.page", choice)
    package(**of_pages, **{"room/choice.py": FILES["room/choice.py"].replace("One", "1")})
    assert step_hash("reporting.page", choice) != first
    package(**{**of_pages, "reporting/templates/study.html": "<p>two</p>"})
    assert step_hash("reporting.page", choice) != first


def test_a_library_counts_where_it_is_imported_by_its_public_version(package):
    of_ants = {"room/third.py": "def h():\n    import ants\n"}
    package(**of_ants)
    run, other = step_hash("room.run"), step_hash("room.other")
    package(**of_ants, lock="antspyx==0.6.4\ntorch==2.13.0\n")
    assert step_hash("room.run") == run
    assert step_hash("room.other") != other
    package(**{"room/third.py": "import torch"})
    other = step_hash("room.other")
    package(**{"room/third.py": "import torch"}, lock="torch==2.13.0\n")
    assert step_hash("room.other") == other


def test_versions_that_differ_from_the_lock_are_told(package):
    package(lock="numpy==2.3.5\nnetworkx==3.6.1 ; python_version < '3.12'\nnetworkx==3.7\n")
    assert locked_versions() == {"numpy": "2.3.5", "networkx": "3.6.1 or 3.7"}
    recorded = {"numpy": "2.3.4", "networkx": "3.7", "elsewhere": "1"}
    assert versions.unlike_lock(recorded) == {"numpy": "2.3.5"}


def test_versions_are_those_of_what_is_imported_by_their_public_part(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "2.13.0+cpu")
    monkeypatch.setitem(sys.modules, "sklearn", sys)
    assert imported_versions(["sklearn"]) == {"scikit-learn": "2.13.0"}
    monkeypatch.delitem(sys.modules, "sklearn")
    assert imported_versions(["sklearn"]) == {}


def test_every_library_that_is_imported_has_a_known_name():
    """A library whose name was not found in the lock file would change nothing."""
    unknown = set()
    for path in versions.PACKAGE.rglob("*.py"):
        for name in versions.serialise(ast.parse(path.read_text(encoding="utf-8"))).imports:
            library = name.partition(".")[0]
            unknown.add(versions.DISTRIBUTIONS.get(library, library))
    lacking = unknown - set(locked_versions()) - set(sys.stdlib_module_names)
    assert lacking - {"brainage", "deepbet"} == set()  # deepbet is the user's own choice


def test_thresholds_of_the_statistics_are_no_part_of_imaging_and_learning():
    """Else a threshold that changes runs both again: modules shared by all must not import them."""
    thresholds = "brainage.core.thresholds"
    assert thresholds in versions._parts(("probing", "probe_age"), ())
    for step in [
        ("imaging", "preprocess"),
        *(("learning", n) for n in ("store", "pretrain", "embed")),
    ]:
        assert thresholds not in versions._parts(step, ()), step
