"""Two runs side by side: what came out counts, how the run went does not."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture
def runs(tmp_path):
    for name in ("one", "other"):
        for path in ("figures/a.png", "logs/a.log", "benchmarks/a.tsv", "report.html"):
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("same" if path.startswith("figures") else name)
    return tmp_path / "one", tmp_path / "other"


def compared(*folders):
    script = [sys.executable, str(ROOT / "scripts" / "compare_results.py"), *map(str, folders)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_logs_and_timings_may_differ(runs):
    assert compared(*runs) == (0, "1 files, 0 not the same\n")


def test_a_file_that_differs_is_named(runs):
    (runs[1] / "figures" / "a.png").write_text("sane")
    code, words = compared(*runs)
    assert code == 1
    assert "differs: figures/a.png" in words


def test_a_file_that_one_lacks_is_named(runs):
    (runs[0] / "figures" / "b.png").write_text("new")
    code, words = compared(*runs)
    assert code == 1
    assert f"only in {runs[0]}: figures/b.png" in words


def test_what_is_no_folder_is_said(runs):
    code, words = compared(runs[0], runs[1] / "nowhere")
    assert code == 1
    assert "two folders of results" in words
