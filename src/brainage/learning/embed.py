"""Embeddings: what a frozen encoder makes of each brain in the store."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from brainage.core.contracts.learning import INDEX
from brainage.core.files import InputError, atomic_write, read_json
from brainage.core.layout import Layout
from brainage.core.software import write_result
from brainage.core.store import Store, open_store
from brainage.core.training import Training
from brainage.learning import augment, finished
from brainage.learning.devices import make_repeatable, pick_device
from brainage.learning.model import build_encoder, encoder_versions
from brainage.learning.store import preprocessing

_BATCH = 16


def embed(files: Layout, name: Training, *, device: str, threads: int, code: str) -> None:
    """Write the encoder's output, not that of its training head, for every brain of the store.

    Only brains that this encoder has not embedded before are embedded. What comes out for one does
    not depend on the others, so that it is the same either way.

    Parameters
    ----------
    files
        Of these results the store and the encoder are read; written are the embeddings, (n, d)
        float32 in the order of scan_id, and their index, :data:`INDEX`.
    name
        Whose encoder.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        Threads of torch.
    code
        Hash of the code that results follow from; nothing that other code left is used.

    Raises
    ------
    InputError
        Where the encoder is missing or damaged, or was trained on brains of another shape or
        scale than those of the store.
    """
    make_repeatable(threads)
    store = open_store(files.folder("store"))
    network, description = load_encoder(files, name)
    _require_like_brains(files, name, store, description)
    where = pick_device(device)
    network.to(where)
    scan_ids = sorted(store.rows)
    channels = description["settings"]["channels"]
    keys = finished.brain_keys(store, scan_ids, channels)
    # Of other versions than the locked ones, too, no embeddings are mixed.
    versions = encoder_versions(network)
    follows_from = [description["architecture"], channels, threads, where.type, code, versions]
    kept = finished.Embeddings(files, name, follows_from)
    new = {
        key: scan_id for key, scan_id in zip(keys, scan_ids, strict=True) if key not in kept.known
    }
    if new:
        rows = np.array([store.rows[scan_id] for scan_id in new.values()])
        made = _embeddings(network, store, rows, description, where)
        if not np.isfinite(made).all():
            bad = list(new.values())[int(np.argmin(np.isfinite(made).all(1)))]
            raise InputError(f"{name}: the embedding of {bad} is not finite; retrain it")
        kept.add(list(new), made)
    embeddings = kept.of(keys)
    path = files.file("embeddings", training=name)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, embeddings)
    index = pd.DataFrame(
        {
            "scan_id": scan_ids,
            "row": range(len(scan_ids)),
            "brain_sha256": [store.hashes[scan_id] for scan_id in scan_ids],
            "grey_matter_sha256": [store.grey_matter_hashes.get(scan_id) for scan_id in scan_ids],
        }
    )
    write_result(index, files.file("embedding_index", training=name), INDEX)
    found = len(set(keys)) - len(new)
    print(f"embed: {len(new)} brains embedded, {found} found", file=sys.stderr, flush=True)


def load_encoder(files: Layout, name: Training) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network with its weights, in evaluation mode, and its description."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    description: dict[str, Any] = read_json(files.file("encoder_description", training=name))
    architecture = description["architecture"]
    channels = len(description["settings"]["channels"])
    network = build_encoder(architecture["name"], architecture["width"], channels)
    path = files.file("encoder", training=name)
    try:
        network.load_state_dict(load_file(path))
    except (FileNotFoundError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: cannot be used: {error}") from None
    return network.eval(), description


def _require_like_brains(
    files: Layout, name: Training, store: Store, description: dict[str, Any]
) -> None:
    here = preprocessing(store, description["settings"]["channels"])
    for key in here:
        if description["preprocessing"].get(key) != here[key]:
            raise InputError(
                f"{files.file('encoder', training=name)}: was trained on brains with a different "
                f"{key} from those of {files.folder('store')}; preprocess them in the same way"
            )


def _embeddings(
    network: nn.Module,
    store: Store,
    rows: np.ndarray,
    description: dict[str, Any],
    where: torch.device,
) -> np.ndarray:
    """Embed some rows of the store, (n, d) float32."""
    size = description["architecture"]["feature_size"]
    channels = description["settings"]["channels"]
    embeddings = np.empty((len(rows), size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            volumes = torch.from_numpy(store.read(part, channels)).to(where)
            volumes = augment.to_float(volumes, channels)
            # One brain's numbers must not depend on how many others are in its batch: some
            # kernels change with the batch's size, so the last batch is filled up.
            missing = _BATCH - len(part)
            volumes = torch.cat([volumes, volumes[:1].expand(missing, -1, -1, -1, -1)])
            features = network(volumes)[: len(part)]
            embeddings[start : start + len(part)] = features.float().cpu().numpy()
    return embeddings
