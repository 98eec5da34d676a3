import errno
import json
import os
import resource
import subprocess
import sys

import click
import pytest

from brainage import cli
from brainage.core.files import MachineFault
from brainage.core.locks import only_writer
from tests.conftest import ROOT

HEAVY = ("numpy", "pandas", "torch", "ants", "scipy", "matplotlib", "pydicom", "yaml")


def run(*arguments):
    """A command in a process of its own: its status, output, modules loaded and CPU seconds."""
    script = (
        "import sys; from brainage.cli import main; status = main(sys.argv[1:]);"
        f"print([m for m in {HEAVY!r} if m in sys.modules]); sys.exit(status)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == 0, done.stderr
    *said, loaded = done.stdout.splitlines()
    return "\n".join(said), loaded, seconds


@pytest.mark.parametrize(
    "command",
    ["", *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(cli.brainage.commands))],
)
def test_help_loads_nothing_heavy_and_has_an_argument_once(command):
    said, loaded, _ = run(*([command] if command else []), "--help")
    assert loaded == "[]"
    assert said.startswith("Usage:")
    if command:
        # The first line says what it does.
        about = cli.brainage.commands[command].help
        assert about and about.splitlines()[0].rstrip().endswith(".")


def test_every_rule_is_one_command_of_the_same_name():
    text = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    rules = [line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith("rule ")]
    rules += [line.split()[4] for line in text.splitlines() if line.startswith("use rule ")]
    known = {name.replace("-", "_") for name in cli.brainage.commands}
    assert set(rules) - {"gather_grid"} == known - {"simulate", "dicom"}


def test_no_option_takes_several_values():
    for command in cli.brainage.commands.values():
        for parameter in command.params:
            assert parameter.nargs == 1, command.name
            assert not parameter.multiple, command.name


def test_a_rules_name_is_its_command(tmp_path, capsys):
    assert cli.main(["study_page", "--help"]) == cli.main(["study-page", "--help"]) == 0


def test_wrong_input_is_one_line_and_status_2(tmp_path, capsys):
    settings = tmp_path / "split.json"
    settings.write_text(json.dumps({"splits": {}, "seed": 1, "runs": {}}))
    assert cli.main(["split", str(tmp_path), "--settings", str(settings)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "scans.tsv: there is no such file" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        ("{", "not valid JSON"),
        ("[1]", "no settings of a step, which are written as {...}"),
        ("{}", "settings of another step: 'datasets' is missing"),
    ],
)
def test_wrong_settings_are_one_line_and_status_2(tmp_path, capsys, content, message):
    settings = tmp_path / "index.json"
    if content is not None:
        settings.write_text(content)
    assert cli.main(["index", str(tmp_path), "--settings", str(settings)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{settings}: " in said and message in said


WITH_SETTINGS = [
    name
    for name, command in cli.brainage.commands.items()
    if any(parameter.name == "settings" for parameter in command.params)
]


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_settings_of_another_step_are_told_by_their_name(tmp_path, capsys, name):
    """Whatever is in the file: the name that the workflow gives it says which step it is of."""
    other = "embed" if name != "embed" else "pretrain"
    command = cli.brainage.commands[name]
    of = [p.name for p in command.params if isinstance(p, click.Argument)][1:]
    what = {"training": "lexp/fold-0_seed-1", "chunk": "one_0", "dataset": "one", "table": "x"}
    settings = tmp_path / f"{other}-0123abcd.json"
    settings.write_text("{}")
    given = [str(tmp_path), *(what[key] for key in of), "--settings", str(settings)]
    assert cli.main([name, *given]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"brainage: {settings}: has the settings of {other}; {name} needs those of " in said
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("pretrain", '{"threads": 1, "steps_of": "lexp", "code": "x"}', "learning"),
        ("embed", '{"threads": 1, "learning": {}, "code": "x"}', "device"),
    ],
)
def test_settings_of_any_name_that_lack_a_key_are_one_line(tmp_path, capsys, name, content, key):
    settings = tmp_path / "mine.json"
    settings.write_text(content)
    assert cli.main([name, str(tmp_path), "lexp/fold-0_seed-1", "--settings", str(settings)]) == 2
    said = capsys.readouterr().err
    assert said == f"brainage: {settings}: settings of another step: {key!r} is missing\n"


def test_a_name_that_is_no_training_is_refused(tmp_path, capsys):
    settings = tmp_path / "x.json"
    settings.write_text("{}")
    assert cli.main(["probe-age", str(tmp_path), "lexp", "--settings", str(settings)]) == 2
    assert "EXPERIMENT/fold-0_seed-1" in capsys.readouterr().err


def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path, capsys, monkeypatch):
    from brainage.cohort import splits

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "results/cohort/splits.tsv")

    monkeypatch.setattr(splits, "write_splits", full)
    settings = tmp_path / "split.json"
    settings.write_text(json.dumps({"splits": {}, "seed": 1, "runs": {}}))
    assert cli.main(["split", str(tmp_path), "--settings", str(settings)]) == 1
    said = capsys.readouterr().err
    assert "splits.tsv" in said
    assert "free some disk space" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MachineFault("sub-1: was killed; run it again"), "brainage: sub-1: was killed"),
        (OSError(errno.ESTALE, "Stale file handle", "x/qc.tsv"), "x/qc.tsv'; the disk or network"),
    ],
)
def test_a_fault_of_the_machine_is_one_line_and_status_1(
    tmp_path, capsys, monkeypatch, error, said
):
    from brainage.cohort import splits

    def fails(*_):
        raise error

    monkeypatch.setattr(splits, "write_splits", fails)
    settings = tmp_path / "split.json"
    settings.write_text(json.dumps({"splits": {}, "seed": 1, "runs": {}}))
    assert cli.main(["split", str(tmp_path), "--settings", str(settings)]) == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_step_that_runs_already_is_refused_in_one_line(tmp_path, capsys):
    settings = tmp_path / "pretrain.json"
    settings.write_text("{}")
    lock = tmp_path / "logs" / "locks" / "pretrain_lexp_fold-0_seed-1.lock"
    command = ["pretrain", str(tmp_path), "lexp/fold-0_seed-1", "--settings", str(settings)]
    with only_writer(lock, "x"):
        assert cli.main(command) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{tmp_path}: pretrain lexp/fold-0_seed-1: process {os.getpid()} on " in said
    assert not list(lock.parent.iterdir())


def test_an_unknown_command_is_refused(capsys):
    assert cli.main(["nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
