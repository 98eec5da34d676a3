"""Voxels of the store as features, averaged over blocks where they are too many."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainage.files import InputError


class Voxels:
    """The brains of a store, read a few at a time.

    Parameters
    ----------
    store
        Folder with brains.npy, of shape (scans, x, y, z) or (scans, 1, x, y, z).
    most
        Most features a brain: the edge of the blocks is the least that keeps to it.
    """

    def __init__(self, store: Path, most: int) -> None:
        path = Path(store) / "brains.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file") from None
        except ValueError as error:
            raise InputError(f"{path}: not an array file (.npy): {error}") from None
        if array.ndim == 5 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 4:
            raise InputError(f"{path}: needed is one brain (x, y, z) a scan, found {array.shape}")
        self.array, self.path, self.edge = array, path, 1
        while np.prod([-(-length // self.edge) for length in array.shape[1:]]) > most:
            self.edge += 1

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return brains as rows of features, shape (len(rows), voxels), float32."""
        if len(rows) and rows.max() >= len(self.array):
            raise InputError(
                f"{self.path}: {len(self.array)} rows, but the index names row {rows.max()}"
            )
        features = [self._blocks(np.asarray(self.array[row], np.float32)).ravel() for row in rows]
        return np.stack(features)

    def _blocks(self, brain: np.ndarray) -> np.ndarray:
        if self.edge == 1:
            return brain
        # Beyond the image there is background, as at its rim.
        padded = np.pad(brain, [(0, -length % self.edge) for length in brain.shape])
        x, y, z = (length // self.edge for length in padded.shape)
        e = self.edge
        return padded.reshape(x, e, y, e, z, e).mean(axis=(1, 3, 5), dtype=np.float32)
