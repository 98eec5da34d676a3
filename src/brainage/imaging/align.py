"""Bias field and affine registration with ANTsPy, on coarse copies where that loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry
from brainage.imaging.ants_setup import import_ants, raise_if_machine
from brainage.imaging.pose import Images, best_pose
from brainage.imaging.reading import ScanFault

# Mattes mutual information (blind to gain and contrast) on a regular share of the voxels.
METRIC = "MI[{fixed},{moving},1,32,Regular,{share}]"
# Rigid first, as an affine alone stretched one real head in sixty to fit a nodded pose. Coarse
# images are fine enough to find the way.
HEAD_STAGES = (
    {"kind": "Rigid", "stop": "50,1e-4,6"},
    {"kind": "Affine", "stop": "100,1e-5,8"},
)
SHARE, SMOOTHING, SHRINK = 0.25, 2, 4
GRADIENT_STEP = 0.25

# The bias of a coil is smooth: 12 mm voxels see it all (white matter as even as from 8 mm, in a
# quarter of the time).
N4_SHRINK = 3
N4_ITERATIONS = [30, 20, 20]
N4_TOLERANCE = 1e-3


def head_to_template(
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    moving: np.ndarray,
    moving_affine: np.ndarray,
    scratch: Path,
    search: bool = False,
) -> Path:
    """Find the affine that carries a whole head onto a whole-head template.

    Parameters
    ----------
    fixed, fixed_affine
        Whole-head template and its 4 x 4 affine.
    moving, moving_affine
        The head, on a grid of about the same voxel size.
    scratch
        Folder for ANTs' files.
    search
        Start from the best of many poses, not from the head as it lies with the centres of mass
        together.

    Returns
    -------
    Path
        The ITK transform (.mat), from template points to head points.

    Raises
    ------
    ScanFault
        Where no affine is found.
    """
    # A few bright voxels (fat, vessels) would stretch the histogram's bins.
    capped = np.minimum(moving, np.percentile(moving, 99.8))
    images = (fixed, fixed_affine, capped, moving_affine)
    if not search:
        return _register(images, HEAD_STAGES, scratch / "head_", None)
    start = scratch / "start.mat"
    geometry.write_transform(best_pose(images), str(start))
    affine_stages = HEAD_STAGES[1:]  # the search has been rigid already
    return _register(images, affine_stages, scratch / "head_", start)


def _register(
    images: Images,
    stages: tuple[dict[str, Any], ...],
    prefix: Path,
    start: Path | None,
) -> Path:
    ants = import_ants()
    from ants.internal import get_pointer_string

    pair = geometry.ants_image(*images[:2]), geometry.ants_image(*images[2:])
    names = {"fixed": get_pointer_string(pair[0]), "moving": get_pointer_string(pair[1])}
    begin = f"[{names['fixed']},{names['moving']},1]" if start is None else str(start)
    arguments = ["-d", "3", "-r", begin, "-u", "0", "-z", "1", "--float", "1", "-o", str(prefix)]
    for stage in stages:
        arguments += ["-m", METRIC.format(**names, share=SHARE)]
        arguments += ["-t", f"{stage['kind']}[{GRADIENT_STEP}]", "-c", f"[{stage['stop']}]"]
        arguments += ["-s", str(SMOOTHING), "-f", str(SHRINK), "-x", "[NA,NA]"]
    arguments += ["-v", "0"]
    try:
        ants.registration(arguments, None)
    except RuntimeError as error:
        raise_if_machine(error)
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
        raise_if_machine(error)
        raise ScanFault("N4 found no bias field") from None
    if not np.isfinite(field).all() or field.min() <= 0:
        raise ScanFault("N4 found no bias field")
    log_field = np.log(field)
    log_field -= log_field[inside[place]].mean()
    around = [
        (part.start, length - part.stop) for part, length in zip(place, data.shape, strict=True)
    ]
    return np.exp(np.pad(log_field, around, mode="edge")).astype(np.float32)
