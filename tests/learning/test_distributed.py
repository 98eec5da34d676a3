import numpy as np
import torch

from brainage.learning import distributed, losses


def loss_and_gradient(job, team):
    """Loss and gradient of a linear map of this process's share of the rows."""
    weight = torch.nn.Parameter(job["weight"].clone())
    parts = np.array_split(np.arange(len(job["rows"])), team.size)
    outputs = job["rows"][parts[team.rank]] @ weight
    loss = losses.l_exp(team.gather(outputs, [len(part) for part in parts]), job["ages"])
    loss.backward()
    team.average_gradients([weight])
    team.wait()
    return [loss.detach(), weight.grad]


def test_two_processes_see_the_loss_and_gradient_of_one():
    generator = torch.Generator().manual_seed(1)
    job = {
        "rows": torch.randn(11, 5, generator=generator),  # odd: one process has a row more
        "ages": torch.rand(11, generator=generator) * 20 + 40,
        "weight": torch.randn(5, 4, generator=generator),
    }
    loss, gradient = loss_and_gradient(job, distributed.Alone())
    loss_of_two, gradient_of_two = distributed.run(loss_and_gradient, job, 2)
    assert torch.allclose(loss_of_two, loss, rtol=1e-5)
    assert torch.allclose(gradient_of_two, gradient, rtol=1e-5, atol=1e-6)
