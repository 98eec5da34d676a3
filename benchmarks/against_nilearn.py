"""Where nilearn could stand in for code of imaging: time and results of both on one real head.

    pip install --target SOMEWHERE --no-deps nilearn==0.13.1
    PYTHONPATH=SOMEWHERE python benchmarks/against_nilearn.py SCAN.nii.gz REFERENCE_MASK.nii.gz

Not into the environment of the workflow: nilearn 0.14 asks for packaging 26, Snakemake 9 for an
older one. Prints CPU seconds (median) of resampling, masking, label volumes and the check picture,
and whether the results are the same.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from brainage.core.derivatives import MASK
from brainage.imaging import geometry, picture, regions
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.reading import read
from brainage.imaging.registered import RegisteredScan
from brainage.imaging.registration import register_scan
from brainage.imaging.template import load_template, template_paths

SETTINGS = {
    "voxel_size": 1.5,
    "skull_stripping": "template",
    "registration": "affine",
    "n4": True,
    "template": None,
    "template_mask": None,
}


def timed(what: str, function: Callable[[], Any], times: int = 5) -> Any:
    spent = []
    for _ in range(times):
        started = time.process_time()
        result = function()
        spent.append(time.process_time() - started)
    print(f"{what}: {statistics.median(spent):.3f} CPU s", flush=True)
    return result


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def resampling(scan: RegisteredScan) -> None:
    from nilearn.image import resample_img

    at, data, affine = scan.template_to_head, scan.aligned.source, scan.head.affine
    coarse, inside = scan.template.for_registration, scan.template.mask
    labels = scan.tissues.labels
    for name, image, place, grid, order in (
        ("4 mm, linear", *scan.head.coarse, coarse.grid, 1),
        ("fine, linear", data, affine, scan.template.grid, 1),
        ("fine, cubic", data, affine, scan.template.grid, 3),
        ("labels", labels, np.linalg.inv(at) @ scan.template.affine, scan.template.grid, 0),
    ):

        def ours(image=image, place=place, grid=grid, order=order) -> np.ndarray:
            return geometry.resampled(image, place, *grid, at, order=order)

        def theirs(image=image, place=place, grid=grid, order=order) -> np.ndarray:
            found = resample_img(
                nibabel.Nifti1Image(image, place),
                target_affine=at @ grid[1],
                target_shape=grid[0],
                interpolation={0: "nearest", 1: "linear", 3: "continuous"}[order],
                copy_header=True,
                force_resample=True,
            )
            return np.asarray(found.dataobj)

        one = timed(f"resampling, {name}, ours", ours)
        other = timed(f"resampling, {name}, nilearn", theirs)
        mask = inside if one.shape == inside.shape else coarse.mask
        apart = np.abs(one.astype(float) - other)[mask] / np.percentile(one[mask], 98)
        print(f"  differ by more than 1 %: {(apart > 0.01).mean():.5f} of the brain's voxels, "
              f"at most {apart.max():.3f}")  # fmt: skip


def masking(scan: RegisteredScan, own: np.ndarray, reference: np.ndarray) -> None:
    from nilearn import masking

    raw = scan.head
    corrected = nibabel.Nifti1Image(raw.to_original(scan.aligned.corrected), raw.original_affine)
    print(f"mask, ours: Dice {dice(own, reference):.4f}")
    for name in ("compute_epi_mask", "compute_background_mask"):
        found = timed(f"mask, nilearn's {name}", lambda n=name: getattr(masking, n)(corrected), 1)
        print(f"  Dice {dice(np.asarray(found.dataobj) > 0, reference):.4f}")
    registered = nibabel.Nifti1Image(scan.image, scan.template.affine)
    found = timed("mask, nilearn's template", lambda: masking.compute_brain_mask(registered), 1)
    back = (raw.data.shape, raw.affine, np.linalg.inv(scan.template_to_head))
    values = np.asarray(found.dataobj).astype(np.float32)
    carried = geometry.resampled(values, scan.template.affine, *back) > 0.5
    print(f"  Dice {dice(raw.to_original(carried), reference):.4f}")


def volumes(scan: RegisteredScan) -> None:
    from nilearn.maskers import NiftiLabelsMasker

    grey, fluid = (scan.tissues.probability(name) for name in ("gm", "csf"))
    affine, known = scan.template.affine, regions.load()
    labels = template_paths({})[0].parents[1] / "cerebra" / regions.LABELS
    timed("regional volumes, ours", lambda: regions.volumes(grey, fluid, affine, known))

    def theirs() -> list[np.ndarray]:
        masker = NiftiLabelsMasker(labels, strategy="sum", resampling_target="labels")
        return [masker.fit_transform(nibabel.Nifti1Image(x, affine)) for x in (grey, fluid)]

    timed("regional volumes, nilearn", theirs, 1)


def pictures(scan: RegisteredScan, mask: np.ndarray, folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from nilearn.plotting import plot_anat

    raw, template = scan.head, scan.template
    rows = (
        picture.Row(raw.data, mask, geometry.spacing(raw.affine)),
        picture.Row(scan.image, scan.brain_mask, np.full(3, template.size)),
    )
    timed("picture, ours", lambda: picture.draw(folder / "ours.png", *rows, template.head))

    def theirs() -> None:
        for name, row, affine in zip("ab", rows, (raw.affine, template.affine), strict=True):
            figure = plt.figure(figsize=(4.5, 1.5), dpi=100)
            image = nibabel.Nifti1Image(row.image, affine)
            shown = plot_anat(image, figure=figure, draw_cross=False, annotate=False)
            outline = nibabel.Nifti1Image(row.mask.astype(np.uint8), affine)
            shown.add_contours(outline, levels=[0.5])
            figure.savefig(folder / f"{name}.png")
            plt.close(figure)

    timed("picture, nilearn", theirs, 2)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("?.png"))}
    print(f"  bytes: ours {(folder / 'ours.png').stat().st_size}, nilearn {sum(sizes.values())}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("scan", type=Path)
    arguments.add_argument("reference", type=Path, help="brain mask in the scan's own space")
    args = arguments.parse_args()
    warnings.filterwarnings("ignore")
    import_ants()
    started = time.process_time()
    import nilearn.image
    import nilearn.maskers

    print(f"nilearn {nilearn.__version__}, import: {time.process_time() - started:.2f} CPU s")
    with tempfile.TemporaryDirectory() as name:
        scan = register_scan(read(args.scan), load_template(SETTINGS), SETTINGS, Path(name))
        own = np.asarray(nibabel.load(Path(name) / MASK).dataobj) > 0
        straight = np.asarray(nibabel.as_closest_canonical(nibabel.load(Path(name) / MASK)).dataobj)
        resampling(scan)
        masking(scan, own, np.asarray(nibabel.load(args.reference).dataobj) > 0)
        volumes(scan)
        pictures(scan, straight > 0, Path(name))


if __name__ == "__main__":
    main()
