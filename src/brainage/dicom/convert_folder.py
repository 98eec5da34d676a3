"""From a folder of DICOM series to a BIDS folder that holds T1w images and no identifiers.

The folder has one subfolder for each person, named by the participant_id; in it, either one
folder for each session, named ``ses-...``, or files at any depth, which the study date then puts
into sessions. First all headers are read and checked, then the T1w series are converted.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from brainage import __version__
from brainage.core.files import InputError, read_json, write_json, write_text
from brainage.dicom.convert import (
    SOURCE,
    ConversionError,
    ConversionFault,
    convert,
    find_dcm2niix,
    is_converted,
    sidecar_of,
    source_hash,
)
from brainage.dicom.headers import file_names_unsaid
from brainage.dicom.people import Participant, find_people, read_participant
from brainage.dicom.series import Series
from brainage.dicom.tables import (
    SET_ASIDE,
    check_given,
    read_people_table,
    write_set_aside,
    write_tables,
)

Item = TypeVar("Item")
Result = TypeVar("Result")
MADE_BY = "brainage dicom"

README = """T1w images, converted from DICOM by brainage {version} with dcm2niix.

Names, numbers, dates and places of the DICOM headers were left behind. The faces are still in the
images: remove them (defacing) before you give the images to anybody.

sourcedata/set_aside.tsv lists every other series with the reason why it is not here.
"""


def convert_dicom(
    folder: Path, bids_folder: Path, people: Path | None = None, processes: int = 1
) -> list[str]:
    """Convert the T1w series of a folder of DICOM into a BIDS folder.

    Parameters
    ----------
    folder
        One subfolder for each person.
    bids_folder
        The BIDS folder to write: new, empty, or written by an earlier run on the same people.
        What was converted before from the same files is not converted again.
    people
        A table (TSV) with participant_id, where wanted session_id, and any of age, sex, site,
        scanner and diagnosis; what it says goes before the headers.
    processes
        People that are worked on at the same time.

    Returns
    -------
    list of str
        What was done and set aside, in words, and what to do next.

    Raises
    ------
    InputError
        The folder is not laid out as it should be, holds two people in one folder, has no T1w
        series; the BIDS folder holds something else; a row of the table is wrong.
    ConversionError
        The machine failed a conversion; the same command goes on where it stopped.
    """
    folder, bids_folder = Path(folder), Path(bids_folder)
    program, version = find_dcm2niix()
    with file_names_unsaid(str(folder)):
        found = find_people(folder)
    given = read_people_table(people) if people is not None else {}
    _refuse_other_data(folder, bids_folder, set(found))

    # All headers first: what is wrong with the input is said before anything is written.
    read = _each(read_participant, list(found.items()), processes, "headers read")
    check_given(given, read, people)
    _write_frame(bids_folder)
    job = partial(_convert_participant, folder=bids_folder, program=program, version=version)
    done = _each(job, read, processes, "people done")
    remarks = write_tables(bids_folder, done, given)
    write_set_aside(bids_folder / SET_ASIDE, done)
    if not any(session.picked for person in done for session in person.sessions):
        raise InputError(
            f"{folder}: no T1w series in it; {bids_folder / SET_ASIDE} gives the reason for every "
            "series"
        )
    sites = any(values.get("site") for values in given.values())
    return _summary(bids_folder, done, remarks, sites)


def _each(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, what: str
) -> list[Result]:
    """Do the same to all items, some at a time; results in the items' order."""

    def count(results: Iterable[Result]) -> list[Result]:
        done: list[Result] = []
        for result in results:
            done.append(result)
            if len(done) % 20 == 0 or len(done) == len(items):
                print(f"dicom: {what}: {len(done)} of {len(items)}", file=sys.stderr, flush=True)
        return done

    if processes <= 1 or len(items) <= 1:
        return count(map(work, items))
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return count(pool.map(work, items))


def _refuse_other_data(folder: Path, bids_folder: Path, people: set[str]) -> None:
    inner, outer = bids_folder.resolve(), folder.resolve()
    if inner == outer or inner in outer.parents or outer in inner.parents:
        raise InputError(
            f"{bids_folder}: one of the BIDS folder and the DICOM folder is inside the other; "
            "headers with names must be kept apart from the images: give another folder"
        )
    if bids_folder.exists() and not bids_folder.is_dir():
        raise InputError(f"{bids_folder}: this is a file; give a folder to write")
    if not bids_folder.exists() or not any(bids_folder.iterdir()):
        return
    description = bids_folder / "dataset_description.json"
    content = read_json(description) if description.is_file() else {}
    makers = content.get("GeneratedBy", []) if isinstance(content, dict) else []
    if not any(isinstance(maker, dict) and maker.get("Name") == MADE_BY for maker in makers):
        raise InputError(
            f"{bids_folder}: this folder has contents that brainage dicom did not write; "
            "give a new folder"
        )
    gone = sorted({path.name for path in bids_folder.glob("sub-*")} - people)
    if gone:
        raise InputError(
            f"{bids_folder}: it holds {gone[0]}, who has no folder in {folder}; give a new folder, "
            "or all people in one DICOM folder"
        )


