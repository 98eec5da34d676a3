"""Loading brains from the store to the training device in the background."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brainage.core.store import Store

# Of a GPU's free memory; the rest is for the network. 20,000 brains at 1.5 mm are 42 GB, which
# fits a card of 80.
_HELD_SHARE = 0.6
# Elsewhere what is read from a file stays in the system's memory by itself, and does not count as
# the job's; reading it again takes a hundredth of what a processor needs to augment it.
_HELD_BYTES = 2 * 2**30


class Brains:
    """Brains by position in a group, as stored (uint8).

    Where they leave room for the network they are held in the device's memory. Else each batch is
    read from the store's file while the one before is worked on: a side thread copies it into
    pinned memory, and a stream of its own carries it to the GPU. Both ways give the same bits.

    Parameters
    ----------
    store
        The open store.
    rows
        Row in the store of each position, shape (n,).
    device
        Where batches are wanted.
    hold
        Whether to hold them all; None where they fit.
    channels
        Names of the store's arrays.
    """

    def __init__(
        self,
        store: Store,
        rows: np.ndarray,
        device: torch.device,
        hold: bool | None = None,
        channels: Sequence[str] = ("brain",),
    ) -> None:
        self.store, self.rows, self.device, self.channels = store, rows, device, channels
        self.shape = (len(channels), *store.brains.shape[1:])
        if hold is None:
            size = len(rows) * int(np.prod(self.shape))
            hold = size < _room(device)
        self.held: Tensor | None = None
        if hold:
            self.held = torch.empty((len(rows), *self.shape), dtype=torch.uint8, device=device)
            for start in range(0, len(rows), 256):
                some = np.arange(start, min(start + 256, len(rows)))
                self.held[start : start + 256] = self._read(some, pinned=False)
        self.copies = torch.cuda.Stream(device) if device.type == "cuda" else None

    def take(self, positions: np.ndarray) -> Tensor:
        """Return the brains at `positions`, (n, channels, x, y, z) uint8 on the device."""
        if self.held is not None:
            return self.held.index_select(0, torch.from_numpy(positions).to(self.device))
        return self._arrived(self._send(positions))

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the brains of each batch in turn, the next one being fetched meanwhile.

        Yields
        ------
        tuple of Tensor
            Brains as by :meth:`take`, and in which of their rows the batch is, both on the
            device. Where all are held it is these that are given, and nothing is copied.
        """
        if self.held is not None:
            for positions in batches:
                yield self.held, torch.from_numpy(positions).to(self.device)
            return
        with closing(self._fetched(batches)) as fetched:  # its thread ends when this does
            for volumes in fetched:
                yield volumes, torch.arange(len(volumes), device=self.device)

    def _fetched(self, batches: Iterable[np.ndarray]) -> Generator[Tensor, None, None]:
        with ThreadPoolExecutor(1, "brains", initializer=self._use_device) as thread:
            coming = None
            for positions in batches:
                ready, coming = coming, thread.submit(self._send, positions)
                if ready is not None:
                    yield self._arrived(ready.result())
            if coming is not None:
                yield self._arrived(coming.result())

    def _use_device(self) -> None:
        """Keep a side thread off the first GPU, where it would take memory for nothing."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)

    def _read(self, positions: np.ndarray, pinned: bool) -> Tensor:
        volumes = torch.empty((len(positions), *self.shape), dtype=torch.uint8, pin_memory=pinned)
        # One by one: an index with a list would make a copy more.
        for volume, row in zip(volumes.numpy(), self.rows[positions], strict=True):
            volume[...] = self.store.read(slice(row, row + 1), self.channels)[0]
        return volumes

    def _send(self, positions: np.ndarray) -> tuple[Tensor, Any]:
        """Start the copy to the device; returns it with the event of its end."""
        if self.copies is None:
            return self._read(positions, pinned=False), None
        volumes = self._read(positions, pinned=True)
        with torch.cuda.stream(self.copies):
            sent = volumes.to(self.device, non_blocking=True)
            return sent, self.copies.record_event()

    def _arrived(self, sent: tuple[Tensor, Any]) -> Tensor:
        """Let the stream that trains wait for the copy, and keep its memory until it is used."""
        volumes, event = sent
        if event is not None:
            here = torch.cuda.current_stream(self.device)
            here.wait_event(event)
            volumes.record_stream(here)
        return volumes


def _room(device: torch.device) -> float:
    """Bytes that brains may take."""
    if device.type == "cuda":
        return _HELD_SHARE * torch.cuda.mem_get_info(device)[0]
    return _HELD_BYTES
