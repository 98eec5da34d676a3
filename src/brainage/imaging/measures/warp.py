"""What a non-linear registration did, and the grey matter that it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Measure

if TYPE_CHECKING:
    import numpy as np

    from brainage.imaging.registered import RegisteredScan


def determinants(scan: RegisteredScan) -> np.ndarray:
    """Jacobian determinant of the warp alone at each voxel of the template's brain."""
    assert scan.warp is not None  # these measures are taken with one only
    return scan.warp.determinant(*scan.template.grid)[scan.template.mask]


def jacobian_min(scan: RegisteredScan) -> float:
    """Smallest determinant inside the template's brain (1: as large as after the affine)."""
    return float(scan.once(determinants).min())


def jacobian_max(scan: RegisteredScan) -> float:
    """Largest determinant inside the template's brain."""
    return float(scan.once(determinants).max())


def grey_matter_ml(scan: RegisteredScan) -> float:
    """Grey matter in the head's own space, in ml."""
    import numpy as np

    determinant = abs(np.linalg.det(scan.template_to_head[:3, :3]))
    total = float(scan.tissues.posterior[1].sum()) * scan.template.size**3
    return float(total * determinant / 1000)


CHOICES = {
    "jacobian_min": Measure(
        label="smallest Jacobian determinant of the warp",
        sentence="the smallest Jacobian determinant of the warp in the brain",
        order=410,
        of_scan=jacobian_min,
        needs_warp=True,
    ),
    "jacobian_max": Measure(
        label="largest Jacobian determinant of the warp",
        sentence="the largest Jacobian determinant of the warp in the brain",
        order=411,
        of_scan=jacobian_max,
        needs_warp=True,
    ),
    "gm_volume_ml": Measure(
        label="grey-matter volume (ml)",
        sentence="the volume of grey matter",
        order=412,
        of_scan=grey_matter_ml,
        needs_warp=True,
    ),
}
