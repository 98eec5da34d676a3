"""Heads with a nuisance, taken through image processing: for benchmarks/sensitivity.py."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from years_moved import UNCHANGED, Cell

from brainage.core.contracts.imaging import MEASURES
from brainage.core.derivatives import BRAIN, MASK, SCAN_ID_PATTERN, TRANSFORM, derivative
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.core.versions import module_hash
from brainage.imaging import chunk, geometry, nonlinear, registration
from brainage.imaging.faults import ScanFault
from brainage.imaging.raw_affine import read_affine
from brainage.imaging.raw_file import read_header
from brainage.imaging.reading import NO_LIMITS, read
from brainage.imaging.registered import RegisteredScan, read_registered
from brainage.imaging.template import Template, load_template
from brainage.simulation import nuisances

# Of the plane of defacing, towards the face: forward and down, in the template's world.
FACE = np.array([0.0, 1.0, -1.0]) / np.sqrt(2.0)


def reach_of_face(template: Template) -> float:
    """How far the template's brain reaches towards the face, in mm."""
    brain = template.affine[:3, :3] @ np.argwhere(template.mask).T + template.affine[:3, 3:]
    return float((FACE @ brain).max())


@dataclass(frozen=True)
class Run:
    """A finished training, and the people that are looked at.

    `people` has, by scan_id, age, raw image (`path`) and what the run predicted (`predicted_age`);
    `face` is how far the template's brain reaches towards the face, in mm; `work` is the layout of
    all that is made here.
    """

    files: Layout
    training: Training
    people: pd.DataFrame
    imaging: dict[str, Any]
    ridge: Any
    face: float
    work: Layout
    seed: int
    processes: int


def scan_name(cell: Cell, scan_id: str) -> str:
    """A scan_id whose data set is the cell, and whose person has the data set in its name."""
    found = SCAN_ID_PATTERN.fullmatch(scan_id)
    assert found is not None
    person = f"sub-{found['dataset']}+{found['participant'].removeprefix('sub-')}"
    return "_".join(part for part in (cell.name, person, found["session"], found["run"]) if part)


def needed(run: Run, scan_id: str, cell: Cell, shape: tuple[int, ...], affine: np.ndarray) -> Any:
    """What a nuisance needs of a head as keywords; None where there is no such thing."""
    made = scan_name(UNCHANGED, scan_id)
    if cell.of.needs == "mask":
        mask = nibabel.load(derivative(run.work.folder("imaging"), made, MASK))
        return {"mask": np.asanyarray(mask.dataobj) > 0}
    if cell.of.needs == "own_mask":
        path = own_mask(run.people.at[scan_id, "path"], run.people.at[scan_id, "t1w"])
        if path is None:
            return None
        mask = np.asanyarray(nibabel.load(path).dataobj) > 0
        if mask.shape != shape:
            raise InputError(f"{path}: shape {mask.shape}, but its head has {shape}")
        return {"mask": mask}
    if cell.of.needs == "face":
        path = derivative(run.work.folder("imaging"), made, TRANSFORM)
        to_template = np.linalg.inv(geometry.read_transform(path))
        index = np.meshgrid(*map(np.arange, shape), indexing="ij", sparse=True)
        row = FACE @ (to_template @ affine)[:3]
        before = row[0] * index[0] + row[1] * index[1] + row[2] * index[2] + row[3]
        return {"face": before - run.face}
    return {}


def own_mask(head: Path, t1w: str) -> Path | None:
    """The brain mask of a head in the derivatives of its data set."""
    dataset = head.parents[len(Path(t1w).parts) - 1]
    name = Path(t1w).name.replace("_T1w", "_desc-brain_mask")
    return next(iter(sorted(dataset.glob(f"derivatives/*/{Path(t1w).parent}/{name}"))), None)


def make_raw(task: tuple[Run, Cell, str, Path]) -> bool:
    """Write a head with a nuisance; False where what the nuisance needs is not there."""
    run, cell, scan_id, path = task
    raw = read_header(run.people.at[scan_id, "path"], NO_LIMITS)
    affine, _ = read_affine(raw.header, raw.shape)
    data = raw.voxels().astype(np.float32)
    if cell != UNCHANGED:
        more = needed(run, scan_id, cell, data.shape, affine)
        if more is None:
            return False
        rng = nuisances.generator(run.seed, scan_id, cell.nuisance)
        data, affine = cell.of.apply(data, affine, cell.strength, rng, **more)
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner", strip_shears=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return True


def processed(run: Run, cell: Cell, scan_ids: list[str]) -> pd.DataFrame:
    """Take heads with a nuisance through image processing: fault of each, by `of`."""
    folder = run.work.results / "raw" / cell.name
    tasks = [(run, cell, one, folder / f"{scan_name(cell, one)}_T1w.nii") for one in scan_ids]
    with multiprocessing.get_context("fork").Pool(run.processes, maxtasksperchild=1) as pool:
        there = pool.map(make_raw, tasks, chunksize=1)
    done = [task for task, made in zip(tasks, there, strict=True) if made]
    scans = [(scan_name(cell, scan_id), path) for _, _, scan_id, path in done]
    table = run.work.results / "tables" / f"{cell.name}.tsv"
    code = chunk.Code(module_hash("brainage.imaging.registration"), {})
    if scans:
        with contextlib.redirect_stderr(io.StringIO()):
            chunk.preprocess_scans(
                scans, run.work.folder("imaging"), table, run.imaging, code, run.processes
            )
    shutil.rmtree(folder, ignore_errors=True)
    if not scans:
        return pd.DataFrame(columns=["scan_id", "fault", "of"])
    found = read_table(table, MEASURES).set_index("scan_id")["fault"]
    names = [name for name, _ in scans]
    return pd.DataFrame(
        {
            "scan_id": names,
            "fault": found.loc[names].to_numpy(),
            "of": [scan_id for _, _, scan_id, _ in done],
        }
    )


def masked(run: Run, cell: Cell, scan_ids: list[str]) -> pd.DataFrame:
    """Cut the brains out with changed masks, from what image processing left: fault of each."""
    rows = []
    folder, template = run.work.folder("imaging"), load_template(run.imaging)
    for scan_id in scan_ids:
        found, made = scan_name(UNCHANGED, scan_id), scan_name(cell, scan_id)

        def place(ending: str, found: str = found) -> Path:
            return derivative(folder, found, ending)

        head = read(run.people.at[scan_id, "path"])
        scan = read_registered(head, template, place, run.imaging)
        mask = cell.of.apply(scan.mask, cell.strength)
        scan = RegisteredScan(scan.aligned, mask, scan.warp)
        fault = None
        with tempfile.TemporaryDirectory(dir=run.work.results) as scratch:
            try:
                registration.write_brain(scan, Path(scratch))
                if scan.warp is not None:  # the same one, as found with the mask as it was
                    nonlinear.write_volumes(scan, run.imaging, Path(scratch))
            except ScanFault as error:
                fault = str(error)
            derivative(folder, made, BRAIN).parent.mkdir(parents=True, exist_ok=True)
            for path in Path(scratch).iterdir():
                path.replace(derivative(folder, made, path.name))
        rows.append({"scan_id": made, "fault": fault, "of": scan_id})
    return pd.DataFrame(rows)
