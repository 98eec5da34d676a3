"""What the simulated cohort is like, measured on its images: prints one figure a line.

    python benchmarks/simulation.py [--folder FOLDER] [--voxel-size 4]

simulates the demo cohort (unless FOLDER holds it already), and takes some minutes on one core.
Nothing here tunes anything: the effects stand in simulation/effects.py and simulation/plan.py.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
import torch
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainage.simulation import acquisition, effects, heads, plan, simulate, template

SETTINGS = {
    "people": {"healthy": 176, "external": 36, "clinical": 72},
    "sites": {"healthy": 4, "external": 2, "clinical": 2},
    "visits": 3,
    "voxel_size": 4.0,
    "seed": 2025,
    "troubles": True,
}
ALPHAS = np.logspace(-2, 6, 17)


def say(what: str, value: object) -> None:
    print(f"{what}: {value:.3f}" if isinstance(value, float) else f"{what}: {value}", flush=True)


def anatomy(people: int = 24) -> None:
    """Volumes of one set of people at brain ages of 20 and 80, on images without pose."""
    atlas, labels = template.atlas(2.0), template.template_volume("labels")
    ventricle = np.isin(labels, [41, 92, 5, 56, 29, 80])
    hippocampus = np.isin(labels, [48, 99])
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    grid[:3, 3] = template.ORIGIN
    shape = (97, 115, 97)
    volumes, least = [], []
    for person in range(people):
        for brain_age in (20.0, 80.0):
            head = heads.make_head(atlas, 1, f"sub-{person}", "FM"[person % 2], brain_age, 0.0)
            carried = heads.carry_mask(head, ventricle, grid, shape)
            image = heads.render(atlas, head, grid, shape).numpy()
            near = ndimage.binary_dilation(carried > 0.5, iterations=1)
            fluid = np.clip((66 - image) / (66 - template.FLUID), 0, 1)[near].sum()
            volumes.append(
                (carried.sum(), fluid, heads.carry_mask(head, hippocampus, grid, shape).sum())
            )
            least.append(float(heads.jacobian(head).min()))
    young, old = np.array(volumes[::2]), np.array(volumes[1::2])
    say("ventricles 80/20 (labels)", float(old[:, 0].mean() / young[:, 0].mean()))
    say("ventricles 80/20 (fluid on the image)", float(old[:, 1].mean() / young[:, 1].mean()))
    say("hippocampus 80/20 - 1 (labels)", float(old[:, 2].mean() / young[:, 2].mean() - 1))
    spread = float(np.log(old[:, 0]).std(ddof=1))
    ageing = float(np.log(old[:, 0] / young[:, 0]).mean() / 60 * 65 / 12**0.5)
    say("log ventricle volume, SD over people of one brain age", spread)
    say("log ventricle volume, SD by ageing over ages of 20 to 85", ageing)
    say("smallest Jacobian determinant", min(least))


def nuisance(images: list[nibabel.Nifti1Image], rows: list) -> None:
    """Site and age from histogram, header and pose."""
    arrays = [np.asarray(image.dataobj, dtype=np.float32) for image in images]
    largest = max(float(np.percentile(array, 99.9)) for array in arrays)
    raw = np.array([np.histogram(a, 64, (0, largest))[0] / a.size for a in arrays])
    log_edges = np.concatenate([[0.0], np.geomspace(4, largest, 64)])
    raw_log = np.array([np.histogram(a, log_edges)[0] / a.size for a in arrays])
    own = np.array(
        [np.histogram(a / np.percentile(a, 99), 64, (0, 1.2))[0] / a.size for a in arrays]
    )
    header = np.array([[*i.header.get_zooms(), *i.shape, *i.affine[:3].ravel()] for i in images])
    pose = np.array(
        [
            acquisition.make_scan(SETTINGS["seed"], r.image_of, r.session_id, r.site)
            .pose[:3]
            .ravel()
            for r in rows
        ]
    )
    site = np.array([row.site for row in rows])
    age = np.array([row.age for row in rows])
    person = np.array([row.image_of for row in rows])
    for name, histogram in (("raw", raw), ("raw, log bins", raw_log), ("own scale", own)):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
        named = cross_val_predict(model, histogram, site, groups=person, cv=GroupKFold(5))
        score = float(balanced_accuracy_score(site, named))
        say(f"site from histogram ({name}), balanced accuracy", score)
    for name, histogram in (("raw", raw), ("raw, log bins", raw_log), ("own scale", own)):
        for what, columns in (
            ("histogram", histogram),
            ("histogram + header + pose", np.hstack([histogram, header, pose])),
        ):
            model = make_pipeline(StandardScaler(), RidgeCV(ALPHAS))
            found = [
                np.corrcoef(
                    age,
                    cross_val_predict(
                        model, columns, age, cv=KFold(5, shuffle=True, random_state=repeat)
                    ),
                )[0, 1]
                for repeat in range(5)
            ]
            say(f"age from {what} ({name}), mean r of 5 x 5 folds", float(np.mean(found)))


def recovered(images: list[nibabel.Nifti1Image], rows: list) -> None:
    """Ridge on PCA of brains as an ideal preprocessing would leave them.

    The best affine to the template follows from the true deformation, the bias field is known and
    divided out; only contrast, blur, noise and everybody's own shape remain.
    """
    axes = [np.arange(start, stop, 4.0) for start, stop in ((-72, 73), (-106, 74), (-66, 84))]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    mask = ndimage.map_coordinates(
        template.template_volume("mask"), np.moveaxis(points - template.ORIGIN, -1, 0), order=1
    )
    points = points[mask > 0.5]
    seed, atlas, brains = SETTINGS["seed"], template.atlas(2.0), []
    for image, row in zip(images, rows, strict=True):
        scan = acquisition.make_scan(seed, row.image_of, row.session_id, row.site)
        head = heads.make_head(atlas, seed, row.image_of, row.sex, row.true_brain_age, row.off_axis)
        own = torch.from_numpy((points * head.size).astype(np.float32))
        there = heads.template_points(head, own)[0].numpy() + template.ORIGIN
        best = np.linalg.lstsq(np.c_[there, np.ones(len(there))], own.numpy(), rcond=None)[0].T
        to_head = np.vstack([best, [0, 0, 0, 1]])
        matrix = np.linalg.inv(image.affine) @ scan.pose @ to_head
        index = matrix[:3, :3] @ points.T + matrix[:3, 3:]
        flat = np.asarray(image.dataobj, dtype=np.float32)
        flat = flat / acquisition.bias_field(scan.site.bias, image.affine, flat.shape)
        brain = ndimage.map_coordinates(flat, index, order=1)
        low, high = np.percentile(brain, [5, 95])
        brains.append((brain - low) / (high - low))
    brains = np.array(brains)
    age = np.array([row.age for row in rows])
    brain_age = np.array([row.true_brain_age for row in rows])
    part = np.array([row.site.split("-")[0] for row in rows])
    healthy, test = np.flatnonzero(part == "healthy"), part == "external"
    say(
        "external: MAE of the best constant", float(np.abs(age[test] - np.median(age[test])).mean())
    )
    say("external: MAE of true brain age (floor)", float(np.abs(age - brain_age)[test].mean()))
    values = np.array(
        [
            list(
                effects.regional_values(
                    SETTINGS["seed"], r.image_of, r.true_brain_age, r.off_axis
                ).values()
            )
            for r in rows
        ]
    )
    for people in (110, len(healthy)):
        fit = healthy[:people]
        for name, columns, model in (
            ("regions as planted", values, make_pipeline(StandardScaler(), RidgeCV(ALPHAS))),
            ("voxels", brains, make_pipeline(PCA(0.95), RidgeCV(ALPHAS))),
        ):
            model.fit(columns[fit], age[fit])
            found = model.predict(columns)
            say(
                f"external, {people} to learn from, ridge on {name}: MAE",
                float(np.abs(found - age)[test].mean()),
            )
            say("  MAE of true brain age", float(np.abs(found - brain_age)[test].mean()))
            first = np.array([row.session_id == "ses-1" for row in rows])
            slope = np.polyfit(age[test], found[test], 1)[0]
            say("  slope on age", float(slope))
            for group in plan.GROUPS:
                those = (
                    first & (part == "clinical") & np.array([r.diagnosis == group for r in rows])
                )
                gap = (found - age)[those]
                say(f"  gap of {group}, mean (SD)", f"{gap.mean():.2f} ({gap.std(ddof=1):.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--voxel-size", type=float, default=4.0)
    arguments = parser.parse_args()
    SETTINGS["voxel_size"] = arguments.voxel_size
    table = plan.make_plan(SETTINGS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        missing = sorted(
            {r.participant_id for r in table.itertuples() if not (folder / r.t1w).exists()}
        )
        if missing:
            started = time.process_time()
            template.atlas(2.0 if arguments.voxel_size >= 3 else 1.0)
            say("start-up, CPU s", time.process_time() - started)
            started = time.process_time()
            count = len(simulate.write_images(SETTINGS, folder, missing))
            say("simulation, CPU s a scan", (time.process_time() - started) / count)
        anatomy()
        rows = [row for row in table.itertuples() if row.trouble is None]
        images = [nibabel.load(folder / row.t1w) for row in rows]
        healthy = [i for i, row in enumerate(rows) if not row.site.startswith("clinical")]
        nuisance([images[i] for i in healthy], [rows[i] for i in healthy])
        recovered(images, rows)


if __name__ == "__main__":
    main()
