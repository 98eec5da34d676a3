"""All brains that passed quality control in one array on disk, grey matter in a second.

Training and embedding read brains from here and nowhere else, by scan_id through the index.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts import learning as contract
from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import QC
from brainage.core.derivatives import BRAIN, GREY_MATTER, TEMPLATE_NAME, derivative
from brainage.core.files import InputError, read_json, sha256, write_json, written_whole
from brainage.core.tables import read_table, write_table

BRAINS = "brains.npy"
INDEX = "index.tsv"
INFO = "store.json"

# Where to find each channel, and what 1 of its images is as a whole number here.
FILES = {"brain": BRAINS, "grey_matter": "grey_matter.npy"}
SCALES = {"brain": 255, "grey_matter": 100}
WORDS = {"brain": "brain", "grey_matter": "grey-matter map"}

_NOT_NORMALISED = 1.001  # brains are between 0 and 1; above this, something else was given


@dataclass(frozen=True)
class Store:
    """An open store: `brains` is (n, x, y, z) uint8 on disk, `rows` the row of each scan_id.

    `grey_matter` is the same of its modulated maps, where the store has them.
    """

    brains: np.ndarray
    rows: dict[str, int]
    info: dict[str, Any]
    grey_matter: np.ndarray | None = None

    def read(self, rows: np.ndarray | slice, channels: Sequence[str]) -> np.ndarray:
        """Return some scans with these channels: (n, channels, x, y, z) uint8."""
        if list(channels) == ["brain"]:
            return self.brains[rows][:, None]
        if self.grey_matter is None:
            raise InputError(
                "the store has no grey matter; set imaging.registration: syn and "
                "imaging.grey_matter: true, and build it anew"
            )
        arrays = {"brain": self.brains, "grey_matter": self.grey_matter}
        return np.stack([arrays[name][rows] for name in channels], axis=1)

    @property
    def voxel_size(self) -> float:
        """Mean side of a voxel, in millimetres."""
        affine = np.asarray(self.info["affine"])
        return float(np.sqrt(np.square(affine[:3, :3]).sum(0)).mean())


def build(
    qc: Path, scans: Path, derivatives: Path, out: Path, channels: Sequence[str] = ("brain",)
) -> None:
    """Write the store.

    Takes each scan with verdict ``pass`` or ``warn`` that is not set aside. Imaging has cut
    all brains to the template's box, which is the same whoever is in the cohort, and has
    brought them to one intensity scale of 0 to 1; both stay as they are, and 1 becomes 255. A
    scale of each brain's own would undo that: an old brain has more dark fluid. Modulated grey
    matter is kept in hundredths, cut at 2.55. One brain is in memory at a time.

    Parameters
    ----------
    qc, scans
        Tables :data:`QC` and :data:`SCANS`.
    derivatives
        The folder of imaging results.
    out
        Folder for ``brains.npy`` (n, x, y, z), ``index.tsv`` and ``store.json``; rows are in
        the order of scan_id.
    channels
        With ``grey_matter`` among them there is a ``grey_matter.npy`` of the same shape.

    Raises
    ------
    InputError
        Where no scan is left, or a brain is missing, unreadable, not normalised or on another
        grid; it names the scan.
    """
    scan_ids = _usable(qc, scans)
    first = _read(derivatives, scan_ids[0], "brain")
    _write(out / BRAINS, "brain", scan_ids, derivatives, first)
    if "grey_matter" in channels:
        _write(out / FILES["grey_matter"], "grey_matter", scan_ids, derivatives, first)
    index = pd.DataFrame({"scan_id": scan_ids, "row": range(len(scan_ids))})
    write_table(index, out / INDEX, contract.INDEX)
    content = {
        "affine": [[round(float(value), 6) for value in line] for line in first.affine],
        "dtype": "uint8",
        "scale": "1 is 255",
        "scans": len(scan_ids),
        "sha256": sha256(out / BRAINS),
        "shape": [int(side) for side in first.shape],
        "space": TEMPLATE_NAME,
    }
    if "grey_matter" in channels:
        content["grey_matter"] = {
            "scale": f"1 is {SCALES['grey_matter']}",
            "sha256": sha256(out / FILES["grey_matter"]),
        }
    write_json(out / INFO, content)


def _write(path: Path, channel: str, scan_ids: list[str], derivatives: Path, first: Any) -> None:
    with written_whole(path) as temporary:
        shape = (len(scan_ids), *(int(side) for side in first.shape))
        images = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for row, scan_id in enumerate(scan_ids):
            image = _read(derivatives, scan_id, channel)
            if image.shape != first.shape or not np.allclose(image.affine, first.affine, atol=1e-3):
                raise InputError(
                    f"{scan_id}: its {WORDS[channel]} is on another grid than that of "
                    f"{scan_ids[0]}; preprocess both with the same template and voxel size"
                )
            images[row] = _compact(image, scan_id, channel)
            if (row + 1) % 500 == 0:
                print(f"store: {row + 1} of {len(scan_ids)} {channel}", file=sys.stderr, flush=True)
        images.flush()
        del images


def open_store(folder: Path) -> Store:
    """Open a store for reading; raises InputError where it is missing or does not fit itself."""
    info = read_json(folder / INFO)
    index = read_table(folder / INDEX, contract.INDEX)
    rows = dict(zip(index["scan_id"], (int(row) for row in index["row"]), strict=True))
    arrays = {"brain": _open(folder / BRAINS)}
    if "grey_matter" in info:
        arrays["grey_matter"] = _open(folder / FILES["grey_matter"])
    for name, array in arrays.items():
        if array.ndim != 4 or sorted(rows.values()) != list(range(len(array))):
            raise InputError(
                f"{folder}: {FILES[name]} and {INDEX} do not belong together; build it anew"
            )
    return Store(arrays["brain"], rows, info, arrays.get("grey_matter"))


def _open(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _usable(qc: Path, scans: Path) -> list[str]:
    verdicts = read_table(qc, QC)
    table = read_table(scans, SCANS)
    not_set_aside = set(table.loc[table["set_aside"].isna(), "scan_id"])
    passed = verdicts.loc[verdicts["verdict"].isin(["pass", "warn"]), "scan_id"]
    scan_ids = sorted(set(passed) & not_set_aside)
    if not scan_ids:
        raise InputError(f"{qc}: no scan passed quality control, so there is nothing to learn from")
    return scan_ids


def _read(derivatives: Path, scan_id: str, channel: str) -> Any:
    import nibabel

    path = derivative(derivatives, scan_id, BRAIN if channel == "brain" else GREY_MATTER)
    if not path.is_file():
        raise InputError(f"{scan_id}: passed quality control, but {path} is missing")
    try:
        image = nibabel.load(path)
    except (nibabel.filebasedimages.ImageFileError, OSError) as error:
        raise InputError(f"{scan_id}: {path} cannot be read: {error}") from None
    if len(image.shape) != 3:
        raise InputError(
            f"{scan_id}: {path} has shape {image.shape}; a {WORDS[channel]} has three axes"
        )
    return image


def _compact(image: Any, scan_id: str, channel: str) -> np.ndarray:
    words = WORDS[channel]
    try:
        values = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{scan_id}: its {words} image cannot be read: {error}") from None
    if not np.isfinite(values).all():
        raise InputError(f"{scan_id}: its {words} image holds values that are not finite")
    if not values.any():
        raise InputError(f"{scan_id}: its {words} image is empty")
    if values.min() < 0 or (channel == "brain" and values.max() > _NOT_NORMALISED):
        raise InputError(
            f"{scan_id}: its {words} image goes from {values.min():.3g} to {values.max():.3g}; "
            + ("brains must be normalised to 0 to 1" if channel == "brain" else "0 is the least")
        )
    return np.rint(np.clip(values * SCALES[channel], 0, 255)).astype(np.uint8)
