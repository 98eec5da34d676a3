"""Groupwise sharpness of registered real heads: ours against ANTs' own default affine.

    python benchmarks/sharpness.py FOLDER [--every N] [--voxel-size 2] [--keep DIR]

FOLDER is a BIDS data set with a reference mask for each scan in ``derivatives/dlmuse``. Each head
is corrected by N4 and masked with its reference; ANTs' default affine puts that brain on the
template's brain, ours puts the raw head there as the workflow does, with a mask of its own. Both
transforms are then applied to the same corrected, masked image with the same cubic spline, and
scored in the same mask, the template's: the correlation of each brain with the mean of the others.
CPU seconds are of one thread: ours with and without its N4, which ANTs' way is given for nothing.

With --keep both transforms of each head stay in DIR, ours under a hash of the imaging code, and a
run that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel
import numpy as np

from brainage.core.files import atomic_write
from brainage.core.versions import module_hash
from brainage.imaging import bias, geometry, register
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.reading import COARSE, Head, read
from brainage.imaging.template import Template, load_template

template: Template
settings: dict[str, Any]


def ours(head: Head, scratch: Path) -> tuple[np.ndarray, float, float]:
    """Map from template to head, CPU seconds with N4, and without."""
    spent = 0.0
    whole = register.find_bias

    def timed(*given: Any) -> bias.BiasField:
        nonlocal spent
        started = time.process_time()
        try:
            return whole(*given)
        finally:
            spent += time.process_time() - started

    with mock.patch.object(register, "find_bias", timed):
        started = time.process_time()
        found = register.register_head(head, template, settings, scratch)
        seconds = time.process_time() - started
    return found.template_to_head, seconds, seconds - spent


def default(brain: np.ndarray, affine: np.ndarray, scratch: Path) -> tuple[np.ndarray, float]:
    """Map from template to head by ANTs' default affine, and CPU seconds."""
    ants = import_ants()
    fixed = geometry.ants_image(np.where(template.mask, template.head, 0), template.affine)
    moving = geometry.ants_image(brain, affine)
    started = time.process_time()
    found = ants.registration(fixed, moving, "Affine", outprefix=str(scratch / "default_"))
    seconds = time.process_time() - started
    return geometry.read_itk_transform(found["fwdtransforms"][0]), seconds


def read_head(image: Path, reference: Path) -> tuple[Head, np.ndarray]:
    """The head, and its brain corrected by N4 in the reference mask."""
    head = read(image)
    stored = nibabel.as_closest_canonical(nibabel.load(reference))
    mask = (np.asanyarray(stored.dataobj) > 0).astype(np.float32)
    coarse, affine = head.coarse
    coarse_mask = geometry.coarser(mask, stored.affine, COARSE)[0] > 0.5
    brain = bias.find_bias(coarse, coarse_mask, affine).removed_from(head) * mask
    return head, brain / brain[mask > 0].mean()


def one(task: tuple[Path, Path, Path, Path]) -> tuple[np.ndarray, np.ndarray]:
    """Both brains of one head inside the template's mask, (2, n), and the three CPU seconds."""
    image, reference, our_place, their_place = task
    head, brain = read_head(image, reference)
    with tempfile.TemporaryDirectory() as scratch:
        tempfile.tempdir = scratch
        if not our_place.is_file():
            template_to_head, with_n4, without = ours(head, Path(scratch))
            keep(our_place, template_to_head, [with_n4, without])
        if not their_place.is_file():
            template_to_head, theirs = default(brain, head.affine, Path(scratch))
            keep(their_place, template_to_head, [theirs])
    found = [np.load(place) for place in (our_place, their_place)]
    source = geometry.blurred_to(brain, head.affine, template.size)
    brains = [
        geometry.resampled(source, head.affine, *template.grid, route["template_to_head"], order=3)
        for route in found
    ]
    brains = [brain[template.mask] for brain in brains]
    seconds = np.concatenate([route["seconds"] for route in found])
    print(f"{image.name}: ours {seconds[0]:.1f} s, ANTs {seconds[2]:.1f} s", flush=True)
    return np.stack(brains).astype(np.float32), seconds


def keep(path: Path, template_to_head: np.ndarray, seconds: list[float]) -> None:
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, template_to_head=template_to_head, seconds=seconds)


def sharpness(brains: np.ndarray) -> np.ndarray:
    """Correlation of each row with the mean of the others."""
    total = brains.sum(axis=0)
    return np.array([np.corrcoef(row, total - row)[0, 1] for row in brains])


def main() -> None:
    global template, settings
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--voxel-size", type=float, default=2.0)
    arguments.add_argument("--every", type=int, default=1, help="only every so many heads")
    arguments.add_argument("--processes", type=int, default=1)
    arguments.add_argument("--keep", type=Path, help="folder for the results of each head")
    args = arguments.parse_args()
    settings = {"voxel_size": args.voxel_size, "n4": True}
    import_ants()
    template = load_template(settings)
    code = module_hash("brainage.imaging.register")
    with tempfile.TemporaryDirectory() as forgotten:
        kept = args.keep or Path(forgotten)
        tasks = []
        for image in sorted(args.folder.glob("sub-*/**/*_T1w.nii.gz"))[:: args.every]:
            place = args.folder / "derivatives" / "dlmuse" / image.parent.relative_to(args.folder)
            reference = place / image.name.replace("_T1w", "_desc-brain_mask")
            name = f"{image.name.split('.')[0]}_{args.voxel_size:g}mm.npz"
            tasks.append((image, reference, kept / code / name, kept / "ants" / name))
        fork = multiprocessing.get_context("fork")
        with fork.Pool(args.processes, maxtasksperchild=1) as pool:
            found = pool.map(one, tasks, chunksize=1)
    brains = np.stack([row[0] for row in found]).astype(np.float64)
    seconds = np.stack([row[1] for row in found])
    both = np.stack([sharpness(brains[:, route]) for route in range(2)])
    for route, name in enumerate(("ours", "ANTs' default affine")):
        values = both[route]
        print(
            f"{name}: {len(tasks)} heads, correlation with the mean of the others: mean "
            f"{values.mean():.4f}, median {np.median(values):.4f}, lowest {values.min():.4f} "
            f"({tasks[int(values.argmin())][0].name})"
        )
    print(
        f"ours minus ANTs' default: mean {np.mean(both[0] - both[1]):+.4f}; ours is the sharper "
        f"in {np.sum(both[0] > both[1])} of {len(tasks)}"
    )
    for column, name in enumerate(("ours", "ours without N4", "ANTs' default affine")):
        spent = seconds[:, column]
        print(
            f"CPU seconds, {name}: mean {spent.mean():.1f}, median {np.median(spent):.1f}, "
            f"highest {spent.max():.1f}"
        )


if __name__ == "__main__":
    main()
