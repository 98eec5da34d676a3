import errno
import os
import re
import subprocess
import sys

import pytest

from brainage import cli
from tests.conftest import ROOT


def test_help_loads_nothing_heavy():
    script = (
        "import sys; from brainage.cli import parser; parser().format_help();"
        "print([m for m in ('numpy', 'pandas', 'torch', 'ants', 'pydicom') if m in sys.modules])"
    )
    # The package is not installed: a process of its own finds it by PYTHONPATH, as in the rules.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_every_rule_is_one_command_of_the_parser():
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    called = re.findall(r"python -m brainage (?:--threads \S+ )?([a-z-]+)", rules)
    assert len(called) == len(re.findall(r"^rule ", rules, flags=re.MULTILINE))
    known = cli.parser()._subparsers._group_actions[0].choices
    assert set(called) <= set(known)


def test_wrong_input_is_one_line_and_status_2(tmp_path, capsys):
    status = cli.main(
        [
            *("split", str(tmp_path / "splits.tsv"), "--scans", str(tmp_path / "scans.tsv")),
            *("--qc", str(tmp_path / "qc.tsv"), "--settings", '{"cohort": {}}'),
        ]
    )
    assert status == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "scans.tsv: there is no such file" in said


def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path, capsys, monkeypatch):
    from brainage.probing import gather

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "results/probing/predictions.tsv")

    monkeypatch.setattr(gather, "gather", full)
    call = ["gather", str(tmp_path / "out.tsv"), "--table", "predictions", "--runs", "a.tsv"]
    assert cli.main(call) == 1
    said = capsys.readouterr().err
    assert "predictions.tsv" in said
    assert "make room on the disk" in said
    assert said.count("\n") == 1


def test_an_unknown_command_is_refused():
    with pytest.raises(SystemExit):
        cli.main(["nonsense"])
