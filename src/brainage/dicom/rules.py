"""Picking the T1w series by rules on the headers.

No value of a header gets into a reason, but numbers of the acquisition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from brainage.dicom.series import Series

MIN_SLICES = 60
MIN_EXTENT = 120.0  # mm along each axis: the whole head of an adult, or of a child with air
MAX_VOXEL = 3.0  # mm
MAX_ECHO_TIME = 15.0  # ms
MAX_REPETITION_TIME = 4000.0  # ms, from one inversion to the next
# Without an inversion, a spoiled gradient echo is T1-weighted by a short repetition time and a
# flip angle beyond that of proton density; quicker ones are scouts.
SPOILED_REPETITION = (5.0, 50.0)  # ms
SPOILED_FLIP = 8.0  # degrees

# Words of the protocol, after everything but letters and digits has become a space. "mpr" is not
# among the reformats: many an MPRAGE is called so; reformats are DERIVED by their image type.
OTHER_KINDS = {
    "localizer": r"\b(localizer|localiser|loc|\w*scout\w*|aahead\w*|survey|smartbrain|3 ?plane)\b",
    "MP2RAGE": r"mp2 ?rage",
    "FLAIR": r"flair|\btirm\b|dark ?fluid",
    "field map": r"field ?map|\bfmap\b|\bb[01] ?map",
    "map of T1 or T2": r"\bt[12] ?map",
    "susceptibility": r"\b(swi|swan|swip|qsm|hemo)\b|suscept",
    "T2": r"\bt2",
    "proton density": r"\bpdw?\b|proton",
    "diffusion": r"\b(dwi|dti|dki|adc|trace|tracew|hardi|noddi|diff|ep2d)\b|diffusion|tensor",
    "functional": r"\b(bold|fmri|rsfmri|rest|resting|task|epi)\b",
    "angiography": r"\b(tof|mra|mrv|mip)\b|angio|venogra",
    "perfusion": r"\b(p?c?asl|dsc|dce|cbf|cbv)\b|perf",
    "spectroscopy": r"\b(mrs|csi|svs)\b|spectro",
    "magnetization transfer": r"(?<!no )(?<!non )\bmt[cw]?\b(?! off)|magneti[sz]ation transfer",
    "steady state": r"\b(ciss|fiesta|trufi|bssfp)\b",
    "another part of the body": r"\b(\w?spine|(?<!head )neck|cervical|thoracic|lumbar|knee|shoulder"
    r"|hip|foot|abdomen|pelvis|breast|prostate|heart|cardiac|liver|orbits?|pituitary)\b",
}
T1_KINDS = {
    "MPRAGE": r"mp ?rage|\bmpr\b|\btfl ?3d|\btfl\b",
    "BRAVO": r"bravo",
    "SPGR": r"spgr",
    "TFE": r"\b(t1)?tfe\b|\b3d ?tfe\b",
    "FLASH": r"flash|\bfl3d",
    "T1": r"\bt1|\b3dt1",
}


def known_words(series: Series) -> str:
    """Known words of the protocol's name: the name itself may hold anything."""
    known = {**T1_KINDS, **OTHER_KINDS}
    return ", ".join(kind for kind, words in known.items() if re.search(words, series.text))


