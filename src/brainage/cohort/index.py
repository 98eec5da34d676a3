"""The table of scans: every T1w image of every data set joined, by key, with its person."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from brainage.cohort import bids
from brainage.contracts.cohort import SCANS
from brainage.derivatives import SCAN_ID_PATTERN
from brainage.files import InputError
from brainage.tables import check_table, write_table

ONLY_CORRECT = re.compile(r"[A-Za-z0-9+-]+")


def dataset_folder(name: str, settings: dict[str, Any], results: Path) -> Path:
    """Folder of a data set: where the config says, or below `results` where it is simulated."""
    if settings["kind"] == "simulated":
        return results / "simulated" / name
    return Path(settings["path"])


def index_scans(config: dict[str, Any], planned: bool = False) -> tuple[pd.DataFrame, list[str]]:
    """Index all data sets of a config.

    Parameters
    ----------
    config
        A whole, checked config.
    planned
        List simulated data from their plan, before there is any file of them.

    Returns
    -------
    scans : pandas.DataFrame
        As :data:`SCANS`.
    remarks : list of str
        What is not an error but should be said: rows without an image and the like.

    Raises
    ------
    InputError
        A fault of a table or of the config; the message names the file, the row and what to do.
    """
    frames, remarks = [], []
    for name, settings in config["datasets"].items():
        if settings["kind"] == "simulated" and planned:
            frame = _planned(name, settings)
        else:
            folder = dataset_folder(name, settings, Path(config["results"]))
            frame, said = _bids(name, folder, settings, config)
            remarks += said
        frames.append(frame)
    scans = pd.concat(frames, ignore_index=True)
    scans = check_table(scans.astype(object).where(scans.notna(), None), SCANS, "scans.tsv")
    scans = _years_since_first(scans)
    scans["set_aside"] = pd.Series(_reasons(scans, config["cohort"]), scans.index, dtype=object)
    _check_words(scans, config)
    return scans.sort_values("scan_id").reset_index(drop=True), remarks


def write_index(config: dict[str, Any], out: Path) -> list[str]:
    """Write scans.tsv for a config; returns the remarks of :func:`index_scans`."""
    scans, remarks = index_scans(config)
    write_table(scans, out, SCANS)
    return remarks


def scan_id(dataset: str, participant_id: str, session_id: str | None, run: str | None) -> str:
    """Return ``dataset_sub-X[_ses-Y][_run-Z]``.

    Raises
    ------
    InputError
        A label with anything but letters, digits, ``+`` and ``-``: it would not be safe as a
        file name.
    """
    parts = [part for part in (dataset, participant_id, session_id, run) if part]
    name = "_".join(parts)
    if SCAN_ID_PATTERN.fullmatch(name) is None:
        bad = next((p for p in parts if not ONLY_CORRECT.fullmatch(p)), name)
        raise InputError(
            f"data set {dataset!r}: {bad!r} is not a BIDS label; only letters, digits, '+' and '-' "
            "are safe in file names: rename it in the folder and in the tables"
        )
    return name


def _planned(name: str, settings: dict[str, Any]) -> pd.DataFrame:
    from brainage.cohort.plan import make_plan

    plan = make_plan(settings["simulation"])
    known = ["participant_id", "session_id", "t1w", "age", "sex", "site", "scanner", "diagnosis"]
    rows = plan[known].assign(dataset=name, age_top_coded="false")
    pairs = zip(plan["participant_id"], plan["session_id"], strict=True)
    rows["scan_id"] = [scan_id(name, person, session, None) for person, session in pairs]
    return rows.reindex(columns=list(SCANS.names))


def _bids(
    name: str, folder: Path, settings: dict[str, Any], config: dict[str, Any]
) -> tuple[pd.DataFrame, list[str]]:
    images = bids.find_images(folder, name)
    if settings["kind"] == "simulated":
        # Heads of an earlier, larger plan may lie there too; nothing has been done with them.
        images = images[images["t1w"].isin(set(_planned(name, settings)["t1w"]))]
    people = bids.read_people(folder, settings)
    sessions_of = {
        p: bids.read_sessions(folder, p, settings) for p in images["participant_id"].unique()
    }
    tables = [people, *sessions_of.values()]
    if not any("age" in row for table in tables for row in table.values()):
        found = ", ".join(c for c in next(iter(people.values()), {}) if c != "line")
        raise InputError(
            f"{folder / 'participants.tsv'}: no column 'age' (years at the scan), and no "
            f"sessions.tsv with one; known there: {found or 'none'}; name it in the config: "
            f"datasets.{name}.columns: {{age: YOUR_COLUMN}}"
        )
    remarks = []
    imaged = set(images["participant_id"])
    without_image = [p for p in people if p not in imaged]
    if without_image:
        remarks.append(
            f"{name}: {len(without_image)} people of participants.tsv have no T1w image: "
            + _few(without_image)
        )
    rows = []
    for image in images.itertuples():
        person, session, run = image.participant_id, image.session_id, image.run
        rows.append(
            {
                "scan_id": scan_id(name, person, session, run),
                "dataset": name,
                "participant_id": person,
                "session_id": session,
                "run": run,
                "t1w": image.t1w,
                **_who(folder, person, session, people, sessions_of[person], settings),
                "years_since_first": None,
            }
        )
    there = set(zip(images["participant_id"], images["session_id"], strict=True))
    gone = [f"{p}_{s}" for p, table in sessions_of.items() for s in table if (p, s) not in there]
    if gone:
        remarks.append(f"{name}: {len(gone)} sessions have no T1w image: {_few(gone)}")
    repeated = _one_age_for_several(there, people, sessions_of)
    if repeated:
        remarks.append(
            f"{name}: {len(repeated)} people have one age, that of participants.tsv, for several "
            "sessions, as if no time had passed; give each its age in sessions.tsv: "
            + _few(repeated)
        )
    frame = pd.DataFrame(rows, columns=[c for c in SCANS.names if c != "set_aside"], dtype=object)
    frame["set_aside"] = None
    unknown = frame["participant_id"].map(lambda p: p not in people)
    frame.loc[unknown, "set_aside"] = "no row in participants.tsv"
    if bool(unknown.any()):
        remarks.append(
            f"{name}: {int(unknown.sum())} images have no row in participants.tsv: "
            + _few(frame.loc[unknown, "participant_id"])
        )
    frame = _one_run(frame, config["cohort"]["run"])
    twice = frame["scan_id"].duplicated(keep=False)
    if bool(twice.any()):
        first = frame.loc[twice, "t1w"].to_list()[:2]
        raise InputError(
            f"{folder}: {first[0]} and {first[1]} are two images of one scan "
            f"({frame.loc[twice, 'scan_id'].iloc[0]}); keep one, or tell them apart by run-"
        )
    return frame, remarks


def _one_age_for_several(
    sessions: set[tuple[str, str | None]],
    people: dict[str, bids.Row],
    sessions_of: dict[str, dict[str, bids.Row]],
) -> list[str]:
    """People more than one of whose imaged sessions take their age from participants.tsv."""
    without = Counter(p for p, s in sessions if "age" not in sessions_of[p].get(s or "", {}))
    known = {p for p, row in people.items() if row.get("age") is not None}
    return sorted(p for p, count in without.items() if count > 1 and p in known)


def _few(names: Any) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _who(
    folder: Path,
    person: str,
    session: str | None,
    people: dict[str, bids.Row],
    sessions: dict[str, bids.Row],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Say what is known of a scan: the session's own row first, then the person's."""
    sources = []
    if session in sessions:
        sources.append((folder / person / f"{person}_sessions.tsv", sessions[session]))
    if person in people:
        sources.append((folder / "participants.tsv", people[person]))

    def known(column: str) -> tuple[str | None, str]:
        for path, row in sources:
            # The person's age is that of one visit: it is not lent to another whose age is n/a.
            if row.get(column) is not None or (column == "age" and "age" in row):
                return row[column], f"{path}: row {row['line']}"
        return None, str(folder)

    age_text, age_where = known("age")
    age, top_coded = bids.parse_age(age_text, age_where)
    sex, sex_where = known("sex")
    diagnosis = known("diagnosis")[0]
    return {
        "age": None if age != age else age,
        "age_top_coded": "true" if top_coded else "false",
        "sex": bids.parse_sex(sex, settings["sex_map"], sex_where),
        "site": known("site")[0] or settings["site"],
        "scanner": known("scanner")[0],
        "diagnosis": settings["diagnosis_map"].get(diagnosis, diagnosis),
        "sex_original": sex,
        "diagnosis_original": diagnosis,
    }


