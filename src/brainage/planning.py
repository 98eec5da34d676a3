"""What the workflow must know before any job: the scans by chunk, and the sites and diagnoses.

Nothing but the standard library is used beyond the config's own check, so that
``snakemake --use-conda`` plans in an environment that holds Snakemake alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import time
from pathlib import Path
from typing import Any

from brainage.cohort import chunks, index
from brainage.core.choices import module
from brainage.core.contracts.imaging import REGIONS
from brainage.core.files import InputError, sha256
from brainage.core.named_scans import read_decisions, read_exclusions
from brainage.core.subjects import find_sites, site_key
from brainage.core.tsv import read_checked
from brainage.core.wording import counted_names
from brainage.datasets.scans import listing, read_dataset, unreadable
from brainage.simulation import names

# Files that the config names, by section and key; what they hold counts, and not their dates.
NAMED = (
    ("quality", "decisions"),
    ("probing", "regions"),
    ("imaging", "template"),
    ("imaging", "template_mask"),
)
CLOCKS = 300.0  # seconds by which the clocks of two machines may differ


def plan(config: dict[str, Any]) -> dict[str, Any]:
    """List the scans of each data set by chunk, and check every table that can be read by now.

    Parameters
    ----------
    config
        A whole, checked config.

    Returns
    -------
    dict
        ``chunks``: by data set, by number of the chunk (as text): ``people``, participant_ids,
        ``scans``, pairs of scan_id and path of the image relative to the data set's folder
        (of simulated data sets, which have no images yet, none), and ``images``, a hash of the
        images' sizes and dates: where it is another, their content may be. ``read``: by data set,
        a hash of what its reader says, ``read``, and of the scans' names and paths, ``listing``.
        ``contents``: of the files of :data:`NAMED`, by key, the hash. ``remarks``: what should be
        said. ``groups``: diagnoses that are compared.
        ``external_sites`` and ``test_sites``: those of the config as ``dataset/site``.
        ``exclude``: scans that are not read, with what their table says of them: those that the
        user excluded, those whose image is no plain T1w image, and those whose cannot be opened.

    Raises
    ------
    InputError
        What is wrong in a file is said before any work, not after hours of imaging; also that
        its date is in the future.
    OSError
        A fault of the machine.
    """
    found: dict[str, Any] = {"chunks": {}, "read": {}, "remarks": [], "exclude": {}}
    rows: list[index.Row] = []
    scan_ids: set[str] = set()
    diagnoses: dict[str, set[str]] = {}
    with_diagnoses: set[str] = set()
    sites: set[str] = set()
    for name, settings in config["datasets"].items():
        size = config["imaging"]["chunk_size"]
        if settings["kind"] == "simulated":
            own = settings["simulation"]
            split = chunks.split(names.participants(own), names.planned_scans(own), size)
            found["chunks"][name] = {
                k: {"people": v, "scans": [], "images": None} for k, v in split.items()
            }
            diagnoses[name] = names.diagnoses(own)
            with_diagnoses |= {name}
            sites |= {str(site_key(name, site)) for site in names.sites_with_people(own)}
            continue
        read, remarks = read_dataset(name, settings, config["cohort"]["run"])
        rows += read
        found["remarks"] += remarks
        diagnoses[name] = {row["diagnosis"] for row in read if row["diagnosis"] is not None}
        with_diagnoses |= {name for row in read if row["known_diagnoses"]}
        sites |= {row["site"] for row in read if row["site"] is not None}
        scan_ids |= {row["scan_id"] for row in read}
        people = dict.fromkeys(row["participant_id"] for row in read)
        folder = Path(settings["path"])
        wanted = [row for row in read if not row.get("never_read")]
        closed = unreadable(name, folder, wanted)
        found["exclude"] |= {scan: f"the image is {why}" for scan, why in closed.items()}
        found["remarks"] += _remarks(name, closed)
        found["chunks"][name] = _chunks(read, chunks.split(people, len(read), size), folder)
        for path in module("brainage.datasets.readers", settings["kind"]).tables(folder, people):
            _refuse_future(path, path.stat())
        digest = _digest(json.dumps([read, remarks], sort_keys=True))
        found["read"][name] = {"read": digest, "listing": listing(read)}
    known = set().union(*diagnoses.values())
    index.check_words(known, sites, config)
    index.controls_only(with_diagnoses, config["datasets"])
    found["groups"] = index.compared_groups(known, config["statistics"])
    for key in ("external_sites", "test_sites"):
        found[key] = find_sites(config["splits"][key], sites, f"splits.{key}")
    # The scans of a simulated data set are not known by now.
    simulated = any(data["kind"] == "simulated" for data in config["datasets"].values())
    never = {row["scan_id"]: row["set_aside"] for row in rows if row.get("never_read")}
    found["exclude"] |= never | _tables_of_people(config, None if simulated else scan_ids)
    found["contents"] = _contents(config)
    return found


def _chunks(rows: list[index.Row], split: dict[str, list[str]], folder: Path) -> dict[str, Any]:
    chunk_of = {person: number for number, people in split.items() for person in people}
    found: dict[str, Any] = {k: {"people": people, "scans": []} for k, people in split.items()}
    states: dict[str, list[str]] = {number: [] for number in split}
    for row in rows:
        number = chunk_of[row["participant_id"]]
        found[number]["scans"].append([row["scan_id"], row["t1w"]])
        states[number].append(_state(folder / row["t1w"]))
    for number, chunk in found.items():
        chunk["images"] = _digest("\n".join(states[number]))
    return found


def _remarks(dataset: str, closed: dict[str, str]) -> list[str]:
    """Say how many images cannot be opened, by the reason."""
    return [
        f"{dataset}: "
        + counted_names(
            [name for name, its in closed.items() if its == why],
            f"scan is set aside, as its image is {why}",
            f"scans are set aside, as the image of each is {why}",
        )
        for why in dict.fromkeys(closed.values())
    ]


def _state(image: Path) -> str:
    """Size and date of an image: a hint only, which the job follows by hashing what is in it."""
    try:
        found = image.stat()
    except OSError:
        return ""  # it is set aside
    _refuse_future(image, found)
    return f"{found.st_size} {found.st_mtime_ns}"


def _refuse_future(path: str | Path, found: os.stat_result) -> None:
    if found.st_mtime > time.time() + CLOCKS:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.st_mtime))
        raise InputError(
            f"{path}: its date, {when}, is in the future, so that a later change could not be "
            f"told from it; set the clock right, or the date: touch {shlex.quote(str(path))}"
        )


def _contents(config: dict[str, Any]) -> dict[str, str]:
    """Hash the files of :data:`NAMED` that the config names."""
    found = {}
    for section, key in NAMED:
        name = config[section][key]
        if name is not None:
            if not Path(name).is_file():
                raise InputError(f"config: {section}.{key}: there is no file {name}; correct it")
            _refuse_future(name, Path(name).stat())
            found[f"{section}.{key}"] = sha256(name)
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tables_of_people(config: dict[str, Any], scan_ids: set[str] | None) -> dict[str, str]:
    """Read what a person wrote and a later step will need; return the scans that are excluded."""
    if config["quality"]["decisions"] is not None:
        read_decisions(config["quality"]["decisions"], scan_ids)
    if config["probing"]["regions"] is not None:
        read_checked(Path(config["probing"]["regions"]), REGIONS)
    if config["imaging"]["exclude"] is None:
        return {}
    excluded = read_exclusions(config["imaging"]["exclude"], scan_ids)
    words = "excluded by the user"
    return {scan: f"{words}: {why}" if why else words for scan, why in excluded.items()}
