"""Shares of the tissues in the brain."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from brainage.imaging.measure import Measure

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan


def share(label: int, scan: RegisteredScan) -> float:
    """Share of a tissue (1 CSF, 2 grey matter, 3 white matter) in the head's own mask."""
    inside = scan.tissues.labels[scan.mask]
    return float((inside == label).sum()) / max(1, int(scan.mask.sum()))


def _share(label: int, tissue: str) -> Measure:
    return Measure(
        label=f"{tissue}, fraction of the brain",
        sentence=f"the fraction of {tissue} in the brain",
        order=400 - label,
        of_scan=partial(share, label),
    )


CHOICES = {
    "icvs_csf": _share(1, "cerebrospinal fluid"),
    "icvs_gm": _share(2, "grey matter"),
    "icvs_wm": _share(3, "white matter"),
}
