"""Site predictability: how well an embedding predicts the site, on people the encoder never saw."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.probing import SITE_PROBE
from brainage.core.intervals import percentile_interval
from brainage.core.layout import Layout
from brainage.core.software import write_result
from brainage.core.subjects import first_scans
from brainage.core.training import Training
from brainage.probing.logistic import MAX_ITERATIONS, out_of_fold
from brainage.probing.people import read_embedded, read_people
from brainage.probing.voxels import Voxels

# The protocol of the OpenBHB challenge: features as they are, at most 1,000 iterations.
CHALLENGE_C = [0.01, 0.1, 1.0, 10.0, 100.0]
CHALLENGE_ITERATIONS = 1000
# The challenge probes features of images; unscaled years and their squares say nothing there and
# take its optimiser longer than all the rest.
PROTOCOLS = {
    "embedding": ("challenge", "converged"),
    "age_sex": ("converged",),
    "voxels": ("challenge", "converged"),
}


def probe_site(files: Layout, training: Training, settings: dict[str, Any]) -> None:
    """Measure site predictability: logistic regression of the site of healthy people.

    The people are those of training sites that the encoder was not fitted on, one scan each, at
    sites with enough of them; scores are out of fold, strength chosen inside. The embedding stands
    beside age, age^2 and sex (sites whose people differ in age can be named by age alone) and
    beside the voxels averaged over blocks. Images are probed by two protocols: that of the OpenBHB
    challenge (not scaled, may stop before it converges) and a standardised, converged one; age and
    sex by the second only.

    Written is site_probe.tsv of the training (:data:`SITE_PROBE`), without rows where there are
    not two such sites. The interval is a bootstrap over people within sites of the out-of-fold
    labels.

    Parameters
    ----------
    files, training
        Where everything lies, and whose embeddings.
    settings
        Section ``probing`` of the config, ``seed``, the ``channels`` whose voxels are read, and
        ``people_of``: the experiment whose train, validation, calibration and test people are
        meant, as a cell of the grid is probed on the people and sites of the whole.
    """
    people_of = settings["people_of"]
    people, features = read_embedded(files, training, people_of)
    chosen = people_of_sites(people, settings)
    rows: list[dict[str, Any]] = []
    if len(chosen):
        stored = read_people(
            files, files.file("store_index"), replace(training, experiment=people_of)
        )
        row_of = stored.set_index("scan_id")["row"]
        voxels = Voxels(files.folder("store"), settings["site_voxels"], settings["channels"])
        brains = voxels.read(chosen["scan_id"].map(row_of).to_numpy())
        given = {
            "embedding": features[chosen.index.to_numpy()],
            "age_sex": age_and_sex(chosen),
            "voxels": brains.astype(np.float64),
        }
        sites = chosen["site"].to_numpy(str)
        for probe, values in given.items():
            for protocol in PROTOCOLS[probe]:
                print(f"probe site: {probe}, {protocol}", file=sys.stderr)
                row = {**training.columns, "probe": probe, "protocol": protocol}
                rows.append({**row, **_score(values, sites, protocol, settings)})
    out = files.file("site_probe_of", training=training)
    write_result(pd.DataFrame(rows, columns=list(SITE_PROBE.names)), out, SITE_PROBE)


def people_of_sites(people: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """First scans of healthy people that are not trained on, at training sites with enough of them.

    An unknown site is none that could be predicted. Returns no rows where fewer than two sites are
    left.
    """
    training = set(people.loc[people["role"] == "train", "site"].dropna())
    others = people[people["healthy"] & (people["role"] != "train")]
    first = first_scans(others)
    first = first[first["site"].isin(training)]
    counts = first["site"].map(first["site"].value_counts())
    first = first[counts >= settings["min_at_site"]]
    return first if first["site"].nunique() > 1 else first.iloc[:0]


def age_and_sex(people: pd.DataFrame) -> np.ndarray:
    """Age, its square and a column for each sex but one, shape (people, features)."""
    age = people["age"].to_numpy(float)
    sex = people["sex"].fillna("unknown")
    levels = [(sex == level).to_numpy(float) for level in sorted(sex.unique())[1:]]
    return np.column_stack([age, age**2, *levels])


def _score(
    features: np.ndarray, sites: np.ndarray, protocol: str, settings: dict[str, Any]
) -> dict[str, Any]:
    challenge = protocol == "challenge"
    predicted, _, classes = out_of_fold(
        features,
        sites,
        CHALLENGE_C if challenge else settings["logistic_c"],
        standardise=not challenge,
        folds=settings["folds"],
        seed=settings["seed"],
        scoring="balanced_accuracy",
        max_iterations=CHALLENGE_ITERATIONS if challenge else MAX_ITERATIONS,
    )
    right = predicted == sites
    counts = np.array([(sites == site).sum() for site in classes])
    recalls = np.array([right[sites == site].mean() for site in classes])
    # Drawing a site's people with replacement and counting the right ones is a binomial draw.
    rng = np.random.default_rng(settings["seed"])
    drawn = rng.binomial(counts, recalls, (settings["bootstrap"], len(classes))) / counts
    low, high = percentile_interval(drawn.mean(axis=1))
    return {
        "balanced_accuracy": float(recalls.mean()),
        "low": low,
        "high": high,
        "chance": 1 / len(classes),
        "sites": len(classes),
        "n": len(sites),
    }
