"""Two processes never write the same at once, and a killed one is in nobody's way."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from brainage.core.files import MachineFault
from brainage.core.locks import only_writer
from tests.conftest import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from brainage.core.locks import only_writer
with only_writer(Path(sys.argv[1]), "x"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_is_refused_and_told_who_the_first_is(tmp_path):
    lock = tmp_path / "logs" / "pretrain.lock"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, env=environment
    ) as first:
        try:
            assert first.stdout.readline() == b"held\n"
            said = f"results: pretrain: process {first.pid} on .* is writing this already"
            with pytest.raises(MachineFault, match=said), only_writer(lock, "results: pretrain"):
                pass
        finally:
            first.send_signal(signal.SIGKILL)
    # Killed, it left the file and not the lock.
    assert lock.exists()
    with only_writer(lock, "x"):
        assert lock.read_text().startswith(f"process {os.getpid()} on ")
    assert not list(lock.parent.iterdir())


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(tmp_path, monkeypatch):
    lock = tmp_path / "x.lock"
    flock, calls = fcntl.flock, []

    def removed_once(file, how):
        if not calls:
            lock.unlink()
        calls.append(how)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", removed_once)
    with only_writer(lock, "x"):
        assert len(calls) == 2
        monkeypatch.undo()
        with pytest.raises(MachineFault), only_writer(lock, "x"):
            pass


def test_without_locks_it_is_said_and_goes_on(tmp_path, monkeypatch, capsys):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    done = []
    with only_writer(tmp_path / "x.lock", "results: split"):
        done.append(True)
    assert done
    said = capsys.readouterr().err
    assert "results: split: this file system has no locks (No locks available)" in said
    assert not list(tmp_path.iterdir())
