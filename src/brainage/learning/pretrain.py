"""Pretraining of an encoder: from the store and the splits to weights in a folder."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd

import brainage
from brainage import contracts
from brainage.files import InputError, write_json, written_whole
from brainage.learning import augment, checkpoint, encoders, losses, people, training
from brainage.learning.store import open_store

WEIGHTS = "encoder.safetensors"
DESCRIPTION = "encoder.json"
HISTORY = "history.tsv"

DEFAULTS: dict[str, Any] = {
    "encoder": {"name": "small", "width": 1.0},  # small, resnet18, densenet121 or alexnet3d
    "loss": "exp",  # exp, y_aware, threshold, supcon, rank_n_contrast or l1 (supervised)
    "form": "paper",  # of exp and threshold: the formula, or what the authors' code computes
    "epochs": 40,  # each goes once through all fit people
    "batch_people": 32,  # people a batch, one scan each; batches of an epoch differ by one
    "views": 2,  # random views of each scan in a batch
    "optimiser": "adam",  # adam (weight decay as a penalty), adamw or sgd (momentum 0.9)
    "learning_rate": 1e-3,  # the highest
    "weight_decay": 5e-5,
    "schedule": "cosine",  # cosine to 0, step (x 0.9 every 10 epochs) or constant
    "warmup_epochs": 2.0,  # the learning rate rises linearly for so long
    "weight_averaging": 0.0,  # decay a step of the running mean of weights; 0: last weights
    "temperature": 0.1,  # of the contrastive losses
    "kernel": "rbf",  # rbf or cauchy, on age
    "bandwidth": 2.0,  # of the kernel, in years
    "projection_dim": 128,  # size of the vector that contrastive losses see
    "augmentation": augment.DEFAULTS,
    "choose_epoch": "last",  # last, or tune: the epoch with the lowest loss on tune people
    "tune_every": 0,  # epochs between looks at the tune people; 0: only for choose_epoch: tune
    "device": "auto",  # auto (a GPU where there is one), cpu or cuda
    "devices": 1,  # processes, one GPU each
    "precision": "fp32",  # fp32, or bf16 (autocast; the loss stays fp32)
    "checkpoint_every": 0.0,  # seconds between checkpoints, at ends of epochs; 0: every epoch
}
_CHOICES = {
    "loss": tuple(losses.LOSSES),
    "form": ("paper", "released"),
    "optimiser": ("adam", "adamw", "sgd"),
    "schedule": ("cosine", "step", "constant"),
    "kernel": ("rbf", "cauchy"),
    "choose_epoch": ("last", "tune"),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("fp32", "bf16"),
}
_ABOVE_0 = ("epochs", "batch_people", "views", "learning_rate", "temperature", "bandwidth")
# These change how the work is done and not what comes out (up to rounding on other devices).
_NOT_RESULT = ("checkpoint_every",)


def pretrain(
    store: Path,
    scans: Path,
    splits: Path,
    out: Path,
    checkpoints: Path,
    settings: dict[str, Any],
    experiment: str,
    fold: int,
    seed: int,
    threads: int,
    code_hash: str,
) -> None:
    """Train an encoder on the fit people of one run and write it.

    Only fit people are trained on and only tune people may help to choose the epoch;
    calibrate and test people are not read. On a CPU the same call gives the same bytes, also
    when it was killed and called again in between.

    Parameters
    ----------
    store
        Folder of the store.
    scans, splits
        Tables :data:`contracts.SCANS` and :data:`contracts.SPLITS`.
    out
        Folder for ``encoder.safetensors``, ``encoder.json`` and ``history.tsv``.
    checkpoints
        Folder for this run's checkpoint while it lasts.
    settings
        Any of the keys of :data:`DEFAULTS`; what is missing is taken from there.
    experiment, fold, seed
        Which run of the splits.
    threads
        Threads of torch.
    code_hash
        Hash of the code that results follow from; a checkpoint of other code is not used.

    Raises
    ------
    InputError
        For settings that cannot be, too few fit people, a person with two roles, or a loss
        that becomes infinite or not a number.
    """
    settings = complete(settings)
    data = open_store(store)
    fit, tune = people.read_groups(scans, splits, data, experiment, fold, seed)
    made_for = checkpoint.fingerprint(
        settings={key: value for key, value in settings.items() if key not in _NOT_RESULT},
        store=data.info,
        fit=[fit.scan_ids, fit.rows.tolist(), fit.ages.tolist()],
        tune=[tune.scan_ids, tune.rows.tolist(), tune.ages.tolist()],
        run=[experiment, fold, seed],
        threads=threads,
        code=code_hash,
    )
    path = checkpoints / f"{experiment}_fold-{fold}_seed-{seed}.pt"
    job = training.Job(
        name=f"{experiment} fold {fold} seed {seed}",
        store=store,
        fit=fit,
        tune=tune,
        settings=settings,
        seed=seed,
        threads=threads,
        checkpoint=path,
        made_for=made_for,
    )
    weights, history = training.train(job)
    _write(out, weights, history, job, data.info, (experiment, fold, seed))
    checkpoint.remove(path)


def complete(settings: dict[str, Any]) -> dict[str, Any]:
    """Fill `settings` up from :data:`DEFAULTS` and check them; raises InputError by key."""
    merged = copy.deepcopy(DEFAULTS)
    for key, value in settings.items():
        if key not in DEFAULTS:
            raise InputError(f"learning.{key} is unknown; known: {', '.join(DEFAULTS)}")
        if not isinstance(DEFAULTS[key], dict):
            merged[key] = value
            continue
        for part, part_value in value.items():
            if part not in DEFAULTS[key]:
                known = ", ".join(DEFAULTS[key])
                raise InputError(f"learning.{key}.{part} is unknown; known: {known}")
            merged[key][part] = part_value
    for key, allowed in _CHOICES.items():
        if merged[key] not in allowed:
            raise InputError(f"learning.{key} is {merged[key]!r}, not one of {', '.join(allowed)}")
    for key in _ABOVE_0:
        if not merged[key] > 0:
            raise InputError(f"learning.{key} is {merged[key]}; it must be above 0")
    if merged["encoder"]["name"] not in encoders.NAMES:
        allowed = ", ".join(encoders.NAMES)
        name = merged["encoder"]["name"]
        raise InputError(f"learning.encoder.name is {name!r}, not one of {allowed}")
    return merged


def _person(scan_id: str) -> tuple[str, str]:
    match = contracts.SCAN_ID_PATTERN.fullmatch(scan_id)
    if match is None:
        raise InputError(f"{scan_id!r} is not a scan_id")
    return match["dataset"], match["participant"]


def _write(
    out: Path,
    weights: dict[str, Any],
    history: list[dict[str, Any]],
    job: training.Job,
    store_info: dict[str, Any],
    run: tuple[str, int, int],
) -> None:
    from safetensors.torch import save_file

    experiment, fold, seed = run
    table = pd.DataFrame(history)
    table.insert(0, "experiment", experiment)
    table.insert(1, "fold", fold)
    table.insert(2, "seed", seed)
    with written_whole(out / WEIGHTS) as temporary:
        save_file({key: value.contiguous() for key, value in weights.items()}, temporary)
    contracts.write_table(table, out / HISTORY, contracts.HISTORY)
    seen = {contracts.person_hash(*_person(scan_id)) for scan_id in job.fit.scan_ids}
    encoder = encoders.build(**job.settings["encoder"])
    write_json(
        out / DESCRIPTION,
        {
            "architecture": {
                **job.settings["encoder"],
                "feature_size": encoder.feature_size,
                "parameters": sum(value.numel() for value in encoder.parameters()),
            },
            "preprocessing": store_info,
            "settings": job.settings,
            "training": {
                "experiment": experiment,
                "fold": fold,
                "seed": seed,
                "people": len(job.fit.people),
                "scans": len(job.fit.scan_ids),
                "people_hashes": sorted(seen),
                "age_low": round(float(job.fit.ages.min()), 4),
                "age_high": round(float(job.fit.ages.max()), 4),
                "threads": job.threads,
            },
            "version": brainage.__version__,
        },
    )
