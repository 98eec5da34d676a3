"""Choose settings of pretraining inside the training part of one fold, and nowhere else.

    python benchmarks/search.py benchmarks/search.yaml RESULTS ... --out FILE [--workers 2]

Each RESULTS is a folder of a run of config/ixi-grid.yaml at a voxel size of its own whose store and
splits are made. The training people of its first fold are split in three inner folds alike in age.
Every configuration of the list is pretrained within each inner fold, and age is read from the
frozen encoder by ridge regression for the people held out; the test people of the fold are not
touched.
The list has names and what differs from the section `learning` of its entry `base`; `voxel_size`
picks the store. FILE gets a JSON line for each configuration and seed as it ends, and a second call
leaves out what is there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

FOLDS = 3
FIXED = 30.0  # penalty of a second ridge, to compare encoders and not luck in its choice


def configurations(path: Path) -> list[dict[str, Any]]:
    """All of the list, with every key of the section learning, checked as the workflow does it."""
    import yaml

    from brainage.core.config import complete

    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries = {f"number-{n}": entry for n, entry in enumerate(given["configurations"])}
    config = complete(
        {
            "bids": "not-read",
            "datasets": {"heads": {"kind": "bids"}},
            "learning": given["base"],
            "experiments": {name: entry.get("learning", {}) for name, entry in entries.items()},
            "report": {"main_experiment": "number-0"},
        },
        [path],
    )
    return [
        {
            "name": entry["name"],
            "voxel_size": float(entry.get("voxel_size", given["voxel_size"])),
            "seed": seed,
            "settings": config["experiments"][name],
        }
        for name, entry in entries.items()
        for seed in entry.get("seeds", [1])
    ]


def people_of(results: Path) -> Any:
    """The training people of the first fold."""
    from brainage.core.contracts.cohort import SPLITS
    from brainage.core.layout import Layout
    from brainage.core.store import open_store
    from brainage.core.tables import read_table
    from brainage.core.training import Training
    from brainage.learning import people

    files = Layout(results)
    experiment = read_table(files.file("splits"), SPLITS)["experiment"].iloc[0]
    store = open_store(files.folder("store"))
    return people.read_groups(files, store, Training(experiment, 0, 1))[0]


def part(group: Any, chosen: np.ndarray) -> Any:
    """Some people of a group, one scan of each."""
    from brainage.learning.people import Group

    scans = np.array([scans[0] for scans in group.people])[chosen]
    return Group(
        scan_ids=[group.scan_ids[scan] for scan in scans],
        rows=group.rows[scans],
        ages=group.ages[scans],
        sites=group.sites[scans],
        people=[np.array([place]) for place in range(len(scans))],
    )


def try_out(task: tuple[dict[str, Any], str]) -> dict[str, Any]:
    """Train one configuration in the three inner folds."""
    import torch

    from brainage.core.config import defaults
    from brainage.core.layout import Layout
    from brainage.core.store import open_store
    from brainage.learning import augment, devices, training
    from brainage.learning.model import build_encoder
    from brainage.learning.run import Job
    from brainage.probing.ridge import StandardisedRidge, choose

    one, results = task
    settings, started = one["settings"], time.perf_counter()
    whole = people_of(Path(results))
    folder_of_store = Layout(Path(results)).folder("store")
    store = open_store(folder_of_store)
    everyone = part(whole, np.arange(len(whole.people)))
    ages = everyone.ages.astype(float)
    inner = np.empty(len(ages), dtype=int)
    inner[np.argsort(ages, kind="stable")] = np.arange(len(ages)) % FOLDS
    predicted = np.full((2, len(ages)), np.nan)
    where = devices.pick_device(settings["device"])
    alphas = defaults("probing")["ridge_alphas"]
    try:
        for fold in range(FOLDS):
            fit = np.flatnonzero(inner != fold)
            with tempfile.TemporaryDirectory() as folder:
                job = Job(
                    name=f"{one['name']}, inner fold {fold}", store=folder_of_store,
                    train=part(whole, fit), validation=part(whole, fit[:0]), settings=settings,
                    seed=one["seed"], threads=1, checkpoint=Path(folder) / "none.pt",
                    fingerprints={},
                )  # fmt: skip
                weights, _ = training.train(job)
            network = build_encoder(**settings["encoder"], channels=len(settings["channels"]))
            network.load_state_dict(weights)
            network.to(where).eval()
            features = []
            with torch.inference_mode():
                for rows in np.array_split(everyone.rows, 8):
                    stored = torch.from_numpy(store.read(rows, settings["channels"])).to(where)
                    features.append(network(augment.to_float(stored, settings["channels"])))
            features = torch.cat(features).double().cpu().numpy()
            order = np.random.default_rng(0).permutation(len(fit)) % 5
            rounds = [(fit[order != k], fit[order == k]) for k in range(5)]
            held = inner == fold
            for row, ridge in enumerate(
                [
                    choose(features, ages, rounds, [features.shape[1]], alphas),
                    StandardisedRidge(features.shape[1], FIXED),
                ]
            ):
                ridge.fit(features[fit], ages[fit])
                predicted[row, held] = ridge.predict(features[held])
    except Exception as error:
        return {**one, "error": repr(error)}
    return {
        **one,
        "mae": float(np.abs(predicted[0] - ages).mean()),
        "mae_fixed": float(np.abs(predicted[1] - ages).mean()),
        "seconds": time.perf_counter() - started,
        "ages": ages.round(2).tolist(),
        "predicted": predicted.round(3).tolist(),
    }


def key_of(one: dict[str, Any]) -> str:
    return json.dumps([one[key] for key in ("name", "voxel_size", "seed", "settings")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("configurations", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default=None)
    args = parser.parse_args()
    from brainage.core.layout import Layout
    from brainage.core.store import open_store

    stores = {
        round(open_store(Layout(path).folder("store")).voxel_size, 3): str(path)
        for path in args.results
    }
    if len(stores) < len(args.results):
        parser.error("two RESULTS have the same voxel size")
    done = set()
    if args.out.is_file():
        done = {key_of(json.loads(line)) for line in args.out.read_text().splitlines()}
    tasks = []
    for one in configurations(args.configurations):
        if args.device:
            one["settings"] = {**one["settings"], "device": args.device}
        if one["voxel_size"] not in stores:
            print(f"{one['name']}: left out, no RESULTS is at {one['voxel_size']} mm")
        elif key_of(one) not in done:
            tasks.append((one, stores[one["voxel_size"]]))
    context = multiprocessing.get_context("spawn")
    with context.Pool(args.workers) as pool, args.out.open("a", encoding="utf-8") as out:
        for found in pool.imap_unordered(try_out, tasks, chunksize=1):
            if "error" in found:  # not kept, so that the next call tries it again
                words = found["error"]
            else:
                out.write(json.dumps(found) + "\n")
                out.flush()
                words = f"{found['mae']:.2f} (fixed {found['mae_fixed']:.2f})"
            print(f"{found['name']}, {found['voxel_size']} mm, seed {found['seed']}: {words}")


if __name__ == "__main__":
    main()
