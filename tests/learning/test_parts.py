"""A batch worked off in parts against the same batch at once."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from brainage.learning import parts
from brainage.learning.losses import exp


def network(*norm):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv3d(1, 4, 3), *norm, nn.ReLU(), nn.AdaptiveAvgPool3d(2), nn.Flatten(),
        nn.Linear(32, 8),
    ).double()  # fmt: skip


STORED = torch.randn(7, 1, 6, 7, 6, generator=torch.Generator().manual_seed(2)).double()
AGES = torch.tensor([40.0, 41.5, 44.0, 47.0, 41.0, 43.0, 60.0]).double()


def worked_off(model, largest, in_parts=parts.outputs_in_parts):
    """Loss, gradients, and the sizes of the forward passes."""
    model, sizes = copy.deepcopy(model), []

    def function(stored, part):
        sizes.append(len(part))
        return model(stored[torch.from_numpy(part)])

    outputs = in_parts(model, function, STORED, parts.split([7], 0, largest))
    loss = exp.loss(outputs, AGES)
    loss.backward()
    gradients = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    return loss.item(), gradients, sizes, model


def with_the_graph_kept(model, function, stored, of):
    return torch.cat([function(stored, part) for part in of])


@pytest.mark.parametrize("largest", [1, 2, 3, 6])
def test_without_batch_statistics_it_is_the_whole_batch(largest):
    model = network(nn.GroupNorm(2, 4))
    loss, gradients, sizes, _ = worked_off(model, None)
    assert sizes == [7]
    loss_of_parts, gradients_of_parts, sizes, _ = worked_off(model, largest)
    assert max(sizes) <= largest
    assert sum(sizes) == 14  # each view went through twice
    assert loss_of_parts == pytest.approx(loss, rel=1e-10)
    assert torch.allclose(gradients_of_parts, gradients, rtol=1e-10, atol=1e-12)


def test_with_batch_statistics_each_part_has_its_own():
    model = network(nn.BatchNorm3d(4))
    loss, gradients, _, trained = worked_off(model, 3)
    kept_loss, kept_gradients, _, kept = worked_off(model, 3, with_the_graph_kept)
    assert loss == pytest.approx(kept_loss, rel=1e-12)
    assert torch.allclose(gradients, kept_gradients, rtol=1e-10, atol=1e-12)
    # The running statistics moved once a part, though each part went through twice.
    for name, value in kept.state_dict().items():
        assert torch.equal(trained.state_dict()[name], value), name
    assert trained[1].num_batches_tracked == 3
    assert trained[1].momentum == 0.1
    # And it is not the whole batch, as the docstring says.
    assert abs(worked_off(model, None)[0] - loss) > 1e-4


def test_batch_statistics_shared_by_gpus_are_kept_as_well():
    """On one process torch falls back to plain batch normalisation, its checks and all."""
    found = []
    for norm in (nn.BatchNorm3d(4), nn.SyncBatchNorm(4)):
        loss, gradients, _, trained = worked_off(network(norm), 3)
        found.append((loss, gradients, trained.state_dict()))
    (loss, gradients, state), (shared_loss, shared_gradients, shared_state) = found
    assert shared_loss == loss and torch.equal(shared_gradients, gradients)
    assert all(torch.equal(shared_state[name], value) for name, value in state.items())


def test_both_passes_draw_the_same_random_numbers():
    model = network(nn.Dropout(0.5))
    torch.manual_seed(3)
    loss, gradients, _, _ = worked_off(model, 3)
    after = torch.rand(1)
    torch.manual_seed(3)
    kept_loss, kept_gradients, _, _ = worked_off(model, 3, with_the_graph_kept)
    assert loss == pytest.approx(kept_loss, rel=1e-12)
    assert torch.allclose(gradients, kept_gradients, rtol=1e-10, atol=1e-12)
    assert torch.equal(torch.rand(1), after)


def test_processes_get_as_many_parts():
    for sizes in ([8, 6], [9, 9], [4, 2], [3, 1]):
        for largest in (None, 1, 2, 3, 5, 100):
            of_each = [parts.split(sizes, rank, largest) for rank in range(2)]
            assert len(of_each[0]) == len(of_each[1])
            for size, found in zip(sizes, of_each, strict=True):
                assert np.concatenate(found).tolist() == list(range(size))
                assert min(map(len, found)) >= 1
    assert [len(part) for part in parts.split([10], 0, 4)] == [4, 3, 3]
