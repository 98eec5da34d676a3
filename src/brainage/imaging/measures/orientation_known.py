"""Whether the header says which axis is which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Limit, Measure

if TYPE_CHECKING:
    from brainage.imaging.registered import RegisteredScan


def of_scan(scan: RegisteredScan) -> float:
    """1 where sform or qform has a code, 0 where neither has one."""
    return float(scan.head.orientation_known)


CHOICE = Measure(
    label="orientation known (1) or unknown (0)",
    sentence="whether the header gives the orientation of the image",
    settings={
        "unknown_orientation": {
            "enum": ["warn", "fail"],
            "default": "warn",
            "description": (
                "Verdict on a scan whose header gives no orientation (sform and qform code 0): it "
                "is read as nibabel reads it, first axis to the left, and may be a mirror image."
            ),
        }
    },
    order=163,
    of_scan=of_scan,
    limit=Limit(
        key="unknown_orientation",
        bound="yes",
        words=(
            "unknown orientation: sform and qform code of the header are 0, so left and right may "
            "be swapped; set them if you know the orientation"
        ),
    ),
)
