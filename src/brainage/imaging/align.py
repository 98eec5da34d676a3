"""Affine registration of a whole head to the template: ANTs' rigid and affine stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainage.imaging import geometry
from brainage.imaging.ants_setup import import_ants, raise_if_out_of_memory
from brainage.imaging.faults import ScanFault
from brainage.imaging.pose import Images, best_pose

# Mattes mutual information (blind to gain and contrast) on a regular quarter of the voxels.
METRIC = "MI[{fixed},{moving},1,32,Regular,0.25]"
# Rigid first, as an affine alone stretched one real head in sixty to fit a nodded pose. 16 mm are
# fine enough to find the way.
STAGES = (("Rigid", "50,1e-4,6"), ("Affine", "100,1e-5,8"))
COARSENESS = ["-s", "2", "-f", "4", "-x", "[NA,NA]"]  # smoothing and shrinking, in voxels
GRADIENT_STEP = 0.25


def find_affine(
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    moving: np.ndarray,
    moving_affine: np.ndarray,
    scratch: Path,
    search: bool = False,
) -> np.ndarray:
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
    numpy.ndarray
        ``template_to_head``: 4 x 4 map from template points to head points, in mm.

    Raises
    ------
    ScanFault
        Where no affine is found.
    """
    # A few bright voxels (fat, vessels) would stretch the histogram's bins.
    capped = np.minimum(moving, np.percentile(moving, 99.8))
    images = (fixed, fixed_affine, capped, moving_affine)
    if not search:
        return _register(images, STAGES, scratch, None)
    start = scratch / "start.mat"
    geometry.write_transform(best_pose(images), start)
    return _register(images, STAGES[1:], scratch, start)  # the search has been rigid already


def _register(
    images: Images, stages: tuple[tuple[str, str], ...], scratch: Path, start: Path | None
) -> np.ndarray:
    ants = import_ants()
    from ants.internal import get_pointer_string

    pair = geometry.ants_image(*images[:2]), geometry.ants_image(*images[2:])
    names = {"fixed": get_pointer_string(pair[0]), "moving": get_pointer_string(pair[1])}
    begin = f"[{names['fixed']},{names['moving']},1]" if start is None else str(start)
    prefix = str(scratch / "head_")
    arguments = ["-d", "3", "-r", begin, "-u", "0", "-z", "1", "--float", "1", "-o", prefix]
    for kind, stop in stages:
        arguments += ["-m", METRIC.format(**names)]
        arguments += ["-t", f"{kind}[{GRADIENT_STEP}]", "-c", f"[{stop}]", *COARSENESS]
    arguments += ["-v", "0"]
    try:
        ants.registration(arguments, None)
    except RuntimeError as error:
        raise_if_out_of_memory(error)
        raise ScanFault("no affine onto the template was found") from None
    path = Path(f"{prefix}0GenericAffine.mat")
    if not path.is_file():
        raise ScanFault("no affine onto the template was found")
    return geometry.read_itk_transform(str(path))