def reason_aside(series: Series) -> str | None:
    """Say why a series is no T1w image of a whole head; ``None`` for one that is.

    The rules, in this order; the first that is broken is the reason. A T1w image is

    1. of modality MR, and original: not derived, reformatted, projected, and neither phase nor
       another part of a complex image;
    2. not named as another kind of image (T2, FLAIR, diffusion, localizer and so on);
    3. acquired in 3D by a gradient echo that is neither a spin echo nor echo planar;
    4. of one short echo time, and T1-weighted: by an inversion, by its name (MPRAGE, BRAVO, SPGR,
       TFE, FLASH, T1), or as a spoiled gradient echo by repetition time and flip angle;
    5. of at least 60 slices without gaps and whole files, of voxels of at most 3 mm, that cover
       at least 120 mm along each axis.

    Parameters
    ----------
    series
        A series by its header.

    Returns
    -------
    str or None
        The reason in words, without any value of the header but numbers of the acquisition.
    """
    if series.modality != "MR":
        return "not an MR image"
    kinds = set(series.image_type)
    for sign, reason in (
        ("DERIVED", "derived from another series"),
        ("LOCALIZER", "localizer"),
        ("MPR", "reformatted"),
        ("PROJECTION IMAGE", "projection"),
    ):
        if sign in kinds:
            return reason
    if kinds & {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY", "UNI", "INV1", "INV2"}:
        return "phase or another part of a complex image"
    for kind, words in OTHER_KINDS.items():
        if re.search(words, series.text):
            return f"from its name: {kind}"
    if series.acquisition_type == "2D":
        return "acquired in 2D"
    if "EP" in series.sequence:
        return "echo planar"
    if "SE" in series.sequence:
        return "spin echo"
    if len(series.echoes) > 1:
        return f"{len(series.echoes)} echoes in one series"
    if series.echoes and series.echoes[0] > MAX_ECHO_TIME:
        return f"echo time of more than {MAX_ECHO_TIME:g} ms"
    if (series.repetition or 0) > MAX_REPETITION_TIME:
        return f"repetition time of more than {MAX_REPETITION_TIME:g} ms"
    if not _is_t1_weighted(series):
        return "no indication of T1 weighting in its header"
    if series.images < MIN_SLICES:
        return f"fewer than {MIN_SLICES} slices"
    if series.fault:
        return series.fault
    if max(series.voxel) > MAX_VOXEL:
        return f"voxels larger than {MAX_VOXEL:g} mm"
    if min(series.extent) < MIN_EXTENT:
        return f"covers less than {MIN_EXTENT:g} mm of the head along an axis"
    return None


def _is_t1_weighted(series: Series) -> bool:
    inverted = "IR" in series.sequence or (series.inversion or 0) >= 200
    if inverted or any(re.search(words, series.text) for words in T1_KINDS.values()):
        return True
    shortest, longest = SPOILED_REPETITION
    return (
        "GR" in series.sequence
        and shortest <= (series.repetition or 0) <= longest
        and (series.flip or 0) >= SPOILED_FLIP
    )


def pick_t1w(series: Sequence[Series]) -> tuple[list[Series], list[tuple[Series, str]]]:
    """Pick the T1w series of one session.

    Of the images that a scanner reconstructs from one acquisition, the one with its intensity
    normalisation is kept, then the one with its distortion correction. Series with a contrast
    agent are set aside where there is one without.

    Parameters
    ----------
    series
        All series of the session.

    Returns
    -------
    picked : list of Series
        In order of acquisition.
    aside : list of (Series, str)
        The others, each with its reason.
    """
    picked, aside = [], []
    for one in series:
        reason = reason_aside(one)
        if reason is None:
            picked.append(one)
        else:
            aside.append((one, reason))
    if any(not one.agent for one in picked):
        aside += [(one, "with a contrast agent") for one in picked if one.agent]
        picked = [one for one in picked if not one.agent]
    for one in list(picked):
        same = [
            other
            for other in picked
            if one.time
            and (other.study, other.time, other.extent) == (one.study, one.time, one.extent)
        ]
        # Two series of one image type are two runs, even where the times were taken out.
        if same and max(same, key=_corrections).image_type != one.image_type:
            picked.remove(one)
            aside.append((one, "another reconstruction of an acquisition that is kept"))
    return sorted(picked, key=lambda s: (s.date, s.time, s.number or 0)), aside


def _corrections(series: Series) -> tuple[bool, bool, bool]:
    kinds = set(series.image_type)
    return "NORM" in kinds, "DIS3D" in kinds, "DIS2D" in kinds
