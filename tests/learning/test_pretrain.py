"""Training end to end on toy brains: bytes, resume, roles."""

import dataclasses
import errno
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.files import InputError, write_text
from brainage.core.layout import Layout
from brainage.core.tables import read_table, write_table
from brainage.core.training import Training
from brainage.learning import augment, checkpoint, people, pretrain
from brainage.learning.encoders import small
from brainage.learning.losses import exp
from brainage.learning.run import Run
from tests.conftest import limited_files
from tests.learning.trainings import SMALL, output, read_history, results, run


@pytest.fixture(scope="module")
def plain(toy, tmp_path_factory):
    return run(toy, tmp_path_factory.mktemp("plain"))


@pytest.mark.slow
def test_same_bytes_again_and_nothing_left(toy, tmp_path, plain):
    torch.manual_seed(123)
    assert run(toy, tmp_path) == plain
    assert not list((tmp_path / "checkpoints").iterdir())
    description = json.loads(plain[1])
    assert description["training"]["people"] == 10
    assert description["training"]["scans"] == 11
    assert str(tmp_path) not in plain[1].decode()


@pytest.mark.parametrize(
    "loss", ["exp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("y_aware", "l1"))]
)
def test_training_learns(toy, tmp_path, loss):
    # Everybody in every batch: the loss of five people says more of who they are than of learning.
    run(toy, tmp_path, loss=loss, epochs=20, learning_rate=3e-3, batch_people=10)
    history = read_history(tmp_path)
    assert history["train_loss"].iloc[-3:].mean() < history["train_loss"].iloc[:2].mean()
    assert history["validation_mae"].isna().all()


@pytest.mark.parametrize("stop_at", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_resume_gives_the_same_bytes(toy, tmp_path, plain, monkeypatch, stop_at):
    class Killed(BaseException):
        pass

    original = Run.step

    def step(self, positions, stored, epoch, rate):
        if epoch == stop_at + 1 and self.steps % 2 == 1:  # in the middle of an epoch
            raise Killed
        return original(self, positions, stored, epoch, rate)

    monkeypatch.setattr(Run, "step", step)
    with pytest.raises(Killed):
        run(toy, tmp_path)
    assert list((tmp_path / "checkpoints").iterdir())
    seen = []
    monkeypatch.setattr(
        Run,
        "step",
        lambda self, p, stored, e, r: seen.append(e) or original(self, p, stored, e, r),
    )
    assert run(toy, tmp_path) == plain
    assert min(seen) == stop_at + 1  # finished epochs are not repeated


CALL = """
import json, os, signal, sys
from pathlib import Path
from brainage.core.layout import Layout
from brainage.core.training import Training
from brainage.learning import pretrain
from brainage.learning.run import Run

settings, kill_at = sys.argv[1:]
original = Run.step

def step(self, *arguments):
    if self.steps == int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, *arguments)

Run.step = step
pretrain.pretrain(
    Layout(Path(".")), Training("toy", 0, 1), json.loads(settings), threads=1, code="c"
)
"""


@pytest.mark.slow
def test_kill_9_at_random_steps_and_the_same_call(toy, tmp_path):
    settings = {**SMALL, "epochs": 8, "weight_averaging": 0.9, "sampling": "age"}
    steps = 2 * settings["epochs"]
    kills = sorted(np.random.default_rng().choice(steps - 1, 2, replace=False) + 1)
    environment = {**os.environ, "PYTHONPATH": str(Path(pretrain.__file__).parents[2])}
    results(toy, tmp_path)
    for kill_at in kills:
        arguments = [json.dumps(settings), kill_at]
        process = subprocess.run(
            [sys.executable, "-c", CALL, *map(str, arguments)], cwd=tmp_path, env=environment
        )
        assert process.returncode == -signal.SIGKILL
        # A kill in the first epoch leaves nothing, a later one the epoch before.
        assert (tmp_path / "checkpoints" / "toy_fold-0_seed-1.pt").is_file() == (kill_at >= 2)
    resumed = run(toy, tmp_path, **settings)
    assert not list((tmp_path / "checkpoints").iterdir())
    assert run(toy, tmp_path / "whole", **settings) == resumed, f"killed at steps {kills}"


@pytest.mark.slow
@pytest.mark.parametrize("other", ["config", "data", "code"])
def test_a_checkpoint_of_another_training_is_not_used(
    toy, tmp_path, plain, capsys, monkeypatch, other
):
    original = Run.step

    def step(self, positions, stored, epoch, rate):
        if epoch == 3:
            raise KeyboardInterrupt
        return original(self, positions, stored, epoch, rate)

    read_groups = people.read_groups

    def of_other_data(*arguments):
        train, validation = read_groups(*arguments)
        return dataclasses.replace(train, ages=train.ages + 1), validation

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "step", step)
        if other == "data":
            patch.setattr(pretrain.people, "read_groups", of_other_data)
        run(
            toy, tmp_path, code="d" if other == "code" else "c",
            **({"bandwidth": 3.0} if other == "config" else {}),
        )  # fmt: skip
    assert list((tmp_path / "checkpoints").iterdir())
    assert run(toy, tmp_path) == plain
    assert f"checkpoint made with other {other}; starting over" in capsys.readouterr().err


def test_half_a_checkpoint_is_not_used(toy, tmp_path, plain, capsys):
    path = tmp_path / "checkpoints" / "toy_fold-0_seed-1.pt"
    path.parent.mkdir()
    path.write_bytes(b"half a checkp")
    assert run(toy, tmp_path) == plain
    assert "unreadable checkpoint" in capsys.readouterr().err


def test_a_checkpoint_on_a_full_disk_is_told_by_its_number_and_the_old_one_stays(tmp_path):
    path = tmp_path / "state.pt"
    checkpoint.save(path, {"epoch": 1}, {})
    with limited_files(1_000_000), pytest.raises(OSError, match="File too large: .*state.pt"):
        checkpoint.save(path, {"weights": torch.zeros(1_000_000)}, {})
    assert checkpoint.load(path, {}) == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_checkpoint_that_cannot_be_read_now_is_not_lost(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    checkpoint.save(path, {"epoch": 1}, {})

    def away(*_, **__):
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    monkeypatch.setattr(torch, "load", away)
    with pytest.raises(OSError, match="Stale"):
        checkpoint.load(path, {})


def test_an_encoder_is_as_readable_as_any_other_file(toy, tmp_path, plain):
    run(toy, tmp_path)
    for path in (output(tmp_path, "encoder"), *(tmp_path / "finished").rglob("*.safetensors")):
        assert path.stat().st_mode == output(tmp_path, "training_history").stat().st_mode


def test_test_people_change_nothing(toy, tmp_path, plain):
    table = read_table(toy.files.file("splits"), SPLITS)
    table = table[table["role"].isin(["train", "validation"])]
    write_table(table, Layout(tmp_path).file("splits"), SPLITS)
    assert run(toy, tmp_path) == plain


@pytest.mark.slow
def test_validation_people_choose_the_epoch_only_when_asked(toy, tmp_path, plain):
    run(toy, tmp_path / "watch", validation_every=2)
    assert output(tmp_path / "watch", "encoder").read_bytes() == plain[0]
    history = read_history(tmp_path / "watch")
    assert history["validation_loss"].notna().tolist() == [False, True, False, True]
    run(toy, tmp_path / "choose", choose_epoch="validation", learning_rate=0.3)
    assert read_history(tmp_path / "choose")["validation_mae"].notna().all()


def test_a_person_with_two_roles_is_refused(toy, tmp_path):
    table = toy.files.file("splits").read_text()
    line = next(text for text in table.split("\n") if text.endswith("train"))
    twice = table + line.removesuffix("train") + "test\n"
    write_text(Layout(tmp_path).file("splits"), twice)
    with pytest.raises(InputError, match=r"two roles|same key"):
        run(toy, tmp_path)


def test_too_few_people(toy, tmp_path):
    table = read_table(toy.files.file("splits"), SPLITS)
    write_table(table[table["role"] != "train"], Layout(tmp_path).file("splits"), SPLITS)
    with pytest.raises(InputError, match="0 training people"):
        run(toy, tmp_path)


def test_ages_that_are_missing_or_top_coded_are_not_trained_on(toy, tmp_path):
    scans = read_table(toy.files.file("scans"), SCANS)
    first = scans["scan_id"] == "toy_sub-01"
    scans.loc[first, "age"] = np.nan
    scans.loc[scans["scan_id"] == "toy_sub-03", "age_top_coded"] = True
    write_table(scans, Layout(tmp_path).file("scans"), SCANS)
    description = json.loads(run(toy, tmp_path, epochs=1)[1])
    assert description["training"]["people"] == 8


def test_loss_that_is_not_a_number_stops(toy, tmp_path, monkeypatch):
    def breaks(outputs, ages):
        breaks.calls += 1
        return outputs.sum() * (float("nan") if breaks.calls == 3 else 1.0)

    breaks.calls = 0
    monkeypatch.setattr(exp, "loss", breaks)
    with pytest.raises(InputError, match="loss became nan in epoch 2; lower learning_rate"):
        run(toy, tmp_path)
    assert breaks.calls == 3  # at once
    assert not output(tmp_path, "encoder").exists()


def test_weights_that_are_not_finite_are_never_written(toy, tmp_path, monkeypatch):
    # sqrt(0) is 0, and its gradient infinite.
    monkeypatch.setattr(exp, "loss", lambda x, y: (x * 0).abs().sum().sqrt())
    with pytest.raises(InputError, match="is not finite after epoch 1; lower learning_rate"):
        run(toy, tmp_path, epochs=1, batch_people=10)  # after a second batch the loss would tell
    assert not list(tmp_path.rglob("*.safetensors"))


def weights_and_loss(folder):
    from safetensors.torch import load_file

    weights = load_file(output(folder, "encoder"))
    return weights, read_history(folder)["train_loss"].to_numpy()


def without_batch_statistics(width, channels):
    layers = (nn.Conv3d(channels, 4, 5, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.AdaptiveAvgPool3d(2))
    encoder = nn.Sequential(*layers, nn.Flatten())
    encoder.feature_size = 32
    return encoder


@pytest.mark.parametrize(
    "loss",
    ["exp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("rank_n_contrast", "l1"))],
)
def test_micro_batches_train_like_the_whole_batch(toy, tmp_path, monkeypatch, loss):
    monkeypatch.setattr(small, "build", without_batch_statistics)
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


@pytest.mark.slow
def test_bf16_gives_the_loss_float32(toy, tmp_path, monkeypatch):
    seen = set()
    function = exp.loss

    @functools.wraps(function)
    def looking(outputs, ages, **options):
        seen.add((outputs.dtype, torch.is_autocast_enabled("cpu")))
        return function(outputs, ages, **options)

    monkeypatch.setattr(exp, "loss", looking)
    run(toy, tmp_path, precision="bf16", epochs=2)
    weights, history = weights_and_loss(tmp_path)
    assert seen == {(torch.float32, False)}
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}
    run(toy, tmp_path / "fp32", epochs=2)
    full = weights_and_loss(tmp_path / "fp32")[1]
    assert history != pytest.approx(full, rel=1e-6)  # it was in bf16 indeed
    assert history == pytest.approx(full, rel=0.05)


@pytest.mark.slow
def test_channels_last_changes_nothing_but_rounding(toy, tmp_path, plain):
    run(toy, tmp_path, channels_last=True, epochs=2)
    run(toy, tmp_path / "plain", epochs=2)
    expected = weights_and_loss(tmp_path / "plain")[1]
    assert weights_and_loss(tmp_path)[1] == pytest.approx(expected, rel=1e-3)


def test_validation_people_that_cannot_be_compared_choose_nothing(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "evaluate_validation", lambda self: (0.0, 5.0))
    with pytest.raises(InputError, match="nothing to compare among the 3 validation people"):
        run(toy, tmp_path, choose_epoch="validation")


@pytest.mark.slow
def test_a_part_of_the_people_has_as_many_steps_as_the_whole(toy, tmp_path, monkeypatch):
    views = []
    augmented = augment.augment

    def seen(volumes, keys, *more):
        views.extend(keys)
        return augmented(volumes, keys, *more)

    monkeypatch.setattr(augment, "augment", seen)

    splits = read_table(toy.files.file("splits"), SPLITS)
    drop = splits[splits["role"] == "train"].index[::2]
    part = splits.drop(drop).assign(experiment="part")
    steps = {}
    for steps_of in (None, "toy"):
        files = results(toy, tmp_path / str(steps_of), without="splits")
        write_table(pd.concat([splits, part]), files.file("splits"), SPLITS)
        counted = []

        def count(self, *arguments, counted=counted, step=Run.step):
            counted.append(1)
            return step(self, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "step", count)
            pretrain.pretrain(
                files, Training("part", 0, 1), {**SMALL, "epochs": 2},
                threads=1, code="c", steps_of=steps_of,
            )  # fmt: skip
        steps[steps_of] = len(counted)
        # Whoever comes again is augmented anew.
        assert len(set(views)) == len(views) == len(counted) * 5 * SMALL["views"]
        views.clear()
    # Five of ten people: one batch of five an epoch, or two as all ten have.
    assert steps == {None: 2, "toy": 4}
