"""Reading the store of brains: by scan_id through its index, never by order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brainage.core.contracts.learning import INDEX
from brainage.core.files import InputError, disk_fault, read_json
from brainage.core.layout import FILES
from brainage.core.tables import read_table

# Names of the files in the store's folder; the arrays by the channel that they hold.
ARRAYS = {"brain": Path(FILES["brains"]).name, "grey_matter": Path(FILES["grey_matter"]).name}
INDEX_FILE = Path(FILES["store_index"]).name
INFO_FILE = Path(FILES["store_info"]).name


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes
    ----------
    brains
        Shape (n, x, y, z), uint8, on disk.
    rows
        Row of each scan_id.
    info
        What ``store.json`` says: affine, shape, scales.
    grey_matter
        As `brains`, of the modulated grey-matter maps; None where the store has none.
    hashes
        Hash of the stored voxels of each scan_id's brain.
    grey_matter_hashes
        The same of the grey-matter maps; empty where the store has none.
    """

    brains: np.ndarray
    rows: dict[str, int]
    info: dict[str, Any]
    grey_matter: np.ndarray | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    grey_matter_hashes: dict[str, str] = field(default_factory=dict)

    def read(self, rows: np.ndarray | slice, channels: Sequence[str]) -> np.ndarray:
        """Return some scans with these channels: (n, channels, x, y, z) uint8."""
        found = [self.array(name)[rows] for name in channels]
        return found[0][:, None] if len(found) == 1 else np.stack(found, axis=1)

    def array(self, channel: str) -> np.ndarray:
        """Return the array of a channel; raise InputError where the store has none."""
        array = {"brain": self.brains, "grey_matter": self.grey_matter}[channel]
        if array is None:
            raise InputError(
                "the store has no grey matter; set imaging.registration: syn and "
                "imaging.grey_matter: true, and rebuild it"
            )
        return array

    @property
    def voxel_size(self) -> float:
        """Mean side of a voxel, in millimetres."""
        affine = np.asarray(self.info["affine"])
        return float(np.sqrt(np.square(affine[:3, :3]).sum(0)).mean())


def open_store(folder: Path) -> Store:
    """Open a store for reading; raises InputError where it is missing or does not fit itself."""
    info = read_json(folder / INFO_FILE)
    index = read_table(folder / INDEX_FILE, INDEX)
    rows = dict(zip(index["scan_id"], (int(row) for row in index["row"]), strict=True))
    arrays = {"brain": _open(folder / ARRAYS["brain"])}
    if "grey_matter" in info:
        arrays["grey_matter"] = _open(folder / ARRAYS["grey_matter"])
    for name, array in arrays.items():
        if array.ndim != 4 or sorted(rows.values()) != list(range(len(array))):
            raise InputError(
                f"{folder}: {ARRAYS[name]} and {INDEX_FILE} do not match; rebuild the store"
            )
    hashes = {
        name: dict(zip(index["scan_id"], index[f"{name}_sha256"], strict=True)) for name in arrays
    }
    return Store(
        brains=arrays["brain"],
        rows=rows,
        info=info,
        grey_matter=arrays.get("grey_matter"),
        hashes=hashes["brain"],
        grey_matter_hashes=hashes.get("grey_matter", {}),
    )


def _open(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        if disk_fault(error) is not None:
            raise
        raise InputError(f"{path}: cannot be read: {error}") from None
    return array
