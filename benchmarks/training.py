"""How busy training keeps its device: scans a second, waiting for data, FLOP/s reached.

    python benchmarks/training.py
    python benchmarks/training.py --device cuda --encoder resnet18 --shape 121 145 121 \
        --precision bf16 --people 32 --scans 2000 --steps 50

The training loop itself, on a store of noise: brains from the store, two augmented views of each,
forward, loss, backward, optimiser. A line for brains held on the device and one for brains fetched
from the file beside the work. "Scans" are views, as the network sees them. Waiting is the time in
which training could not go on for want of brains: on the CPU's clock, and on a GPU also what the
stream that trains waited for the copy. Arithmetic is counted by torch's FLOP counter on the network
forward and backward (the augmentation is left out of it, not of the time; on a GPU the zeros that
the first convolution is padded with are counted), and set beside a large matrix product of the same
kind on the same device.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from brainage.core.config import defaults
from brainage.core.store import ARRAYS, INDEX_FILE, INFO_FILE
from brainage.learning.distributed import SingleProcess
from brainage.learning.people import Group
from brainage.learning.run import Job, Run


def write_store(folder: Path, shape: tuple[int, ...], scans: int) -> None:
    """Write a store of noise, brain by brain."""
    import pandas as pd

    from brainage.core.contracts.learning import INDEX
    from brainage.core.files import write_json
    from brainage.core.tables import write_table

    volumes = np.lib.format.open_memmap(
        folder / ARRAYS["brain"], mode="w+", dtype=np.uint8, shape=(scans, *shape)
    )
    random = np.random.default_rng(1)
    for row in range(scans):
        volumes[row] = random.integers(0, 256, shape, dtype=np.uint8)
    volumes.flush()
    names = [f"x_sub-{row:06d}" for row in range(scans)]
    index = pd.DataFrame({"scan_id": names, "row": range(scans), "brain_sha256": names})
    write_table(index, folder / INDEX_FILE, INDEX)
    affine = np.diag([1.5, 1.5, 1.5, 1.0]).tolist()
    write_json(folder / INFO_FILE, {"affine": affine, "shape": list(shape)})


def group_of(scans: int) -> Group:
    """One scan of each person, 20 to 80 years old."""
    return Group(
        scan_ids=[f"x_sub-{row:06d}" for row in range(scans)],
        rows=np.arange(scans),
        ages=np.linspace(20, 80, scans, dtype=np.float32),
        sites=np.full(scans, "x/A"),
        people=[np.array([row]) for row in range(scans)],
    )


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def timed_steps(run: Any, batches: list[np.ndarray]) -> tuple[float, float]:
    """Seconds of the steps after a first one, and seconds of it spent waiting for brains."""
    device, arriving = run.device, run.brains.stream(batches)
    cuda, waited, marks, start = device.type == "cuda", 0.0, [], 0.0
    for number, positions in enumerate(batches):
        before = torch.cuda.Event(enable_timing=True) if cuda else None
        if cuda:
            before.record()
        asked = time.perf_counter()
        stored = next(arriving)
        if number:
            waited += time.perf_counter() - asked
            if cuda:
                after = torch.cuda.Event(enable_timing=True)
                after.record()
                marks.append((before, after))
        run.step(positions, stored, 1, 1e-4)
        if not number:
            start = now(device)
    took = now(device) - start
    # The device's wait includes the processor's, where that was longer.
    on_device = sum(first.elapsed_time(last) for first, last in marks) / 1e3
    return took, max(waited, on_device)


def flops_of_a_step(run: Any, positions: np.ndarray) -> float:
    """Multiplications and additions of the network, forward and backward, on one batch."""
    volumes, rows = next(run.brains.stream([positions]))
    views = np.tile(np.arange(len(rows)), run.settings["views"])
    keys = [(1, 1, int(row), 0) for row in views]
    inputs = run.views(volumes, rows[torch.from_numpy(views).to(rows.device)], keys)
    with FlopCounterMode(display=False) as counter:
        run.outputs(inputs).square().mean().backward()
    run.optimiser.zero_grad(set_to_none=True)
    return float(counter.get_total_flops())


def matrix_product(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """FLOP/s of a product of two square matrices, the best of five."""
    a = torch.randn(side, side, device=device).to(dtype)
    best = float("inf")
    for _ in range(6):
        start = now(device)
        _ = a @ a
        best = min(best, now(device) - start)
    return 2 * side**3 / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--encoder", default="small")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--shape", type=int, nargs=3, default=(40, 48, 40))
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--people", type=int, default=8, help="a batch, two views of each")
    parser.add_argument("--micro-batch", type=int, default=None)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--scans", type=int, default=64, help="brains in the store")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--ways", nargs="+", choices=["held", "fetched"], default=["held", "fetched"]
    )
    args = parser.parse_args()
    settings = {
        **defaults("learning"),
        "encoder": {"name": args.encoder, "width": args.width},
        "device": args.device,
        "precision": args.precision,
        "batch_people": args.people,
        "micro_batch": args.micro_batch,
        "channels_last": args.channels_last,
    }
    views = settings["views"] * args.people
    print(f"{args}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_store(folder, tuple(args.shape), args.scans)
        fit = group_of(args.scans)
        job = Job(
            name="benchmark", store=folder, train=fit, validation=fit, settings=settings, seed=1,
            threads=args.threads, checkpoint=folder / "none.pt", fingerprints={},
        )  # fmt: skip
        random = np.random.default_rng(1)
        batches = [
            random.choice(args.scans, args.people, replace=False) for _ in range(args.steps + 1)
        ]
        lines, flops, device = [], 0.0, torch.device("cpu")
        for way in args.ways:
            run = None  # the one before gives its memory back
            held = {**settings, "hold_brains": way == "held"}
            run = Run(replace(job, settings=held), SingleProcess())
            device = run.device
            run.model.train()
            if not flops:
                flops = flops_of_a_step(run, batches[0][: min(4, args.people)])
                flops *= args.people / min(4, args.people)
            took, waited = timed_steps(run, batches)
            lines.append((way, took / args.steps, waited / took))
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    else:
        memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    dtype = torch.bfloat16 if args.precision == "bf16" else torch.float32
    peak = matrix_product(device, dtype, 8192 if device.type == "cuda" else 1024)
    print(
        "| brains | scans a second | s a step | waiting for data | GFLOP/s | of a matrix product |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for way, step, share in lines:
        rate = flops / step
        print(
            f"| {way} | {views / step:.1f} | {step:.3f} | {100 * share:.2f} % "
            f"| {rate / 1e9:.1f} | {100 * rate / peak:.0f} % |"
        )
    print(f"\nMatrix product: {peak / 1e9:.0f} GFLOP/s. Peak memory: {memory / 2**20:.0f} MiB.")


if __name__ == "__main__":
    main()