def _one_run(frame: pd.DataFrame, which: str) -> pd.DataFrame:
    """Keep one run of each session, the first or the last; the others are set aside."""
    session = frame["session_id"].fillna("")
    keep = "first" if which == "first" else "last"
    repeated = pd.DataFrame({"p": frame["participant_id"], "s": session}).duplicated(keep=keep)
    frame.loc[repeated & frame["set_aside"].isna(), "set_aside"] = (
        f"another run counts (the {which})"
    )
    return frame


def _years_since_first(scans: pd.DataFrame) -> pd.DataFrame:
    first = scans.groupby(["dataset", "participant_id"])["age"].transform("min")
    scans["years_since_first"] = (scans["age"] - first).round(4)
    return scans


def _reasons(scans: pd.DataFrame, cohort: dict[str, Any]) -> list[str | None]:
    low, high = cohort["age_range"]
    reasons = []
    for given, age in zip(scans["set_aside"], scans["age"], strict=True):
        if given is not None:
            reasons.append(given)
        elif age != age:
            reasons.append("no age")
        elif not low <= age <= high:
            reasons.append(f"age {age:g} outside {low:g} to {high:g} years")
        else:
            reasons.append(None)
    return reasons


def compared_groups(scans: pd.DataFrame, statistics: dict[str, Any]) -> list[str]:
    """Groups that are compared: as the config says, else the control and all others there are."""
    found = sorted({d for d in scans["diagnosis"] if d is not None})
    first = [d for d in found if d == statistics["control"]]
    return statistics["groups"] or first + [d for d in found if d not in first]


def _check_words(scans: pd.DataFrame, config: dict[str, Any]) -> None:
    """Refuse words of the config that no row has: a misspelt group would quietly be empty."""
    has = {d for d in scans["diagnosis"] if d is not None}
    if has:
        statistics = config["statistics"]
        named = [("cohort.healthy", d) for d in config["cohort"]["healthy"]]
        named += [("statistics.groups", d) for d in statistics["groups"]]
        for key, diagnosis in named:
            if diagnosis not in has:
                raise InputError(
                    f"config: {key} names {diagnosis!r}, which no row has; "
                    f"the tables have: {', '.join(sorted(has))}"
                )
    sites = {s for s in scans["site"] if s is not None}
    for site in config["splits"]["external_sites"] + config["splits"]["test_sites"]:
        if site not in sites:
            raise InputError(
                f"config: splits names site {site!r}, which no row has; "
                f"the tables have: {', '.join(sorted(sites)) or 'no site'}"
            )
