"""The scans of training and validation people, as the splits assign them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.store import Store
from brainage.core.subjects import PERSON, scanners_of, site_factor
from brainage.core.tables import read_table
from brainage.core.training import Training


@dataclass(frozen=True)
class Group:
    """Scans of some people, person by person.

    Attributes
    ----------
    scan_ids
        Sorted by person, then scan.
    rows
        Row in the store of each scan.
    ages
        Years at each scan, float32.
    sites
        ``dataset/site`` of each scan.
    people
        For each person the positions of their scans in the lists above.
    scanners
        As :func:`brainage.core.subjects.scanners_of`.
    """

    scan_ids: list[str]
    rows: np.ndarray
    ages: np.ndarray
    sites: np.ndarray
    people: list[np.ndarray]
    scanners: list[str]


def read_groups(files: Layout, store: Store, training: Training) -> tuple[Group, Group]:
    """Collect the scans of `train` and of `validation` people of one training run.

    Scans without an age, with a top-coded age, set aside or not in the store are left out.

    Raises
    ------
    InputError
        Where the run has no training people, or a person has two roles in it.
    """
    splits = files.file("splits")
    table = read_table(splits, SPLITS)
    named = [table[column] == value for column, value in training.columns.items()]
    roles = table[np.logical_and.reduce(named)]
    # The table's key refuses two rows for one person; this refuses it should the key change.
    double = roles.duplicated(PERSON)
    if double.any():
        person = roles.loc[double, PERSON].iloc[0]
        raise InputError(
            f"{splits}: {person['dataset']} {person['participant_id']} has two roles in "
            f"{training.words}; a person has one"
        )
    people = read_table(files.file("scans"), SCANS)
    people = people[
        people["age"].notna()
        & ~people["age_top_coded"]
        & people["set_aside"].isna()
        & people["scan_id"].isin(store.rows)
    ]
    known = people.merge(roles[[*PERSON, "role"]], on=PERSON, how="inner")
    train = _group(known[known["role"] == "train"], store)
    if len(train.people) < 2:
        raise InputError(
            f"{splits}: {training.words} has {len(train.people)} training people "
            "with a usable scan and age; training needs 2 or more"
        )
    return train, _group(known[known["role"] == "validation"], store)


def batches(
    group: Group,
    batch_people: int,
    seed: int,
    epoch: int,
    sampling: str = "uniform",
    steps_people: int | None = None,
) -> list[np.ndarray]:
    """Draw the batches of an epoch, each of as many people and with one scan of each.

    People follow each other in one endless round from epoch to epoch, and an epoch has as many
    full batches as end within it: with 33 people and batches of 32, one, and two in every 32nd
    epoch. So a step is always of the same size, each epoch goes once through the people on
    average, and at the end of any epoch nobody has come more than once oftener than another.
    Within an epoch all are shuffled anew; nobody is twice in a batch.

    Parameters
    ----------
    group
        Whose scans.
    batch_people
        People a batch; fewer only where there are fewer, then all of them.
    seed, epoch
        All that is drawn follows from them.
    sampling
        ``uniform``: everyone as often. ``age``, ``site``, ``age_and_site``: decades of age,
        sites, or decades at each site are drawn equally often. There are as many batches of the
        same size, nobody is twice in a batch, but some come several times in an epoch and some
        not at all. A cell with few people can come once each a batch and no oftener.
    steps_people
        There are as many batches as for that many people; None for those of the group. A part of
        the people goes round as often as it takes, so that it has as many steps as all have.

    Returns
    -------
    list of numpy.ndarray
        Positions of scans in the group.
    """
    random = np.random.default_rng([seed, epoch, 0])
    people = len(group.people)
    size = min(batch_people, people)
    before, after = (
        steps_until(e, steps_people or people, batch_people) for e in (epoch - 1, epoch)
    )

    def scans_of(chosen: np.ndarray) -> np.ndarray:
        return np.array([random.choice(group.people[person]) for person in chosen])

    if sampling != "uniform":
        drawn = []
        for _ in range(after - before):
            scans = scans_of(np.arange(people))
            weights = _balanced(group, scans, sampling)
            drawn.append(random.choice(scans, size, replace=False, p=weights))
        return drawn
    order = np.random.default_rng([seed, 0]).permutation(people)
    start, count = before * size, (after - before) * size
    rounds, rest = divmod(count, people)
    extra = order[(start + np.arange(rest)) % people]
    people_drawn = _shuffled([extra] + [order] * rounds, size, random)
    return [scans_of(chosen) for chosen in people_drawn.reshape(-1, size)]


def steps_until(epochs: int, people: int, batch_people: int) -> int:
    """Return the number of full batches within so many epochs."""
    return epochs * people // min(batch_people, people)


def _shuffled(rounds: list[np.ndarray], size: int, random: np.random.Generator) -> np.ndarray:
    """Shuffle each round of people, so that no batch over two of them has somebody twice."""
    drawn = np.empty(0, dtype=np.int64)
    for people in rounds:
        people = random.permutation(people)
        begun = len(drawn) % size  # people whom the round before left over for a batch
        if begun:
            # Those who complete that batch come first, in the order drawn. From the second round
            # on all people are there, so that enough of them are not in it.
            free = np.flatnonzero(~np.isin(people, drawn[-begun:]))[: size - begun]
            people = np.concatenate([people[free], np.delete(people, free)])
        drawn = np.concatenate([drawn, people])
    return drawn


def _balanced(group: Group, order: np.ndarray, sampling: str) -> np.ndarray:
    """Chance of each scan such that every cell (decade, site or both) has the same."""
    decades = np.floor(group.ages[order] / 10).astype(int).astype(str)
    cells = {
        "age": decades,
        "site": group.sites[order],
        "age_and_site": np.char.add(np.char.add(decades, " "), group.sites[order].astype(str)),
    }[sampling]
    _, cell, counts = np.unique(cells, return_inverse=True, return_counts=True)
    weights = 1 / counts[cell]
    return weights / weights.sum()


def _group(table: pd.DataFrame, store: Store) -> Group:
    table = table.sort_values([*PERSON, "scan_id"], kind="stable").reset_index(drop=True)
    people = [np.asarray(list(rows)) for rows in table.groupby(PERSON, sort=True).groups.values()]
    scan_ids = list(table["scan_id"])
    return Group(
        scan_ids=scan_ids,
        rows=np.array([store.rows[scan_id] for scan_id in scan_ids], dtype=np.int64),
        ages=table["age"].to_numpy(dtype=np.float32),
        sites=site_factor(table).to_numpy(dtype=str),
        people=people,
        scanners=scanners_of(table),
    )
