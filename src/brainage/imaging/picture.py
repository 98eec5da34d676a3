"""The check picture: mask outline on the raw scan, template's edges on the registered head.

A defect looks like this: the orange line cuts through brain or runs along the skull (mask);
the blue lines don't follow the ventricles and the brain's rim (registration); rings,
stripes or a second, paler head (motion).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

TILE = 150  # pixels
MARGIN = 22.0  # mm about the brain
GREYS = 40  # few enough for a small file, enough for the eye
MAX_BYTES = 59_000  # with its part of the quality page a scan stays under 60 kB
# Told apart without red and green, and by their row.
MASK_COLOUR = (255, 159, 28)
EDGE_COLOUR = (64, 200, 255)


class Row(NamedTuple):
    """What a row of three planes shows.

    Attributes
    ----------
    image
        Axes right, anterior, superior.
    mask
        The brain on the same grid, bool.
    edges
        Edges of a voxel, in mm.
    """

    image: np.ndarray
    mask: np.ndarray
    edges: np.ndarray


def draw(path: Path, raw: Row, registered: Row, template_head: np.ndarray) -> None:
    """Write a PNG of two rows of three planes (sagittal, coronal, axial), 450 x 300 pixels.

    Parameters
    ----------
    path
        Where to write.
    raw
        The scan in its own space, with the outline of its mask.
    registered
        The normalised head on the template's grid, with the template's edges.
    template_head
        The template.
    """
    canvas = np.zeros((2 * TILE, 3 * TILE), dtype=np.uint8)
    place, half = _view(raw.mask, raw.edges)
    top = float(np.percentile(raw.image, 99.7))
    for column in range(3):
        grey = _plane(raw.image, raw.edges, place, half, column)
        inside = _plane(raw.mask.astype(np.float32), raw.edges, place, half, column)
        tile = _greys(grey / max(top, 1e-9))
        tile[_outline(inside, 0.5)] = GREYS
        canvas[:TILE, column * TILE : (column + 1) * TILE] = tile
    reference = template_head > 0
    place, half = _view(registered.mask, registered.edges)
    brain_top = float(np.percentile(template_head[reference], 99)) if reference.any() else 1.0
    for column in range(3):
        grey = _plane(registered.image, registered.edges, place, half, column)
        lines = _edges(_plane(template_head / brain_top, registered.edges, place, half, column))
        tile = _greys(grey)
        tile[lines] = GREYS + 1
        canvas[TILE:, column * TILE : (column + 1) * TILE] = tile
    _write(path, canvas)


def _write(path: Path, canvas: np.ndarray) -> None:
    from PIL import Image, ImageDraw

    ramp = [(round(255 * k / (GREYS - 1)),) * 3 for k in range(GREYS)]
    colours = [*ramp, MASK_COLOUR, EDGE_COLOUR, (255, 255, 255)]
    palette = [value for colour in colours for value in colour]
    # Noise does not compress: a picture of it gets fewer greys until it is small enough.
    for step in (1, 2, 4, 8):
        greys = np.where(canvas < GREYS, canvas // step * step, canvas)
        image = Image.fromarray(greys, mode="P")
        image.putpalette(palette)
        pen = ImageDraw.Draw(image)
        for row in range(2):
            for column, letters in enumerate(("PA", "LR", "LR")):
                pen.text((column * TILE + 3, row * TILE + 2), letters[0], fill=GREYS + 2)
                pen.text(((column + 1) * TILE - 9, row * TILE + 2), letters[1], fill=GREYS + 2)
        image.save(path, format="PNG", optimize=True, bits=6)
        if Path(path).stat().st_size <= MAX_BYTES:
            return


def _view(mask: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (index) of the brain and half the width (mm) of a window that holds it."""
    found = ndimage.find_objects(mask.astype(np.uint8))
    if found and found[0] is not None:
        low = np.array([part.start for part in found[0]], dtype=float)
        high = np.array([part.stop - 1 for part in found[0]], dtype=float)
    else:
        low, high = np.zeros(3), np.array(mask.shape, dtype=float) - 1
    return (low + high) / 2, float(((high - low) * edges).max()) / 2 + MARGIN


def _plane(
    data: np.ndarray, edges: np.ndarray, place: np.ndarray, half: float, normal: int
) -> np.ndarray:
    """Sample one plane, `TILE` pixels square; up and left are superior/anterior and left."""
    across, up = [axis for axis in range(3) if axis != normal]
    step = np.linspace(-half, half, TILE)
    index = np.empty((2, TILE, TILE))
    index[0] = (place[across] + step / edges[across])[None, :]
    index[1] = (place[up] - step / edges[up])[:, None]
    plane = data.take(int(np.round(place[normal])), axis=normal)
    return ndimage.map_coordinates(plane, index, order=1, output=np.float32)


def _greys(values: np.ndarray) -> np.ndarray:
    return np.round(np.clip(values, 0, 1) * (GREYS - 1)).astype(np.uint8)


def _outline(values: np.ndarray, level: float) -> np.ndarray:
    inside = values > level
    return inside & ~ndimage.binary_erosion(inside)


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of the template: where its smoothed plane bends over and is steep."""
    smooth = ndimage.gaussian_filter(values, 3.0)
    steep = ndimage.gaussian_gradient_magnitude(smooth, 1.0)
    bend = ndimage.laplace(smooth) > 0
    crossing = bend & ~ndimage.binary_erosion(bend)
    return crossing & (steep > 0.35 * np.percentile(steep, 98))
