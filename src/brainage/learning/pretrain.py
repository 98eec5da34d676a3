"""Pretraining of an encoder: from the store and the splits to weights in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

import brainage
from brainage import contracts
from brainage.derivatives import SCAN_ID_PATTERN
from brainage.files import InputError, write_json, written_whole
from brainage.learning import checkpoint, encoders, people, training
from brainage.learning.store import open_store
from brainage.tables import write_table

WEIGHTS = "encoder.safetensors"
DESCRIPTION = "encoder.json"
HISTORY = "history.tsv"

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
        One experiment of the config: every key of the section ``learning``.
    experiment, fold, seed
        Which run of the splits.
    threads
        Threads of torch.
    code_hash
        Hash of the code that results follow from; a checkpoint of other code is not used.

    Raises
    ------
    InputError
        Too few fit people, a person with two roles, or a loss
        that becomes infinite or not a number.
    """
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


def _person(scan_id: str) -> tuple[str, str]:
    match = SCAN_ID_PATTERN.fullmatch(scan_id)
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
    write_table(table, out / HISTORY, contracts.HISTORY)
    seen = {contracts.person_hash(*_person(scan_id)) for scan_id in job.fit.scan_ids}
    encoder = encoders.build(**job.settings["encoder"], channels=len(job.settings["channels"]))
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
