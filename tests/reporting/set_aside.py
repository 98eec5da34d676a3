"""A small BIDS data set with one image of each kind that is set aside, taken through real steps."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd

from brainage.cohort.index import join
from brainage.core.config import complete
from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import MEASURES
from brainage.core.tables import read_table
from brainage.datasets.scans import read_dataset
from brainage.imaging.chunk import Code, preprocess_scans
from brainage.planning import plan

# Image by image; sub-204 has a second visit, all others are the only scan of their person.
IMAGES = {
    "sub-201/anat/sub-201_T1w.nii.gz": "a link to nothing",
    "sub-202/anat/sub-202_T1w.nii.gz": "30,000 voxels a side",
    "sub-203/anat/sub-203_T1w.nii.gz": "seven axes",
    "sub-204/ses-1/anat/sub-204_ses-1_T1w.nii.gz": "damaged gzip",
    "sub-204/ses-2/anat/sub-204_ses-2_T1w.nii.gz": "a head",
    "sub-205/anat/sub-999_T1w.nii.gz": "a name of nobody",
    "sub-206/anat/sub-207_T1w.nii.gz": "another's name",
    "sub-207/anat/sub-207_T1w.nii.gz": "a head",
}


def write_folder(folder: Path) -> None:
    """Write the data set."""
    folder.mkdir()
    (folder / "dataset_description.json").write_text(
        json.dumps({"Name": "clinic", "BIDSVersion": "1.10.0"})
    )
    people = sorted({image.partition("/")[0] for image in IMAGES})
    rows = [f"{person}\t{60 + place}\tF\tCN\n" for place, person in enumerate(people)]
    (folder / "participants.tsv").write_text(
        "participant_id\tage\tsex\tdiagnosis\n" + "".join(rows)
    )
    head = np.random.default_rng(1).integers(0, 900, (40, 40, 40)).astype(np.int16)
    whole = gzip.compress(nibabel.Nifti1Image(head, np.eye(4)).to_bytes(), mtime=0)
    for image, kind in IMAGES.items():
        path = folder / image
        path.parent.mkdir(parents=True)
        if kind == "a link to nothing":
            path.symlink_to("../../../.git/annex/objects/gone")
        elif kind == "30,000 voxels a side":
            path.write_bytes(_claiming(3, 30000, 30000, 30000))
        elif kind == "seven axes":
            path.write_bytes(_claiming(7, 20, 20, 20, 2, 2, 2, 2))
        elif kind == "damaged gzip":
            path.write_bytes(whole[:2000] + bytes(200) + whole[2200:])
        else:
            path.write_bytes(whole)


def _claiming(*dim: int) -> bytes:
    """Return a file whose header claims some axes."""
    image = nibabel.Nifti1Image(np.zeros((20, 20, 20), np.int16), np.eye(4))
    header = image.header.copy()
    header["dim"][: len(dim)] = dim
    header["vox_offset"] = 352
    return gzip.compress(header.binaryblock + bytes(4), mtime=0)


def taken_through(root: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return its rows of scans.tsv, its faults (scan_id, fault) and its remarks."""
    write_folder(root / "data")
    config: dict[str, Any] = complete(
        {"datasets": {"clinic": {"kind": "bids", "path": str(root / "data"), "site": "ward"}}}
    )
    planned = plan(config)
    rows, remarks = read_dataset("clinic", config["datasets"]["clinic"], "first")
    scans = pd.DataFrame(join(rows, config))[list(SCANS.names)]
    heads = {row["scan_id"] for row in rows if IMAGES.get(row["t1w"]) == "a head"}
    preprocess_scans(
        [
            (row["scan_id"], root / "data" / row["t1w"])
            for row in rows
            if row["scan_id"] not in heads
        ],
        root / "imaging",
        root / "measures.tsv",
        config["imaging"],
        Code("code", {}),
        exclude=planned["exclude"],
    )
    faults = read_table(root / "measures.tsv", MEASURES)[["scan_id", "fault"]]
    return scans, faults, remarks
