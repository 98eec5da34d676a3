"""Learning rates: the schedules, and the search for one on validation people."""

import json

import numpy as np
import pytest

from brainage.core.contracts.cohort import SPLITS
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.tables import read_table, write_table
from brainage.learning import optimisation
from brainage.learning.run import Diverged, Run
from tests.learning.trainings import SMALL, read_history, run


@pytest.mark.slow
def test_the_learning_rate_is_chosen_on_validation_people(toy, tmp_path, monkeypatch):
    errors = {1e-9: 30.0, 1e-3: 4.0, 1e-2: 5.0}
    monkeypatch.setattr(
        Run,
        "evaluate_validation",
        lambda self: (1.0, errors[self.settings["learning_rate"]]),
    )
    rates = list(errors)
    chosen = run(toy, tmp_path / "list", learning_rate=rates)
    alone = run(toy, tmp_path / "one", learning_rate=1e-3)
    assert chosen[0] == alone[0]
    assert json.loads(chosen[1])["settings"]["learning_rate"] == 1e-3
    history = read_history(tmp_path / "list")
    assert set(history["rates_tried"]) == {"1e-09: 30.00; 0.001: 4.00; 0.01: 5.00"}
    assert history["learning_rate"].max() <= 1e-3
    assert not list((tmp_path / "list" / "checkpoints").iterdir())
    assert "rates_tried" not in read_history(tmp_path / "one").dropna(axis=1).columns


@pytest.mark.slow
def test_a_search_over_rates_goes_on_after_a_kill(toy, tmp_path, monkeypatch, capsys):
    original, seen = Run.step, []
    settings = {"learning_rate": [1e-3, 1e-2], "validation_every": 4}
    whole = run(toy, tmp_path / "whole", **settings)

    def step(self, positions, stored, epoch, rate):
        if self.settings["learning_rate"] == 1e-2 and epoch == 3 and not seen:
            raise KeyboardInterrupt
        return original(self, positions, stored, epoch, rate)

    monkeypatch.setattr(Run, "step", step)
    with pytest.raises(KeyboardInterrupt):
        run(toy, tmp_path / "killed", **settings)

    def counted(self, positions, stored, epoch, rate):
        seen.append((self.settings["learning_rate"], epoch))
        return original(self, positions, stored, epoch, rate)

    monkeypatch.setattr(Run, "step", counted)
    assert run(toy, tmp_path / "killed", **settings) == whole
    assert set(seen) == {(1e-2, 3), (1e-2, 4)}
    assert "starting over" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_rate_that_diverges_does_not_lose_the_others(toy, tmp_path, monkeypatch, capsys):
    original = Run.step

    def step(self, positions, stored, epoch, rate):
        if self.settings["learning_rate"] in broken:
            raise Diverged("the loss became nan")
        return original(self, positions, stored, epoch, rate)

    monkeypatch.setattr(Run, "step", step)
    broken = {0.1}
    run(toy, tmp_path / "one", learning_rate=[0.1, 1e-3])
    assert "the loss became nan" in capsys.readouterr().err
    history = read_history(tmp_path / "one")
    assert history["rates_tried"].iloc[0].startswith("0.1: inf; 0.001: ")
    broken = {0.1, 1e-3}
    with pytest.raises(InputError, match="the loss became nan"):
        run(toy, tmp_path / "none", learning_rate=[0.1, 1e-3])


@pytest.mark.slow
def test_a_rate_is_judged_by_the_epoch_that_is_written(toy, tmp_path, monkeypatch):
    # The first rate's best epoch is its second; the last one is bad.
    looks = {1e-3: [(3.0, 8.0), (1.0, 3.0), (2.0, 9.0), (2.5, 9.0)], 1e-4: [(2.0, 5.0)] * 4}
    asked = {rate: iter(values) for rate, values in looks.items()}
    monkeypatch.setattr(
        Run,
        "evaluate_validation",
        lambda self: next(asked[self.settings["learning_rate"]]),
    )
    chosen = run(
        toy, tmp_path, learning_rate=[1e-3, 1e-4], choose_epoch="validation", validation_every=1
    )
    assert json.loads(chosen[1])["settings"]["learning_rate"] == 1e-3
    assert set(read_history(tmp_path)["rates_tried"]) == {"0.001: 3.00; 0.0001: 5.00"}


def test_rates_cannot_be_chosen_without_validation_people(toy, tmp_path):
    splits = read_table(toy.files.file("splits"), SPLITS)
    splits = splits[splits["role"] != "validation"]
    write_table(splits, Layout(tmp_path).file("splits"), SPLITS)
    with pytest.raises(InputError, match="no validation people"):
        run(toy, tmp_path, learning_rate=[0.1, 0.2])


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_schedules(schedule):
    rising = {"warmup_epochs": 2, "learning_rate": 1.0}
    settings = {**SMALL, **rising, "schedule": schedule, "epochs": 40}
    rates = [optimisation.learning_rate(settings, epoch) for epoch in range(41)]
    assert rates[1] < rates[2] <= 1.0
    expected = {"cosine": 0.0, "step": 0.9**4, "constant": 1.0}[schedule]
    assert rates[40] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "schedule",
    ["cosine", *(pytest.param(name, marks=pytest.mark.slow) for name in ("step", "constant"))],
)
def test_no_step_is_taken_at_rate_0(toy, tmp_path, monkeypatch, schedule):
    original, rates = Run.step, []

    def step(self, positions, stored, epoch, rate):
        rates.append(rate)
        return original(self, positions, stored, epoch, rate)

    monkeypatch.setattr(Run, "step", step)
    run(toy, tmp_path, schedule=schedule, warmup_epochs=2, learning_rate=1e-3, epochs=4)
    # Two steps an epoch: the warm-up rises through the middles of its four steps.
    falls = 0.5 * (1 + np.cos(np.pi * np.arange(0.25, 4, 0.5) / 4)) if schedule == "cosine" else 1
    rises = np.minimum(np.arange(0.25, 4, 0.5) / 2, 1)
    assert rates == pytest.approx(1e-3 * rises * falls)
    assert min(rates) > 0
    first, *_, last = read_history(tmp_path)["learning_rate"]
    assert rates[0] < first < rates[1]
    assert rates[-1] <= last <= rates[-2]
