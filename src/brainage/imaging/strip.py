"""Which voxels are brain: the template's mask carried over, or the network deepbet."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from scipy import ndimage

from brainage.core.files import InputError
from brainage.imaging.faults import ScanFault
from brainage.imaging.nifti import read_derivative
from brainage.imaging.reading import Head
from brainage.imaging.tissue import Tissues, normalised

# Intensities (on the scale of tissue.TARGETS) of brain: above CSF and bone, below fat ...
BRIGHTNESS = (0.3, 0.95)
# ... and above this share of grey matter, for heads whose CSF is as dark as bone.
SHARE_OF_GREY = 0.6
REACH = 4.0  # mm beyond the template's mask that brain may reach after an affine
CORE = 4.0  # mm inside it where everything is brain
OPENING = 2.0  # mm; thin sheets of dura fall off (only where voxels are small enough to see them)
CLOSING = 6.0  # mm; sulci are filled ...
GROWTH = 2.0  # ... and the rim of CSF about the cortex is kept


def refined_mask(data: np.ndarray, tissues: Tissues, depth: np.ndarray, size: float) -> np.ndarray:
    """Follow the head's own edge of the brain in a band about the carried template mask.

    Bright voxels of the band are taken, thin sheets removed, the piece that holds the core
    kept, and sulci closed. The steps were chosen on every second of 125 real heads, against
    masks of a network; nothing else of those heads is in here.

    Parameters
    ----------
    data
        Bias-corrected head on the template's grid.
    tissues
        What was found in it inside the template's mask.
    depth
        mm inside (positive) or outside (negative) the template's brain mask.
    size
        Edge of a voxel in mm.

    Returns
    -------
    numpy.ndarray
        bool, on the same grid; the template's own mask where the tissues give no edge to follow.
    """
    if not tissues.ordered:
        return depth > 0
    room = ndimage.find_objects((depth > -REACH - CLOSING - size).astype(np.uint8))[0]
    inner = depth[room]
    values = normalised(data[room], np.ones(inner.shape, dtype=bool), tissues)
    core = inner > CORE
    bright = (values > BRIGHTNESS[0]) & (values < BRIGHTNESS[1]) & (inner > -REACH)
    bright &= data[room] > SHARE_OF_GREY * tissues.means[1]
    brain = bright | core
    if size <= OPENING * 1.25:
        seed = _largest(_eroded(bright, OPENING, size) | core)
        brain &= _dilated(seed, OPENING, size)
    else:
        brain = _largest(brain)
    closing = max(size, CLOSING) if size <= CLOSING / 2 else size
    brain = _eroded(_dilated(brain, closing, size), closing - GROWTH, size)
    brain = ndimage.binary_fill_holes(brain & (inner > -REACH))
    result = np.zeros(data.shape, dtype=bool)
    result[room] = brain
    return result


def _eroded(mask: np.ndarray, distance: float, size: float) -> np.ndarray:
    return ndimage.distance_transform_edt(mask) * size > distance


def _dilated(mask: np.ndarray, distance: float, size: float) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask) * size <= distance


def _largest(mask: np.ndarray) -> np.ndarray:
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces == sizes.argmax()


def require_deepbet() -> None:
    """Raise InputError, saying how to install it, where deepbet is missing."""
    if importlib.util.find_spec("deepbet") is None:
        raise InputError(
            "imaging: skull_stripping: deepbet: the package deepbet is not installed; "
            "install it with: pip install deepbet (or use skull_stripping: template)"
        )


def deepbet_mask(head: Head, folder: Path) -> np.ndarray:
    """Brain mask by the network deepbet (Fisch et al. 2024, Neuroimage Clin), on one CPU thread.

    Returns
    -------
    numpy.ndarray
        float32, 0 or 1, on the grid of `head`.

    Raises
    ------
    ScanFault
        Where the network finds no brain.
    """
    import nibabel
    from deepbet import run_bet

    target = folder / "deepbet_mask.nii.gz"
    # The turned head is given, so that the network and we mean the same axes.
    turned = folder / "deepbet_head.nii.gz"
    nibabel.Nifti1Image(head.data, head.affine).to_filename(turned)
    run_bet([str(turned)], mask_paths=[str(target)], no_gpu=True)
    if not target.is_file():
        raise ScanFault("deepbet found no brain")
    mask = read_derivative(target)[0]
    if not mask.any():
        raise ScanFault("deepbet found no brain")
    return (mask > 0.5).astype(np.float32)
