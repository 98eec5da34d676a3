"""Embeddings: what a frozen encoder makes of each brain in the store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from brainage.core.contracts.learning import INDEX
from brainage.core.files import InputError, read_json, written_whole
from brainage.core.tables import write_table
from brainage.learning import augment, encoders
from brainage.learning.devices import make_repeatable, pick_device
from brainage.learning.pretrain import DESCRIPTION, WEIGHTS
from brainage.learning.store import open_store

_BATCH = 16


def embed(
    store: Path, encoder: Path, out_array: Path, out_index: Path, threads: int, device: str = "auto"
) -> None:
    """Write the encoder's output, not that of its training head, for every brain of a store.

    Parameters
    ----------
    store
        Folder of the store.
    encoder
        Folder with ``encoder.safetensors`` and ``encoder.json``.
    out_array
        Where to put the embeddings: (n, d) float32, in the order of the store.
    out_index
        Where to put their index, :data:`INDEX`.
    threads
        Threads of torch.
    device
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        Where the encoder is missing or damaged, or was trained on brains of another shape or
        scale than those of the store.
    """
    make_repeatable(threads)
    data = open_store(store)
    network, description = load_encoder(encoder)
    for key in ("affine", "scale", "shape", "space"):
        if description["preprocessing"].get(key) != data.info.get(key):
            raise InputError(
                f"{encoder}: was trained on brains with another {key} than those of {store}; "
                "preprocess them alike"
            )
    where = pick_device(device)
    network.to(where).eval()
    scan_ids = sorted(data.rows)
    rows = np.array([data.rows[scan_id] for scan_id in scan_ids])
    size = description["architecture"]["feature_size"]
    channels = description["settings"]["channels"]
    embeddings = np.empty((len(rows), size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            volumes = torch.from_numpy(data.read(part, channels)).to(where)
            volumes = augment.to_float(volumes, channels)
            # One brain's numbers must not hang on how many others are in its batch: some
            # kernels change with the batch's size, so the last batch is filled up.
            missing = _BATCH - len(part)
            volumes = torch.cat([volumes, volumes[:1].expand(missing, -1, -1, -1, -1)])
            features = network(volumes)[: len(part)]
            embeddings[start : start + len(part)] = features.float().cpu().numpy()
    if not np.isfinite(embeddings).all():
        bad = scan_ids[int(np.argmin(np.isfinite(embeddings).all(1)))]
        raise InputError(f"{encoder}: the embedding of {bad} is not finite; train it anew")
    with written_whole(out_array) as temporary, temporary.open("wb") as file:
        np.save(file, embeddings)
    index = pd.DataFrame({"scan_id": scan_ids, "row": range(len(scan_ids))})
    write_table(index, out_index, INDEX)
    print(f"embedded {len(rows)} scans", file=sys.stderr, flush=True)


def load_encoder(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network with its weights, in evaluation mode, and its description."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    description = read_json(folder / DESCRIPTION)
    architecture = description["architecture"]
    channels = len(description["settings"]["channels"])
    network = encoders.build(architecture["name"], architecture["width"], channels)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (FileNotFoundError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{folder / WEIGHTS}: cannot be used: {error}") from None
    return network.eval(), description
