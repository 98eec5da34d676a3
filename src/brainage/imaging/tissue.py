"""Tissues inside the brain, and the intensity scale that follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TISSUES = ("csf", "gm", "wm")
# Fixed values that the means of CSF, grey and white matter are mapped to. Noise of white matter
# stays below 1, where the image is cut.
TARGETS = np.array([0.2, 0.5, 0.75])
ITERATIONS = 15


@dataclass
class Tissues:
    """Mean and SD of each tissue (CSF, grey, white matter), and the class of each voxel.

    Attributes
    ----------
    means, sds
        (3,) in the units of the image.
    labels
        uint8 on the image's grid: 0 outside, 1 CSF, 2 grey matter, 3 white matter.
    ordered
        Whether CSF < grey < white matter with room between, as on every T1w image.
    posterior
        (3, n) probability of each tissue in the n voxels of the brain, in the order of the array.
    """

    means: np.ndarray
    sds: np.ndarray
    labels: np.ndarray
    ordered: bool
    posterior: np.ndarray

    def probability(self, tissue: str) -> np.ndarray:
        """Return the probability of one of :data:`TISSUES` on the image's grid, float32."""
        result = np.zeros(self.labels.shape, dtype=np.float32)
        result[self.labels > 0] = self.posterior[TISSUES.index(tissue)]
        return result


def find_tissues(data: np.ndarray, mask: np.ndarray, priors: np.ndarray) -> Tissues:
    """Fit three Gaussians to the intensities inside the brain, with the template's priors.

    Expectation maximisation with spatial priors, as in Ashburner and Friston (1997, NeuroImage
    6:209), on the template's grid. Unlike percentiles of the brain, the means don't move
    when an older brain has more CSF.

    Parameters
    ----------
    data
        Bias-corrected image on the template's grid.
    mask
        Brain (bool) on that grid.
    priors
        (3, ...) prior probabilities.
    """
    # Single precision is enough by far, and twice as fast.
    values = data[mask].astype(np.float32)
    prior = priors[:, mask].astype(np.float32)
    scale = max(float(np.percentile(values, 98)), 1e-6)
    low = -0.2 * scale
    values = np.clip(values, low, 1.5 * scale)
    certain = [values[_likeliest(prior[k])] for k in range(3)]
    means = np.array([np.median(part) for part in certain])
    # Where an affine puts CSF there is cortex too: begin from its darker part.
    means[0] = np.percentile(certain[0], 20)
    means = means.astype(np.float32)
    sds = np.full(3, 0.12 * scale, dtype=np.float32)
    posterior = prior
    for _ in range(ITERATIONS):
        likelihood = np.exp(-0.5 * ((values - means[:, None]) / sds[:, None]) ** 2) / sds[:, None]
        joint = prior * (likelihood + 1e-12 / scale)
        posterior = joint / joint.sum(axis=0)
        weight = posterior.sum(axis=1) + 1e-9
        means = (posterior * values).sum(axis=1) / weight
        variance = (posterior * (values - means[:, None]) ** 2).sum(axis=1) / weight
        sds = np.sqrt(np.maximum(variance, (0.02 * scale) ** 2))
    labels = np.zeros(data.shape, dtype=np.uint8)
    labels[mask] = posterior.argmax(axis=0) + 1
    gaps = np.diff(means)
    ordered = bool(gaps.min() > 0.05 * max(means[2], 1e-9))
    posterior = posterior.astype(np.float32)
    return Tissues(means=means, sds=sds, labels=labels, ordered=ordered, posterior=posterior)


def _likeliest(prior: np.ndarray) -> np.ndarray:
    """The fifth of the voxels where a tissue is likeliest; where all are alike, all of them."""
    limit = np.percentile(prior, 80)
    above = prior > limit
    return above if above.any() else prior >= limit


def normalised(data: np.ndarray, mask: np.ndarray, tissues: Tissues) -> np.ndarray:
    """Map the tissue means to fixed values, in straight pieces, and cut to 0 ... 1.

    After Nyúl and Udupa (1999, Magn Reson Med 42:1072), with tissue means in the place of
    percentiles. Independent of gain and offset, and of the contrast between tissues but for
    its noise. Where the tissues aren't ordered as on a T1w image only the gain is taken out.

    Returns
    -------
    numpy.ndarray
        float32; 0 outside `mask`.
    """
    if tissues.ordered:
        low, middle, high = tissues.means
        lower = (TARGETS[1] - TARGETS[0]) / (middle - low)
        upper = (TARGETS[2] - TARGETS[1]) / (high - middle)
        slope = np.where(data < middle, lower, upper)
        result = TARGETS[1] + slope * (data - middle)
    else:
        result = data * (TARGETS[2] / max(float(np.percentile(data[mask], 90)), 1e-6))
    return np.where(mask, np.clip(result, 0, 1), 0).astype(np.float32)
