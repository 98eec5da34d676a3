"""The command line: one subcommand for each rule of the workflow.

Nothing heavy is imported before a command needs it: ``brainage --help`` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from brainage import __version__
from brainage.files import InputError, write_json

# Faults of the disk that a user can mend.
DISK = {
    errno.ENOSPC: "make room on the disk and run the same command again",
    errno.EDQUOT: "your quota is used up; make room and run the same command again",
    errno.EROFS: "this place cannot be written; choose another with the key results",
    errno.EACCES: "you may not write or read there; change its permissions or the key results",
}
Arguments = argparse.Namespace
SETTINGS = "sections of the config as JSON (config/README.md has every key)"


def simulate(args: Arguments) -> None:
    """Write a whole simulated BIDS data set with its truth table beside it."""
    from brainage.cohort.plan import make_plan
    from brainage.cohort.simulate import write_images, write_tables

    settings = {
        "people": {"healthy": args.healthy, "external": args.external, "clinical": args.clinical},
        "sites": dict(zip(("healthy", "external", "clinical"), args.sites, strict=True)),
        "visits": args.visits,
        "voxel_size": args.voxel_size,
        "seed": args.seed,
        "troubles": not args.no_troubles,
    }
    truth = args.folder.with_name(f"{args.folder.name}_truth.tsv")
    write_tables(settings, args.folder, truth, args.folder.name)
    people = list(dict.fromkeys(make_plan(settings)["participant_id"]))
    write_images(settings, args.folder, people, processes=args.processes)
    print(f"simulated heads of {len(people)} people in {args.folder}, their truth in {truth}")


def dicom(args: Arguments) -> None:
    """Convert the T1w series of a folder of DICOM to a BIDS folder without identifiers."""
    from brainage.cohort.dicom import convert_dicom

    for line in convert_dicom(args.folder, args.bids_folder, args.people, args.processes):
        print(line)


def simulate_tables(args: Arguments) -> None:
    """Write the tables of the simulated cohort, and its truth beside it."""
    from brainage.cohort.simulate import write_tables

    write_tables(args.settings, args.folder, args.truth, args.name)


def simulate_images(args: Arguments) -> None:
    """Write the heads of some people of the simulated cohort."""
    from brainage.cohort.plan import make_plan
    from brainage.cohort.simulate import write_images
    from brainage.files import sha256, write_text

    write_images(args.settings, args.folder, args.people)
    plan = make_plan(args.settings)
    paths = plan.loc[plan["participant_id"].isin(args.people), "t1w"].sort_values()
    lines = [f"{path}\t{sha256(args.folder / path)}" for path in paths]
    write_text(args.list, "\n".join(["t1w\tsha256", *lines]) + "\n")


def index(args: Arguments) -> None:
    """Join every T1w image with its person: scans.tsv."""
    from brainage.cohort.index import write_index

    remarks = write_index(args.settings, args.out)
    write_json(args.remarks, remarks)


def split(args: Arguments) -> None:
    """Draw who fits, tunes, calibrates and tests: splits.tsv."""
    from brainage.cohort.splits import write_splits

    write_splits(args.scans, args.qc, args.out, args.settings)


def preprocess(args: Arguments) -> None:
    """Take raw heads to brains on the template's grid, a forked child for each scan."""
    from brainage.code_hash import room_hash
    from brainage.imaging.chunk import preprocess_scans, write_description

    write_description(args.folder)
    scans = [(name, Path(path)) for name, _, path in (pair.partition("=") for pair in args.scans)]
    preprocess_scans(
        scans,
        args.folder,
        args.table,
        args.settings["imaging"],
        room_hash("imaging", of_each_scan=True),
        processes=args.processes,
    )


def quality(args: Arguments) -> None:
    """Give each scan a verdict with its reason: qc.tsv."""
    from brainage.imaging.quality import assess

    tables = [
        args.imaging / "chunks" / f"{dataset}_{chunk}.tsv"
        for dataset, chunks in args.chunks.items()
        for chunk in chunks
    ]
    assess(tables, args.scans, args.out, args.settings["quality"], args.imaging)


def store(args: Arguments) -> None:
    """Put all brains that passed into one array on disk."""
    from brainage.learning.store import build

    build(args.qc, args.scans, args.imaging, args.brains.parent)


def pretrain(args: Arguments) -> None:
    """Train one encoder; goes on from its checkpoint where there is one."""
    from brainage.code_hash import room_hash
    from brainage.learning.pretrain import pretrain as train

    train(
        args.store.parent,
        args.scans,
        args.splits,
        args.weights.parent,
        args.checkpoints,
        args.settings,
        args.experiment,
        args.fold,
        args.seed,
        args.threads,
        room_hash("learning"),
    )


