"""What a 4 x 4 affine from voxels to mm says, and the width of a Gaussian."""

from __future__ import annotations

import numpy as np

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))


def spacing(affine: np.ndarray) -> np.ndarray:
    """Edges of a voxel in mm, from a 4 x 4 affine."""
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
