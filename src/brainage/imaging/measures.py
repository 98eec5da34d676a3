"""Quality measures of one scan, under the names that MRIQC gives them where it has them.

MRIQC (Esteban et al. 2017, PLoS ONE 12:e0184661; https://mriqc.readthedocs.io, "IQMs for
structural images") measures on the scan's own voxels; so does this, before bias correction for
what concerns the whole frame (EFC, FBER) and after it for what concerns tissues.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from brainage.imaging import geometry
from brainage.imaging.template import Template
from brainage.imaging.tissue import TISSUES, Tissues

GHOSTS = ("ghosting_left_right", "ghosting_front_back", "ghosting_up_down")
CORE = 4.0  # mm inside the template's brain, where a mask that fits has no hole
AIR_DISTANCE = 12.0  # mm from the head: nearer than that, ghosts of the skin and pulsation


def head_and_air(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the head is and where the air around it, on a coarse copy of the scan.

    The threshold between them is Otsu's (1979, IEEE Trans Syst Man Cybern 9:62) on the square
    root, which keeps dark bone and bright fat from pulling it. Holes of the head are filled.

    Returns
    -------
    head, air : numpy.ndarray
        bool; voxels that are exactly zero (masked by the scanner or a defacing tool) are no air.
    """
    smooth = ndimage.gaussian_filter(np.maximum(data, 0), 1.0)
    head = smooth > _otsu(np.sqrt(smooth[smooth > 0])) ** 2
    pieces, count = ndimage.label(head)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        head = pieces == sizes.argmax()
    edges = geometry.spacing(affine)
    closed = ndimage.binary_closing(np.pad(head, 4), iterations=3)[4:-4, 4:-4, 4:-4] | head
    head = ndimage.binary_fill_holes(closed)
    steps = max(1, round(AIR_DISTANCE / float(edges.mean())))
    air = ~ndimage.binary_dilation(head, iterations=steps) & (data > 0)
    return head, air


def _otsu(values: np.ndarray) -> float:
    if values.size == 0:
        return 0.0
    counts, edges = np.histogram(values, bins=128)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[int(np.nanargmax(between))])


def frame_measures(data: np.ndarray, head: np.ndarray, air: np.ndarray) -> dict[str, float | None]:
    """Measures of the whole frame.

    Parameters
    ----------
    data
        The scan as stored (no bias correction).
    head, air
        bool on the same grid.

    Returns
    -------
    dict
        ``efc``, entropy focus criterion (Atkinson et al. 1997, IEEE TMI 16:903): entropy of the
        voxels relative to that of a uniform frame, 0 to 1; ghosts and blur raise it.
        ``fber``, foreground to background energy ratio (Shehzad et al. 2015): median square in
        the head over that in the air; motion and noise lower it.
        ``air_spread``, how far the air's signal is from even noise: SD over blocks of 5 x 5 x 5
        voxels of the mean of the air, over the air's mean; ghosts raise it.
        ``air_level``: mean of the air over the median of the head; ghosts and noise raise it.
        The last three are missing where the air is masked out.
    """
    values = np.maximum(data, 0).astype(np.float32)
    energy = float(np.sqrt((values.astype(np.float64) ** 2).sum()))
    number = values.size
    largest = np.sqrt(number) * np.log(np.sqrt(number))
    share = values[values > 0] / energy
    result: dict[str, float | None] = {"efc": float(-(share * np.log(share)).sum() / largest)}
    inside = float(np.median(values[head])) if head.any() else 0.0
    result.update(fber=None, air_spread=None, air_level=None)
    if air.sum() >= 1000 and inside > 0:
        background = float(np.median(values[air] ** 2))
        if background > 0:
            result["fber"] = float(np.median(values[head] ** 2)) / background
        result["air_level"] = float(values[air].mean()) / inside
        weight = ndimage.uniform_filter(air.astype(np.float32), 5)
        mean = ndimage.uniform_filter(np.where(air, values, 0), 5)[2::5, 2::5, 2::5]
        full = weight[2::5, 2::5, 2::5] > 0.8
        if full.sum() >= 8:
            blocks = mean[full] / weight[2::5, 2::5, 2::5][full]
            result["air_spread"] = float(blocks.std() / max(float(blocks.mean()), 1e-9))
    return result


def ghost_measures(data: np.ndarray, head: np.ndarray, air: np.ndarray) -> dict[str, float | None]:
    """How much brighter the air is beside the head, along each axis, than where no ghost can be.

    A movement during the scan repeats the head along the phase axis, and along no other: the air
    that has the head beside it along one axis alone is compared with the darkest of the air along
    the two others and of the corners. After the percent signal ghosting of the American College of
    Radiology (Phantom Test Guidance for MRI), with a head in the place of the phantom and
    each axis by itself.

    Parameters
    ----------
    data
        Coarse copy of the scan, axes right, anterior, superior.
    head, air
        From :func:`head_and_air` of that copy.

    Returns
    -------
    dict
        ``ghosting_left_right``, ``ghosting_front_back``, ``ghosting_up_down``: share of the head's
        median; missing where there is too little air.
    """
    inside = float(np.median(data[head])) if head.any() else 0.0
    shadows = [np.broadcast_to(head.any(axis=axis, keepdims=True), head.shape) for axis in range(3)]
    levels: list[float | None] = []
    for axis in (0, 1, 2, None):
        place = air.copy()
        for other in range(3):
            place &= shadows[other] if other == axis else ~shadows[other]
        enough = place.sum() >= 100 and inside > 0
        levels.append(float(data[place].mean()) / inside if enough else None)
    darkest = min((level for level in levels if level is not None), default=0.0)
    alone = sum(level is not None for level in levels) < 2
    return {
        name: None if level is None or alone else level - darkest
        for name, level in zip(GHOSTS, levels[:3], strict=True)
    }


