"""White matter against the brightest of the frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from brainage.imaging.measure import Measure, Outlier

if TYPE_CHECKING:
    import numpy as np

    from brainage.imaging.measures._tissues import Spread
    from brainage.imaging.registered import RegisteredScan


def white_to_maximum(data: np.ndarray, tissues: Mapping[str, Spread]) -> float | None:
    """Mean of white matter over the 99.95th percentile of the frame; None without either."""
    import numpy as np

    top = float(np.percentile(data, 99.95))
    return tissues["wm"].mean / top if "wm" in tissues and top > 0 else None


def of_scan(scan: RegisteredScan) -> float | None:
    """Of the scan without its bias field."""
    from brainage.imaging.measures import _tissues

    return white_to_maximum(scan.aligned.corrected, scan.once(_tissues.of_scan))


CHOICE = Measure(
    label="white matter relative to the maximum",
    sentence="the mean of white matter relative to the 99.95th percentile of the image",
    order=330,
    of_scan=of_scan,
    outlier=Outlier(
        direction="both",
        floor=0.05,
        words="white matter is unusually bright or dark relative to the image",
    ),
)
