"""One head's way from the affine onto the template's brain: its warp, and volumes through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brainage.core.derivatives import GREY_MATTER, REGIONS, WARP
from brainage.core.files import write_text
from brainage.imaging import regions
from brainage.imaging.reading import ScanFault
from brainage.imaging.template import Template
from brainage.imaging.tissue import Tissues
from brainage.imaging.warp import Warp, find_warp, write_warp
from brainage.imaging.writing import write_image

# Measures of mask and registration that are those of the warped brain.
OF_FIT = ("template_overlap", "template_correlation")
# A map's step: grey matter of 0 to 1 times a determinant, as whole numbers of 16 bits.
GREY_STEP = 1e-4


def files(settings: dict[str, Any]) -> tuple[str, ...]:
    """Endings of the files that :func:`write` leaves with these settings (section imaging)."""
    if settings["registration"] != "syn":
        return ()
    wanted = [WARP]
    if settings.get("grey_matter"):
        wanted.append(GREY_MATTER)
    if regions.are_known(settings):
        wanted.append(REGIONS)
    return tuple(wanted)


def find(brain: np.ndarray, at: Template, folder: Path) -> Warp:
    """Warp an aligned brain onto that of the template.

    Parameters
    ----------
    brain
        Normalised brain on the grid of `at`, zero outside its mask.
    at
        The template at 4 mm, whatever the grid of the results: a warp is smooth, and at 2 mm it
        takes ten times as long.
    folder
        Where ANTs may leave its files.

    Raises
    ------
    ScanFault
        Where no warp is found, or it folds inside the template's brain.
    """
    bent = find_warp(np.where(at.mask, at.head, 0), brain, at.affine, at.box, folder)
    smallest = float(bent.determinant(at.head.shape, at.affine)[at.mask].min())
    if smallest <= 0:
        raise ScanFault(
            f"the warp onto the template folds: its Jacobian falls to {smallest:.2f} in the brain"
        )
    return bent


def write(
    bent: Warp,
    found: Tissues,
    world: np.ndarray,
    template: Template,
    settings: dict[str, Any],
    folder: Path,
) -> dict[str, float | None]:
    """Write the warp and what follows from it; return its measures.

    Grey matter is modulated by the determinant of the whole transform, affine included, so that a
    voxel holds its share of the head's own grey matter: the map's sum times the volume of a voxel
    is the head's grey-matter volume. Without the affine's part it would be that of a head of the
    template's size.

    Parameters
    ----------
    bent
        The warp.
    found
        Tissues of the aligned head, inside its own brain mask.
    world
        4 x 4 affine from template to head.
    template
        The template.
    settings
        The section ``imaging`` of the config.
    folder
        Where to write.

    Returns
    -------
    dict
        ``jacobian_min``, ``jacobian_max``: the warp's own determinant inside the template's brain
        (1: as large as after the affine); ``gm_volume_ml``: grey matter in the head's own space.
    """
    grid = (template.head.shape, template.affine)
    warped = bent.determinant(*grid)
    whole = warped * np.float32(abs(np.linalg.det(world[:3, :3])))

    def modulated(tissue: str) -> np.ndarray:
        probability = found.probability(tissue)
        return bent.carried(probability, template.affine, *grid) * whole

    write_warp(folder / WARP, bent)
    grey = modulated("gm")
    if settings.get("grey_matter"):
        _write_grey(folder / GREY_MATTER, grey[template.box], template.box_affine)
    if regions.are_known(settings):
        volumes = regions.volumes(grey, modulated("csf"), template.affine, regions.load())
        lines = [f"{name}\t{volume:.1f}" for name, volume in volumes.items()]
        write_text(folder / REGIONS, "\n".join(["region\tvolume_mm3", *lines]) + "\n")
    inside = warped[template.mask]
    own = float(found.posterior[1].sum()) * template.size**3 * abs(np.linalg.det(world[:3, :3]))
    return {
        "jacobian_min": float(inside.min()),
        "jacobian_max": float(inside.max()),
        "gm_volume_ml": own / 1000,
    }


def _write_grey(path: Path, grey: np.ndarray, affine: np.ndarray) -> None:
    import nibabel

    whole = np.clip(np.round(grey / GREY_STEP), 0, np.iinfo(np.uint16).max).astype(np.uint16)
    image = nibabel.Nifti1Image(whole, affine)
    image.header.set_slope_inter(GREY_STEP, 0.0)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="mni")
    image.set_qform(affine, code="mni")
    write_image(path, image)
