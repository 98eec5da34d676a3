"""The bias field, by N4 of ANTsPy."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry
from brainage.imaging.ants_setup import import_ants, raise_if_machine
from brainage.imaging.reading import ScanFault

# The bias of a coil is smooth: 12 mm voxels see it all (white matter as even as from 8 mm, in a
# quarter of the time).
N4_SHRINK = 3
N4_ITERATIONS = [30, 20, 20]
N4_TOLERANCE = 1e-3


def log_bias_field(data: np.ndarray, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Estimate the bias field inside `mask` by N4 (Tustison et al. 2010, IEEE TMI 29:1310).

    Parameters
    ----------
    data, mask, affine
        Image, brain mask (bool) and 4 x 4 affine, at about 4 mm.

    Returns
    -------
    numpy.ndarray
        Logarithm of the multiplicative field on the grid of `data`, float32, with a mean of 0
        inside the mask; beyond the mask's box that of the nearest voxel.

    Raises
    ------
    ScanFault
        Where N4 gives no field.
    """
    ants = import_ants()
    inside = mask & (data > 0)
    if inside.sum() < 200:
        raise ScanFault("no brain was found: almost no signal inside the template's")
    place = ndimage.find_objects(inside.astype(np.uint8))[0]
    place = tuple(
        slice(max(0, part.start - 1), min(length, part.stop + 1))
        for part, length in zip(place, data.shape, strict=True)
    )
    edges = tuple(float(edge) for edge in geometry.spacing(affine))
    image = ants.from_numpy(np.ascontiguousarray(data[place], dtype=np.float32), spacing=edges)
    where = ants.from_numpy(np.ascontiguousarray(inside[place], dtype=np.float32), spacing=edges)
    try:
        field = ants.n4_bias_field_correction(
            image,
            mask=where,
            shrink_factor=N4_SHRINK,
            convergence={"iters": N4_ITERATIONS, "tol": N4_TOLERANCE},
            return_bias_field=True,
        ).numpy()
    except RuntimeError as error:
        raise_if_machine(error)
        raise ScanFault("N4 found no bias field") from None
    if not np.isfinite(field).all() or field.min() <= 0:
        raise ScanFault("N4 found no bias field")
    log_field = np.log(field)
    log_field -= log_field[inside[place]].mean()
    around = [
        (part.start, length - part.stop) for part, length in zip(place, data.shape, strict=True)
    ]
    return np.pad(log_field, around, mode="edge").astype(np.float32)
