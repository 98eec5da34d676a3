"""Voxels of the store as features, averaged over blocks where they are too many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brainage.core.files import InputError

FILES = {"brain": "brains.npy", "grey_matter": "grey_matter.npy"}


class Voxels:
    """The images of a store, read a few at a time.

    Parameters
    ----------
    store
        Folder with brains.npy, of shape (scans, x, y, z) or (scans, 1, x, y, z), and
        grey_matter.npy where that is among the channels.
    max_voxels
        Most features a scan: the edge of the blocks is the least that keeps to it.
    channels
        Which images; the features of one follow those of the other.
    """

    def __init__(self, store: Path, max_voxels: int, channels: Sequence[str]) -> None:
        self.arrays = [self._open(Path(store) / FILES[name]) for name in channels]
        self.path, self.edge = Path(store) / FILES[channels[0]], 1
        shape = self.arrays[0].shape
        for name, array in zip(channels, self.arrays, strict=True):
            if array.shape != shape:
                raise InputError(
                    f"{Path(store) / FILES[name]}: its shape is {array.shape}, that of {self.path} "
                    f"{shape}; rebuild the store"
                )
        while (
            len(channels) * np.prod([-(-length // self.edge) for length in shape[1:]]) > max_voxels
        ):
            self.edge += 1

    @staticmethod
    def _open(path: Path) -> np.ndarray:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file") from None
        except ValueError as error:
            raise InputError(f"{path}: not an array file (.npy): {error}") from None
        if array.ndim == 5 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 4:
            raise InputError(
                f"{path}: one brain (x, y, z) per scan is required, found {array.shape}"
            )
        return array

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return brains as rows of features, shape (len(rows), voxels), float32."""
        if len(rows) and rows.max() >= len(self.arrays[0]):
            raise InputError(
                f"{self.path}: {len(self.arrays[0])} rows, but the index names row {rows.max()}"
            )
        features = [
            np.concatenate(
                [self._blocks(np.asarray(array[row], np.float32)).ravel() for array in self.arrays]
            )
            for row in rows
        ]
        return np.stack(features)

    def _blocks(self, brain: np.ndarray) -> np.ndarray:
        if self.edge == 1:
            return brain
        # Beyond the image there is background, as at its rim.
        padded = np.pad(brain, [(0, -length % self.edge) for length in brain.shape])
        x, y, z = (length // self.edge for length in padded.shape)
        e = self.edge
        return padded.reshape(x, e, y, e, z, e).mean(axis=(1, 3, 5), dtype=np.float32)
