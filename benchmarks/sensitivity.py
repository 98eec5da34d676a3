"""How many years a model's predicted age moves by what is no ageing: scanner, noise, view, mask.

    python benchmarks/sensitivity.py RESULTS --training lexp/fold-0_seed-1 [--people 15] [--seed 1]
        [--only NAME ...] [--strength weak realistic strong] [--out TABLE] [--processes 2]

RESULTS is a finished folder of results of the workflow; run this where the workflow ran, so that
relative paths in its settings hold. Test people of that training (first usable scan, age known) are
drawn evenly over their ages. Each nuisance of brainage.simulation.nuisances is made on their raw
heads, which then go through image processing with the settings of the run, its encoder, and the
ridge regression of its age probe, refitted. Years moved are against the same head, unchanged, taken
through again, which must give what the run predicted. A mask is changed where image processing has
found it. --work keeps what image processing made, so that a run that was stopped goes on; raw heads
with nuisances are deleted as soon as they are processed.

It prints a table and writes it (--out), a row for each nuisance and strength, and beside it a row
for each scan (TABLE with _scans in its name). Realistic and weak strengths must not move the mean
by more than a year, nor people apart by more than an SD of two years.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from years_moved import (
    UNCHANGED,
    Cell,
    against_unchanged,
    agreement,
    cells,
    conclusion,
    drawn,
    markdown,
    summary,
)

from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import MEASURES, QC
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.derivatives import BRAIN, MASK, SCAN_ID_PATTERN, TRANSFORM, derivative
from brainage.core.files import InputError, read_json
from brainage.core.layout import Layout
from brainage.core.subjects import first_scans
from brainage.core.tables import read_table, write_table
from brainage.core.training import Training
from brainage.core.versions import module_hash
from brainage.imaging import chunk, geometry, nonlinear, registration
from brainage.imaging.faults import ScanFault
from brainage.imaging.raw_affine import read_affine
from brainage.imaging.raw_file import read_header
from brainage.imaging.reading import NO_LIMITS, read
from brainage.imaging.registered import RegisteredScan, read_registered
from brainage.imaging.template import load_template
from brainage.learning import store
from brainage.learning.embed import embed
from brainage.probing.age import fit_age
from brainage.probing.people import read_embedded
from brainage.simulation import nuisances
from brainage.simulation.nuisances import GRADES, NUISANCES

# Of the plane of defacing, towards the face: forward and down, in the template's world.
FACE = np.array([0.0, 1.0, -1.0]) / np.sqrt(2.0)


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


def settings_used(files: Layout, step: str, of: str) -> dict[str, Any]:
    """The settings that a step of the run was made with."""
    note = files.file("settings_used", step=step, of=of)
    try:
        name = note.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise InputError(
            f"{note}: there is no such file; {files.results} must be the results of a run of the "
            "workflow that got as far as the predictions of this training"
        ) from None
    return read_json(files.results / "config" / name)


def raw_images(files: Layout, people: pd.DataFrame) -> tuple[list[Path], dict[str, Any]]:
    """Paths of the people's raw images, and the section imaging of the run."""
    folders, sections = {}, {}
    place = files.file("settings_used", step="preprocess", of="none").parent
    for note in sorted(place.glob("*.txt")):
        content = settings_used(files, "preprocess", note.stem)
        dataset = note.stem.rpartition("_")[0]
        folders[dataset], sections[dataset] = Path(content["folder"]), content["imaging"]
    paths = []
    for person in people.itertuples():
        if person.dataset not in folders:
            raise InputError(f"{place}: no note of a chunk of {person.dataset}; run the workflow")
        path = folders[person.dataset] / person.t1w
        if not path.is_file():
            raise InputError(
                f"{path}: there is no such file, but {files.file('scans')} names it; run this in "
                "the folder where the workflow ran, with the images where they were"
            )
        paths.append(path)
    return paths, sections[people["dataset"].iloc[0]]


def open_run(args: argparse.Namespace) -> Run:
    files, training = Layout(args.results), Training.parse(args.training)
    people, features = read_embedded(files, training)
    probing = settings_used(files, "probe-age", str(training))
    ridge = fit_age(people, features, probing, f"{files.file('splits')}: {training.words}")
    test = first_scans(people[people["role"] == "test"]).sort_values(["age", "scan_id"])
    if test.empty:
        raise InputError(f"{files.file('splits')}: {training.words}: nobody is test")
    test = test.iloc[drawn(test["age"].to_numpy(float), args.people, args.seed)]
    predictions = read_table(files.file("predictions_of", training=training), PREDICTIONS)
    test = test.merge(predictions[["scan_id", "predicted_age"]], on="scan_id")
    paths, imaging = raw_images(files, test)
    test = test.assign(path=paths).set_index("scan_id", drop=False)
    work = Layout(args.work)
    template = load_template(imaging)
    brain = template.affine[:3, :3] @ np.argwhere(template.mask).T + template.affine[:3, 3:]
    face = float((FACE @ brain).max())
    return Run(files, training, test, imaging, ridge, face, work, args.seed, args.processes)


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


