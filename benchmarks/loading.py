"""Views a second from the store, against unmasking flat rows with nilearn.

    pip install --target .venv/nilearn --no-deps nilearn lxml packaging
    PYTHONPATH=src:.venv/nilearn python benchmarks/loading.py [--brains 64] [--repeats 5]

OpenBHB hands brains out as flat rows of the voxels inside a mask, and its released loaders put each
row back into a volume with `nilearn.masking.unmask`, once a view, in float64. The store keeps each
brain once, as uint8, cropped to the brain's box. Both get the same brains here: noise inside our
template's brain mask at 1.5 mm, on OpenBHB's grid of 121 x 145 x 121 voxels, and the results are
compared. One thread, CPU seconds of the process, the median of the repeats; files are in the
page cache.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch

from brainage.core.config import defaults
from brainage.core.store import Store
from brainage.imaging.template import load_template
from brainage.learning import augment
from brainage.learning.brains import Brains

GRID = (121, 145, 121)
VOXEL = 1.5
CPU = torch.device("cpu")


def brains_in_both_forms(
    count: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[slice, ...]]:
    """Volumes (n, x, y, z) uint8, their flat rows in float64, the mask, and the brain's box."""
    template = load_template({**defaults("imaging"), "voxel_size": VOXEL})
    cropped = template.mask[template.box]
    start = [(side - part) // 2 for side, part in zip(GRID, cropped.shape, strict=True)]
    box = tuple(slice(a, a + part) for a, part in zip(start, cropped.shape, strict=True))
    mask = np.zeros(GRID, dtype=bool)
    mask[box] = cropped
    volumes = np.zeros((count, *GRID), dtype=np.uint8)
    volumes[:, mask] = np.random.default_rng(1).integers(
        1, 256, (count, int(mask.sum())), dtype=np.uint8
    )
    return volumes, volumes[:, mask] / 255, mask, box


def cpu_seconds(function: Callable[[], Any], repeats: int) -> float:
    """Median CPU seconds of a call, after one that warms up."""
    took = []
    for _ in range(repeats + 1):
        start = time.process_time()
        function()
        took.append(time.process_time() - start)
    return float(np.median(took[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--brains", type=int, default=64, help="brains in the store")
    parser.add_argument("--batch", type=int, default=32, help="people a batch, two views of each")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    try:
        import nilearn
        from nilearn.masking import unmask
    except ImportError as error:
        raise SystemExit(f"{error}; this file's first lines say how to install nilearn") from None
    torch.set_num_threads(1)
    volumes, rows, mask, box = brains_in_both_forms(args.brains)
    # int8, as the masks that come with the data; unmask looks at it anew for each row.
    mask_image = nibabel.Nifti1Image(mask.astype(np.int8), np.diag([VOXEL, VOXEL, VOXEL, 1.0]))
    views = 2 * args.batch
    drawn = np.random.default_rng(2).integers(0, args.brains, args.batch)

    def by_nilearn() -> list[np.ndarray]:
        return [unmask(rows[i], mask_image).get_fdata() for i in np.tile(drawn, 2)]

    def by_index() -> list[np.ndarray]:
        found = []
        for i in np.tile(drawn, 2):
            volume = np.zeros(GRID)
            volume[mask] = rows[i]
            found.append(volume)
        return found

    def from_store(brains: Brains) -> torch.Tensor:
        for stored, rows in brains.stream([drawn]):
            of_views = rows.tile(2)
            for start in range(0, views, 2):  # by twos, as training makes views on a CPU
                volumes = augment.float_at(stored, of_views[start : start + 2])
                if start == 0:
                    first = volumes
        return first

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        took = cpu_seconds(by_nilearn, args.repeats)
        lines.append((f"nilearn {nilearn.__version__}, unmask and get_fdata", took))
        lines.append(("an index into zeros, float64", cpu_seconds(by_index, args.repeats)))
        for name, part in (("cropped to the brain's box", box), ("whole grid", (slice(None),) * 3)):
            path = Path(folder) / "brains.npy"
            np.save(path, volumes[(slice(None), *part)])
            store = Store(np.load(path, mmap_mode="r"), {}, {})
            for hold in (True, False):
                brains = Brains(store, np.arange(args.brains), CPU, hold=hold)
                wanted = np.stack([volume[part] for volume in by_nilearn()[:2]]) / 0.75
                if not np.allclose(from_store(brains)[:, 0].numpy(), wanted, atol=1e-5):
                    raise SystemExit("store and nilearn do not give the same brains")
                where = "held in memory" if hold else "read from the file"
                took = cpu_seconds(lambda brains=brains: from_store(brains), args.repeats)
                lines.append((f"store, {name}, {where}", took))
                if hold and part is box:
                    cropped = augment.float_at(brains.held, torch.arange(8))

    print(f"{args.batch} brains a batch, two views of each, {int(mask.sum())} voxels in the mask\n")
    print("| way | ms a view | views a second | times nilearn |")
    print("| --- | --- | --- | --- |")
    for name, took in lines:
        rate = views / took
        print(f"| {name} | {1e3 / rate:.2f} | {rate:.0f} | {lines[0][1] / took:.1f} |")

    settings = defaults("learning")["augmentation"]
    keys = [(1, 1, number, 0) for number in range(len(cropped))]
    took = cpu_seconds(
        lambda: augment.augment(cropped, keys, settings, VOXEL), min(args.repeats, 3)
    )
    print(
        f"\nAugmentation with the default settings, cropped, on one CPU thread: "
        f"{1e3 * took / len(cropped):.0f} ms a view"
    )


if __name__ == "__main__":
    main()
