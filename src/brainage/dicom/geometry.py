"""Where the slices of a series lie, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from brainage.dicom.headers import Header


class Geometry(NamedTuple):
    """How the files of a series make one volume.

    Attributes
    ----------
    order
        The files in the order of their slices.
    voxel, extent
        Size of a voxel and of the whole volume along columns, rows and slices, in mm; empty where
        they are not known.
    fault
        What is wrong with the slices, in words.
    """

    order: list[int]
    voxel: tuple[float, ...] = ()
    extent: tuple[float, ...] = ()
    fault: str | None = None


def slice_geometry(headers: Sequence[Header]) -> Geometry:
    """Put the files of a series in the order of their slices and look for gaps between them."""
    order = sorted(range(len(headers)), key=lambda i: headers[i].instance)
    first = headers[0]
    if not first.rows or not first.columns:
        return Geometry(order, fault="no image in it")
    if any(
        (h.rows, h.columns, h.spacing) != (first.rows, first.columns, first.spacing)
        for h in headers
    ):
        return Geometry(order, fault="its images differ in size")
    # The number of values is the header's, which may be wrong.
    known = all(
        h.positions.shape == (h.frames, 3) and h.orientations.shape[1:] == (6,) for h in headers
    )
    if not known or len(first.spacing) != 2:
        return Geometry(order, fault="its header does not give the positions of its slices")
    directions = np.concatenate([h.orientations for h in headers])
    if np.abs(directions - directions[0]).max() > 1e-3:
        return Geometry(order, fault="its slices have different orientations")
    normal = np.cross(directions[0, :3], directions[0, 3:])
    depths = [h.positions @ normal for h in headers]
    places = np.concatenate([h.positions for h in headers])
    beside = places - places[0] - np.outer((places - places[0]) @ normal, normal)
    # dcm2niix takes each slice to lie straight behind the last one.
    if np.abs(beside).max() > 0.1 * min(first.spacing):
        return Geometry(order, fault="its slices are not stacked along their normal")
    order.sort(key=lambda i: (float(depths[i][0]), headers[i].instance))
    gaps = np.diff(np.sort(np.concatenate(depths)))
    if not gaps.size:
        return Geometry(order)  # one slice: too few, which is said elsewhere
    step = float(np.median(gaps))
    in_plane = (first.spacing[1], first.spacing[0])
    voxel = (*in_plane, step)
    counts = (first.columns, first.rows, len(gaps) + 1)
    extent = tuple(n * size for n, size in zip(counts, voxel, strict=True))
    if step < 0.01 or gaps.min() < 0.1 * step:
        return Geometry(
            order, voxel, extent, "several images at the same position (echoes, repeats)"
        )
    uneven = int((np.abs(gaps - step) > 0.1 * step).sum())
    if uneven:
        return Geometry(
            order, voxel, extent, f"slices are missing or unevenly spaced at {uneven} places"
        )
    return Geometry(order, voxel, extent, None)
