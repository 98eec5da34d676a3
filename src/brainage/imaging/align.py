"""Bias field and affine registration with ANTsPy, on coarse copies where that loses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.reading import ScanFault

# Mattes mutual information (blind to gain and contrast) on a regular fifth of the voxels. The
# coarse levels find the way; a few steps at the full grid settle it: more of them cost time and
# moved nothing on real heads.
METRIC = "MI[{fixed},{moving},1,32,Regular,0.2]"
FIRST = {"iterations": "500x200", "smoothing": "2x1", "shrink": "4x2"}
SECOND = {"iterations": "5", "smoothing": "0", "shrink": "1"}
GRADIENT_STEP = 0.25
CONVERGENCE = "1e-6,10"

# The bias of a coil is smooth: 12 mm voxels see it all.
N4_SHRINK = 3
N4_ITERATIONS = [30, 20, 20]
N4_TOLERANCE = 1e-4


def affine_to_template(
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    moving: np.ndarray,
    moving_affine: np.ndarray,
    scratch: Path,
    start: Path | None = None,
) -> Path:
    """Find the affine that carries a head onto the template.

    Parameters
    ----------
    fixed, fixed_affine
        Whole-head template and its 4 x 4 affine.
    moving, moving_affine
        The head, on a grid of about the same voxel size.
    scratch
        Folder for ANTs' files.
    start
        An affine (.mat) to go on from; without one the centres of mass are brought together
        and all levels are run.

    Returns
    -------
    Path
        The ITK transform (.mat), from template points to head points.

    Raises
    ------
    ScanFault
        Where no affine is found.
    """
    ants = import_ants()
    from ants.internal import get_pointer_string

    images = [
        geometry.ants_image(fixed, fixed_affine),
        # A few bright voxels (fat, vessels) would stretch the histogram's bins.
        geometry.ants_image(np.minimum(moving, np.percentile(moving, 99.8)), moving_affine),
    ]
    names = {"fixed": get_pointer_string(images[0]), "moving": get_pointer_string(images[1])}
    prefix = scratch / ("first_" if start is None else "second_")
    level = FIRST if start is None else SECOND
    begin = f"[{names['fixed']},{names['moving']},1]" if start is None else str(start)
    arguments = ["-d", "3", "-r", begin, "-u", "0", "-z", "1", "--float", "1", "-o", str(prefix)]
    arguments += ["-m", METRIC.format(**names), "-t", f"Affine[{GRADIENT_STEP}]"]
    arguments += ["-c", f"[{level['iterations']},{CONVERGENCE}]", "-s", level["smoothing"]]
    arguments += ["-f", level["shrink"], "-x", "[NA,NA]", "-v", "0"]
    try:
        ants.registration(arguments, None)
    except RuntimeError as error:
        _raise_if_machine(error)
        raise ScanFault("no affine onto the template was found") from None
    path = Path(f"{prefix}0GenericAffine.mat")
    if not path.is_file():
        raise ScanFault("no affine onto the template was found")
    return path


def bias_field(data: np.ndarray, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Estimate the bias field inside `mask` by N4 (Tustison et al. 2010, IEEE TMI 29:1310).

    Parameters
    ----------
    data, mask, affine
        Image, brain mask (bool) and 4 x 4 affine, at about 4 mm.

    Returns
    -------
    numpy.ndarray
        Multiplicative field on the grid of `data`, with a geometric mean of 1 inside the mask;
        beyond the mask's box the field of the nearest voxel.

    Raises
    ------
    ScanFault
        Where N4 gives no field.
    """
    ants = import_ants()
    inside = mask & (data > 0)
    if inside.sum() < 200:
        raise ScanFault("no brain was found: almost no signal inside the carried brain mask")
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
        _raise_if_machine(error)
        raise ScanFault("N4 found no bias field") from None
    if not np.isfinite(field).all() or field.min() <= 0:
        raise ScanFault("N4 found no bias field")
    log_field = np.log(field)
    log_field -= log_field[inside[place]].mean()
    around = [
        (part.start, length - part.stop) for part, length in zip(place, data.shape, strict=True)
    ]
    return np.exp(np.pad(log_field, around, mode="edge")).astype(np.float32)



def _raise_if_machine(error: RuntimeError) -> None:
    # ITK reports a failed allocation as an exception of its own: that is never a verdict.
    text = str(error).lower()
    if "alloc" in text or "memory" in text:
        raise MemoryError(str(error)) from error
