"""Which scans are processed together: a person's scans in one chunk, and always the same one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from brainage.cohort.index import compared_groups, dataset_folder, index_scans
from brainage.contracts.imaging import REGIONS
from brainage.decisions import read_decisions
from brainage.tables import read_table


def chunk_scans(config: dict[str, Any]) -> dict[str, Any]:
    """List the scans of each data set by chunk, with what the index depends on.

    A person's chunk follows from a hash of the name, and the number of chunks is a power of two,
    so that a person who comes or goes leaves (nearly always) everybody else's chunk as it is.

    Parameters
    ----------
    config
        A whole, checked config.

    Returns
    -------
    dict
        ``chunks``: by data set, by number of the chunk (as text): ``people``, participant_ids,
        and ``scans``, pairs of scan_id and path of the image. ``tables``: files that the index
        reads. ``remarks``: what should be said. ``groups``: diagnoses that are compared.
        ``listing``: hash of all scan_ids and paths.

    Raises
    ------
    InputError
        As :func:`index_scans`, and for a decision on a scan that there is not, or a table of
        regional volumes that cannot be read: what is wrong in a file is said before any work, not
        after hours of imaging.
    """
    scans, remarks = index_scans(config, planned=True)
    if config["quality"]["decisions"] is not None:
        read_decisions(config["quality"]["decisions"], scans["scan_id"])
    if config["probing"]["regions"] is not None:
        read_table(config["probing"]["regions"], REGIONS)
    results = Path(config["results"])
    chunks: dict[str, Any] = {}
    tables: list[str] = []
    listing = hashlib.sha256()
    for dataset, own in scans.groupby("dataset", sort=False):
        settings = config["datasets"][dataset]
        folder = dataset_folder(dataset, settings, results)
        tables.append(str(folder / "participants.tsv"))
        if settings["kind"] == "bids":
            named = [folder / p / f"{p}_sessions.tsv" for p in own["participant_id"].unique()]
            tables += [str(path) for path in named if path.is_file()]
        wanted = max(1, len(own) / config["imaging"]["chunk_size"])
        count = 1
        while count < wanted:
            count *= 2
        parts: dict[str, Any] = {}
        for row in own.itertuples():
            part = parts.setdefault(_chunk(row.participant_id, count), {"people": [], "scans": []})
            if row.participant_id not in part["people"]:
                part["people"].append(row.participant_id)
            part["scans"].append([row.scan_id, str(folder / row.t1w)])
            listing.update(f"{row.scan_id}\t{row.t1w}\n".encode())
        if settings["kind"] == "simulated":
            tables += [f"{folder}_images/{chunk}.tsv" for chunk in sorted(parts)]
        chunks[dataset] = dict(sorted(parts.items(), key=lambda item: int(item[0])))
    return {
        "chunks": chunks,
        "tables": tables,
        "remarks": remarks,
        "groups": compared_groups(scans, config["statistics"]),
        "listing": listing.hexdigest()[:16],
    }


def _chunk(participant_id: str, count: int) -> str:
    digest = hashlib.sha256(participant_id.encode()).digest()
    return str(int.from_bytes(digest[:8], "big") % count)
