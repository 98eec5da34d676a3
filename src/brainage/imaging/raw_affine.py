"""Where a raw header says that the voxels lie, and whether that can be true."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainage.core.affines import spacing
from brainage.imaging.faults import ScanFault

# Smaller or larger voxels than any T1w scan of a person has: the header is wrong (often metres
# or micrometres taken for millimetres).
VOXEL_LIMITS = (0.2, 8.0)
EXTENT_LIMITS = (80.0, 600.0)  # mm of the field of view along an axis
MAX_DISTANCE = 5000.0  # mm of the image's middle from the origin: scanners are smaller
MAX_RATIO = 1.1  # of two voxel sizes that mean the same
MAX_ANGLE = 45.0  # degrees between sform and qform: a template's pose is not that far off
UNITS = {1: ("metre", 1000.0), 3: ("micron", 0.001)}  # codes of xyzt_units; others count as mm
CONTRADICTION = "the header contradicts itself: "


def read_affine(header: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    """Return the affine (4 x 4, in mm) of a NIfTI header, and whether its orientation is known.

    It is the sform's, else the qform's; without both (codes 0) nibabel's guess of first axis to
    the left, which may be a mirror image.

    Parameters
    ----------
    header
        nibabel's header, as stored.
    shape
        Of the image.

    Raises
    ------
    ScanFault
        It contradicts itself, or cannot be that of a head.
    """
    import nibabel

    checked = header.copy()
    try:
        # nibabel makes codes that do not exist 0, and sizes that are negative positive.
        checked.check_fix()
        known = [name for name in ("sform", "qform") if int(checked[f"{name}_code"]) > 0]
        affine = np.asarray(checked.get_best_affine(), dtype=np.float64)
    except (nibabel.spatialimages.HeaderDataError, ValueError, ArithmeticError):
        raise ScanFault(
            "the header's orientation (quaternion of the qform) cannot be read"
        ) from None
    _check_numbers(affine)
    if len(known) == 2:
        _check_forms(checked)
    if "sform" in known:
        _check_sizes(header, affine)
    unit, factor = UNITS.get(int(header["xyzt_units"]) & 7, ("mm", 1.0))
    affine[:3] *= factor
    _check_extent(affine, shape, "" if unit == "mm" else f" (its unit is {unit})")
    return affine, bool(known)


def _check_numbers(affine: np.ndarray) -> None:
    if not np.isfinite(affine).all():
        raise ScanFault("the header's affine has values that are not numbers")
    edges = spacing(affine)
    if np.any(edges == 0) or abs(np.linalg.det(affine[:3, :3] / np.maximum(edges, 1e-12))) < 1e-3:
        raise ScanFault("the header's affine is zero or singular: voxels have no position")


def _check_forms(header: Any) -> None:
    try:
        sform, qform = header.get_sform(), header.get_qform()
    except (ValueError, ArithmeticError):
        return  # a broken quaternion beside a good sform is common and harmless
    if not np.isfinite(qform).all() or np.any(spacing(qform) == 0):
        return
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        raise ScanFault(f"{CONTRADICTION}sform and qform disagree about left and right")
    # Differing positions are common (an aligned sform over the scanner's qform); differing
    # voxel sizes mean that one of the two is wrong, and nobody can tell which.
    if _differ(spacing(sform), spacing(qform)):
        raise ScanFault(f"{CONTRADICTION}sform and qform disagree on voxel sizes")
    angle = _angle(sform, qform)
    if angle > MAX_ANGLE:
        raise ScanFault(
            f"{CONTRADICTION}sform and qform are {angle:.0f} degrees apart, and which is right "
            "cannot be told"
        )


def _check_sizes(header: Any, affine: np.ndarray) -> None:
    stated = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
    if not np.all((stated > 0) & np.isfinite(stated)):
        return  # nothing is stated
    if _differ(stated, spacing(affine)):
        sizes = [" x ".join(f"{edge:.3g}" for edge in edges) for edges in (stated, spacing(affine))]
        raise ScanFault(
            f"{CONTRADICTION}its voxels are {sizes[0]} mm by pixdim and {sizes[1]} mm by the sform"
        )


def _differ(one: np.ndarray, other: np.ndarray) -> bool:
    ratio = one / other
    return bool(np.any(ratio > MAX_RATIO) or np.any(ratio < 1 / MAX_RATIO))


def _angle(one: np.ndarray, other: np.ndarray) -> float:
    """Degrees of the rotation between two affines, without what they shear."""
    turns = []
    for affine in (one, other):
        left, _, right = np.linalg.svd(affine[:3, :3] / spacing(affine))
        turns.append(left @ right)
    cosine = (np.trace(turns[0] @ turns[1].T) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _check_extent(affine: np.ndarray, shape: tuple[int, ...], unit: str) -> None:
    edges = spacing(affine)
    low, high = VOXEL_LIMITS
    if np.any(edges < low) or np.any(edges > high):
        sizes = " x ".join(f"{edge:.3g}" for edge in edges)
        raise ScanFault(
            f"the header gives voxels of {sizes} mm{unit}, which is impossible for a T1w scan of "
            "a head"
        )
    extent = edges * np.array(shape)
    if np.any(extent < EXTENT_LIMITS[0]) or np.any(extent > EXTENT_LIMITS[1]):
        sizes = " x ".join(f"{length:.0f}" for length in extent)
        raise ScanFault(
            f"according to its header the image covers {sizes} mm{unit}, which does not fit a head"
        )
    middle = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    distance = float(np.linalg.norm(middle))
    if distance > MAX_DISTANCE:
        raise ScanFault(
            f"according to its header the head lies {distance / 1000:.3g} m from the origin{unit}, "
            "which is impossible"
        )
