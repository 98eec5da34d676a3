"""The command of this package."""

from __future__ import annotations

from pathlib import Path

import click

from brainage.core.command import processes


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("bids_folder", type=click.Path(path_type=Path))
@click.option(
    "--people",
    type=click.Path(path_type=Path),
    metavar="TABLE",
    help="TSV of participant_id [session_id] and age, sex, site, scanner or diagnosis; "
    "it takes precedence over the headers.",
)
@processes
def dicom(folder: Path, bids_folder: Path, people: Path | None, processes: int) -> None:
    """Convert the T1w series of a folder of DICOM to a BIDS folder without identifiers.

    The DICOM folder holds FOLDER/PARTICIPANT/[ses-SESSION/]..., files of any name and depth.
    """
    from brainage.dicom.convert_folder import convert_dicom

    for line in convert_dicom(folder, bids_folder, people, processes):
        click.echo(line)