def embed(args: Arguments) -> None:
    """Embed all brains of the store by a trained encoder."""
    from brainage.learning.embed import embed as write_embeddings

    write_embeddings(
        args.store.parent,
        args.encoder.parent,
        args.array,
        args.array.with_suffix(".tsv"),
        args.threads,
        args.device,
    )


def probe_age(args: Arguments) -> None:
    """Predict age by ridge regression on the frozen embedding."""
    from brainage.probing.age import probe_age as probe

    probe(*_run(args), settings={**args.settings["probing"], "seed": args.settings["seed"]})


def predict_baseline(args: Arguments) -> None:
    """Predict age without an encoder: ridge on the voxels, or the mean."""
    from brainage.probing.baselines import predict_baseline as predict

    predict(
        args.store.parent,
        args.scans,
        args.splits,
        args.out,
        args.baseline,
        args.people_of,
        args.fold,
        args.seed,
        {**args.settings["probing"], "seed": args.settings["seed"]},
    )


def probe_site(args: Arguments) -> None:
    """Tell the site from the embedding, and from age and sex alone."""
    from brainage.probing.site import probe_site as probe

    more = {name: args.settings[name] for name in ("seed", "healthy")}
    settings = {**args.settings["probing"], **more}
    probe(*_run(args), settings=settings, store=args.store.parent)


def probe_diagnosis(args: Arguments) -> None:
    """Tell patients from controls by the embedding, out of fold."""
    from brainage.probing.diagnosis import probe_diagnosis as probe

    more = {name: args.settings[name] for name in ("seed", "groups", "control")}
    probe(*_run(args), settings={**args.settings["probing"], **more})


def gather(args: Arguments) -> None:
    """Put the same table of all training runs together."""
    from brainage import contracts
    from brainage.probing.gather import gather as join

    tables = {
        "predictions": contracts.PREDICTIONS,
        "site_probe": contracts.SITE_PROBE,
        "diagnosis_scores": contracts.DIAGNOSIS_SCORES,
    }
    join(args.runs, args.out, tables[args.table])


def gaps(args: Arguments) -> None:
    """Correct the brain-age gap by constants of calibrate people."""
    from brainage.statistics.gaps import compute_gaps

    compute_gaps(args.predictions, args.out, args.reference)


def accuracy(args: Arguments) -> None:
    """Measure how well age is predicted on healthy test people."""
    from brainage.statistics.accuracy import measure_accuracy

    measure_accuracy(args.gaps, args.predictions, args.out, _analysis(args))


def groups(args: Arguments) -> None:
    """Compare the corrected gap between diagnoses."""
    from brainage.statistics.groups import compare_groups

    compare_groups(args.gaps, args.out, _analysis(args))


def roc(args: Arguments) -> None:
    """Tell patients from controls: ROC curves and what the gap adds to age and sex."""
    from brainage.statistics.roc import compute_roc

    compute_roc(args.gaps, args.diagnosis_scores, args.out, args.curves, _analysis(args))


def slopes(args: Arguments) -> None:
    """Fit the change of the corrected gap with time."""
    from brainage.statistics.longitudinal import fit_slopes

    fit_slopes(args.gaps, args.out, args.persons, _analysis(args))


def figures(args: Arguments) -> None:
    """Draw every figure as SVG."""
    from brainage.reporting.figures import draw_all

    draw_all(_tables(args), args.first.parent, args.settings)


def truth_recovery(args: Arguments) -> None:
    """Compare what the simulation planted with what came back."""
    from brainage.reporting.truth import write_truth_table

    write_truth_table(_tables(args), args.out, args.settings)


def study_page(args: Arguments) -> None:
    """Write the study's page, a folder that can be moved and opened offline."""
    from brainage.reporting.study import write_study_page

    results = {
        **_tables(args),
        "figures": args.figures.parent,
        "remarks": args.remarks,
        "people": args.settings["report"]["people"] != "none",
    }
    write_study_page(results, args.out.parent, args.settings)


def quality_page(args: Arguments) -> None:
    """Write the quality page: everyone's mask and registration, worst first."""
    from brainage.reporting.quality_page import write_quality_page

    write_quality_page(args.qc, args.scans, args.imaging, args.out.parent, args.settings)


def person_pages(args: Arguments) -> None:
    """Write a page for each person of the clinical part."""
    from brainage.reporting.person import write_person_pages

    results = {**_tables(args), "encoders": args.encoders}
    write_person_pages(results, args.imaging, args.out.parent, args.settings)


def _tables(args: Arguments) -> dict[str, list[Path]]:
    tables: dict[str, list[Path]] = {}
    for pair in args.tables:
        name, _, path = pair.partition("=")
        tables.setdefault(name, []).append(Path(path))
    return tables


