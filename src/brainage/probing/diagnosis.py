"""Diagnosis from a frozen embedding, scored on people that the probe was not fitted on."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.probing import DIAGNOSIS_SCORES
from brainage.core.layout import Layout
from brainage.core.software import write_result
from brainage.core.subjects import first_scans, site_factor
from brainage.core.training import Training
from brainage.probing.logistic import out_of_fold
from brainage.probing.people import read_embedded


def probe_diagnosis(files: Layout, training: Training, settings: dict[str, Any]) -> None:
    """Score the test people of each pair of groups by logistic regression, out of fold by person.

    The first scan of each test person, controls as unseen by the encoder as patients, and only at
    sites that hold both groups: a control of another scanner could be known by the scanner.
    Written is diagnosis_scores.tsv of the training (:data:`DIAGNOSIS_SCORES`); a pair with too few
    people has no rows.

    Parameters
    ----------
    files, training
        Where everything lies, and whose embeddings.
    settings
        Section ``probing`` of the config, and ``seed``, ``groups`` and ``control``.
    """
    people, features = read_embedded(files, training)
    first = first_scans(people[people["role"] == "test"])
    control = settings["control"]
    parts = []
    for case in [group for group in settings["groups"] if group != control]:
        pair = pair_scores(first, features, control, case, settings)
        if pair is not None:
            print(f"probe diagnosis: {control} and {case}, {len(pair)} people", file=sys.stderr)
            parts.append(pair.assign(**training.columns))
    out = files.file("diagnosis_scores_of", training=training)
    empty = pd.DataFrame(columns=list(DIAGNOSIS_SCORES.names))
    write_result(pd.concat(parts, ignore_index=True) if parts else empty, out, DIAGNOSIS_SCORES)


def pair_scores(
    people: pd.DataFrame,
    features: np.ndarray,
    control: str,
    case: str,
    settings: dict[str, Any],
) -> pd.DataFrame | None:
    """Score the people of two groups, each by a model that was fitted without them.

    Parameters
    ----------
    people
        One scan of each person; the index says which row of `features` is theirs.
    features
        Shape (scans, features).
    control, case
        The two groups.
    settings
        Section ``probing`` of the config, and ``seed``.

    Returns
    -------
    pandas.DataFrame
        scan_id, control, case and score, the probability of `case`, at sites that hold both
        groups; None with fewer than ``min_diagnosis`` of either there.
    """
    two = at_shared_sites(people[people["diagnosis"].isin([control, case])])
    counts = two["diagnosis"].value_counts()
    if min(counts.get(control, 0), counts.get(case, 0)) < settings["min_diagnosis"]:
        return None
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
    return two[["scan_id"]].assign(control=control, case=case, score=score)


def at_shared_sites(people: pd.DataFrame) -> pd.DataFrame:
    """Keep the people of sites that hold more than one diagnosis.

    An unknown site is its data set's own: two data sets never share one.
    """
    site = site_factor(people)
    return people[site.map(people.groupby(site)["diagnosis"].nunique()) > 1]
