"""Brains held on the device, and brains fetched while the batch before is worked on."""

import threading

import numpy as np
import pytest
import torch

from brainage.core.store import Store
from brainage.learning.brains import Brains

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "brains.npy"
    random = np.random.default_rng(1)
    brains, grey = random.integers(0, 256, (2, 300, 5, 6, 7), dtype=np.uint8)
    np.save(path, brains)
    return Store(np.load(path, mmap_mode="r"), {}, {}, grey_matter=grey)


ROWS = np.random.default_rng(2).permutation(300)[:290]
BATCHES = [np.array([3, 200, 3]), np.array([289]), np.arange(40), np.array([7, 0])]


@pytest.mark.parametrize("channels", [["brain"], ["grey_matter", "brain"]])
@pytest.mark.parametrize("hold", [True, False])
def test_both_ways_give_the_brains_of_the_store_bit_for_bit(store, hold, channels):
    brains = Brains(store, ROWS, CPU, hold=hold, channels=channels)
    assert (brains.held is not None) == hold
    given = list(brains.stream(iter(BATCHES)))
    assert len(given) == len(BATCHES)
    for positions, (volumes, rows) in zip(BATCHES, given, strict=True):
        assert volumes.dtype == torch.uint8
        assert np.array_equal(volumes[rows].numpy(), store.read(ROWS[positions], channels))
        assert torch.equal(brains.take(positions), volumes[rows])
    assert list(brains.stream([])) == []


def test_the_next_batch_is_fetched_beside_this_one(store, monkeypatch):
    brains = Brains(store, ROWS, CPU, hold=False)
    fetched, by = [], set()
    original, second = Brains._read, threading.Event()

    def read(self, positions, pinned):
        fetched.append(len(positions))
        by.add(threading.current_thread().name)
        if len(fetched) == 2:
            second.set()
        return original(self, positions, pinned)

    monkeypatch.setattr(Brains, "_read", read)
    arriving = brains.stream(BATCHES)
    assert len(next(arriving)[0]) == 3
    assert second.wait(10)  # while the caller has the first, and asked for nothing more
    assert fetched == [3, 1]
    next(arriving)
    arriving.close()  # as when training stops: the thread is done, and no error is lost
    assert threading.current_thread().name not in by
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("brains")]


def test_what_goes_wrong_beside_is_raised_here(store):
    brains = Brains(store, ROWS, CPU, hold=False)
    with pytest.raises(IndexError):
        list(brains.stream([np.array([0]), np.array([290])]))


def test_training_is_the_same_either_way(toy, tmp_path, monkeypatch):
    from brainage.learning import brains as module
    from tests.learning.trainings import run

    held = run(toy, tmp_path / "held", epochs=2)
    monkeypatch.setattr(module, "_room", lambda device: 0)
    assert run(toy, tmp_path / "fetched", epochs=2) == held


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("hold", [True, False])
def test_a_gpu_gets_the_same_brains(store, hold):
    brains = Brains(store, ROWS, torch.device("cuda", 0), hold=hold)
    for positions, (volumes, rows) in zip(BATCHES, brains.stream(BATCHES), strict=True):
        assert volumes.is_cuda
        assert np.array_equal(volumes[rows].cpu().numpy(), store.read(ROWS[positions], ["brain"]))
