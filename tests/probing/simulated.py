"""A small study with embeddings and brains of known content, for the tests of this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.config import defaults
from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.imaging import QC
from brainage.core.contracts.learning import INDEX
from brainage.core.files import write_json
from brainage.core.layout import Layout
from brainage.core.subjects import site_key
from brainage.core.tables import write_table
from brainage.core.training import Training
from brainage.core.unlike import IMAGE_MEASURES

SETTINGS: dict[str, Any] = {
    **defaults("probing"),
    "seed": 2025,
    "groups": ["CN", "MCI", "AD"],
    "control": "CN",
    "people_of": "lexp",
    "channels": ["brain"],
    "regions": None,
    "bootstrap": 200,
    "components": [5, 10],
    "ridge_alphas": [0.1, 10.0, 1000.0],
    "logistic_c": [0.01, 1.0],
}
TRAINING = Training("lexp", 0, 1)
CELL = "lexp.all.0.5/fold-0_seed-1"


@dataclass
class Study:
    """Tables and arrays of a study, and where they are written."""

    folder: Path
    scans: pd.DataFrame
    splits: pd.DataFrame
    embeddings: np.ndarray
    brains: np.ndarray
    qc: pd.DataFrame

    def write(self) -> Layout:
        """Write everything; return where it lies."""
        rng = np.random.default_rng(0)
        # Rows of the arrays are in another order than the table: only the key joins them.
        order = rng.permutation(len(self.scans))
        scan_ids = self.scans["scan_id"].to_numpy()[order]
        index = pd.DataFrame(
            {"scan_id": scan_ids, "row": np.arange(len(order)), "brain_sha256": scan_ids}
        )
        files = Layout(self.folder)
        for name in (str(TRAINING), CELL):
            write_table(index, files.file("embedding_index", training=name), INDEX)
            array = self.embeddings[order].astype(np.float32)
            np.save(files.file("embeddings", training=name), array)
            seen = {"training": {"brain_sha256": []}}
            write_json(files.file("encoder_description", training=name), seen)
        write_table(index, files.file("store_index"), INDEX)
        np.save(files.file("brains"), self.brains[order].astype(np.float16))
        write_table(self.scans, files.file("scans"), SCANS)
        write_table(self.splits, files.file("splits"), SPLITS)
        write_table(self.qc, files.file("qc"), QC)
        return files


def study(folder: Path, seed: int = 1, **people: Any) -> Study:
    """Make a study; `people` is name=(number, role, diagnosis, sites, visits[, data set]).

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
    for name, (number, role, diagnosis, sites, visits, *dataset) in people.items():
        dataset = dataset[0] if dataset else "demo"
        for one in range(number):
            person = {"dataset": dataset, "participant_id": f"sub-{name}{one:03d}"}
            roles.append({**TRAINING.columns, **person, "role": role})
            age, sex = rng.uniform(20, 85), "FM"[int(rng.integers(2))]
            for visit in range(visits):
                session = f"ses-{visit + 1}"
                scans.append(
                    {
                        **person,
                        "scan_id": f"{dataset}_{person['participant_id']}_{session}",
                        "session_id": session,
                        "run": None,
                        "t1w": f"{person['participant_id']}/{session}.nii.gz",
                        "age": age + visit,
                        "age_top_coded": False,
                        "sex": sex,
                        "site": site_key(dataset, sites[one % len(sites)]),
                        "scanner": sites[one % len(sites)],
                        "diagnosis": diagnosis,
                        "healthy": diagnosis in (None, "CN"),
                        "always_healthy": diagnosis in (None, "CN"),
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
    brains[:, 4:] += (table["site"].str.endswith("/A").fillna(False)).to_numpy(float)[
        :, None, None, None
    ]
    qc = pd.DataFrame({"scan_id": table["scan_id"], "verdict": "pass", "reason": None})
    for name in IMAGE_MEASURES:
        qc[name] = rng.normal(size=n) - age / 30
    return Study(folder, table, pd.DataFrame(roles), embeddings, brains, qc)
