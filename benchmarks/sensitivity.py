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
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from changed_heads import Run, masked, processed, reach_of_face
from markdown_table import markdown
from years_moved import (
    UNCHANGED,
    against_unchanged,
    agreement,
    cells,
    conclusion,
    drawn,
    summary,
    texts,
)

from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import QC
from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.files import InputError, read_json
from brainage.core.layout import Layout
from brainage.core.subjects import first_scans
from brainage.core.tables import read_table, write_table
from brainage.core.training import Training
from brainage.imaging.template import load_template
from brainage.learning import store
from brainage.learning.embed import embed
from brainage.probing.age import fit_age
from brainage.probing.people import read_embedded
from brainage.simulation.nuisances import GRADES, NUISANCES


def settings_of(files: Layout, step: str, of: str) -> dict[str, Any]:
    """The settings that a step of the run was made with."""
    path = files.settings_used(step, of)
    if path is None:
        raise InputError(
            f"{files.results}: no note of the settings of {step} {of}; it must be the results of a "
            "run of the workflow that got as far as the predictions of this training"
        )
    return read_json(path)


def raw_images(files: Layout, people: pd.DataFrame) -> tuple[list[Path], dict[str, Any]]:
    """Paths of the people's raw images, and the section imaging of the run."""
    folders, sections = {}, {}
    place = files.file("settings_used", step="preprocess", of="none").parent
    for note in sorted(place.glob("*.txt")):
        content = settings_of(files, "preprocess", note.stem)
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
    probing = settings_of(files, "probe-age", str(training))
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
    face = reach_of_face(load_template(imaging))
    return Run(files, training, test, imaging, ridge, face, work, args.seed, args.processes)


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
    embed(work, training, **settings_of(run.files, "embed", str(training)))
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
    print(markdown(texts(table)))
    print(agreement(scans, run.people))
    print("\n".join(conclusion(table)))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
