"""Diagnosis from a frozen embedding, scored on people that the probe was not fitted on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from brainage.core.contracts.probing import DIAGNOSIS_SCORES
from brainage.core.tables import write_table
from brainage.probing.logistic import out_of_fold
from brainage.probing.people import first_scans, read_embeddings, read_run


def probe_diagnosis(
    embeddings: Path,
    index: Path,
    scans: Path,
    splits: Path,
    out: Path,
    experiment: str,
    fold: int,
    seed: int,
    settings: dict[str, Any],
) -> None:
    """Score the test people of each pair of groups by logistic regression, out of fold by person.

    The first scan of each test person, controls as unseen by the encoder as patients, and only at
    sites that hold both groups: a control of another scanner could be told by the scanner.

    Parameters
    ----------
    embeddings, index
        An array (.npy) of shape (scans, features) and what its rows are.
    scans, splits
        As :data:`SCANS` and :data:`SPLITS`.
    out
        As :data:`DIAGNOSIS_SCORES`; no rows for a pair with too few people.
    experiment, fold, seed
        The run.
    settings
        Section ``probing`` of the config, and ``seed``, ``groups`` and ``control``.
    """
    people = read_run(index, scans, splits, experiment, fold, seed)
    features = read_embeddings(embeddings, people)
    first = first_scans(people[people["role"] == "test"])
    control = settings["control"]
    parts = []
    for case in [group for group in settings["groups"] if group != control]:
        two = at_shared_sites(first[first["diagnosis"].isin([control, case])])
        counts = two["diagnosis"].value_counts()
        if min(counts.get(control, 0), counts.get(case, 0)) < settings["min_diagnosis"]:
            continue
        print(f"probe diagnosis: {control} and {case}, {len(two)} people", file=sys.stderr)
        _, probabilities, classes = out_of_fold(
            features[two.index],
            two["diagnosis"].to_numpy(str),
            settings["logistic_c"],
            standardise=True,
            folds=settings["folds"],
            seed=settings["seed"],
            scoring="neg_log_loss",
        )
        score = probabilities[:, list(classes).index(case)]
        run = {"experiment": experiment, "seed": seed, "fold": fold, "control": control}
        parts.append(two[["scan_id"]].assign(**run, case=case, score=score))
    empty = pd.DataFrame(columns=list(DIAGNOSIS_SCORES.names))
    write_table(pd.concat(parts, ignore_index=True) if parts else empty, out, DIAGNOSIS_SCORES)


def at_shared_sites(people: pd.DataFrame) -> pd.DataFrame:
    """Keep the people of sites that hold more than one diagnosis; an unknown site is one site."""
    site = people["site"].fillna("unknown")
    return people[site.map(people.groupby(site)["diagnosis"].nunique()) > 1]
