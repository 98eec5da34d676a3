"""What each subcommand does: its arguments handed to the one room that it calls.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from brainage.core.files import write_json

Arguments = argparse.Namespace


def simulate(args: Arguments) -> None:
    """Write a whole simulated BIDS data set with its truth table beside it."""
    from brainage.simulation.plan import make_plan
    from brainage.simulation.simulate import write_images, write_tables

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
    from brainage.dicom.convert_folder import convert_dicom

    for line in convert_dicom(args.folder, args.bids_folder, args.people, args.processes):
        print(line)


def simulate_tables(args: Arguments) -> None:
    """Write the tables of the simulated cohort, and its truth beside it."""
    from brainage.simulation.simulate import write_tables

    write_tables(args.settings, args.folder, args.truth, args.name)


def simulate_images(args: Arguments) -> None:
    """Write the heads of some people of the simulated cohort."""
    from brainage.core.files import sha256, write_text
    from brainage.simulation.plan import make_plan
    from brainage.simulation.simulate import write_images

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
    from brainage.core.code_hash import room_hash
    from brainage.imaging.chunk import preprocess_scans

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
    from brainage.core.derivatives import write_description
    from brainage.imaging.quality import assess

    # Not by the chunks, which run side by side: a file has one writer.
    write_description(args.imaging)
    tables = [
        args.imaging / "chunks" / f"{dataset}_{chunk}.tsv"
        for dataset, chunks in args.chunks.items()
        for chunk in chunks
    ]
    assess(tables, args.scans, args.out, args.settings["quality"], args.imaging)


def regions(args: Arguments) -> None:
    """Gather the regional volumes of all scans in one table."""
    from brainage.imaging.regions import gather as gather_regions

    gather_regions(args.qc, args.imaging, args.out)


def store(args: Arguments) -> None:
    """Put all brains that passed into one array on disk."""
    from brainage.learning.store import build

    build(args.qc, args.scans, args.imaging, args.brains.parent, args.channels)


def pretrain(args: Arguments) -> None:
    """Train one encoder; goes on from its checkpoint where there is one."""
    from brainage.core.code_hash import room_hash
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
        args.steps_of,
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
    """Predict age without an encoder: ridge on voxels or on regional volumes, or the mean."""
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
        {**args.settings["probing"], **_given(args, "seed", "channels")},
        args.regions,
    )


def probe_site(args: Arguments) -> None:
    """Tell the site from the embedding, and from age and sex alone."""
    from brainage.probing.site import probe_site as probe

    more = _given(args, "seed", "healthy", "channels")
    settings = {**args.settings["probing"], **more}
    probe(*_run(args), settings=settings, store=args.store.parent, people_of=args.people_of)


def probe_diagnosis(args: Arguments) -> None:
    """Tell patients from controls by the embedding, out of fold."""
    from brainage.probing.diagnosis import probe_diagnosis as probe

    more = _given(args, "seed", "groups", "control")
    probe(*_run(args), settings={**args.settings["probing"], **more})


def gather(args: Arguments) -> None:
    """Put the same table of all training runs together."""
    from brainage.core.contracts.probing import DIAGNOSIS_SCORES, PREDICTIONS, SITE_PROBE
    from brainage.probing.gather import gather as join

    tables = {
        "predictions": PREDICTIONS,
        "site_probe": SITE_PROBE,
        "diagnosis_scores": DIAGNOSIS_SCORES,
    }
    join(args.runs, args.out, tables[args.table])


def gaps(args: Arguments) -> None:
    """Correct the brain-age gap by constants of calibration people."""
    from brainage.statistics.gaps import compute_gaps

    compute_gaps(args.predictions, args.out, args.reference)


def accuracy(args: Arguments) -> None:
    """Measure how well age is predicted on healthy test people."""
    from brainage.statistics.accuracy import measure_accuracy

    measure_accuracy(args.gaps, args.predictions, args.out, _analysis(args), args.site_probe)


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


def grid(args: Arguments) -> None:
    """Measure what the number and variety of the people trained on do."""
    from brainage.statistics.grid import measure_grid

    settings = {**_analysis(args), "runs": args.settings["runs"]}
    measure_grid(
        args.predictions,
        args.site_probe,
        args.diagnosis_scores,
        args.accuracy,
        args.sites,
        args.diagnosis,
        settings,
    )


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


def _given(args: Arguments, *names: str) -> dict[str, Any]:
    return {name: args.settings[name] for name in names}


def _analysis(args: Arguments) -> dict[str, Any]:
    more = _given(args, "seed", "healthy", "external_sites")
    return {**args.settings["statistics"], **more}