def _write_frame(folder: Path) -> None:
    write_json(
        folder / "dataset_description.json",
        {
            "Name": folder.resolve().name,
            "BIDSVersion": "1.9.0",
            "DatasetType": "raw",
            "GeneratedBy": [{"Name": MADE_BY, "Version": __version__}],
        },
    )
    write_text(folder / "README", README.format(version=__version__))


def _convert_participant(
    person: Participant, folder: Path, program: str, version: str
) -> Participant:
    """Convert a person's T1w series; what cannot be converted goes to those set aside."""
    written: set[Path] = set()
    for session in person.sessions:
        converted: list[Series] = []
        place = folder / person.participant_id / (session.label or "") / "anat"
        stem = "_".join(part for part in (person.participant_id, session.label) if part)
        # A run's number stays what it is when another run cannot be converted.
        several = len(session.picked) > 1
        for number, series in enumerate(session.picked, start=1):
            run = f"_run-{number}" if several else ""
            image = place / f"{stem}{run}_T1w.nii.gz"
            with file_names_unsaid(person.participant_id):
                wanted = source_hash(series.files, version)
            try:
                if not is_converted(image, wanted):
                    _begin_change(folder)
                    convert(series.files, image, program, wanted)
            except ConversionFault as fault:
                session.aside.append((series, str(fault)))
                continue
            except ConversionError as error:
                raise ConversionError(
                    f"{person.participant_id}, series {series.number}: {error}; run it again"
                ) from None
            written |= {image, sidecar_of(image)}
            converted.append(series)
        session.picked = converted
    _remove_outdated(folder / person.participant_id, written)
    return person


def _begin_change(folder: Path) -> None:
    """Take participants.tsv away until all is done: its ages are of the images before."""
    (folder / "participants.tsv").unlink(missing_ok=True)


def _remove_outdated(place: Path, written: set[Path]) -> None:
    """Remove what an earlier run made of a person under a name that is no longer theirs."""
    if not place.is_dir():
        return
    for path in sorted(place.rglob("*_T1w.json")):
        if path not in written and SOURCE in path.read_text(encoding="utf-8"):
            _begin_change(place.parent)
            path.with_name(path.name.removesuffix(".json") + ".nii.gz").unlink(missing_ok=True)
            path.unlink()
    for path in sorted(place.rglob(".sub-*_T1w*")):
        path.unlink()  # of a run that was killed
    if not written:
        (place / f"{place.name}_sessions.tsv").unlink(missing_ok=True)
    for path in [*sorted(place.rglob("*"), reverse=True), place]:
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _summary(
    folder: Path, people: Sequence[Participant], remarks: Sequence[str], sites: bool
) -> list[str]:
    sessions = [s for person in people for s in person.sessions]
    with_image = [person for person in people if any(s.picked for s in person.sessions)]
    images = sum(len(session.picked) for session in sessions)
    agents = sum(series.agent for session in sessions for series in session.picked)
    kinds: dict[str, int] = {}
    for session in sessions:
        for _, reason in session.aside:
            kinds[reason] = kinds.get(reason, 0) + 1
    files: dict[str, int] = {}
    for session in sessions:
        for reason, count in session.unread.items():
            files[reason] = files.get(reason, 0) + count
    lines = [
        f"{len(with_image)} people, {sum(bool(s.picked) for s in sessions)} sessions, {images} T1w "
        f"images in {folder}"
    ]
    if kinds:
        listed = "; ".join(
            f"{n} {k}" for k, n in sorted(kinds.items(), key=lambda i: (-i[1], i[0]))
        )
        lines.append(f"series set aside: {listed}")
    lines += [f"files set aside: {count} {reason}" for reason, count in sorted(files.items())]
    if kinds or files:
        lines.append(f"each with its reason: {folder / SET_ASIDE}")
    if agents:
        lines.append(
            f"{agents} images were acquired with a contrast agent: their sessions have none without"
        )
    lines += remarks
    if not sites:
        lines.append(
            "the site is not known: give it in --people, or as the key site of the data set"
        )
    name = re.sub(r"[^A-Za-z0-9-]+", "", folder.resolve().name).lstrip("-") or "mine"
    lines += [
        "The faces are still in the images: deface them before you give them to anybody.",
        "Next, in your config:",
        "  datasets:",
        f"    {name}: {{kind: bids, path: {json.dumps(str(folder), ensure_ascii=False)}}}",
    ]
    return lines
