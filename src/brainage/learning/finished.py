"""A cache of finished trainings and embeddings, keyed by everything that they depend on.

Snakemake runs what lies behind a job that ran, and deletes the outputs first, even where nothing
changed that this step uses. So what took long is kept in a folder of its own, under a fingerprint
of what was used: voxels, ages, settings and code, and no name of an experiment, a fold, a scan or
a row. Two trainings that are alike share one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainage.core import choices
from brainage.core.files import atomic_write, disk_fault, sha256
from brainage.core.layout import Layout
from brainage.core.store import Store
from brainage.core.training import Training
from brainage.learning.model import ENCODERS, LOSSES
from brainage.learning.people import Group
from brainage.learning.store import preprocessing

# These change how the work is done and not what comes out (up to rounding on other devices).
_NOT_RESULT = ("checkpoint_every", "hold_brains")


def settings_that_count(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a training follows from: none that another loss or encoder takes."""
    counted = _without_others(settings, LOSSES, settings["loss"])
    counted["encoder"] = _without_others(settings["encoder"], ENCODERS, settings["encoder"]["name"])
    return {key: value for key, value in counted.items() if key not in _NOT_RESULT}


def _without_others(settings: Mapping[str, Any], package: str, name: str) -> dict[str, Any]:
    known = choices.choices(package)
    others = {key for choice in known.values() for key in choice.settings}
    others -= set(known[name].settings)
    return {key: value for key, value in settings.items() if key not in others}


def data_that_count(
    store: Store, train: Group, validation: Group, settings: Mapping[str, Any]
) -> list[Any]:
    """Return what a training follows from in its data, as JSON can hold it."""
    evaluates = (
        settings["choose_epoch"] == "validation"
        or bool(settings["validation_every"])
        or isinstance(settings["learning_rate"], list)
    )
    groups = [train, *([validation] if evaluates else [])]
    by_site = "site" in settings["sampling"]
    return [
        preprocessing(store, settings["channels"]),
        *(
            {
                "brains": brain_keys(store, group.scan_ids, settings["channels"]),
                "ages": group.ages.tolist(),
                "people": [positions.tolist() for positions in group.people],
                "sites": group.sites.tolist() if by_site else None,
            }
            for group in groups
        ),
    ]


def brain_keys(store: Store, scan_ids: Sequence[str], channels: Sequence[str]) -> list[str]:
    """Name what an encoder sees of each scan by the hashes of its channels."""
    hashes = {"brain": store.hashes, "grey_matter": store.grey_matter_hashes}
    return ["-".join(hashes[channel][scan_id] for channel in channels) for scan_id in scan_ids]


def training_folder(files: Layout, fingerprints: Mapping[str, str]) -> Path:
    """Return where the training of these fingerprints is kept, or is to be."""
    return files.folder("finished") / "training" / _key(fingerprints)


def is_whole(folder: Path, names: Sequence[str]) -> bool:
    """Tell whether all files of a finished result are there."""
    return all((folder / name).is_file() for name in names)


def keep_training(folder: Path, training: Training, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder, and put it in place when it is whole."""
    temporary = folder.with_name(f".{folder.name}.{_writer(training)}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        write(temporary)
        # Another training that is alike may have been faster, with the same result, and in use.
        if not is_whole(folder, [path.name for path in temporary.iterdir()]):
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class Embeddings:
    """Embeddings by one encoder that are there already, by the brain's key.

    Parameters
    ----------
    files
        The results.
    training
        Whose encoder.
    follows_from
        What embeddings follow from beside the brains and the weights, as JSON can hold it.
    """

    def __init__(self, files: Layout, training: Training, follows_from: Any) -> None:
        weights = sha256(files.file("encoder", training=training))
        folder = files.folder("finished") / "embeddings"
        self.path = folder / f"{_key([weights, follows_from])}.npz"
        self.training = training
        self.known: dict[str, np.ndarray] = {}
        if self.path.is_file():
            try:
                with np.load(self.path, allow_pickle=False) as kept:
                    self.known = dict(zip(kept["keys"].tolist(), kept["values"], strict=True))
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                if disk_fault(error) is not None:
                    raise  # what cannot be read now is not lost
                print(f"{self.path}: cannot be read ({error}); starting over", file=sys.stderr)

    def add(self, keys: Sequence[str], values: np.ndarray) -> None:
        """Keep some more."""
        self.known.update(zip(keys, values, strict=True))
        kept = sorted(self.known)
        with (
            atomic_write(self.path, f"{_writer(self.training)}.") as temporary,
            temporary.open("wb") as file,
        ):
            np.savez(file, keys=np.array(kept), values=np.stack([self.known[k] for k in kept]))

    def of(self, keys: Sequence[str]) -> np.ndarray:
        """Return those of some brains, (n, d) float32."""
        return np.stack([self.known[key] for key in keys])


def _writer(training: Training) -> str:
    """Return a part of a file's name that no other training has."""
    return str(training).replace("/", "_")


def _key(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
