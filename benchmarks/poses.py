"""Whether registration cares how a head lay: real heads in random poses, the worst printed.

    python benchmarks/poses.py FOLDER [--heads 10] [--poses 20] [--voxel-size 2]

FOLDER is a BIDS data set. Heads are sorted by name, and only every second one is used: whatever is
tuned may look at the others. Each head is put into random poses, up to 45 degrees about any axis,
up to 60 mm off centre, stored in any of the 48 orientations: once by its header alone (voxels
untouched) and once by cubic resampling. Inside the template's brain mask the registered head is
correlated with that of the unmoved head, and the two transforms are compared point by point over
the brain, in mm.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from brainage.imaging import geometry
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.reading import Head, read
from brainage.imaging.register import register_head
from brainage.imaging.registered import AlignedHead
from brainage.imaging.template import Template, load_template

LARGEST_ANGLE, LARGEST_SHIFT = 45.0, 60.0
SEED = 2027  # 2026 drew the poses that registration was made better on
ORIENTATIONS = [
    np.array([[axis, sign] for axis, sign in zip(axes, signs, strict=True)])
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
template: Template
settings: dict[str, Any]


def registered(path: Path) -> AlignedHead:
    """The head, and how it lies on the template."""
    with tempfile.TemporaryDirectory() as folder:
        return register_head(read(path), template, settings, Path(folder))


def random_pose(random: np.random.Generator, centre: np.ndarray) -> np.ndarray:
    axis = random.standard_normal(3)
    turn = Rotation.from_rotvec(
        random.uniform(0, LARGEST_ANGLE) * axis / np.linalg.norm(axis), degrees=True
    ).as_matrix()
    shift = random.standard_normal(3)
    shift *= random.uniform(0, LARGEST_SHIFT) / np.linalg.norm(shift)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, centre + shift - turn @ centre
    return pose


def moved(head: Head, pose: np.ndarray, orientation: np.ndarray, by_header: bool) -> Any:
    """The head in a pose, as an image in one of the storage orientations."""
    data, affine = head.data, pose @ head.affine
    if not by_header:
        # On a straight grid of the same voxels that holds all of the turned head.
        corners = np.array(list(itertools.product(*[(0, n - 1) for n in data.shape])))
        places = (affine @ np.column_stack([corners, np.ones(8)]).T)[:3]
        edges = geometry.spacing(head.affine)
        straight = np.diag([*edges, 1.0])
        straight[:3, 3] = places.min(axis=1)
        shape = tuple(np.ceil(np.ptp(places, axis=1) / edges).astype(int) + 1)
        data = ndimage.affine_transform(
            data, np.linalg.inv(affine) @ straight, output_shape=shape, order=3
        )
        data, affine = np.maximum(data, 0), straight
    stored = nibabel.orientations.apply_orientation(data, orientation)
    affine = affine @ nibabel.orientations.inv_ornt_aff(orientation, data.shape)
    return nibabel.Nifti1Image(stored.astype(np.float32), affine)


def one(task: tuple[int, Path, int]) -> list[tuple[str, str, float, float]]:
    """All poses of one head: name, kind of pose, correlation, largest error in mm."""
    number, path, poses = task
    still = registered(path)
    head, template_to_head = still.head, still.template_to_head
    points = np.argwhere(template.mask)[:: max(1, template.mask.sum() // 3000)]
    points = template.affine @ np.column_stack([points, np.ones(len(points))]).T
    random = np.random.default_rng([SEED, number])
    centre = (template_to_head @ points)[:3].mean(axis=1)
    rows = []
    for _ in range(poses):
        pose = random_pose(random, centre)
        orientation = ORIENTATIONS[random.integers(len(ORIENTATIONS))]
        for kind in ("header", "resampled"):
            with tempfile.TemporaryDirectory() as folder:
                image = moved(head, pose, orientation, kind == "header")
                image.to_filename(Path(folder) / "head.nii")
                there = registered(Path(folder) / "head.nii")
            images = [found.aligned[template.mask] for found in (there, still)]
            alike = np.corrcoef(*images)[0, 1]
            apart = there.template_to_head - pose @ template_to_head
            error = np.linalg.norm((apart @ points)[:3], axis=0).max()
            angle = np.degrees(Rotation.from_matrix(pose[:3, :3]).magnitude())
            rows.append((f"{path.name}, {angle:.0f} degrees", kind, float(alike), float(error)))
    return rows


def main() -> None:
    global template, settings
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--heads", type=int, default=10)
    arguments.add_argument("--poses", type=int, default=20)
    arguments.add_argument("--voxel-size", type=float, default=2.0)
    arguments.add_argument("--processes", type=int, default=2)
    args = arguments.parse_args()
    settings = {"voxel_size": args.voxel_size, "n4": True}
    import_ants()
    template = load_template(settings)
    paths = sorted(args.folder.glob("sub-*/**/*_T1w.nii.gz"))[1::2]
    paths = paths[:: max(1, len(paths) // args.heads)][: args.heads]
    tasks = [(number, path, args.poses) for number, path in enumerate(paths)]
    fork = multiprocessing.get_context("fork")
    with fork.Pool(args.processes, maxtasksperchild=1) as pool:
        rows = [row for part in pool.map(one, tasks, chunksize=1) for row in part]
    for kind in ("header", "resampled"):
        chosen = sorted((row for row in rows if row[1] == kind), key=lambda row: row[2])
        alike, errors = np.array([row[2] for row in chosen]), np.array([row[3] for row in chosen])
        print(
            f"{kind}: {len(chosen)} poses, correlation lowest {alike.min():.4f}, median "
            f"{np.median(alike):.4f}; largest error over the brain: median {np.median(errors):.2f} "
            f"mm, worst {errors.max():.2f} mm"
        )
        for name, _, likeness, error in chosen[:5]:
            print(f"    {name}: correlation {likeness:.4f}, error {error:.2f} mm")


if __name__ == "__main__":
    main()
