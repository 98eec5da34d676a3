"""How a training looks at its validation people."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from brainage.core.store import open_store
from brainage.learning import people
from brainage.learning.distributed import SingleProcess
from brainage.learning.run import Job, Run
from tests.learning.trainings import SMALL, TOY


@pytest.fixture
def averaged(toy, tmp_path):
    """A run with weight averaging after three steps."""
    folder = toy.files.folder("store")
    train, validation = people.read_groups(toy.files, open_store(folder), TOY)
    settings = {**SMALL, "weight_averaging": 0.9, "learning_rate": 0.03}
    job = Job(
        name="toy", store=folder, train=train, validation=validation, settings=settings, seed=1,
        threads=1, checkpoint=tmp_path / "none.pt", fingerprints={},
    )  # fmt: skip
    run = Run(job, SingleProcess())
    positions = np.array([scans[0] for scans in train.people])
    for _ in range(3):
        run.step(positions, next(run.brains.stream([positions])), 1, 0.03)
    return run


def test_an_averaged_encoder_is_scored_with_the_head_that_belongs_to_it(averaged):
    before = {key: value.clone() for key, value in averaged.model.state_dict().items()}
    loss, error = averaged.evaluate_validation()
    after = averaged.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    # The same score by a run whose own weights, head and all, are the mean.
    plain = replace(averaged.job, settings={**averaged.settings, "weight_averaging": 0.0})
    other = Run(plain, SingleProcess())
    other.model.load_state_dict(averaged.average)
    assert other.evaluate_validation() == (loss, error)
    head = {key: value for key, value in before.items() if key.startswith("head.")}
    other.model.load_state_dict({**averaged.average, **head})
    assert other.evaluate_validation()[0] != loss
    written = averaged.weights()
    assert set(written) == set(averaged.model.encoder.state_dict())
