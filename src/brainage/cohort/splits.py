"""Who is for what: the roles of people, drawn by person, readable as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.imaging import QC
from brainage.core.files import InputError
from brainage.core.subjects import PERSON, first_scans, site_factor, usable
from brainage.core.tables import read_table, write_table


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
    rng = np.random.default_rng(config["seed"])
    if settings["scheme"] == "folds":
        drawn = _folds(people, settings, rng)
    else:
        drawn = [_holdout(people, settings, rng)]
    rows = []
    for fold, roles in enumerate(drawn):
        if (roles == "train").sum() < settings["min_train"]:
            raise InputError(
                f"splits: fold {fold} has {(roles == 'train').sum()} healthy people to train on, "
                f"needed are {settings['min_train']} (key splits.min_train)"
            )
        one = people.loc[roles != "", PERSON].assign(fold=fold, role=roles[roles != ""])
        for name, run in config["runs"].items():
            for seed in run["seeds"]:
                rows.append(one.assign(experiment=name, seed=seed))
                if run["of"] == name:
                    continue
                # The same draw for every cell of a seed, so that smaller parts lie in larger ones.
                drawing = np.random.default_rng([config["seed"], fold, seed])
                left = part_of_train(people[roles == "train"], run, drawing)
                if len(left) < settings["min_train"]:
                    raise InputError(
                        f"grid: {name} has {len(left)} people to train on in fold {fold}, needed "
                        f"are {settings['min_train']} (key splits.min_train); enlarge its fraction"
                    )
                rows[-1] = rows[-1][(rows[-1]["role"] != "train") | rows[-1].index.isin(left)]
    write_table(pd.concat(rows, ignore_index=True), out, SPLITS)


def usable_people(scans: pd.DataFrame, qc: pd.DataFrame) -> pd.DataFrame:
    """One row a person with a usable scan: site and age at the first one, always healthy or not."""
    first = first_scans(scans[usable(scans, qc)])
    columns = [*PERSON, "site", "age", "sex", "age_top_coded", "always_healthy"]
    return first[columns].reset_index(drop=True)


def _holdout(people: pd.DataFrame, settings: dict[str, Any], rng: np.random.Generator) -> pd.Series:
    apart = people["site"].isin([*settings["external_sites"], *settings["test_sites"]])
    roles = pd.Series("", index=people.index, dtype=object)
    roles[apart | ~people["always_healthy"]] = "test"
    shares = {role: settings[role] for role in ("validation", "calibration")}
    shares["test"] = settings["internal_test"]
    inside = people.index[~apart & people["always_healthy"]]
    roles[inside] = _share_out(people.loc[inside], shares, rng)
    return roles


def _folds(
    people: pd.DataFrame, settings: dict[str, Any], rng: np.random.Generator
) -> list[pd.Series]:
    order = _by_site_and_age(people, rng)
    fold_of = pd.Series(np.arange(len(order)) % settings["folds"], index=order).sort_index()
    shares = {role: settings[role] for role in ("validation", "calibration")}
    drawn = []
    for fold in range(settings["folds"]):
        roles = pd.Series("", index=people.index, dtype=object)
        test = (fold_of == fold) | ~people["always_healthy"]
        roles[test] = "test"
        roles[~test] = _share_out(people[~test], shares, rng)
        drawn.append(roles)
    return drawn


def _share_out(
    people: pd.DataFrame, shares: dict[str, float], rng: np.random.Generator
) -> pd.Series:
    """Give roles in the stated shares, alike in site and age; who is left is train.

    People are ordered by site and age, and each role takes from that order at even steps, so
    that every role spans the ages of every site.
    """
    order = _by_site_and_age(people, rng)
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


def part_of_train(fit: pd.DataFrame, run: dict[str, Any], rng: np.random.Generator) -> pd.Index:
    """Draw the people that a cell of the grid is fitted on.

    They are taken from the order of site and age in the order of the bit-reversal permutation
    (van der Corput, 1935), whose every beginning is spread evenly: any fraction is alike in site
    and age, and lies in every larger one that is drawn with the same numbers.

    Parameters
    ----------
    fit
        The training people of all data sets: dataset, site and age.
    run
        `datasets` (None: all) and `fraction`.
    rng
        Where the draw begins.

    Returns
    -------
    pandas.Index
        Of `train`: round(fraction * people of those data sets), at least one where there is one.
    """
    if run["datasets"] is not None:
        fit = fit[fit["dataset"].isin(run["datasets"])]
    order = _by_site_and_age(fit, rng)
    if not len(order):
        return order
    bits = max(1, (len(order) - 1).bit_length())
    places = np.array([int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits)])
    places = (places[places < len(order)] + rng.integers(len(order))) % len(order)
    return order[places[: max(1, round(run["fraction"] * len(order)))]]


def _by_site_and_age(people: pd.DataFrame, rng: np.random.Generator) -> pd.Index:
    """Index ordered by site, then age, people of about one age shuffled."""
    jitter = people["age"] + rng.uniform(-2, 2, len(people))
    frame = pd.DataFrame({"site": site_factor(people), "age": jitter})
    return frame.sort_values(["site", "age"]).index
