"""How well the site can be told from an embedding, on people the encoder never saw."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.columns import CONFIDENCE
from brainage.core.contracts.probing import SITE_PROBE
from brainage.core.tables import write_table
from brainage.probing.logistic import MANY_STEPS, out_of_fold
from brainage.probing.people import first_scans, is_healthy, read_embeddings, read_run
from brainage.probing.voxels import Voxels

# The protocol of the OpenBHB challenge: features as they are, at most 1,000 steps.
CHALLENGE_C = [0.01, 0.1, 1.0, 10.0, 100.0]
CHALLENGE_STEPS = 1000
# The challenge probes features of images; unscaled years and their squares say nothing there and
# take its optimiser longer than all the rest.
PROTOCOLS = {
    "embedding": ("challenge", "converged"),
    "age_sex": ("converged",),
    "voxels": ("challenge", "converged"),
}


def probe_site(
    embeddings: Path,
    index: Path,
    scans: Path,
    splits: Path,
    out: Path,
    experiment: str,
    fold: int,
    seed: int,
    settings: dict[str, Any],
    store: Path | None = None,
    people_of: str | None = None,
) -> None:
    """Measure how well logistic regression names the site of healthy people of training sites.

    The people are those that the encoder was not fitted on, one scan each, at sites with enough
    of them; scores are out of fold, strength chosen inside. The embedding stands beside age,
    age^2 and sex (sites whose people differ in age can be told by age alone) and, where a store
    is given, beside the voxels averaged over blocks. Images are probed by two protocols: that of
    the OpenBHB challenge (not scaled, may stop before it converges) and a standardised, converged
    one; age and sex by the second only.

    Parameters
    ----------
    embeddings, index
        An array (.npy) of shape (scans, features) and what its rows are.
    scans, splits
        As :data:`SCANS` and :data:`SPLITS`.
    out
        As :data:`SITE_PROBE`; without rows where there are not two such sites.
        The interval is a bootstrap over people within sites of the out-of-fold labels.
    experiment, fold, seed
        The run.
    settings
        Section ``probing`` of the config, ``seed``, ``healthy``, and the ``channels`` whose
        voxels are read.
    store
        Folder with brains.npy and its index.tsv.
    people_of
        The experiment whose train, validation, calibration and test people are meant, where it is not
        `experiment` itself: a cell of the grid is probed on the people and sites of the whole.
    """
    people = read_run(index, scans, splits, people_of or experiment, fold, seed)
    features = read_embeddings(embeddings, people)
    chosen = people_of_sites(people, settings)
    rows: list[dict[str, Any]] = []
    if len(chosen):
        given = {"embedding": features[chosen.index], "age_sex": age_and_sex(chosen)}
        if store is not None:
            whole = people_of or experiment
            stored = read_run(Path(store) / "index.tsv", scans, splits, whole, fold, seed)
            row_of = stored.set_index("scan_id")["row"]
            voxels = Voxels(store, settings["site_voxels"], settings.get("channels", ["brain"]))
            brains = voxels.read(chosen["scan_id"].map(row_of).to_numpy())
            given["voxels"] = brains.astype(np.float64)
        sites = chosen["site"].to_numpy(str)
        for probe, values in given.items():
            for protocol in PROTOCOLS[probe]:
                print(f"probe site: {probe}, {protocol}", file=sys.stderr)
                row = {"experiment": experiment, "fold": fold, "seed": seed, "probe": probe}
                rows.append(
                    {**row, "protocol": protocol, **_score(values, sites, protocol, settings)}
                )
    write_table(pd.DataFrame(rows, columns=list(SITE_PROBE.names)), out, SITE_PROBE)


def people_of_sites(people: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """First scans of healthy people that are not trained on, at training sites with enough of them.

    Returns no rows where fewer than two sites are left.
    """
    training = set(people.loc[people["role"] == "train", "site"].dropna())
    others = people[is_healthy(people, settings) & (people["role"] != "train")]
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
        steps=CHALLENGE_STEPS if challenge else MANY_STEPS,
    )
    right = predicted == sites
    counts = np.array([(sites == site).sum() for site in classes])
    recalls = np.array([right[sites == site].mean() for site in classes])
    # Drawing a site's people with replacement and counting the right ones is a binomial draw.
    rng = np.random.default_rng(settings["seed"])
    drawn = rng.binomial(counts, recalls, (settings["bootstrap"], len(classes))) / counts
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn.mean(axis=1), [tail, 1 - tail])
    return {
        "balanced_accuracy": float(recalls.mean()),
        "low": float(low),
        "high": float(high),
        "chance": 1 / len(classes),
        "sites": len(classes),
        "n": len(sites),
    }
