"""The roles of people, assigned by person and written as a table."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.imaging import QC
from brainage.core.files import InputError
from brainage.core.subjects import PERSON, first_scans, site_factor, usable
from brainage.core.tables import read_table, write_table

Drawing = tuple[object, ...]


def write_splits(scans: Path, qc: Path, out: Path, config: dict[str, Any]) -> None:
    """Draw the roles and write splits.tsv.

    Only people with at least one usable scan (not set aside, QC not failed) get a role. Within
    `holdout`, people of `external_sites` and of `test_sites` are test, and those of the other
    sites who are always healthy are shared out among train, validation, calibration and (internal)
    test; all others are test. Within `folds`, each person is test once, and the others are shared
    out. A cell of the grid has the same roles, but part of the training people only; the others
    have no row there.

    Parameters
    ----------
    scans, qc
        As :data:`SCANS` and :data:`QC`.
    out
        splits.tsv, as :data:`SPLITS`.
    config
        `splits`, its sites as ``dataset/site``; `seed`; and `runs`.

    Raises
    ------
    InputError
        There are too few people to train on, or a scan is in one table and not in the other.
    """
    people = usable_people(read_table(scans, SCANS), read_table(qc, QC))
    settings = config["splits"]
    draw = _folds if settings["scheme"] == "folds" else _holdout
    drawn = draw(people, settings, config["seed"])
    rows = []
    for fold, roles in enumerate(drawn):
        if (roles == "train").sum() < settings["min_train"]:
            raise InputError(
                f"splits: fold {fold} has {(roles == 'train').sum()} healthy people to train on, "
                f"but {settings['min_train']} are required (key splits.min_train)"
            )
        one = people.loc[roles != "", PERSON].assign(fold=fold, role=roles[roles != ""])
        for name, run in config["runs"].items():
            for seed in run["seeds"]:
                rows.append(one.assign(experiment=name, seed=seed))
                if run["of"] == name:
                    continue
                # The same draw for every cell of a seed, so that smaller parts lie in larger ones.
                drawing = (config["seed"], fold, seed)
                left = part_of_train(people[roles == "train"], run, drawing)
                if len(left) < settings["min_train"]:
                    raise InputError(
                        f"grid: {name} has {len(left)} people to train on in fold {fold}, but "
                        f"{settings['min_train']} are required (key splits.min_train); increase "
                        "its fraction"
                    )
                rows[-1] = rows[-1][(rows[-1]["role"] != "train") | rows[-1].index.isin(left)]
    write_table(pd.concat(rows, ignore_index=True), out, SPLITS)


def usable_people(scans: pd.DataFrame, qc: pd.DataFrame) -> pd.DataFrame:
    """One row per person with a usable scan: site and age at the first, always healthy or not."""
    first = first_scans(scans[usable(scans, qc)])
    columns = [*PERSON, "site", "age", "sex", "age_top_coded", "always_healthy"]
    return first[columns].reset_index(drop=True)


def _holdout(people: pd.DataFrame, settings: dict[str, Any], seed: int) -> list[pd.Series]:
    apart = people["site"].isin([*settings["external_sites"], *settings["test_sites"]])
    roles = pd.Series("test", index=people.index, dtype=object)
    shares = {role: settings[role] for role in ("validation", "calibration")}
    shares["test"] = settings["internal_test"]
    inside = people[~apart & people["always_healthy"]]
    for _, own in inside.groupby("dataset", sort=True):
        roles[own.index] = _share_out(own, shares, (seed, "roles"))
    return [roles]


def _folds(people: pd.DataFrame, settings: dict[str, Any], seed: int) -> list[pd.Series]:
    healthy = people[people["always_healthy"]]
    fold_of = pd.Series(-1, index=people.index)
    for _, own in healthy.groupby("dataset", sort=True):
        order = _by_site_and_age(own, (seed, "folds"))
        fold_of[order] = np.arange(len(order)) % settings["folds"]
    shares = {role: settings[role] for role in ("validation", "calibration")}
    drawn = []
    for fold in range(settings["folds"]):
        roles = pd.Series("test", index=people.index, dtype=object)
        others = healthy[fold_of[healthy.index] != fold]
        for _, own in others.groupby("dataset", sort=True):
            roles[own.index] = _share_out(own, shares, (seed, "roles", fold))
        drawn.append(roles)
    return drawn


def _share_out(people: pd.DataFrame, shares: dict[str, float], drawing: Drawing) -> pd.Series:
    """Give people of one data set roles in the stated shares, alike in site and age.

    They are ordered by site and age, and each role takes from that order at even steps, so that
    every role spans the ages of every site; who is left is train. Each data set is shared out by
    itself: one that is added changes nobody's role in another.
    """
    order = _by_site_and_age(people, drawing)
    wanted = np.array([*shares.values()])
    names = [*shares, "train"]
    # Largest remainder along the order: at each person the role that is most behind its share.
    targets = np.append(wanted, 1 - wanted.sum())
    given = np.zeros(len(names))
    roles = {}
    for position, person in enumerate(order, start=1):
        choice = int(np.argmax(targets * position - given))
        given[choice] += 1
        roles[person] = names[choice]
    result = pd.Series(roles, dtype=object).reindex(people.index)
    # A lower bound of an age is not an age to learn from or to calibrate with.
    return result.mask(people["age_top_coded"] & (result != "test"), "")


def part_of_train(people: pd.DataFrame, run: dict[str, Any], drawing: Drawing) -> pd.Index:
    """Draw the people that a cell of the grid is trained on.

    They are taken from the order of site and age in the order of the bit-reversal permutation
    (van der Corput, 1935), whose every beginning is spread evenly: any fraction is alike in site
    and age, and lies in every larger one that is drawn with the same numbers.

    Parameters
    ----------
    people
        The training people of all data sets: dataset, site and age.
    run
        `datasets` (None: all) and `fraction`.
    drawing
        What the draw follows from, beside the people.

    Returns
    -------
    pandas.Index
        Of `people`: round(fraction * people of those data sets), at least one where there is one.
    """
    if run["datasets"] is not None:
        people = people[people["dataset"].isin(run["datasets"])]
    order = _by_site_and_age(people, drawing)
    if not len(order):
        return order
    bits = max(1, (len(order) - 1).bit_length())
    places = np.array([int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits)])
    first = int(_uniform(drawing) * len(order))
    places = (places[places < len(order)] + first) % len(order)
    return order[places[: max(1, round(run["fraction"] * len(order)))]]


def _by_site_and_age(people: pd.DataFrame, drawing: Drawing) -> pd.Index:
    """Index ordered by site, then age, people of about one age shuffled.

    What shuffles them follows from each person's name: who else is there changes nothing.
    """
    names = zip(people["dataset"], people["participant_id"], strict=True)
    years = [4 * _uniform((*drawing, *name)) - 2 for name in names]
    frame = pd.DataFrame({"site": site_factor(people), "age": people["age"] + years})
    return frame.sort_values(["site", "age"]).index


def _uniform(drawing: Drawing) -> float:
    """Return a number from 0 up to 1 that follows from what is given alone."""
    digest = hashlib.sha256("/".join(map(str, drawing)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
