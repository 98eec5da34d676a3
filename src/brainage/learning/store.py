"""All brains that passed quality control in one array on disk.

Training and embedding read brains from here and nowhere else, by scan_id through the index.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage import contracts
from brainage.derivatives import BRAIN, TEMPLATE_NAME, derivative
from brainage.files import InputError, read_json, sha256, write_json, written_whole
from brainage.tables import read_table, write_table

BRAINS = "brains.npy"
INDEX = "index.tsv"
INFO = "store.json"

_NOT_NORMALISED = 1.001  # brains are between 0 and 1; above this, something else was given


@dataclass(frozen=True)
class Store:
    """An open store: `brains` is (n, x, y, z) uint8 on disk, `rows` the row of each scan_id."""

    brains: np.ndarray
    rows: dict[str, int]
    info: dict[str, Any]

    @property
    def voxel_size(self) -> float:
        """Mean side of a voxel, in millimetres."""
        affine = np.asarray(self.info["affine"])
        return float(np.sqrt(np.square(affine[:3, :3]).sum(0)).mean())


def build(qc: Path, scans: Path, derivatives: Path, out: Path) -> None:
    """Write the store.

    Takes each scan with verdict ``pass`` or ``warn`` that is not set aside. Imaging has cut
    all brains to the template's box, which is the same whoever is in the cohort, and has
    brought them to one intensity scale of 0 to 1; both stay as they are, and 1 becomes 255. A
    scale of each brain's own would undo that: an old brain has more dark fluid. One brain is
    in memory at a time.

    Parameters
    ----------
    qc, scans
        Tables :data:`contracts.QC` and :data:`contracts.SCANS`.
    derivatives
        The folder of imaging results.
    out
        Folder for ``brains.npy`` (n, x, y, z), ``index.tsv`` and ``store.json``; rows are in
        the order of scan_id.

    Raises
    ------
    InputError
        Where no scan is left, or a brain is missing, unreadable, not normalised or on another
        grid; it names the scan.
    """
    scan_ids = _usable(qc, scans)
    first = _read(derivatives, scan_ids[0])
    shape = tuple(int(side) for side in first.shape)
    path = out / BRAINS
    with written_whole(path) as temporary:
        brains = np.lib.format.open_memmap(
            temporary, mode="w+", dtype=np.uint8, shape=(len(scan_ids), *shape)
        )
        for row, scan_id in enumerate(scan_ids):
            image = _read(derivatives, scan_id)
            if image.shape != first.shape or not np.allclose(image.affine, first.affine, atol=1e-3):
                raise InputError(
                    f"{scan_id}: its brain is on another grid than that of {scan_ids[0]}; "
                    "preprocess both with the same template and voxel size"
                )
            brains[row] = _compact(image, scan_id)
            if (row + 1) % 500 == 0:
                print(f"store: {row + 1} of {len(scan_ids)} brains", file=sys.stderr, flush=True)
        brains.flush()
        del brains
    index = pd.DataFrame({"scan_id": scan_ids, "row": range(len(scan_ids))})
    write_table(index, out / INDEX, contracts.INDEX)
    content = {
        "affine": [[round(float(value), 6) for value in line] for line in first.affine],
        "dtype": "uint8",
        "scale": "1 is 255",
        "scans": len(scan_ids),
        "sha256": sha256(path),
        "shape": list(shape),
        "space": TEMPLATE_NAME,
    }
    write_json(out / INFO, content)


def open_store(folder: Path) -> Store:
    """Open a store for reading; raises InputError where it is missing or does not fit itself."""
    info = read_json(folder / INFO)
    index = read_table(folder / INDEX, contracts.INDEX)
    try:
        brains = np.load(folder / BRAINS, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / BRAINS}: cannot be read: {error}") from None
    rows = dict(zip(index["scan_id"], (int(row) for row in index["row"]), strict=True))
    if brains.ndim != 4 or sorted(rows.values()) != list(range(len(brains))):
        raise InputError(f"{folder}: {BRAINS} and {INDEX} do not belong together; build it anew")
    return Store(brains, rows, info)


def _usable(qc: Path, scans: Path) -> list[str]:
    verdicts = read_table(qc, contracts.QC)
    table = read_table(scans, contracts.SCANS)
    not_set_aside = set(table.loc[table["set_aside"].isna(), "scan_id"])
    passed = verdicts.loc[verdicts["verdict"].isin(["pass", "warn"]), "scan_id"]
    scan_ids = sorted(set(passed) & not_set_aside)
    if not scan_ids:
        raise InputError(f"{qc}: no scan passed quality control, so there is nothing to learn from")
    return scan_ids


def _read(derivatives: Path, scan_id: str) -> Any:
    import nibabel

    path = derivative(derivatives, scan_id, BRAIN)
    if not path.is_file():
        raise InputError(f"{scan_id}: passed quality control, but {path} is missing")
    try:
        image = nibabel.load(path)
    except (nibabel.filebasedimages.ImageFileError, OSError) as error:
        raise InputError(f"{scan_id}: {path} cannot be read: {error}") from None
    if len(image.shape) != 3:
        raise InputError(f"{scan_id}: {path} has shape {image.shape}; a brain has three axes")
    return image


def _compact(image: Any, scan_id: str) -> np.ndarray:
    try:
        brain = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{scan_id}: its brain image cannot be read: {error}") from None
    if not np.isfinite(brain).all():
        raise InputError(f"{scan_id}: its brain image holds values that are not finite")
    if not brain.any():
        raise InputError(f"{scan_id}: its brain image is empty")
    if brain.min() < 0 or brain.max() > _NOT_NORMALISED:
        raise InputError(
            f"{scan_id}: its brain image goes from {brain.min():.3g} to {brain.max():.3g}; "
            "brains must be normalised to 0 to 1"
        )
    return np.rint(np.clip(brain, 0, 1) * 255).astype(np.uint8)
