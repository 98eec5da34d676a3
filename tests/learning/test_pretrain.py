"""Training end to end on toy brains: bytes, resume, roles, several processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from brainage import contracts
from brainage.config import defaults
from brainage.files import InputError
from brainage.learning import checkpoint, losses, pretrain, training
from brainage.tables import read_table, write_table

LEARNING = {**defaults("learning"), "checkpoint_every": 0}
SMALL = {
    **LEARNING,
    "encoder": {"name": "small", "width": 0.25},
    "epochs": 4,
    "batch_people": 5,
    "projection_dim": 8,
    "device": "cpu",
}
OUTPUTS = (pretrain.WEIGHTS, pretrain.DESCRIPTION, pretrain.HISTORY)


def run(toy, folder, code_hash="c", splits=None, **settings):
    pretrain.pretrain(
        toy.store, toy.scans, splits or toy.splits, folder / "out", folder / "checkpoints",
        {**SMALL, **settings}, "toy", 0, 1, 1, code_hash,
    )  # fmt: skip
    return [(folder / "out" / name).read_bytes() for name in OUTPUTS]


def read_history(folder):
    return read_table(folder / "out" / pretrain.HISTORY, contracts.HISTORY)


@pytest.fixture(scope="module")
def plain(toy, tmp_path_factory):
    return run(toy, tmp_path_factory.mktemp("plain"))


def test_same_bytes_again_and_nothing_left(toy, tmp_path, plain):
    torch.manual_seed(123)
    assert run(toy, tmp_path) == plain
    assert not (tmp_path / "checkpoints").exists()
    description = json.loads(plain[1])
    assert description["training"]["people"] == 10
    assert description["training"]["scans"] == 11
    assert str(tmp_path) not in plain[1].decode()


@pytest.mark.parametrize("loss", ["exp", "y_aware", "l1"])
def test_training_learns(toy, tmp_path, loss):
    # Everybody in every batch: the loss of five people says more of who they are than of learning.
    run(toy, tmp_path, loss=loss, epochs=20, learning_rate=3e-3, batch_people=10)
    history = read_history(tmp_path)
    assert history["fit_loss"].iloc[-3:].mean() < history["fit_loss"].iloc[:2].mean()
    assert history["tune_mae"].isna().all()


@pytest.mark.parametrize("stop_at", [1, 3])
def test_resume_gives_the_same_bytes(toy, tmp_path, plain, monkeypatch, stop_at):
    class Killed(BaseException):
        pass

    original = training._Run.step

    def step(self, positions, epoch, rate):
        if epoch == stop_at + 1 and self.steps % 2 == 1:  # in the middle of an epoch
            raise Killed
        return original(self, positions, epoch, rate)

    monkeypatch.setattr(training._Run, "step", step)
    with pytest.raises(Killed):
        run(toy, tmp_path)
    assert list((tmp_path / "checkpoints").iterdir())
    seen = []
    monkeypatch.setattr(
        training._Run, "step", lambda self, p, e, r: seen.append(e) or original(self, p, e, r)
    )
    assert run(toy, tmp_path) == plain
    assert min(seen) == stop_at + 1  # finished epochs are not repeated


def test_kill_9_and_the_same_call(toy, tmp_path):
    settings = {**SMALL, "epochs": 30, "weight_averaging": 0.9}
    call = (
        "from pathlib import Path; from brainage.learning.pretrain import pretrain;"
        f"pretrain(Path({str(toy.store)!r}), Path({str(toy.scans)!r}), Path({str(toy.splits)!r}),"
        f" Path('out'), Path('checkpoints'), {settings!r}, 'toy', 0, 1, 1, 'c')"
    )
    weights = []
    for name in ("whole", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(Path(pretrain.__file__).parents[2])}
        while not (folder / "out" / pretrain.WEIGHTS).exists():
            process = subprocess.Popen([sys.executable, "-c", call], cwd=folder, env=environment)
            if name == "killed" and not (folder / "checkpoints").exists():
                while not list(folder.glob("checkpoints/toy*.pt")):
                    time.sleep(0.01)
                process.send_signal(signal.SIGKILL)
            process.wait()
        weights.append([(folder / "out" / output).read_bytes() for output in OUTPUTS])
    assert weights[0] == weights[1]


def test_checkpoint_of_other_settings_is_not_used(toy, tmp_path, plain, capsys):
    path = tmp_path / "checkpoints" / "toy_fold-0_seed-1.pt"
    checkpoint.save(path, {}, "something else")
    assert run(toy, tmp_path) == plain
    assert "another config" in capsys.readouterr().err
    path.parent.mkdir()
    path.write_bytes(b"half a checkp")
    assert run(toy, tmp_path) == plain
    assert "unreadable checkpoint" in capsys.readouterr().err


def test_test_people_change_nothing(toy, tmp_path, plain):
    table = read_table(toy.splits, contracts.SPLITS)
    table = table[table["role"].isin(["fit", "tune"])]
    write_table(table, tmp_path / "splits.tsv", contracts.SPLITS)
    assert run(toy, tmp_path, splits=tmp_path / "splits.tsv") == plain


def test_tune_people_choose_the_epoch_only_when_asked(toy, tmp_path, plain):
    run(toy, tmp_path / "watch", tune_every=2)
    assert (tmp_path / "watch" / "out" / pretrain.WEIGHTS).read_bytes() == plain[0]
    history = read_history(tmp_path / "watch")
    assert history["tune_loss"].notna().tolist() == [False, True, False, True]
    run(toy, tmp_path / "choose", choose_epoch="tune", learning_rate=0.3)
    assert read_history(tmp_path / "choose")["tune_mae"].notna().all()


def test_a_person_with_two_roles_is_refused(toy, tmp_path):
    table = toy.splits.read_text().rstrip("\n")
    line = next(text for text in table.split("\n") if text.endswith("fit"))
    (tmp_path / "splits.tsv").write_text(table + "\n" + line[:-3] + "test\n")
    with pytest.raises(InputError, match=r"two roles|one key"):
        run(toy, tmp_path, splits=tmp_path / "splits.tsv")


def test_too_few_people(toy, tmp_path):
    table = read_table(toy.splits, contracts.SPLITS)
    write_table(table[table["role"] != "fit"], tmp_path / "splits.tsv", contracts.SPLITS)
    with pytest.raises(InputError, match="0 fit people"):
        run(toy, tmp_path, splits=tmp_path / "splits.tsv")


def test_ages_that_are_missing_or_top_coded_are_not_trained_on(toy, tmp_path):
    scans = read_table(toy.scans, contracts.SCANS)
    first = scans["scan_id"] == "toy_sub-01"
    scans.loc[first, "age"] = np.nan
    scans.loc[scans["scan_id"] == "toy_sub-03", "age_top_coded"] = True
    write_table(scans, tmp_path / "scans.tsv", contracts.SCANS)
    pretrain.pretrain(
        toy.store, tmp_path / "scans.tsv", toy.splits, tmp_path / "out", tmp_path / "checkpoints",
        SMALL | {"epochs": 1}, "toy", 0, 1, 1, "c",
    )  # fmt: skip
    description = json.loads((tmp_path / "out" / pretrain.DESCRIPTION).read_text())
    assert description["training"]["people"] == 8


def test_loss_that_is_not_a_number_stops(toy, tmp_path, monkeypatch):
    monkeypatch.setitem(losses.LOSSES, "exp", (lambda x, y: x.sum() * float("nan"), ()))
    with pytest.raises(InputError, match="nan in epoch 1"):
        run(toy, tmp_path)


def test_batches_take_each_person_once(toy):
    from brainage.learning import people
    from brainage.learning.store import open_store

    fit, _ = people.read_groups(toy.scans, toy.splits, open_store(toy.store), "toy", 0, 1)
    seen = set()
    for epoch in range(20):
        parts = people.batches(fit, 4, 1, epoch)
        assert [len(part) for part in parts] == [4, 3, 3]
        positions = np.concatenate(parts)
        owners = [next(i for i, own in enumerate(fit.people) if p in own) for p in positions]
        assert sorted(owners) == list(range(10))
        seen |= set(positions.tolist())
    assert seen == set(range(11))


def test_the_learning_rate_is_chosen_on_tune_people(toy, tmp_path, monkeypatch):
    errors = {1e-9: 30.0, 1e-3: 4.0, 1e-2: 5.0}
    monkeypatch.setattr(
        training._Run, "look_at_tune", lambda self: (1.0, errors[self.settings["learning_rate"]])
    )
    rates = list(errors)
    chosen = run(toy, tmp_path / "list", learning_rate=rates)
    alone = run(toy, tmp_path / "one", learning_rate=1e-3)
    assert chosen[0] == alone[0]
    assert json.loads(chosen[1])["settings"]["learning_rate"] == 1e-3
    history = read_history(tmp_path / "list")
    assert set(history["rates_tried"]) == {"1e-09: 30.00; 0.001: 4.00; 0.01: 5.00"}
    assert history["learning_rate"].max() <= 1e-3
    assert not (tmp_path / "list" / "checkpoints").exists()
    assert "rates_tried" not in read_history(tmp_path / "one").dropna(axis=1).columns


def test_rates_cannot_be_chosen_without_tune_people(toy, tmp_path):
    splits = read_table(toy.splits, contracts.SPLITS)
    write_table(splits[splits["role"] != "tune"], tmp_path / "splits.tsv", contracts.SPLITS)
    with pytest.raises(InputError, match="no tune people"):
        run(toy, tmp_path, splits=tmp_path / "splits.tsv", learning_rate=[0.1, 0.2])


def test_a_part_of_the_people_has_as_many_steps_as_the_whole(toy, tmp_path):
    from brainage.learning import people
    from brainage.learning.store import open_store

    fit, _ = people.read_groups(toy.scans, toy.splits, open_store(toy.store), "toy", 0, 1)
    parts = people.batches(fit, 4, 1, 5, steps=8)
    assert len(parts) == 8
    # The first round is that of an epoch of its own; then everyone comes again.
    once = people.batches(fit, 4, 1, 5)
    assert all(np.array_equal(a, b) for a, b in zip(parts, once, strict=False))
    owners = [next(i for i, own in enumerate(fit.people) if p in own) for p in np.hstack(parts)]
    assert set(np.bincount(owners, minlength=10)) <= {2, 3}

    splits = read_table(toy.splits, contracts.SPLITS)
    drop = splits[splits["role"] == "fit"].index[::2]
    part = splits.drop(drop).assign(experiment="part")
    write_table(pd.concat([splits, part]), tmp_path / "splits.tsv", contracts.SPLITS)
    steps = {}
    for steps_of in (None, "toy"):
        folder = tmp_path / str(steps_of)
        counted = []

        def count(self, *arguments, counted=counted, step=training._Run.step):
            counted.append(1)
            return step(self, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training._Run, "step", count)
            pretrain.pretrain(
                toy.store, toy.scans, tmp_path / "splits.tsv", folder / "out", folder / "c",
                {**SMALL, "epochs": 2}, "part", 0, 1, 1, "c", steps_of,
            )  # fmt: skip
        steps[steps_of] = len(counted)
    # Five of ten people: one batch of five an epoch, or two as all ten have.
    assert steps == {None: 2, "toy": 4}


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_schedules(schedule):
    rising = {"warmup_epochs": 2, "learning_rate": 1.0}
    settings = {**SMALL, **rising, "schedule": schedule, "epochs": 40}
    rates = [training.learning_rate(settings, epoch) for epoch in range(41)]
    assert rates[1] < rates[2] <= 1.0
    expected = {"cosine": 0.0, "step": 0.9**4, "constant": 1.0}[schedule]
    assert rates[40] == pytest.approx(expected, abs=1e-9)


def test_two_processes_train(toy, tmp_path):
    run(toy, tmp_path, devices=2, epochs=2)
    history = read_history(tmp_path)
    assert pd.notna(history["fit_loss"]).all()