def _run(args: Arguments) -> tuple[Any, ...]:
    from brainage.probing.people import refuse_seen_people

    refuse_seen_people(args.encoder, args.splits, args.experiment, args.fold, args.seed)
    return (
        args.embeddings,
        args.embeddings.with_suffix(".tsv"),
        args.scans,
        args.splits,
        args.out,
        args.experiment,
        args.fold,
        args.seed,
    )


def _analysis(args: Arguments) -> dict[str, Any]:
    more = {name: args.settings[name] for name in ("seed", "healthy", "external_sites")}
    return {**args.settings["statistics"], **more}


def parser() -> argparse.ArgumentParser:
    """Build the parser of all subcommands."""
    top = argparse.ArgumentParser(
        prog="brainage",
        description="From raw T1w heads to brain-age reports. Each subcommand is one rule of the "
        "workflow, which calls them in this order.",
    )
    top.add_argument("--version", action="version", version=f"brainage {__version__}")
    top.add_argument(
        "--threads", type=int, default=1, help="threads of torch and BLAS (default: 1)"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(run: Callable[[Arguments], None]) -> argparse.ArgumentParser:
        name = run.__name__.replace("_", "-")
        about = (run.__doc__ or "").strip()
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        return sub

    def paths(sub: argparse.ArgumentParser, **options: str) -> None:
        for name, about in options.items():
            sub.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, help=about)

    def config(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--settings", type=json.loads, required=True, metavar="JSON", help=SETTINGS
        )

    def training_run(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--experiment", required=True, help="name of the experiment")
        sub.add_argument("--fold", type=int, required=True, help="fold of people, from 0")
        sub.add_argument("--seed", type=int, required=True, help="seed of the training")

    sub = add(simulate)
    sub.add_argument("folder", type=Path, help="the BIDS folder to write")
    sub.add_argument("--healthy", type=int, default=280, help="healthy people at training sites")
    sub.add_argument("--external", type=int, default=36, help="healthy people at other sites")
    sub.add_argument("--clinical", type=int, default=72, help="people of the clinical part")
    sub.add_argument(
        "--sites", type=int, nargs=3, default=(4, 2, 2), help="sites of each part (default: 4 2 2)"
    )
    sub.add_argument(
        "--visits", type=int, default=3, help="visits of a person of the clinical part"
    )
    sub.add_argument("--voxel-size", type=float, default=4.0, help="in mm (default: 4)")
    sub.add_argument("--seed", type=int, default=2025, help="everything follows from it")
    sub.add_argument("--no-troubles", action="store_true", help="plant no broken scans")
    sub.add_argument("--processes", type=int, default=1, help="how many heads at once")

    sub = add(dicom)
    about = "the DICOM folder: FOLDER/PARTICIPANT/[ses-SESSION/]..., files of any name and depth"
    sub.add_argument("folder", type=Path, help=about)
    sub.add_argument("bids_folder", type=Path, help="the BIDS folder to write")
    about = "TSV of participant_id [session_id] and age, sex, site, scanner or diagnosis"
    sub.add_argument("--people", type=Path, help=f"{about}; goes before the headers")
    sub.add_argument("--processes", type=int, default=1, help="people at once (default: 1)")

    sub = add(simulate_tables)
    sub.add_argument("folder", type=Path, help="the BIDS folder to write")
    sub.add_argument("--name", required=True, help="name of the data set")
    paths(sub, truth="the truth table to write")
    config(sub)

    sub = add(simulate_images)
    sub.add_argument("folder", type=Path, help="the BIDS folder to write into")
    sub.add_argument("--people", nargs="+", required=True, help="participant_ids")
    paths(sub, list="table of the images to write")
    config(sub)

    sub = add(index)
    sub.add_argument("out", type=Path, help="scans.tsv to write")
    paths(sub, remarks="JSON of remarks to write")
    config(sub)

    sub = add(preprocess)
    sub.add_argument("folder", type=Path, help="folder of the imaging results")
    sub.add_argument("--scans", nargs="+", required=True, metavar="SCAN_ID=PATH", help="raw heads")
    sub.add_argument("--processes", type=int, default=1, help="how many scans at once (default: 1)")
    paths(sub, table="table of measures to write")
    config(sub)

    sub = add(quality)
    sub.add_argument("out", type=Path, help="qc.tsv to write")
    about = 'the tables of measures: numbers of the chunks by data set, {"mine": [0, 1]}'
    sub.add_argument("--chunks", type=json.loads, required=True, metavar="JSON", help=about)
    paths(sub, scans="scans.tsv", imaging="folder of the imaging results")
    config(sub)

    sub = add(split)
    sub.add_argument("out", type=Path, help="splits.tsv to write")
    paths(sub, scans="scans.tsv", qc="qc.tsv")
    config(sub)

    sub = add(store)
    sub.add_argument("brains", type=Path, help="brains.npy to write, its index beside it")
    paths(sub, scans="scans.tsv", qc="qc.tsv", imaging="folder of the imaging results")

    sub = add(pretrain)
    sub.add_argument("weights", type=Path, help="encoder.safetensors to write, with its JSON")
    paths(sub, store="brains.npy of the store", scans="scans.tsv", splits="splits.tsv")
    paths(sub, checkpoints="folder of checkpoints, emptied at success")
    training_run(sub)
    config(sub)

    sub = add(embed)
    sub.add_argument("array", type=Path, help="embeddings.npy to write, its index beside it")
    paths(sub, store="brains.npy of the store", encoder="encoder.safetensors")
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")

    for run in (probe_age, probe_site, probe_diagnosis):
        sub = add(run)
        sub.add_argument("out", type=Path, help="table to write")
        paths(sub, embeddings="embeddings.npy", encoder="encoder.json of these embeddings")
        paths(sub, scans="scans.tsv", splits="splits.tsv")
        if run is probe_site:
            paths(sub, store="brains.npy of the store")
        training_run(sub)
        config(sub)

    sub = add(predict_baseline)
    sub.add_argument("out", type=Path, help="predictions to write")
    paths(sub, store="brains.npy of the store", scans="scans.tsv", splits="splits.tsv")
    sub.add_argument("--baseline", choices=["ridge_voxels", "mean"], required=True)
    sub.add_argument("--people-of", required=True, help="experiment whose roles are taken")
    sub.add_argument("--fold", type=int, required=True, help="fold of people, from 0")
    sub.add_argument("--seed", type=int, required=True, help="seed whose roles are taken")
    config(sub)

    sub = add(gather)
    sub.add_argument("out", type=Path, help="table to write")
    sub.add_argument(
        "--table", choices=["predictions", "site_probe", "diagnosis_scores"], required=True
    )
    sub.add_argument("--runs", type=Path, nargs="+", required=True, help="tables of the runs")

    sub = add(gaps)
    sub.add_argument("out", type=Path, help="gaps.tsv to write")
    paths(sub, reference="reference.tsv to write", predictions="predictions.tsv")

    sub = add(accuracy)
    sub.add_argument("out", type=Path, help="accuracy.tsv to write")
    paths(sub, gaps="gaps.tsv", predictions="predictions.tsv")
    config(sub)

    sub = add(groups)
    sub.add_argument("out", type=Path, help="groups.tsv to write")
    paths(sub, gaps="gaps.tsv")
    config(sub)

    sub = add(roc)
    sub.add_argument("out", type=Path, help="roc.tsv to write")
    paths(sub, curves="roc_curves.tsv to write", gaps="gaps.tsv")
    paths(sub, diagnosis_scores="diagnosis_scores.tsv")
    config(sub)

    sub = add(slopes)
    sub.add_argument("out", type=Path, help="slopes.tsv to write")
    paths(sub, persons="person_slopes.tsv to write", gaps="gaps.tsv")
    config(sub)

    for run in (figures, truth_recovery, study_page, quality_page, person_pages):
        sub = add(run)
        if run is figures:
            sub.add_argument("first", type=Path, help="first figure; the others go beside it")
        else:
            sub.add_argument("out", type=Path, help="table or index.html of the page to write")
        if run is quality_page:
            paths(sub, scans="scans.tsv", qc="qc.tsv")
        else:
            sub.add_argument(
                "--tables", nargs="+", required=True, metavar="NAME=PATH", help="tables by name"
            )
        if run is study_page:
            paths(sub, figures="first of the figures", remarks="JSON of remarks of the index")
        if run is person_pages:
            sub.add_argument(
                "--encoders", type=Path, nargs="+", required=True, help="weights to be named"
            )
        if run in (quality_page, person_pages):
            paths(sub, imaging="folder of the imaging results")
        config(sub)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status (0 done, 2 the input is wrong)."""
    args = parser().parse_args(arguments)
    # Before numpy is loaded, which reads them once: the order of a sum, and with it the last
    # digits, would otherwise follow the machine's number of cores.
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{name}_NUM_THREADS"] = str(args.threads)
    try:
        args.run(args)
    except InputError as error:
        print(f"brainage {args.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in DISK:
            raise
        # Nothing half-written is left: what was being written lay beside its name and is gone.
        print(f"brainage {args.command}: {error}; {DISK[error.errno]}", file=sys.stderr)
        return 1
    return 0
