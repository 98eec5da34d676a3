"""The table of scans: those of every data set, with what is decided once over all of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from brainage.core.files import InputError
from brainage.core.subjects import find_sites, healthy_at_visits, label_order

Row = dict[str, Any]


def write_index(tables: Mapping[str, Path], out: Path, config: dict[str, Any]) -> None:
    """Join the tables of all data sets to scans.tsv.

    Parameters
    ----------
    tables
        By name of the data set, as :data:`~brainage.core.contracts.cohort.DATASET_SCANS`.
    out
        As :data:`~brainage.core.contracts.cohort.SCANS`.
    config
        `cohort`, and of each of the `datasets` whether it has `all_controls`.

    Raises
    ------
    InputError
        A table breaks its contract, or as :func:`join`.
    """
    import pandas as pd

    from brainage.core.contracts.cohort import DATASET_SCANS, SCANS
    from brainage.core.tables import read_table, write_table

    rows: list[Row] = []
    for path in tables.values():
        frame = read_table(path, DATASET_SCANS).astype(object)
        records = frame.where(frame.notna(), None).to_dict("records")
        for record in records:
            row = {str(column): value for column, value in record.items()}
            rows.append({**row, "known_diagnoses": json.loads(row["known_diagnoses"])})
    scans = join(rows, config)
    write_table(pd.DataFrame(scans, columns=list(SCANS.names), dtype=object), out, SCANS)


def join(rows: list[Row], config: dict[str, Any]) -> list[Row]:
    """Return the rows of all data sets with the columns that need more than one of them.

    Raises
    ------
    InputError
        The config leaves it open whether the people of a data set without diagnoses are controls.
    """
    controls = _data_sets_of_controls(rows, config)
    people: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        people.setdefault((row["dataset"], row["participant_id"]), []).append(row)
    joined = []
    for (dataset, _), scans in people.items():
        scans = _in_order_of_time(scans)
        first = min((row["age"] for row in scans if row["age"] is not None), default=None)
        diagnoses = [row["diagnosis"] for row in scans]
        if dataset in controls:
            healthy, always = [True] * len(scans), True
        else:
            healthy = healthy_at_visits(diagnoses, config["cohort"]["healthy"])
            known = {diagnosis for row in scans for diagnosis in row["known_diagnoses"]}
            always = bool(known) and known <= set(config["cohort"]["healthy"])
        for row, well in zip(scans, healthy, strict=True):
            years = None if row["age"] is None or first is None else round(row["age"] - first, 4)
            joined.append(
                {
                    **row,
                    "healthy": well,
                    "always_healthy": always,
                    "years_since_first": years,
                    "set_aside": _set_aside(row, config["cohort"]["age_range"]),
                }
            )
    return joined


def _in_order_of_time(scans: list[Row]) -> list[Row]:
    """Sort a person's scans by age, or by the label of the session where an age is missing."""
    ages = all(row["age"] is not None for row in scans)

    def visit(row: Row) -> tuple[Any, ...]:
        label = f"{row['session_id'] or ''} {row['run'] or ''}"
        return (row["age"] if ages else 0.0, label_order(label))

    return sorted(scans, key=visit)


def _set_aside(row: Row, age_range: list[float]) -> str | None:
    low, high = age_range
    if row["set_aside"] is not None:
        return str(row["set_aside"])
    if row["age"] is None:
        return "no age"
    if not low <= row["age"] <= high:
        return f"age {row['age']:g} outside {low:g} to {high:g} years"
    return None


def _data_sets_of_controls(rows: list[Row], config: dict[str, Any]) -> set[str]:
    """Data sets without diagnoses all of whose people are controls."""
    with_diagnoses = {row["dataset"] for row in rows if row["known_diagnoses"]}
    return controls_only(with_diagnoses, config["datasets"])


def controls_only(with_diagnoses: Collection[str], datasets: dict[str, Any]) -> set[str]:
    """Return the data sets all of whose people are controls though no table says so.

    Parameters
    ----------
    with_diagnoses
        Names of the data sets that have a diagnosis in some row.
    datasets
        The section of the config.

    Raises
    ------
    InputError
        A data set without diagnoses stands beside one with them, and the config does not say what
        its people are; or a data set with diagnoses is said to be of controls alone.
    """
    found = set()
    for name, settings in datasets.items():
        said = settings["all_controls"]
        if name in with_diagnoses:
            if said:
                raise InputError(
                    f"config: datasets.{name}.all_controls is true, but its tables have diagnoses; "
                    "remove the key, or map the diagnoses (datasets."
                    f"{name}.diagnosis_map)"
                )
        elif said is None and with_diagnoses:
            raise InputError(
                f"config: the data set {name!r} has no diagnoses and {sorted(with_diagnoses)[0]!r} "
                f"has; write datasets.{name}.all_controls: true if all its people are healthy "
                "controls, false if that is not known"
            )
        elif said is not False:
            found.add(name)
    return found


def compared_groups(diagnoses: Collection[str], statistics: dict[str, Any]) -> list[str]:
    """Groups that are compared: as the config says, else the control and all others there are."""
    found = sorted(diagnoses)
    first = [d for d in found if d == statistics["control"]]
    return statistics["groups"] or first + [d for d in found if d not in first]


def check_words(diagnoses: Collection[str], sites: Collection[str], config: dict[str, Any]) -> None:
    """Refuse words of the config that no row has: a misspelt group would quietly be empty.

    Raises
    ------
    InputError
        Naming the key and what the tables have.
    """
    if diagnoses:
        named = [("cohort.healthy", d) for d in config["cohort"]["healthy"]]
        named += [("statistics.groups", d) for d in config["statistics"]["groups"]]
        for key, diagnosis in named:
            if diagnosis not in diagnoses:
                raise InputError(
                    f"config: {key} names {diagnosis!r}, which is in no row; the tables have: "
                    f"{', '.join(sorted(diagnoses))}; write their words there, or map them "
                    "(datasets.X.diagnosis_map)"
                )
    for key in ("external_sites", "test_sites"):
        find_sites(config["splits"][key], sites, f"splits.{key}")
