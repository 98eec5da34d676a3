import numpy as np
import pytest
import torch

from brainage.learning import distributed, parts
from tests.learning.loops import VARIANTS, value

pytestmark = pytest.mark.slow  # another process imports torch

LOSSES = [*VARIANTS, ("l1", {})]


def losses_and_gradients(job, processes):
    """Loss and gradient of a linear map of this process's share of the rows, for each loss."""
    shares = np.array_split(np.arange(len(job["rows"])), processes.size)
    sizes = [len(share) for share in shares]
    found = []
    for name, options in LOSSES:
        weight = torch.nn.Parameter(job["weight"][:, : 1 if name == "l1" else None].clone())
        outputs = parts.outputs_in_parts(
            torch.nn.Module(),
            lambda rows, part, weight=weight: rows[torch.from_numpy(part)] @ weight,
            job["rows"][shares[processes.rank]],
            # Two processes work theirs off in parts as well: three of two rows, one of one.
            parts.split(sizes, processes.rank, None if processes.size == 1 else 2),
        )
        loss = value(name, processes.gather(outputs, sizes), job["ages"], **options)
        loss.backward()
        processes.average_gradients([weight])
        found.append([loss.detach(), weight.grad])
    processes.wait()
    return found


@pytest.fixture(scope="module")
def of_one_and_of_two():
    generator = torch.Generator().manual_seed(1)
    job = {
        "rows": torch.randn(11, 5, generator=generator),  # odd: one process has a row more
        "ages": torch.rand(11, generator=generator) * 10 + 40,
        "weight": torch.randn(5, 4, generator=generator),
    }
    alone = losses_and_gradients(job, distributed.SingleProcess())
    return alone, distributed.run(losses_and_gradients, job, 2)


@pytest.mark.parametrize("number", range(len(LOSSES)), ids=[f"{n}-{o}" for n, o in LOSSES])
def test_two_processes_see_the_loss_and_gradient_of_one(of_one_and_of_two, number):
    (loss, gradient), (loss_of_two, gradient_of_two) = (part[number] for part in of_one_and_of_two)
    assert loss != 0
    assert loss_of_two.item() == pytest.approx(loss.item(), rel=1e-5)
    # Of the largest entry: a gradient's small ones are differences of large numbers.
    assert (gradient_of_two - gradient).abs().max() <= 1e-5 * gradient.abs().max()
