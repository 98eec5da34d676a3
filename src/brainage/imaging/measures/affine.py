"""What the affine did to a head: size, stretch and rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.imaging.measure import Limit, Measure, Outlier

if TYPE_CHECKING:
    import numpy as np

    from brainage.imaging.registered import RegisteredScan


def scale(template_to_head: np.ndarray) -> float:
    """How much longer the head is than the template: cube root of the determinant."""
    import numpy as np

    return float(np.cbrt(float(np.linalg.det(template_to_head[:3, :3]))))


def stretch(template_to_head: np.ndarray) -> float:
    """Longest over shortest axis, 1 for none."""
    import numpy as np

    singular = np.linalg.svd(template_to_head[:3, :3])[1]
    return float(singular.max() / max(singular.min(), 1e-9))


def rotation(template_to_head: np.ndarray) -> float:
    """How far the head was turned, in degrees."""
    import numpy as np

    left, _, right = np.linalg.svd(template_to_head[:3, :3])
    cosine = (np.trace(left @ right) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def scale_of_scan(scan: RegisteredScan) -> float:
    """Return :func:`scale` of a scan."""
    return scale(scan.template_to_head)


def stretch_of_scan(scan: RegisteredScan) -> float:
    """Return :func:`stretch` of a scan."""
    return stretch(scan.template_to_head)


def rotation_of_scan(scan: RegisteredScan) -> float:
    """Return :func:`rotation` of a scan."""
    return rotation(scan.template_to_head)


# Slices counted the wrong way are a turn and a mirror image. The template is symmetric, so where
# the turned head is registered well its brain can be used; but left and right are swapped.
UPSIDE_DOWN = Limit(
    key="max_rotation",
    bound="max",
    words=(
        "according to its header the person lay upside down or on their side: check the header, "
        "as left and right may be swapped too (rotation_degrees {value:.0f} is above {limit:g})"
    ),
    sets_aside=False,
)
CHOICES = {
    "stretch": Measure(
        label="stretch to fit the template",
        sentence="the longest over the shortest axis of the affine",
        order=160,
        of_scan=stretch_of_scan,
        outlier=Outlier(
            direction="high",
            floor=0.02,
            words="stretched to fit the template: check the alignment",
            everywhere=True,
        ),
    ),
    "scale": Measure(
        label="size relative to the template",
        sentence="the size relative to the template",
        order=161,
        of_scan=scale_of_scan,
        outlier=Outlier(
            direction="both",
            floor=0.02,
            words="scaled to fit the template: check the alignment",
            everywhere=True,
        ),
    ),
    "rotation_degrees": Measure(
        label="rotation (degrees)",
        sentence="the rotation of the head relative to the template",
        settings={
            "max_rotation": {
                "type": "number",
                "minimum": 0,
                "default": 60.0,
                "description": (
                    "Rotation from the template, in degrees; nobody lies in a scanner rotated "
                    "further, so the header is probably wrong: a warning, not a failure."
                ),
            }
        },
        order=162,
        of_scan=rotation_of_scan,
        limit=UPSIDE_DOWN,
    ),
}
