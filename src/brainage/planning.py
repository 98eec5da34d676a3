"""What the workflow must know before any job: the scans by chunk, and the sites and diagnoses.

Nothing but the standard library is used beyond the config's own check, so that
``snakemake --use-conda`` plans in an environment that holds Snakemake alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainage.cohort import chunks, index
from brainage.core.choices import module
from brainage.core.contracts.imaging import REGIONS
from brainage.core.named_scans import read_decisions, read_exclusions
from brainage.core.subjects import find_sites, site_key
from brainage.core.tsv import read_checked
from brainage.datasets.readers._bids_tables import few
from brainage.datasets.scans import listing, read_dataset, unreadable
from brainage.simulation import names


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
        and ``scans``, pairs of scan_id and path of the image relative to the data set's folder
        (of simulated data sets, which have no images yet, none). ``tables``: by data set, files
        that its reader reads. ``listing``: by data set, a hash of its scan_ids and paths.
        ``remarks``: what should be said. ``groups``: diagnoses that are compared.
        ``external_sites`` and ``test_sites``: those of the config as ``dataset/site``.
        ``exclude``: scans that are not read, with what their table says of them: those that the
        user excluded, those whose image is no plain T1w image, and those whose cannot be opened.

    Raises
    ------
    InputError
        What is wrong in a file is said before any work, not after hours of imaging.
    OSError
        A fault of the machine.
    """
    found: dict[str, Any] = {"chunks": {}, "tables": {}, "listing": {}, "remarks": []}
    found["exclude"] = {}
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
            found["chunks"][name] = {k: {"people": v, "scans": []} for k, v in split.items()}
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
        found["chunks"][name] = _chunks(read, chunks.split(people, len(read), size))
        reader = module("brainage.datasets.readers", settings["kind"])
        tables = reader.tables(Path(settings["path"]), list(people))
        found["tables"][name] = [str(path) for path in tables]
        found["listing"][name] = listing(read)
        wanted = [row for row in read if not row.get("never_read")]
        closed = unreadable(name, Path(settings["path"]), wanted)
        found["exclude"] |= {scan: f"the image is {why}" for scan, why in closed.items()}
        found["remarks"] += _remarks(name, closed)
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
    return found


def _chunks(rows: list[index.Row], split: dict[str, list[str]]) -> dict[str, Any]:
    chunk_of = {person: number for number, people in split.items() for person in people}
    found: dict[str, Any] = {k: {"people": people, "scans": []} for k, people in split.items()}
    for row in rows:
        scans = found[chunk_of[row["participant_id"]]]["scans"]
        scans.append([row["scan_id"], row["t1w"]])
    return found


def _remarks(dataset: str, closed: dict[str, str]) -> list[str]:
    """Say how many images cannot be opened, by the reason."""
    return [
        f"{dataset}: {len(names)} scans are set aside, as the image of each is {why}: {few(names)}"
        for why in dict.fromkeys(closed.values())
        for names in [[name for name, its in closed.items() if its == why]]
    ]


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
