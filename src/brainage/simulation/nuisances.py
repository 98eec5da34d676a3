"""What makes one head look different on another scanner or day: nuisances at graded strengths.

A nuisance is made on the raw voxels, where it happens, and goes through all of image processing.
The mask is the exception: image processing finds it, so that it is changed there. None of them
changes the anatomy; what a model's predicted age moves by is its error.

Grades: ``realistic`` is what two good scanners or protocols differ by, ``weak`` is less, ``strong``
is at the limit of what is still used. Where no source is named they are our judgement.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from brainage.simulation import intensities, sampling, views
from brainage.simulation.intensities import Image

GRADES = ("weak", "realistic", "strong")
DIRECTIONS = ("right", "anterior", "superior")
RAW, MASK = "raw head", "brain mask"  # where a nuisance is made

Levels = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Nuisance:
    """One nuisance.

    Attributes
    ----------
    label
        What it is called in a table.
    unit
        Of its strength.
    levels
        Grade and strength, as often as it is made.
    apply
        A function of voxels, affine, strength and generator (and of what it `needs`); of a nuisance
        of the mask a function of the mask (bool) and the strength.
    where
        :data:`RAW` or :data:`MASK`.
    needs
        What `apply` also takes, by keyword, on the grid of the raw head: ``mask``, the brain mask
        that image processing found; ``own_mask`` (given as `mask`), that of the data set; ``face``.
    """

    label: str
    unit: str
    levels: Levels
    apply: Callable[..., Image | np.ndarray]
    where: str = RAW
    needs: str | None = None


def graded(weak: float, realistic: float, strong: float) -> Levels:
    """One strength of each grade."""
    return tuple(zip(GRADES, (weak, realistic, strong), strict=True))


def two_sided(weak: float, realistic: float, strong: float) -> Levels:
    """The same in both directions where it is realistic; the strong one upward."""
    return (("weak", weak), ("realistic", -realistic), ("realistic", realistic), ("strong", strong))


def generator(seed: int, scan: str, nuisance: str) -> np.random.Generator:
    """A generator for one scan and nuisance: the same at each strength, so that only that differs.

    Parameters
    ----------
    seed
        Of the whole table.
    scan, nuisance
        Their names.
    """
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in (scan, nuisance))])


def _turned(turn: Callable[..., Image], words: str) -> dict[str, Nuisance]:
    # Heads lie within some 10 degrees; nodding, the turn about the axis to the right, varies most.
    levels = (two_sided(5, 10, 20), graded(5, 10, 20), graded(5, 10, 20))
    return {
        f"{turn.__name__}_{direction}": Nuisance(
            f"head turned about {direction}, {words}",
            "degrees",
            levels[about],
            partial(turn, about=about),
        )
        for about, direction in enumerate(DIRECTIONS)
    }


NUISANCES: dict[str, Nuisance] = {
    # Added to a head of 1 mm, 2 mm make it as smooth as one acquired at 2.2 mm.
    "smoothing": Nuisance("smoothing", "mm FWHM", graded(1, 2, 3), sampling.smoothed),
    # Research scans have voxels of 0.8 to 1.5 mm, old and fast ones up to 2 mm.
    "low_resolution": Nuisance(
        "low resolution, zero filled", "mm", graded(1.5, 2, 3), sampling.low_resolution
    ),
    # Clinical scans have slices of 3 to 5 mm.
    "thick_axial_slices": Nuisance(
        "thick axial slices",
        "mm",
        graded(2, 3, 5),
        partial(sampling.thick_slices, along=2),
    ),
    "thick_sagittal_slices": Nuisance(
        "thick sagittal slices",
        "mm",
        graded(1.5, 2, 3),
        partial(sampling.thick_slices, along=0),
    ),
    # What a blur of two voxels takes away is added once over, and a little more, at the most.
    "sharpening": Nuisance("sharpening filter", "share", graded(0.3, 0.6, 1.2), sampling.sharpened),
    # Signal-to-noise ratios of 50, 25 and 12.5 in white matter.
    "noise": Nuisance("noise", "SD / white matter", graded(0.02, 0.04, 0.08), intensities.noisy),
    # BrainWeb offers a factor of 0.9 to 1.1 over the brain, and of 0.8 to 1.2 (its INU of 20 and
    # 40 %, as its page of frequently asked questions has it).
    "bias_field": Nuisance(
        "bias field", "range over head", graded(0.2, 0.4, 0.8), intensities.with_bias_field
    ),
    # Exponents of 0.8 and 1.2 move grey matter by about 0.05 of white matter.
    "gamma": Nuisance(
        "contrast, gamma", "exponent - 1", two_sided(0.1, 0.2, 0.4), intensities.with_gamma
    ),
    # Grey matter is some 0.65 to 0.85 of white matter in T1w protocols, here about 0.75.
    "inversion_time": Nuisance(
        "contrast, other inversion time",
        "grey / white matter",
        two_sided(0.05, 0.1, 0.15),
        intensities.with_other_inversion_time,
    ),
    # Units are arbitrary: files of one scanner and of another differ by powers of ten.
    "gain": Nuisance("gain", "powers of ten", two_sided(0.3, 1, 3), intensities.with_gain),
    # Air is seldom zero, but dark.
    "offset": Nuisance(
        "offset", "share of white matter", graded(0.01, 0.03, 0.1), intensities.with_offset
    ),
    # Masks of two programs differ by about a voxel all round.
    "mask": Nuisance(
        "brain mask wider or narrower",
        "voxels of results",
        (("realistic", 1), ("realistic", -1)),
        views.grown,
        where=MASK,
    ),
    "stripped": Nuisance(
        "stripped beforehand, our mask",
        "voxels wider",
        (("weak", 1), ("realistic", 0), ("strong", -1)),
        views.stripped,
        needs="mask",
    ),
    "stripped_own_mask": Nuisance(
        "stripped beforehand, mask of the data set",
        "voxels wider",
        (("realistic", 0),),
        views.stripped,
        needs="own_mask",
    ),
    # Programs for defacing keep away from the brain.
    "defaced": Nuisance("defaced", "mm from brain", graded(20, 10, 5), views.defaced, needs="face"),
    # Views differ most in how much of the neck they hold, and some end above the brain by little.
    "cut_below": Nuisance("field of view ends higher", "mm", graded(10, 20, 40), views.cut_below),
    "cut_above": Nuisance(
        "field of view ends in the scalp", "mm below its top", graded(1, 4, 8), views.cut_above
    ),
    "padding": Nuisance("padded with zeros", "mm each side", graded(10, 30, 60), views.padded),
    **_turned(views.turned_by_header, "by header"),
    **_turned(views.turned_in_view, "resampled"),
    # What shared data are often reduced to.
    "voxel_size": Nuisance("resampled to voxels", "mm", graded(1.5, 2.5, 3), views.with_voxel_size),
    # Left uncorrected, gradient coils displace by some millimetres at the edge of a head.
    "distortion": Nuisance(
        "gradient distortion", "mm at 100 mm", two_sided(1, 2, 4), views.distorted
    ),
    # Protocols acquire 75 to 100 % of the phase-encoding lines.
    "ringing": Nuisance(
        "ringing, outer lines missing", "share", graded(0.125, 0.25, 0.5), sampling.ringing
    ),
    # Adults who lie still move by a fraction of a millimetre; ghosts are seen from 1 mm on.
    "motion": Nuisance(
        "motion", "mm and degrees, SD", graded(0.3, 0.7, 2), sampling.moved_during_scan
    ),
}
