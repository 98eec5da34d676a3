"""Building the store: all brains that passed quality control in one array, grey matter in another.

Who reads it does so by :mod:`brainage.core.store`.
"""

from __future__ import annotations

import hashlib
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts import learning as contract
from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import QC
from brainage.core.derivatives import BRAIN, GREY_MATTER, TEMPLATE_NAME, derivative
from brainage.core.files import InputError, atomic_write, reserve, sha256, write_json
from brainage.core.layout import Layout
from brainage.core.store import ARRAYS, Store
from brainage.core.subjects import usable
from brainage.core.tables import read_table, write_table

# What 1 of an image is as a whole number in the store, by channel.
SCALES = {"brain": 255, "grey_matter": 100}
WORDS = {"brain": "brain", "grey_matter": "grey-matter map"}

_NOT_NORMALISED = 1.001  # brains are between 0 and 1; above this, something else was given
_HASH_DIGITS = 16


def build(files: Layout, channels: Sequence[str] = ("brain",)) -> None:
    """Write the store.

    Takes each scan with verdict ``pass`` or ``warn`` that is not set aside. Imaging has cut
    all brains to the template's box, which is the same whoever is in the cohort, and has
    brought them to one intensity scale of 0 to 1; both stay as they are, and 1 becomes 255. A
    scale of each brain's own would undo that: an old brain has more dark fluid. Modulated grey
    matter is kept in hundredths, cut at 2.55. One brain is in memory at a time.

    Parameters
    ----------
    files
        Of these results :data:`QC`, :data:`SCANS` and the folder of imaging are read; written are
        ``brains.npy`` (n, x, y, z), ``index.tsv`` and ``store.json``, rows in the order of scan_id.
    channels
        With ``grey_matter`` among them there is a ``grey_matter.npy`` of the same shape.

    Raises
    ------
    InputError
        Where no scan is left, or a brain is missing, unreadable, not normalised or on another
        grid; it names the scan.
    """
    scan_ids = _usable(files.file("qc"), files.file("scans"))
    derivatives, out = files.folder("imaging"), files.folder("store")
    first = _read(derivatives, scan_ids[0], "brain")
    written = ["brain", *(["grey_matter"] if "grey_matter" in channels else [])]
    index = pd.DataFrame({"scan_id": scan_ids, "row": range(len(scan_ids))})
    for channel in written:
        path = out / ARRAYS[channel]
        index[f"{channel}_sha256"] = _write(path, channel, scan_ids, derivatives, first)
    write_table(index, files.file("store_index"), contract.INDEX)
    content: dict[str, Any] = {
        "affine": [[round(float(value), 6) for value in line] for line in first.affine],
        "dtype": "uint8",
        "scale": "1 is 255",
        "scans": len(scan_ids),
        "sha256": sha256(files.file("brains")),
        "shape": [int(side) for side in first.shape],
        "space": TEMPLATE_NAME,
    }
    if "grey_matter" in channels:
        content["grey_matter"] = {
            "scale": f"1 is {SCALES['grey_matter']}",
            "sha256": sha256(files.file("grey_matter")),
        }
    write_json(files.file("store_info"), content)


def preprocessing(store: Store, channels: Sequence[str]) -> dict[str, Any]:
    """Return how the images of some channels were made: what two stores must have in common."""
    facts = {key: store.info.get(key) for key in ("affine", "dtype", "scale", "shape", "space")}
    if "grey_matter" in channels:
        store.array("grey_matter")  # said here where there is none, before any work
        facts["grey_matter_scale"] = store.info.get("grey_matter", {}).get("scale")
    return facts


def _write(
    path: Path, channel: str, scan_ids: list[str], derivatives: Path, first: Any
) -> list[str]:
    """Write the array of one channel; returns a hash of each row."""
    hashes = []
    shape = (len(scan_ids), *(int(side) for side in first.shape))
    header = io.BytesIO()
    facts = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, facts)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        # A disk that is too small is met now and not after hours.
        reserve(file, len(header.getvalue()) + math.prod(shape))
        file.write(header.getvalue())
        for row, scan_id in enumerate(scan_ids):
            image = _read(derivatives, scan_id, channel)
            if image.shape != first.shape or not np.allclose(image.affine, first.affine, atol=1e-3):
                raise InputError(
                    f"{scan_id}: its {WORDS[channel]} is on a different grid from that of "
                    f"{scan_ids[0]}; preprocess both with the same template and voxel size"
                )
            voxels = _compact(image, scan_id, channel).tobytes()
            file.write(voxels)
            hashes.append(hashlib.sha256(voxels).hexdigest()[:_HASH_DIGITS])
            if (row + 1) % 500 == 0:
                print(f"store: {row + 1} of {len(scan_ids)} {channel}", file=sys.stderr, flush=True)
    return hashes


def _usable(qc: Path, scans: Path) -> list[str]:
    table = read_table(scans, SCANS)
    scan_ids = sorted(table.loc[usable(table, read_table(qc, QC)), "scan_id"])
    if not scan_ids:
        raise InputError(f"{qc}: no scan passed quality control, so there is nothing to learn from")
    return scan_ids


def _read(derivatives: Path, scan_id: str, channel: str) -> Any:
    import nibabel

    path = derivative(derivatives, scan_id, BRAIN if channel == "brain" else GREY_MATTER)
    if not path.is_file():
        raise InputError(f"{scan_id}: passed quality control, but {path} is missing")
    try:
        image: Any = nibabel.load(path)
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
            + (
                "brains must be normalised to 0 to 1"
                if channel == "brain"
                else "the minimum must be 0"
            )
        )
    return np.rint(np.clip(values * SCALES[channel], 0, 255)).astype(np.uint8)
