"""Who gets a page, and its file name."""

from __future__ import annotations

import re

from brainage.core.files import InputError
from brainage.core.subjects import PERSON
from brainage.reporting import tables as tb
from brainage.reporting.tables import Settings, Tables


def chosen_people(tables: Tables, settings: Settings) -> list[tuple[str, str]]:
    """Return (dataset, participant_id) of those who get a page, in order.

    Raises
    ------
    InputError
        For a name in report.people that no row of scans.tsv has.
    """
    scans = tables["scans"]
    wanted = settings["report"].get("people", "clinical")
    everyone = sorted(set(zip(scans["dataset"], scans["participant_id"], strict=True)))
    if wanted == "none":
        return []
    if wanted == "all":
        splits = tables["splits"]
        own = splits["experiment"] == tb.main_experiment(settings)
        roles = splits[own].groupby(PERSON)["role"].agg(set).to_dict()
        # Who has no role (every scan failed) gets a page that says so.
        return [p for p in everyone if "test" in roles.get(p, {"test"})]
    if isinstance(wanted, str) and wanted == "clinical":
        known = scans[scans["diagnosis"].notna()]
        ill = known[~known["healthy"].astype(bool)]
        places = set(ill["site"].dropna())
        rows = known[known["site"].isin(places) | known.index.isin(ill.index)]
        return sorted(set(zip(rows["dataset"], rows["participant_id"], strict=True)))
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    found = []
    for name in names:
        here = [p for p in everyone if name in (p[1], f"{p[0]}_{p[1]}")]
        if not here:
            raise InputError(
                f"report.people: {name!r} is in no row of scans.tsv; give clinical, all, "
                f"none, or a list of "
                "participant_ids"
            )
        found += here
    return sorted(set(found))


def file_name(dataset: str, participant: str) -> str:
    """Return the name of a person's page."""
    return re.sub(r"[^A-Za-z0-9_+-]", "-", f"{dataset}_{participant}") + ".html"
