"""The commands that draw the figures and write the pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brainage.core.command import step
from brainage.core.layout import Layout

Settings = dict[str, Any]


@step()
def figures(files: Layout, settings: Settings) -> None:
    """Draw every figure as SVG."""
    from brainage.reporting.figures import draw_all
    from brainage.reporting.tables import paths_of

    draw_all(paths_of(files, settings), files.folder("figures"), settings)


@step()
def truth_recovery(files: Layout, settings: Settings) -> None:
    """Compare the simulated effects with their estimates."""
    from brainage.reporting.tables import paths_of
    from brainage.reporting.truth import write_truth_table

    write_truth_table(paths_of(files, settings), files.file("truth_recovery"), settings)


@step()
def study_page(files: Layout, settings: Settings) -> None:
    """Write the study's page, a folder that can be moved and opened offline."""
    from brainage.reporting.study import write_study_page
    from brainage.reporting.tables import paths_of
    from brainage.reporting.versions import software

    results = {
        **paths_of(files, settings),
        "figures": files.folder("figures"),
        "remarks": [files.file("dataset_remarks", dataset=name) for name in settings["datasets"]],
        "people": settings["report"]["people"] != "none",
    }
    trainings = [
        files.file("encoder_description", training=name)
        for names in settings["trainings"].values()
        for name in names
    ]
    made_with = software(trainings, _quality_records(files), settings["locked"])
    page = files.file("study_page")
    write_study_page(results, page.parent, settings, made_with)


@step()
def quality_page(files: Layout, settings: Settings) -> None:
    """Write the quality page: each scan's mask and registration, worst first."""
    from brainage.reporting.quality_page import write_quality_page

    page = files.file("quality_page")
    qc, scans = files.file("qc"), files.file("scans")
    write_quality_page(qc, scans, files.folder("imaging"), page.parent, settings)


@step()
def person_pages(files: Layout, settings: Settings) -> None:
    """Write a page for each person that report.people asks for."""
    from brainage.reporting.person import write_person_pages
    from brainage.reporting.tables import paths_of

    main = settings["trainings"][settings["report"]["main_experiment"]]
    encoders = [files.file("encoder", training=name) for name in main]
    results = {**paths_of(files, settings), "encoders": encoders}
    page = files.file("people_page")
    write_person_pages(results, files.folder("imaging"), page.parent, settings)


def _quality_records(files: Layout) -> Iterator[Path]:
    """Yield the records that imaging left of scans."""
    from brainage.core.contracts.imaging import QC
    from brainage.core.derivatives import QUALITY, derivative
    from brainage.core.tables import read_table

    for scan_id in read_table(files.file("qc"), QC)["scan_id"]:
        path = derivative(files.folder("imaging"), scan_id, QUALITY)
        if path.is_file():
            yield path


COMMANDS = [figures, truth_recovery, study_page, quality_page, person_pages]
