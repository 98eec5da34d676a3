"""A small study with embeddings and brains whose content is known, for the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.config import defaults
from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.learning import INDEX
from brainage.core.tables import write_table

SETTINGS: dict[str, Any] = {
    **defaults("probing"),
    "seed": 2025,
    "healthy": ["CN"],
    "groups": ["CN", "MCI", "AD"],
    "control": "CN",
    "bootstrap": 200,
    "components": [5, 10],
    "ridge_alphas": [0.1, 10.0, 1000.0],
    "logistic_c": [0.01, 1.0],
}
RUN: dict[str, Any] = {"experiment": "lexp", "fold": 0, "seed": 1}


@dataclass
class Study:
    """Tables and arrays of a study, and where they are written."""

    folder: Path
    scans: pd.DataFrame
    splits: pd.DataFrame
    embeddings: np.ndarray
    brains: np.ndarray

    def write(self) -> dict[str, Path]:
        """Write everything; return the paths that the probes take."""
        rng = np.random.default_rng(0)
        # Rows of the arrays are in another order than the table: only the key joins them.
        order = rng.permutation(len(self.scans))
        index = pd.DataFrame(
            {"scan_id": self.scans["scan_id"].to_numpy()[order], "row": np.arange(len(order))}
        )
        paths = {
            "embeddings": self.folder / "embeddings.npy",
            "index": self.folder / "embeddings.tsv",
            "scans": self.folder / "scans.tsv",
            "splits": self.folder / "splits.tsv",
        }
        store = self.folder / "store"
        store.mkdir(exist_ok=True)
        np.save(paths["embeddings"], self.embeddings[order].astype(np.float32))
        np.save(store / "brains.npy", self.brains[order].astype(np.float16))
        write_table(index, paths["index"], INDEX)
        write_table(index, store / "index.tsv", INDEX)
        write_table(self.scans, paths["scans"], SCANS)
        write_table(self.splits, paths["splits"], SPLITS)
        return paths


def study(folder: Path, seed: int = 1, **people: Any) -> Study:
    """Make a study; `people` is name=(number, role, diagnosis, sites, visits).

    The embedding holds age (columns 0 to 2, noisy), disease (column 3: AD higher) and noise; the
    first voxels of the brains hold age, the last ones the site.
    """
    rng = np.random.default_rng(seed)
    people = people or {
        "train": (60, "train", "CN", "AB", 1),
        "validation": (15, "validation", "CN", "AB", 1),
        "calibration": (20, "calibration", "CN", "AB", 1),
        "test": (20, "test", "CN", "AB", 1),
        "controls": (30, "test", "CN", "X", 2),
        "patients": (30, "test", "AD", "X", 2),
    }
    scans, roles = [], []
    for name, (number, role, diagnosis, sites, visits) in people.items():
        for one in range(number):
            person = {"dataset": "demo", "participant_id": f"sub-{name}{one:03d}"}
            roles.append({**RUN, **person, "role": role})
            age, sex = rng.uniform(20, 85), "FM"[int(rng.integers(2))]
            for visit in range(visits):
                session = f"ses-{visit + 1}"
                scans.append(
                    {
                        **person,
                        "scan_id": f"demo_{person['participant_id']}_{session}",
                        "session_id": session,
                        "run": None,
                        "t1w": f"{person['participant_id']}/{session}.nii.gz",
                        "age": age + visit,
                        "age_top_coded": False,
                        "sex": sex,
                        "site": sites[one % len(sites)],
                        "scanner": sites[one % len(sites)],
                        "diagnosis": diagnosis,
                        "years_since_first": float(visit),
                        "sex_original": sex,
                        "diagnosis_original": diagnosis,
                        "set_aside": None,
                    }
                )
    table = pd.DataFrame(scans)[list(SCANS.names)]
    n = len(table)
    age = table["age"].to_numpy()
    embeddings = rng.normal(size=(n, 12))
    embeddings[:, :3] += age[:, None] / 8
    embeddings[:, 3] += 1.5 * (table["diagnosis"] == "AD").to_numpy()
    brains = rng.normal(0, 0.3, size=(n, 6, 7, 5)) + 1
    brains[:, :2] += age[:, None, None, None] / 60
    brains[:, 4:] += (table["site"] == "A").to_numpy(float)[:, None, None, None]
    return Study(folder, table, pd.DataFrame(roles), embeddings, brains)