def tissue_measures(
    data: np.ndarray, labels: np.ndarray, air_sd: float | None
) -> dict[str, float | None]:
    """Measures of the tissues inside the brain.

    Parameters
    ----------
    data
        Bias-corrected scan.
    labels
        0 outside, 1 CSF, 2 grey matter, 3 white matter, on the same grid.
    air_sd
        SD of the air, in the same units; None where there is no air.

    Returns
    -------
    dict
        ``snr_csf``, ``snr_gm``, ``snr_wm`` and their mean ``snr_total`` (mean over SD inside
        the tissue, with the factor sqrt(n / (n - 1)));
        ``cnr``, contrast to noise (Magnotta et al. 2006, Neurology 67:1231): |wm - gm| over the
        root of the summed variances of air, white and grey matter;
        ``cjv``, coefficient of joint variation (Ganzetti et al. 2016, Front Neuroinform 10:10):
        (SD wm + SD gm) / |wm - gm|; motion and bias raise it;
        ``wm2max``: mean of white matter over the 99.95th percentile of the frame;
        ``tissue_contrast``: (wm - gm) / wm, positive on a T1w image.
    """
    means, sds = np.zeros(3), np.zeros(3)
    result: dict[str, float | None] = {}
    for k, name in enumerate(TISSUES):
        values = data[labels == k + 1].astype(np.float64)
        if values.size < 30 or values.std() == 0:
            result[f"snr_{name}"] = None
            continue
        means[k], sds[k] = values.mean(), values.std()
        unbiased = sds[k] * np.sqrt(values.size / (values.size - 1))
        result[f"snr_{name}"] = float(means[k] / unbiased)
    known = [value for value in result.values() if value is not None]
    result["snr_total"] = float(np.mean(known)) if known else None
    contrast = abs(means[2] - means[1])
    usable = contrast > 0 and sds[1] > 0 and sds[2] > 0
    noise = np.sqrt((air_sd or 0.0) ** 2 + sds[1] ** 2 + sds[2] ** 2)
    result["cnr"] = float(contrast / noise) if usable else None
    result["cjv"] = float((sds[1] + sds[2]) / contrast) if usable else None
    top = float(np.percentile(data, 99.95))
    result["wm2max"] = float(means[2] / top) if top > 0 else None
    result["tissue_contrast"] = float((means[2] - means[1]) / means[2]) if means[2] > 0 else None
    return result


def fit_measures(
    template: Template,
    brain: np.ndarray,
    mask: np.ndarray,
    tissues: Tissues,
    world: np.ndarray,
) -> dict[str, float | None]:
    """Measures of mask and registration, on the template's grid.

    Parameters
    ----------
    template
        On whose grid all of it lies.
    brain
        Normalised image of the head on the template's grid (not masked).
    mask
        The scan's own brain mask there.
    tissues
        What was found inside it.
    world
        4 x 4 affine from template to head.

    Returns
    -------
    dict
        ``brain_volume_ml`` of the own mask in the head's own space;
        ``icvs_csf``, ``icvs_gm``, ``icvs_wm``: share of each tissue in it;
        ``template_overlap``: Dice of own and template's mask;
        ``core_in_mask``: share of the template's brain, 4 mm inside its edge, that the own mask
        holds: 1 but for a mask that is eroded, shifted or another head's;
        ``template_correlation``: Pearson correlation with the template inside its brain mask;
        ``scale``: how much longer the head is than the template (cube root of the determinant);
        ``stretch``: longest over shortest axis of the affine, 1 for none;
        ``rotation_degrees``: how far the head was turned.
    """
    linear = world[:3, :3]
    determinant = float(np.linalg.det(linear))
    u, singular, v = np.linalg.svd(linear)
    turn = u @ v
    angle = float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))
    core = template.depth > CORE
    inside = template.mask
    both = 2.0 * float((mask & inside).sum()) / float(mask.sum() + inside.sum())
    counts = np.bincount(tissues.labels[mask], minlength=4)[1:4] / max(1, int(mask.sum()))
    a, b = brain[inside].astype(np.float64), template.head[inside].astype(np.float64)
    constant = a.std() == 0
    return {
        "brain_volume_ml": float(mask.sum()) * template.size**3 * abs(determinant) / 1000.0,
        "icvs_csf": float(counts[0]),
        "icvs_gm": float(counts[1]),
        "icvs_wm": float(counts[2]),
        "template_overlap": both,
        "core_in_mask": float(mask[core].mean()) if core.any() else None,
        "template_correlation": None if constant else float(np.corrcoef(a, b)[0, 1]),
        "scale": float(np.cbrt(determinant)),
        "stretch": float(singular.max() / max(singular.min(), 1e-9)),
        "rotation_degrees": angle,
    }


def view_measures(
    data: np.ndarray,
    affine: np.ndarray,
    template_mask: np.ndarray,
    template_affine: np.ndarray,
    world: np.ndarray,
) -> dict[str, float | None]:
    """How much of the brain the picture shows.

    Parameters
    ----------
    data, affine
        The scan as stored, and its 4 x 4 affine.
    template_mask, template_affine
        The template's brain, and its 4 x 4 affine.
    world
        4 x 4 affine from template to head.

    Returns
    -------
    dict
        ``brain_in_view``: share of the template's brain, as registered, that lies inside the
        field of view and has any signal; a cut vertex and missing slices lower it.
    """
    signal = (data > 0).astype(np.float32)
    seen = geometry.resampled(signal, affine, template_mask.shape, template_affine, world)
    return {"brain_in_view": float((seen[template_mask] > 0.5).mean())}
