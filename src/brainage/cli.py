"""The command line: one subcommand for each rule of the workflow, with its arguments.

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

from brainage import __version__, commands
from brainage.core.files import InputError

# Faults of the disk that a user can mend.
DISK = {
    errno.ENOSPC: "make room on the disk and run the same command again",
    errno.EDQUOT: "your quota is used up; make room and run the same command again",
    errno.EROFS: "this place cannot be written; choose another with the key results",
    errno.EACCES: "you may not write or read there; change its permissions or the key results",
}
SETTINGS = "sections of the config as JSON (config/README.md has every key)"


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
    subcommands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        name = run.__name__.replace("_", "-")
        about = (run.__doc__ or "").strip()
        sub = subcommands.add_parser(name, help=about, description=about)
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

    sub = add(commands.simulate)
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

    sub = add(commands.dicom)
    about = "the DICOM folder: FOLDER/PARTICIPANT/[ses-SESSION/]..., files of any name and depth"
    sub.add_argument("folder", type=Path, help=about)
    sub.add_argument("bids_folder", type=Path, help="the BIDS folder to write")
    about = "TSV of participant_id [session_id] and age, sex, site, scanner or diagnosis"
    sub.add_argument("--people", type=Path, help=f"{about}; goes before the headers")
    sub.add_argument("--processes", type=int, default=1, help="people at once (default: 1)")

    sub = add(commands.simulate_tables)
    sub.add_argument("folder", type=Path, help="the BIDS folder to write")
    sub.add_argument("--name", required=True, help="name of the data set")
    paths(sub, truth="the truth table to write")
    config(sub)

    sub = add(commands.simulate_images)
    sub.add_argument("folder", type=Path, help="the BIDS folder to write into")
    sub.add_argument("--people", nargs="+", required=True, help="participant_ids")
    paths(sub, list="table of the images to write")
    config(sub)

    sub = add(commands.index)
    sub.add_argument("out", type=Path, help="scans.tsv to write")
    paths(sub, remarks="JSON of remarks to write")
    config(sub)

    sub = add(commands.preprocess)
    sub.add_argument("folder", type=Path, help="folder of the imaging results")
    sub.add_argument("--scans", nargs="+", required=True, metavar="SCAN_ID=PATH", help="raw heads")
    sub.add_argument("--processes", type=int, default=1, help="how many scans at once (default: 1)")
    paths(sub, table="table of measures to write")
    config(sub)

    sub = add(commands.quality)
    sub.add_argument("out", type=Path, help="qc.tsv to write")
    about = 'the tables of measures: numbers of the chunks by data set, {"mine": [0, 1]}'
    sub.add_argument("--chunks", type=json.loads, required=True, metavar="JSON", help=about)
    paths(sub, scans="scans.tsv", imaging="folder of the imaging results")
    config(sub)

    sub = add(commands.regions)
    sub.add_argument("out", type=Path, help="regions.tsv to write")
    paths(sub, qc="qc.tsv", imaging="folder of the imaging results")

    sub = add(commands.split)
    sub.add_argument("out", type=Path, help="splits.tsv to write")
    paths(sub, scans="scans.tsv", qc="qc.tsv")
    config(sub)

    sub = add(commands.store)
    sub.add_argument("brains", type=Path, help="brains.npy to write, its index beside it")
    paths(sub, scans="scans.tsv", qc="qc.tsv", imaging="folder of the imaging results")
    about = "images that are kept of each scan (default: brain)"
    kinds = ["brain", "grey_matter"]
    sub.add_argument("--channels", nargs="+", choices=kinds, default=["brain"], help=about)

    sub = add(commands.pretrain)
    sub.add_argument("weights", type=Path, help="encoder.safetensors to write, with its JSON")
    paths(sub, store="brains.npy of the store", scans="scans.tsv", splits="splits.tsv")
    paths(sub, checkpoints="folder of checkpoints, emptied at success")
    training_run(sub)
    sub.add_argument("--steps-of", help="experiment with as many steps (default: itself)")
    config(sub)

    sub = add(commands.embed)
    sub.add_argument("array", type=Path, help="embeddings.npy to write, its index beside it")
    paths(sub, store="brains.npy of the store", encoder="encoder.safetensors")
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")

    for run in (commands.probe_age, commands.probe_site, commands.probe_diagnosis):
        sub = add(run)
        sub.add_argument("out", type=Path, help="table to write")
        paths(sub, embeddings="embeddings.npy", encoder="encoder.json of these embeddings")
        paths(sub, scans="scans.tsv", splits="splits.tsv")
        if run is commands.probe_site:
            paths(sub, store="brains.npy of the store")
            sub.add_argument("--people-of", help="experiment whose people are told (its own)")
        training_run(sub)
        config(sub)

    sub = add(commands.predict_baseline)
    sub.add_argument("out", type=Path, help="predictions to write")
    paths(sub, store="brains.npy of the store", scans="scans.tsv", splits="splits.tsv")
    kinds = ["ridge_voxels", "ridge_regions", "mean"]
    sub.add_argument("--baseline", choices=kinds, required=True)
    sub.add_argument("--regions", type=Path, help="regions.tsv, of ridge_regions")
    sub.add_argument("--people-of", required=True, help="experiment whose roles are taken")
    sub.add_argument("--fold", type=int, required=True, help="fold of people, from 0")
    sub.add_argument("--seed", type=int, required=True, help="seed whose roles are taken")
    config(sub)

    sub = add(commands.gather)
    sub.add_argument("out", type=Path, help="table to write")
    sub.add_argument(
        "--table", choices=["predictions", "site_probe", "diagnosis_scores"], required=True
    )
    sub.add_argument("--runs", type=Path, nargs="+", required=True, help="tables of the runs")

    sub = add(commands.gaps)
    sub.add_argument("out", type=Path, help="gaps.tsv to write")
    paths(sub, reference="reference.tsv to write", predictions="predictions.tsv")

    sub = add(commands.accuracy)
    sub.add_argument("out", type=Path, help="accuracy.tsv to write")
    paths(sub, gaps="gaps.tsv", predictions="predictions.tsv", site_probe="site_probe.tsv")
    config(sub)

    sub = add(commands.groups)
    sub.add_argument("out", type=Path, help="groups.tsv to write")
    paths(sub, gaps="gaps.tsv")
    config(sub)

    sub = add(commands.roc)
    sub.add_argument("out", type=Path, help="roc.tsv to write")
    paths(sub, curves="roc_curves.tsv to write", gaps="gaps.tsv")
    paths(sub, diagnosis_scores="diagnosis_scores.tsv")
    config(sub)

    sub = add(commands.slopes)
    sub.add_argument("out", type=Path, help="slopes.tsv to write")
    paths(sub, persons="person_slopes.tsv to write", gaps="gaps.tsv")
    config(sub)

    sub = add(commands.grid)
    sub.add_argument("accuracy", type=Path, help="grid_accuracy.tsv to write")
    paths(sub, sites="grid_sites.tsv to write", diagnosis="grid_diagnosis.tsv to write")
    paths(sub, predictions="predictions.tsv", site_probe="site_probe.tsv")
    paths(sub, diagnosis_scores="diagnosis_scores.tsv")
    config(sub)

    for run in (
        commands.figures,
        commands.truth_recovery,
        commands.study_page,
        commands.quality_page,
        commands.person_pages,
    ):
        sub = add(run)
        if run is commands.figures:
            sub.add_argument("first", type=Path, help="first figure; the others go beside it")
        else:
            sub.add_argument("out", type=Path, help="table or index.html of the page to write")
        if run is commands.quality_page:
            paths(sub, scans="scans.tsv", qc="qc.tsv")
        else:
            sub.add_argument(
                "--tables", nargs="+", required=True, metavar="NAME=PATH", help="tables by name"
            )
        if run is commands.study_page:
            paths(sub, figures="first of the figures", remarks="JSON of remarks of the index")
        if run is commands.person_pages:
            sub.add_argument(
                "--encoders", type=Path, nargs="+", required=True, help="weights to be named"
            )
        if run in (commands.quality_page, commands.person_pages):
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
