"""The commands of the statistics, one after the other on one folder of results."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from brainage.core.command import commands_of
from brainage.core.config import defaults
from brainage.core.contracts.grid import GRID_ACCURACY
from brainage.core.contracts.probing import DIAGNOSIS_SCORES, PREDICTIONS, SITE_PROBE
from brainage.core.contracts.statistics import ACCURACY, GROUPS, ROC, SLOPES
from brainage.core.layout import Layout
from brainage.core.tables import read_table, write_table

from .simulated import SETTINGS, predictions_of, study


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Layout:
    files = Layout(tmp_path_factory.mktemp("results"))
    visits = {"people": 25, "visits": 3}
    table = predictions_of(study(np.random.default_rng(1), CN=visits, AD=visits))
    for name in ("predictions", "grid_predictions"):
        write_table(table, files.file(name), PREDICTIONS)
    for name, contract in (("site_probe", SITE_PROBE), ("diagnosis_scores", DIAGNOSIS_SCORES)):
        empty = pd.DataFrame(columns=list(contract.names))
        write_table(empty, files.file(name), contract)
        write_table(empty, files.file(f"grid_{name}"), contract)
    run = {"of": "lexp", "seeds": [1], "datasets": None, "fraction": 1.0}
    own = {key: SETTINGS[key] for key in defaults("statistics")}
    settings = {**own, "seed": 1, "external_sites": [], "runs": {"lexp": run}}
    path = files.results / "settings.json"
    path.write_text(json.dumps(settings))
    for command in commands_of("statistics"):
        options = [] if command.name == "gaps" else ["--settings", str(path)]
        done = CliRunner().invoke(command, [str(files.results), *options])
        assert done.exit_code == 0, (command.name, done.output, done.exception)
    return files


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("accuracy", ACCURACY),
        ("groups", GROUPS),
        ("roc", ROC),
        ("slopes", SLOPES),
        ("grid_accuracy", GRID_ACCURACY),
    ],
)
def test_each_command_writes_its_table(files, name, table):
    assert read_table(files.file(name), table)["estimate"].notna().any()


def test_the_commands_load_nothing_heavy():
    code = (
        "import sys, brainage.statistics.commands, brainage.probing.commands; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "scipy", "sklearn", "statsmodels", "torch"}
    assert not heavy & set(done.stdout.split())
