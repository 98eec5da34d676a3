"""Training on several processes, end to end."""

import pandas as pd
import pytest
import torch

from brainage.core.contracts.cohort import SPLITS
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.tables import read_table, write_table
from tests.learning.trainings import read_history, run


def test_what_several_processes_cannot_do_is_said_in_words(toy, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"a batch has 2 people, fewer than .* \(3\)"):
        run(toy, tmp_path, devices=3, batch_people=2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="devices is 2, but there are 1 GPUs"):
        run(toy, tmp_path, devices=2, device="cuda")


@pytest.mark.slow
def test_an_error_in_one_of_several_processes_is_that_error(toy, tmp_path):
    splits = read_table(toy.files.file("splits"), SPLITS)
    splits = splits[splits["role"] != "validation"]
    write_table(splits, Layout(tmp_path).file("splits"), SPLITS)
    with pytest.raises(InputError, match="the splits have no validation people"):
        run(toy, tmp_path, devices=2, choose_epoch="validation")


@pytest.mark.slow
def test_two_processes_train(toy, tmp_path):
    run(toy, tmp_path, devices=2, epochs=2, micro_batch=2, sampling="age")
    history = read_history(tmp_path)
    assert pd.notna(history["train_loss"]).all()
