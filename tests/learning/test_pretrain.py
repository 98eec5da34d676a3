"""Training end to end on toy brains: bytes, resume, roles."""

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.files import InputError
from brainage.core.tables import read_table, write_table
from brainage.learning import augment, encoders, losses, people, pretrain, training
from tests.learning.trainings import SMALL, read_history, run


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
    assert history["train_loss"].iloc[-3:].mean() < history["train_loss"].iloc[:2].mean()
    assert history["validation_mae"].isna().all()


@pytest.mark.parametrize("stop_at", [1, 3])
def test_resume_gives_the_same_bytes(toy, tmp_path, plain, monkeypatch, stop_at):
    class Killed(BaseException):
        pass

    original = training._Run.step

    def step(self, positions, stored, epoch, rate):
        if epoch == stop_at + 1 and self.steps % 2 == 1:  # in the middle of an epoch
            raise Killed
        return original(self, positions, stored, epoch, rate)

    monkeypatch.setattr(training._Run, "step", step)
    with pytest.raises(Killed):
        run(toy, tmp_path)
    assert list((tmp_path / "checkpoints").iterdir())
    seen = []
    monkeypatch.setattr(
        training._Run,
        "step",
        lambda self, p, stored, e, r: seen.append(e) or original(self, p, stored, e, r),
    )
    assert run(toy, tmp_path) == plain
    assert min(seen) == stop_at + 1  # finished epochs are not repeated


CALL = """
import json, os, signal, sys
from pathlib import Path
from brainage.learning import pretrain, training

store, scans, splits, settings, kill_at = sys.argv[1:]
original = training._Run.step

def step(self, *arguments):
    if self.steps == int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, *arguments)

training._Run.step = step
pretrain.pretrain(
    Path(store), Path(scans), Path(splits), Path("out"), Path("checkpoints"),
    json.loads(settings), "toy", 0, 1, 1, "c",
)
"""


def test_kill_9_at_random_steps_and_the_same_call(toy, tmp_path):
    settings = {**SMALL, "epochs": 8, "weight_averaging": 0.9, "sampling": "age"}
    steps = 2 * settings["epochs"]
    kills = sorted(np.random.default_rng().choice(steps - 1, 2, replace=False) + 1)
    environment = {**os.environ, "PYTHONPATH": str(Path(pretrain.__file__).parents[2])}
    for kill_at in kills:
        arguments = [toy.store, toy.scans, toy.splits, json.dumps(settings), kill_at]
        process = subprocess.run(
            [sys.executable, "-c", CALL, *map(str, arguments)], cwd=tmp_path, env=environment
        )
        assert process.returncode == -signal.SIGKILL
        # A kill in the first epoch leaves nothing, a later one the epoch before.
        assert (tmp_path / "checkpoints").exists() == (kill_at >= 2)
    resumed = run(toy, tmp_path, **settings)
    assert not (tmp_path / "checkpoints").exists()
    assert run(toy, tmp_path / "whole", **settings) == resumed, f"killed at steps {kills}"


@pytest.mark.parametrize("other", ["config", "data", "code"])
def test_a_checkpoint_of_another_training_is_not_used(
    toy, tmp_path, plain, capsys, monkeypatch, other
):
    original = training._Run.step

    def step(self, positions, stored, epoch, rate):
        if epoch == 3:
            raise KeyboardInterrupt
        return original(self, positions, stored, epoch, rate)

    def of_other_data(*arguments):
        fit, validation = people.read_groups(*arguments)
        return dataclasses.replace(fit, ages=fit.ages + 1), validation

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training._Run, "step", step)
        if other == "data":
            patch.setattr(pretrain, "people", SimpleNamespace(read_groups=of_other_data))
        run(
            toy, tmp_path, code_hash="d" if other == "code" else "c",
            **({"bandwidth": 3.0} if other == "config" else {}),
        )  # fmt: skip
    assert list((tmp_path / "checkpoints").iterdir())
    assert run(toy, tmp_path) == plain
    assert f"checkpoint made with other {other}; starting anew" in capsys.readouterr().err


