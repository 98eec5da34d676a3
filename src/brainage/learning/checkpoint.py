"""Checkpoints of training: whole or not at all, and never used for another training."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from brainage.core.files import atomic_write, disk_fault


def fingerprint_parts(**parts: Any) -> dict[str, str]:
    """Hash everything that a result follows from.

    Parameters
    ----------
    **parts
        Config, data and code, as anything that JSON can hold.

    Returns
    -------
    dict
        The SHA-256 of each part.
    """
    texts = {
        name: json.dumps(part, sort_keys=True, ensure_ascii=False) for name, part in parts.items()
    }
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def save(path: Path, state: dict[str, Any], fingerprints: dict[str, str]) -> None:
    """Write `state` (tensors, numbers, text, lists and dicts of them) with its fingerprints."""
    import torch

    with atomic_write(path) as temporary:
        torch.save({"fingerprints": fingerprints, "state": state}, temporary)


def load(path: Path, fingerprints: dict[str, str]) -> dict[str, Any] | None:
    """Return the state of a checkpoint, or None where there is none to go on from.

    A checkpoint of another config, other data or other code, or one that cannot be read, is
    not used; a line on stderr says which.
    """
    import torch

    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found: dict[str, str] = dict(content["fingerprints"])
        state: dict[str, Any] = content["state"]
    except Exception as error:
        if disk_fault(error) is not None:
            raise  # what cannot be read now is not lost
        print(f"{path}: unreadable checkpoint ({error}); starting over", file=sys.stderr)
        return None
    other = [name for name in fingerprints if found.get(name) != fingerprints[name]]
    if other:
        what = " and ".join(other)
        print(f"{path}: checkpoint made with other {what}; starting over", file=sys.stderr)
        return None
    return state


def remove(path: Path) -> None:
    """Delete a checkpoint; its folder stays, as others may be about to write there."""
    path.unlink(missing_ok=True)
