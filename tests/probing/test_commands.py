"""The commands of probing, by the names that a person types."""

import json

from click.testing import CliRunner

from brainage.core.command import commands_of
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.tables import read_table

from .simulated import SETTINGS, study


def test_a_baseline_is_predicted_and_gathered(tmp_path):
    made = study(tmp_path)
    files = made.write()
    by_name = {command.name: command for command in commands_of("probing")}
    names = ["probe-age", "probe-site", "probe-diagnosis", "predict-baseline", "gather"]
    assert list(by_name) == names

    def run(name: str, what: str, settings: dict) -> None:
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(settings))
        arguments = [str(tmp_path), what, "--settings", str(path)]
        done = CliRunner().invoke(by_name[name], arguments)
        assert done.exit_code == 0, (done.output, done.exception)

    training = "median/fold-0_seed-1"
    more = {"seed": 1, "people_of": "lexp", "channels": ["brain"], "regions": None}
    own = {key: value for key, value in SETTINGS.items() if key not in more}
    run("predict-baseline", training, {**own, **more})
    run("gather", "predictions", {"trainings": [training]})
    table = read_table(files.file("predictions"), PREDICTIONS)
    assert len(table) == len(made.scans) and set(table["experiment"]) == {"median"}
