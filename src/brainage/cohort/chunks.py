"""Which scans are processed together: a person's scans in one chunk, and always the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

SMALL, LARGE = 16, 64  # scans of a chunk
FEW = 128  # chunks that are small ones


def split(participants: Iterable[str], scans: int, size: int | None) -> dict[str, list[str]]:
    """Share people out among chunks.

    A person's chunk follows from a hash of the name, and the number of chunks is a power of two,
    so that a person who comes or goes leaves (nearly always) everybody else's chunk as it is.

    Parameters
    ----------
    participants
        The people of a data set.
    scans
        How many scans they have together.
    size
        How many scans a chunk should have, about; None: 16, and up to 64 where that makes more
        than 128 chunks, as planning and a cluster take their time for every job.

    Returns
    -------
    dict
        participant_ids by number of the chunk (as text); chunks without people are left out.
    """
    wanted = max(min(scans / SMALL, FEW), scans / LARGE) if size is None else scans / size
    count = 1
    while count < wanted:
        count *= 2
    chunks: dict[str, list[str]] = {}
    for participant in participants:
        digest = hashlib.sha256(participant.encode()).digest()
        number = int.from_bytes(digest[:8], "big") % count
        chunks.setdefault(str(number), []).append(participant)
    return dict(sorted(chunks.items(), key=lambda item: int(item[0])))