def test_half_a_checkpoint_is_not_used(toy, tmp_path, plain, capsys):
    path = tmp_path / "checkpoints" / "toy_fold-0_seed-1.pt"
    path.parent.mkdir()
    path.write_bytes(b"half a checkp")
    assert run(toy, tmp_path) == plain
    assert "unreadable checkpoint" in capsys.readouterr().err


def test_test_people_change_nothing(toy, tmp_path, plain):
    table = read_table(toy.splits, SPLITS)
    table = table[table["role"].isin(["train", "validation"])]
    write_table(table, tmp_path / "splits.tsv", SPLITS)
    assert run(toy, tmp_path, splits=tmp_path / "splits.tsv") == plain


def test_tune_people_choose_the_epoch_only_when_asked(toy, tmp_path, plain):
    run(toy, tmp_path / "watch", validation_every=2)
    assert (tmp_path / "watch" / "out" / pretrain.WEIGHTS).read_bytes() == plain[0]
    history = read_history(tmp_path / "watch")
    assert history["validation_loss"].notna().tolist() == [False, True, False, True]
    run(toy, tmp_path / "choose", choose_epoch="validation", learning_rate=0.3)
    assert read_history(tmp_path / "choose")["validation_mae"].notna().all()


def test_a_person_with_two_roles_is_refused(toy, tmp_path):
    table = toy.splits.read_text().rstrip("\n")
    line = next(text for text in table.split("\n") if text.endswith("train"))
    (tmp_path / "splits.tsv").write_text(table + "\n" + line[:-3] + "test\n")
    with pytest.raises(InputError, match=r"two roles|one key"):
        run(toy, tmp_path, splits=tmp_path / "splits.tsv")


def test_too_few_people(toy, tmp_path):
    table = read_table(toy.splits, SPLITS)
    write_table(table[table["role"] != "train"], tmp_path / "splits.tsv", SPLITS)
    with pytest.raises(InputError, match="0 training people"):
        run(toy, tmp_path, splits=tmp_path / "splits.tsv")


def test_ages_that_are_missing_or_top_coded_are_not_trained_on(toy, tmp_path):
    scans = read_table(toy.scans, SCANS)
    first = scans["scan_id"] == "toy_sub-01"
    scans.loc[first, "age"] = np.nan
    scans.loc[scans["scan_id"] == "toy_sub-03", "age_top_coded"] = True
    write_table(scans, tmp_path / "scans.tsv", SCANS)
    pretrain.pretrain(
        toy.store, tmp_path / "scans.tsv", toy.splits, tmp_path / "out", tmp_path / "checkpoints",
        SMALL | {"epochs": 1}, "toy", 0, 1, 1, "c",
    )  # fmt: skip
    description = json.loads((tmp_path / "out" / pretrain.DESCRIPTION).read_text())
    assert description["training"]["people"] == 8


def test_loss_that_is_not_a_number_stops(toy, tmp_path, monkeypatch):
    def breaks(outputs, ages):
        breaks.calls += 1
        return outputs.sum() * (float("nan") if breaks.calls == 3 else 1.0)

    breaks.calls = 0
    monkeypatch.setitem(losses.LOSSES, "exp", (breaks, ()))
    with pytest.raises(InputError, match="loss became nan in epoch 2; lower learning_rate"):
        run(toy, tmp_path)
    assert breaks.calls == 3  # at once
    assert not (tmp_path / "out").exists()


def test_weights_that_are_not_finite_are_never_written(toy, tmp_path, monkeypatch):
    # sqrt(0) is 0, and its gradient infinite.
    monkeypatch.setitem(losses.LOSSES, "exp", (lambda x, y: (x * 0).abs().sum().sqrt(), ()))
    with pytest.raises(InputError, match="is not finite after epoch 1; lower learning_rate"):
        run(toy, tmp_path, epochs=1, batch_people=10)  # after a second batch the loss would tell
    assert not list(tmp_path.rglob("*.safetensors"))


def weights_and_loss(folder):
    from safetensors.torch import load_file

    weights = load_file(folder / "out" / pretrain.WEIGHTS)
    return weights, read_history(folder)["train_loss"].to_numpy()


