"""The commands of this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from brainage.core.command import Settings, processes, step
from brainage.core.layout import Layout


@click.command(context_settings={"show_default": True})
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--healthy", default=280, help="Healthy people at training sites.")
@click.option("--external", default=36, help="Healthy people at other sites.")
@click.option("--clinical", default=72, help="People of the clinical part.")
@click.option("--healthy-sites", default=4, help="Training sites.")
@click.option("--external-sites", default=2, help="Other sites of healthy people.")
@click.option("--clinical-sites", default=2, help="Sites of the clinical part.")
@click.option("--visits", default=3, help="Visits per person in the clinical part.")
@click.option("--voxel-size", default=4.0, help="Voxel size of the raw heads, in mm.")
@click.option("--seed", default=2025, help="Seed of the whole simulation.")
@click.option(
    "--troubles/--no-troubles", default=True, help=("Whether to include broken and doubtful scans.")
)
@processes
def simulate(folder: Path, processes: int, **given: Any) -> None:
    """Write a whole simulated BIDS data set with its truth table beside it."""
    from brainage.simulation.names import PARTS, participants
    from brainage.simulation.simulate import write_images, write_tables

    settings = {
        "people": {part: given.pop(part) for part in PARTS},
        "sites": {part: given.pop(f"{part}_sites") for part in PARTS},
        **given,
    }
    truth = folder.with_name(f"{folder.name}_truth.tsv")
    write_tables(settings, folder, truth, folder.name)
    people = participants(settings)
    write_images(settings, folder, people, processes)
    click.echo(f"simulated heads of {len(people)} people in {folder}, their truth in {truth}")


@step(of="dataset")
def simulate_tables(files: Layout, dataset: str, settings: Settings) -> None:
    """Write the tables of a simulated cohort, and its truth beside it."""
    from brainage.simulation.simulate import write_tables

    folder = files.folder("simulated", dataset=dataset)
    write_tables(settings["simulation"], folder, files.file("truth", dataset=dataset), dataset)


@step(of="chunk")
def simulate_images(files: Layout, chunk: str, settings: Settings) -> None:
    """Write the heads of some people of a simulated cohort, and a table of them."""
    from brainage.simulation.simulate import write_chunk

    dataset, _, number = chunk.rpartition("_")
    folder = files.folder("simulated", dataset=dataset)
    table = files.file("simulated_images", dataset=dataset, chunk=number)
    write_chunk(settings["simulation"], folder, settings["people"], dataset, table)
