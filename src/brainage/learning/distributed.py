"""Several processes that train one model, each on its share of every batch.

Embeddings are gathered with gradients, so that all processes see the same loss of the whole
batch. On the way back a row's gradient is the sum of what comes from the loss of every process,
that many times what one process would have; the mean over processes of the parameters' gradients
takes that factor out. The result is that of one process, except that batch normalisation on CPUs
knows only its own share (GPUs share it).
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from brainage.core.files import InputError, atomic_write


class SingleProcess:
    """All of the processes that train, where that is one."""

    rank, size = 0, 1

    def gather(self, outputs: Tensor, sizes: list[int]) -> Tensor:
        """Return the outputs of all processes, those of the first process first."""
        return outputs

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over processes."""

    def wait(self) -> None:
        """Wait until all processes are here."""


class ProcessGroup(SingleProcess):
    """This process as one of several of torch.distributed."""

    def __init__(self) -> None:
        self.rank, self.size = torch.distributed.get_rank(), torch.distributed.get_world_size()

    def gather(self, outputs: Tensor, sizes: list[int]) -> Tensor:
        gathered: Tensor = _Gather.apply(outputs, sizes, self.rank)
        return gathered

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        for parameter in parameters:
            if parameter.grad is not None:
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= self.size

    def wait(self) -> None:
        torch.distributed.barrier()


class _Gather(torch.autograd.Function):
    """Gather rows from all processes; gradients of all processes flow back to their rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: list[int], rank: int) -> Tensor:
        ctx.sizes, ctx.rank = sizes, rank
        # Processes may have one row more or less; all_gather needs equal shapes.
        padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        torch.distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradient.contiguous()
        torch.distributed.all_reduce(gradient)
        return gradient.split(ctx.sizes)[ctx.rank], None, None


def run(function: Callable[[Any, SingleProcess], Any], job: Any, count: int) -> Any:
    """Call ``function(job, processes)`` in that many processes; returns what the first returns.

    Raises
    ------
    InputError
        As raised in one of them; all others are ended then.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        try:
            torch.multiprocessing.spawn(_work, args=(function, job, count, place), nprocs=count)
        except torch.multiprocessing.ProcessRaisedException:
            errors = sorted(place.glob("error-*"))
            if errors:
                raise pickle.loads(errors[0].read_bytes()) from None
            raise
        return torch.load(place / "result.pt", weights_only=True)


def _work(rank: int, function: Any, job: Any, count: int, place: Path) -> None:
    settings = getattr(job, "settings", {"device": "cpu"})
    uses_gpu = settings["device"] != "cpu" and torch.cuda.is_available()
    if uses_gpu:
        torch.cuda.set_device(rank % torch.cuda.device_count())
    torch.distributed.init_process_group(
        "nccl" if uses_gpu else "gloo",
        init_method=(place / "rendezvous").as_uri(),
        rank=rank,
        world_size=count,
    )
    try:
        value = function(job, ProcessGroup())
    except InputError as error:
        with atomic_write(place / f"error-{rank}") as temporary:
            temporary.write_bytes(pickle.dumps(error))
        raise
    if rank == 0:
        torch.save(value, place / "result.pt")
    torch.distributed.destroy_process_group()
