"""Round brains whose ventricle grows with age, and the tables that go with them."""

import nibabel
import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.imaging import QC
from brainage.core.derivatives import BRAIN, GREY_MATTER, derivative
from brainage.core.tables import write_table

VOXEL = 12.0


def brain(age, seed):
    """A ball of grey with a dark hole of a size that follows from age, 12 mm voxels."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(side) for side in (16, 19, 16)), indexing="ij"))
    places = grid * VOXEL + np.array([-96, -132, -78]).reshape(3, 1, 1, 1)
    radius = np.sqrt(((places - np.array([0, -17, 5]).reshape(3, 1, 1, 1)) ** 2).sum(0))
    volume = 0.75 * (radius < 66) * (1 + 0.05 * random.standard_normal(radius.shape))
    hole = 10 + 0.4 * age
    return np.where(radius < hole, 0.2, np.clip(volume, 0, 1)).astype(np.float32)


def scan_row(participant, age, session=None, **more):
    scan_id = f"toy_{participant}" + (f"_{session}" if session else "")
    return {
        "scan_id": scan_id, "dataset": "toy", "participant_id": participant,
        "session_id": session, "run": None, "t1w": f"{scan_id}.nii.gz", "age": age,
        "age_top_coded": False, "sex": "F", "site": "toy/A", "scanner": None, "diagnosis": "CN",
        "healthy": True, "always_healthy": True, "years_since_first": 0, "sex_original": "F",
        "diagnosis_original": "CN", "set_aside": None, **more,
    }  # fmt: skip


def write_brain(derivatives, scan_id, volume, offset=0.0):
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    affine[:3, 3] = np.array([-96, -132, -78]) + offset
    path = derivative(derivatives, scan_id, BRAIN)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume, affine), path)


def write_grey(derivatives, scan_id, volume):
    """Write a grey-matter map beside the brain: where it is bright, more where it is nearer."""
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    affine[:3, 3] = [-96, -132, -78]
    grey = np.where(volume > 0.5, 1.5 * volume, 0).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(grey, affine), derivative(derivatives, scan_id, GREY_MATTER))
    return grey


def write_tables(files, rows, roles, verdicts=None):
    """Write scans.tsv, qc.tsv and, where there are roles (by participant), splits.tsv."""
    scans = pd.DataFrame(rows)
    write_table(scans, files.file("scans"), SCANS)
    qc = pd.DataFrame(
        {
            "scan_id": scans["scan_id"],
            "verdict": [(verdicts or {}).get(name, "pass") for name in scans["scan_id"]],
            "reason": None,
        }
    )
    write_table(qc, files.file("qc"), QC)
    if not roles:
        return
    splits = pd.DataFrame(
        [
            {"experiment": "toy", "fold": 0, "seed": 1, "dataset": "toy",
             "participant_id": participant, "role": role}
            for participant, role in roles.items()
        ]
    )  # fmt: skip
    write_table(splits, files.file("splits"), SPLITS)
