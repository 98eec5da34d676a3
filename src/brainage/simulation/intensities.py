"""Nuisances of a raw head's intensities: noise, bias field, contrast, gain and offset.

Each takes the voxels, their 4 x 4 affine, a strength (0 changes nothing) and a random generator,
and returns new voxels and their affine. :mod:`brainage.simulation.nuisances` says which strengths
are realistic.
"""

from __future__ import annotations

import numpy as np

from brainage.simulation.acquisition import quadratic

Image = tuple[np.ndarray, np.ndarray]  # voxels, and 4 x 4 affine from index to mm

# Percentile, of the voxels brighter than the mean of the image, at which white matter lies, about:
# fat and vessels are brighter.
WHITE_PERCENTILE = 89.0
GREY = 0.75  # intensity of grey matter as a share of white matter's, about


def white_matter(data: np.ndarray) -> float:
    """About the intensity of white matter, without a brain mask."""
    return float(np.percentile(data[data > data.mean()], WHITE_PERCENTILE))


def noisy(data: np.ndarray, affine: np.ndarray, share: float, rng: np.random.Generator) -> Image:
    """Rician noise, as magnitude images have it (Gudbjartsson and Patz 1995).

    `share` is the SD of the noise in each of both channels, over the intensity of white matter: the
    reciprocal of the signal-to-noise ratio. It comes on top of the noise that the head has.
    Voxels of nothing (padding, a masked background) become noisy as well.
    """
    if share == 0:
        return data, affine
    return rician(data, share * white_matter(data), rng).astype(np.float32), affine


def rician(data: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of `data` with normal noise of that SD in both channels."""
    real, imaginary = rng.normal(0.0, sd, (2, *data.shape))
    return np.asarray(np.hypot(data + real, imaginary))


def with_bias_field(
    data: np.ndarray, affine: np.ndarray, span: float, rng: np.random.Generator
) -> Image:
    """A smooth factor such as that of another receive coil.

    A random quadratic in the coordinates. `span` is its range over the head, about 1: with 0.4 it
    goes from 0.8 to 1.2.
    """
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in data.shape], indexing="ij", sparse=True)
    field = quadratic(rng.standard_normal(9), x, y, z)
    inside = field[data > data.mean()]
    middle, half = (inside.max() + inside.min()) / 2, (inside.max() - inside.min()) / 2
    # Outside the head a quadratic may run away; no coil is negative there.
    factor = 1 + span / 2 * np.clip((field - middle) / half, -1.5, 1.5)
    return (data * factor).astype(np.float32), affine


def with_gamma(
    data: np.ndarray, affine: np.ndarray, exponent: float, _rng: np.random.Generator
) -> Image:
    """Another contrast over all tissues: intensities to the power 1 + `exponent`.

    White matter stays as bright as it is. Above 0 dark tissues become darker, below 0 brighter.
    """
    if exponent == 0:
        return data, affine
    white = white_matter(data)
    shares = np.maximum(data, 0) / white
    return (white * shares ** (1 + exponent)).astype(np.float32), affine


def with_other_inversion_time(
    data: np.ndarray, affine: np.ndarray, change: float, _rng: np.random.Generator
) -> Image:
    """Another contrast between grey and white matter, as other inversion times give.

    A monotone, piecewise linear map of intensities that adds `change` to the ratio of grey to white
    matter; air, white matter and what is brighter stay, and fluid goes with grey matter.
    """
    white = white_matter(data)
    ratio = np.clip(GREY + change, 0.05, 0.98)
    shares = data / white
    inside = np.interp(shares, [0.0, GREY, 1.0], [0.0, ratio, 1.0])
    return np.where((shares > 0) & (shares < 1), white * inside, data).astype(np.float32), affine


def with_gain(
    data: np.ndarray, affine: np.ndarray, tens: float, _rng: np.random.Generator
) -> Image:
    """Another scale of all intensities: ten to the power `tens`."""
    return (data * np.float32(10.0**tens)).astype(np.float32), affine


def with_offset(
    data: np.ndarray, affine: np.ndarray, share: float, _rng: np.random.Generator
) -> Image:
    """Air that is not zero: a constant is added, given as a share of white matter's intensity."""
    return (data + np.float32(share * white_matter(data))).astype(np.float32), affine
