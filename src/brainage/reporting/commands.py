"""The commands that draw the figures and write the pages."""

from __future__ import annotations

from brainage.core.command import Settings, step
from brainage.core.layout import Layout


@step(settings="report")
def figures(files: Layout, settings: Settings) -> None:
    """Draw every figure as SVG."""
    from brainage.reporting import figures, tables

    figures.draw_all(tables.paths_of(files, settings), files.folder("figures"), settings)


@step(settings="report")
def truth_recovery(files: Layout, settings: Settings) -> None:
    """Compare the simulated effects with their estimates."""
    from brainage.reporting import tables, truth

    out = files.file("truth_recovery")
    truth.write_truth_table(tables.paths_of(files, settings), out, settings)


@step(settings="report")
def study_page(files: Layout, settings: Settings) -> None:
    """Write the study's page, a folder that can be moved and opened offline."""
    from brainage.reporting import study, tables, versions

    made_with = versions.software_of(files, settings)
    folder = files.file("study_page").parent
    study.write_study_page(tables.paths_of(files, settings), folder, settings, made_with)


@step()
def quality_page(files: Layout, settings: Settings) -> None:
    """Write the quality page: each scan's mask and registration, worst first."""
    from brainage.reporting.quality_page import write_quality_page

    inputs = files.file("qc"), files.file("scans"), files.folder("imaging")
    write_quality_page(*inputs, files.file("quality_page").parent, settings)


@step(settings="report")
def person_pages(files: Layout, settings: Settings) -> None:
    """Write a page for each person that report.people asks for."""
    from brainage.reporting import person, tables

    inputs = tables.paths_of(files, settings), files.folder("imaging")
    person.write_person_pages(*inputs, files.file("people_page").parent, settings)
