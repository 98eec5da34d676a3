"""Non-linear registration of one head after the affine, and the volumes derived from its warp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brainage.core.derivatives import GREY_MATTER, REGIONS, WARP
from brainage.core.files import write_text
from brainage.imaging import regions
from brainage.imaging.faults import ScanFault
from brainage.imaging.nifti import on_template, write_image
from brainage.imaging.registered import RegisteredScan
from brainage.imaging.template import Template
from brainage.imaging.warp import Warp, find_warp

# A map's step: grey matter of 0 to 1 times a determinant, as whole numbers of 16 bits.
GREY_STEP = 1e-4


def files(settings: dict[str, Any]) -> tuple[str, ...]:
    """Endings of the files that :func:`find` and :func:`write_volumes` make (section imaging)."""
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
    warp = find_warp(np.where(at.mask, at.head, 0), brain, at.affine, at.box, folder)
    smallest = float(warp.determinant(*at.grid)[at.mask].min())
    if smallest <= 0:
        raise ScanFault(
            "the warp onto the template folds: the minimum of its Jacobian determinant is "
            f"{smallest:.2f} in the brain"
        )
    return warp


def write_volumes(scan: RegisteredScan, settings: dict[str, Any], folder: Path) -> None:
    """Write what follows from the warp: grey matter and regional volumes, as far as wanted.

    Grey matter is modulated by the determinant of the whole transform, affine included, so that a
    voxel holds its share of the head's own grey matter: the map's sum times the volume of a voxel
    is the head's grey-matter volume. Without the affine's part it would be that of a head of the
    template's size.

    Parameters
    ----------
    scan
        With its warp.
    settings
        The section ``imaging`` of the config.
    folder
        Where to write.
    """
    warp, template = scan.warp, scan.template
    assert warp is not None  # else there is nothing to write
    determinant = np.float32(abs(np.linalg.det(scan.template_to_head[:3, :3])))
    whole = warp.determinant(*template.grid) * determinant

    def modulated(name: str) -> np.ndarray:
        probability = scan.tissues.probability(name)
        return warp.carried(probability, template.affine, *template.grid) * whole

    grey = modulated("gm")
    if settings.get("grey_matter"):
        _write_grey(folder / GREY_MATTER, grey[template.box], template.box_affine)
    if regions.are_known(settings):
        volumes = regions.volumes(grey, modulated("csf"), template.affine, regions.load())
        lines = [f"{name}\t{volume:.1f}" for name, volume in volumes.items()]
        write_text(folder / REGIONS, "\n".join(["region\tvolume_mm3", *lines]) + "\n")


def _write_grey(path: Path, grey: np.ndarray, affine: np.ndarray) -> None:
    whole = np.clip(np.round(grey / GREY_STEP), 0, np.iinfo(np.uint16).max).astype(np.uint16)
    write_image(path, on_template(whole, affine, GREY_STEP))
