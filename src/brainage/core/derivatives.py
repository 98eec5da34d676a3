"""Paths and names of the files that imaging makes for each scan."""

from __future__ import annotations

import os
import re
from pathlib import Path

from brainage import __version__
from brainage.core.files import InputError, write_json

TEMPLATE_NAME = "MNI152NLin2009cSym"
# Skull-stripped, normalised, on the template's grid.
BRAIN = f"space-{TEMPLATE_NAME}_desc-brain_T1w.nii.gz"
MASK = "desc-brain_mask.nii.gz"  # in the scan's own space
# The same on the template's whole grid, by the affine alone.
ALIGNED_MASK = f"space-{TEMPLATE_NAME}_desc-affine_mask.nii.gz"
BIAS_FIELD = "desc-logbias_T1w.nii.gz"  # logarithm, on a coarse grid in the scan's own space
TRANSFORM = f"from-T1w_to-{TEMPLATE_NAME}_mode-image_xfm.mat"
# Displacements in mm before the affine, as ITK reads them; only of a non-linear registration.
WARP = f"from-T1w_to-{TEMPLATE_NAME}_mode-image_desc-warp_xfm.nii.gz"
# Grey-matter probability times the determinant of the whole transform, on the template's grid.
GREY_MATTER = f"space-{TEMPLATE_NAME}_label-GM_desc-modulated_probseg.nii.gz"
REGIONS = "seg-CerebrA_desc-tissue_volumes.tsv"  # mm³ in the head's own space
QUALITY = "desc-quality_T1w.json"
PICTURE = "desc-check_T1w.png"  # mask outline and registration in three planes
DERIVATIVES = (BRAIN, MASK, ALIGNED_MASK, BIAS_FIELD, TRANSFORM, QUALITY, PICTURE)
OF_WARP = (WARP, GREY_MATTER, REGIONS)  # only of a non-linear registration

SCAN_ID_PATTERN = re.compile(
    r"(?P<dataset>[A-Za-z0-9-]+)_(?P<participant>sub-[A-Za-z0-9+-]+)"
    r"(?:_(?P<session>ses-[A-Za-z0-9+-]+))?(?:_(?P<run>run-[0-9]+))?"
)


def derivative(folder: str | os.PathLike[str], scan_id: str, ending: str) -> Path:
    """Path of one file that imaging makes of a scan, laid out as BIDS derivatives.

    Parameters
    ----------
    folder
        The folder of all imaging results.
    scan_id
        ``dataset_sub-X[_ses-Y][_run-Z]``.
    ending
        One of the endings in :data:`DERIVATIVES` or :data:`OF_WARP`.

    Returns
    -------
    Path
        ``folder/dataset/sub-X[/ses-Y]/anat/sub-X[_ses-Y][_run-Z]_<ending>``.
    """
    match = SCAN_ID_PATTERN.fullmatch(scan_id)
    if match is None:
        raise InputError(f"{scan_id!r} is not a scan_id (dataset_sub-X[_ses-Y][_run-Z])")
    parts = [match["participant"], match["session"], match["run"]]
    stem = "_".join(part for part in parts if part)
    place = Path(folder) / match["dataset"] / match["participant"]
    if match["session"]:
        place = place / match["session"]
    return place / "anat" / f"{stem}_{ending}"


def write_description(folder: str | os.PathLike[str]) -> None:
    """Write ``dataset_description.json`` of the derivatives (BIDS 1.9)."""
    write_json(
        Path(folder) / "dataset_description.json",
        {
            "Name": "brainage imaging",
            "BIDSVersion": "1.9.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "brainage", "Version": __version__}],
        },
    )
