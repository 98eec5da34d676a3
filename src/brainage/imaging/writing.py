"""Images written so that the same image gives the same bytes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any


def write_image(path: Path, image: Any) -> None:
    """Write a nibabel image, gzipped, with no name and no time in the gzip header."""
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))