def without_batch_statistics(width, channels):
    layers = (nn.Conv3d(channels, 4, 5, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.AdaptiveAvgPool3d(2))
    encoder = nn.Sequential(*layers, nn.Flatten())
    encoder.feature_size = 32
    return encoder


@pytest.mark.parametrize("loss", ["exp", "rank_n_contrast", "l1"])
def test_micro_batches_train_like_the_whole_batch(toy, tmp_path, monkeypatch, loss):
    monkeypatch.setattr(encoders, "Small", without_batch_statistics)
    found = []
    for folder, more in (("whole", {}), ("parts", {"micro_batch": 3})):
        # Plain gradient descent: Adam divides by a gradient's own size, rounding and all.
        more |= {"optimiser": "sgd", "learning_rate": 1e-3 if loss == "l1" else 0.05, "epochs": 1}
        run(toy, tmp_path / folder, loss=loss, **more)
        found.append(weights_and_loss(tmp_path / folder))
    (weights, history), (weights_of_parts, history_of_parts) = found
    assert history_of_parts == pytest.approx(history, rel=1e-5)
    for name, value in weights.items():
        difference = (weights_of_parts[name] - value).abs().max()
        assert difference <= 1e-5 * value.abs().max(), name


def test_bf16_gives_the_loss_float32(toy, tmp_path, monkeypatch):
    seen = set()
    function, takes = losses.LOSSES["exp"]

    @functools.wraps(function)
    def looking(outputs, ages, **options):
        seen.add((outputs.dtype, torch.is_autocast_enabled("cpu")))
        return function(outputs, ages, **options)

    monkeypatch.setitem(losses.LOSSES, "exp", (looking, takes))
    run(toy, tmp_path, precision="bf16", epochs=2)
    weights, history = weights_and_loss(tmp_path)
    assert seen == {(torch.float32, False)}
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}
    run(toy, tmp_path / "fp32", epochs=2)
    full = weights_and_loss(tmp_path / "fp32")[1]
    assert history != pytest.approx(full, rel=1e-6)  # it was in bf16 indeed
    assert history == pytest.approx(full, rel=0.05)


def test_channels_last_changes_nothing_but_rounding(toy, tmp_path, plain):
    run(toy, tmp_path, channels_last=True, epochs=2)
    run(toy, tmp_path / "plain", epochs=2)
    expected = weights_and_loss(tmp_path / "plain")[1]
    assert weights_and_loss(tmp_path)[1] == pytest.approx(expected, rel=1e-3)


def test_tune_people_that_cannot_be_compared_choose_nothing(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(training._Run, "evaluate_validation", lambda self: (0.0, 5.0))
    with pytest.raises(InputError, match="nothing to compare among the 3 validation people"):
        run(toy, tmp_path, choose_epoch="validation")


def test_a_part_of_the_people_has_as_many_steps_as_the_whole(toy, tmp_path, monkeypatch):
    from brainage.learning.store import open_store

    views = []
    augmented = augment.augment

    def seen(volumes, keys, *more):
        views.extend(keys)
        return augmented(volumes, keys, *more)

    monkeypatch.setattr(augment, "augment", seen)

    fit, _ = people.read_groups(toy.scans, toy.splits, open_store(toy.store), "toy", 0, 1)
    parts = people.batches(fit, 4, 1, 5, steps=8)
    assert len(parts) == 8
    # The first round is that of an epoch of its own; then everyone comes again.
    once = people.batches(fit, 4, 1, 5)
    assert all(np.array_equal(a, b) for a, b in zip(parts, once, strict=False))
    owners = [next(i for i, own in enumerate(fit.people) if p in own) for p in np.hstack(parts)]
    assert set(np.bincount(owners, minlength=10)) <= {2, 3}

    splits = read_table(toy.splits, SPLITS)
    drop = splits[splits["role"] == "train"].index[::2]
    part = splits.drop(drop).assign(experiment="part")
    write_table(pd.concat([splits, part]), tmp_path / "splits.tsv", SPLITS)
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
        # Whoever comes again is augmented anew.
        assert len(set(views)) == len(views) == len(counted) * 5 * SMALL["views"]
        views.clear()
    # Five of ten people: one batch of five an epoch, or two as all ten have.
    assert steps == {None: 2, "toy": 4}