def embedded(run: Run, scans: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of all scans without a fault, and ages by the probe; NaN for the others.

    By the steps of the workflow, in a folder of results that holds these scans alone.
    """
    work, training = run.work, run.training
    known = read_table(run.files.file("scans"), SCANS).set_index("scan_id", drop=False)
    rows = known.loc[scans["of"]].assign(scan_id=scans["scan_id"].to_numpy(), set_aside=None)
    write_table(rows, work.file("scans"), SCANS)
    failed = scans["fault"].notna()
    verdicts = pd.DataFrame(
        {
            "scan_id": scans["scan_id"],
            "verdict": np.where(failed, "fail", "pass"),
            "reason": scans["fault"],
        }
    )
    write_table(verdicts, work.file("qc"), QC)
    work.folder("training", training=training).mkdir(parents=True, exist_ok=True)
    for name in ("encoder", "encoder_description"):
        place = work.file(name, training=training)
        shutil.copyfile(run.files.file(name, training=training), place)
    description = read_json(run.files.file("encoder_description", training=training))
    store.build(work, description["settings"]["channels"])
    embed(work, training, **settings_used(run.files, "embed", str(training)))
    array = np.load(work.file("embeddings", training=training)).astype(np.float64)
    index = pd.read_csv(work.file("embedding_index", training=training), sep="\t")
    row_of = dict(zip(index["scan_id"], index["row"], strict=True))
    features = np.full((len(scans), array.shape[1]), np.nan)
    features[~failed] = array[[row_of[name] for name in scans.loc[~failed, "scan_id"]]]
    ages = np.full(len(scans), np.nan)
    ages[~failed] = run.ridge.predict(features[~failed])
    return features, ages


def parsed() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("results", type=Path)
    arguments.add_argument("--training", required=True, help="such as lexp/fold-0_seed-1")
    arguments.add_argument("--people", type=int, default=15)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", nargs="+", choices=NUISANCES, default=[*NUISANCES])
    arguments.add_argument("--strength", nargs="+", choices=GRADES, default=[*GRADES])
    arguments.add_argument("--work", type=Path, default=Path("results/sensitivity"))
    arguments.add_argument("--out", type=Path, help="default: sensitivity.tsv in --work")
    arguments.add_argument("--processes", type=int, default=1)
    args = arguments.parse_args()
    if min(args.people, args.processes) < 1:
        arguments.error("--people and --processes must be at least 1")
    return args


def main() -> None:
    args = parsed()
    wanted = cells(args.only, args.strength)
    if not wanted:
        grades = " or ".join(args.strength)
        raise InputError(f"--only {' '.join(args.only)} has no {grades} strength; name others")
    run = open_run(args)
    print(f"{len(run.people)} people of {run.training.words}, {len(wanted)} nuisances", flush=True)
    found = processed(run, UNCHANGED, [*run.people.index]).assign(cell=UNCHANGED.name)
    for scan_id, fault in found.loc[found["fault"].notna(), ["of", "fault"]].to_numpy():
        print(f"{scan_id}: left out, its unchanged head is set aside now: {fault}", flush=True)
    tables = [found[found["fault"].isna()]]
    scan_ids = [*tables[0]["of"]]
    if not scan_ids:
        raise InputError(f"{run.files.results}: all heads are set aside")
    for number, cell in enumerate(wanted, start=1):
        made = (masked if cell.on_mask else processed)(run, cell, scan_ids)
        tables.append(made.assign(cell=cell.name))
        print(
            f"{number}/{len(wanted)} {cell.nuisance} {cell.strength:g}: {len(made)} heads, "
            f"{made['fault'].notna().sum()} set aside",
            flush=True,
        )
    scans = pd.concat(tables, ignore_index=True)
    scans = against_unchanged(scans, *embedded(run, scans))
    table = summary(scans, wanted)
    out = args.out or args.work / "sensitivity.tsv"
    out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(out, sep="\t", index=False, na_rep="n/a", float_format="%.5g")
    strengths = {cell.name: (cell.nuisance, cell.strength) for cell in [UNCHANGED, *wanted]}
    scans[["nuisance", "strength"]] = [strengths[name] for name in scans["cell"]]
    columns = ["of", "nuisance", "strength", "fault", "predicted_age", "years", "cosine_distance"]
    beside = out.with_name(f"{out.stem}_scans{out.suffix}")
    scans[columns].rename(columns={"of": "scan_id"}).to_csv(
        beside, sep="\t", index=False, na_rep="n/a", float_format="%.5g"
    )
    print(markdown(table))
    print(agreement(scans, run.people))
    print("\n".join(conclusion(table)))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
