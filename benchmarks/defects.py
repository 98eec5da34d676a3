"""Defects planted into clean heads, for benchmarks/quality_control.py; strengths stand there.

A defect of the picture is a function of the raw voxels. A defect of imaging itself (a wrong mask, a
crooked registration) can't be in the raw image: it is put in the place of what imaging found, while
that head is processed.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel
import numpy as np
from scipy import ndimage

from brainage.imaging import geometry, registration
from brainage.imaging.reading import Head, read
from brainage.imaging.registered import AlignedHead
from brainage.simulation.intensities import rician


@dataclass
class Subject:
    """A clean head that is to be spoilt, and all that a defect may need.

    Attributes
    ----------
    head
        As read: axes right, anterior, superior.
    mask
        Its brain mask on the same grid, bool.
    white
        About the intensity of its white matter: 80th percentile inside the mask.
    step
        Step in which the file stores intensities; spoilt ones are stored as coarsely.
    other
        Another person's head of the same cohort.
    random
        Seeded by the person and the defect, the same at each strength.
    """

    head: Head
    mask: np.ndarray
    white: float
    step: float
    other: Head
    random: np.random.Generator


Picture = tuple[np.ndarray, np.ndarray]  # voxels and 4 x 4 affine


def load_subject(raw: Path, mask: Path, other: Path, *seed: str) -> Subject:
    head = read(raw)
    image = nibabel.as_closest_canonical(nibabel.load(mask))
    inside = np.asanyarray(image.dataobj) > 0
    slope = float(nibabel.load(raw).dataobj.slope or 1.0)
    return Subject(
        head=head,
        mask=inside,
        white=float(np.percentile(head.data[inside], 80)),
        step=slope,
        other=read(other),
        random=np.random.default_rng([zlib.crc32(text.encode()) for text in seed]),
    )


def motion(subject: Subject, millimetres: float) -> Picture:
    """Eight spells of lines of k-space along the phase axis (front to back), each displaced.

    The displacements are normal with that SD; each multiplies its lines by a phase.
    """
    data, edges = subject.head.data, geometry.spacing(subject.head.affine)
    lines = data.shape[1]
    spells = np.arange(lines) * 8 // lines
    shifts = subject.random.normal(0, 1, 8)[spells] * millimetres / edges[1]
    frequency = np.fft.fftshift(np.fft.fftfreq(lines))  # acquired from one edge to the other
    phase = np.fft.ifftshift(np.exp(-2j * np.pi * frequency * shifts))
    lines_of_head = np.fft.fft(data, axis=1) * phase[None, :, None]
    return np.abs(np.fft.ifft(lines_of_head, axis=1)), subject.head.affine


def noise(subject: Subject, share: float) -> Picture:
    """Rician noise whose SD is that share of white matter, on the voxels as stored."""
    data = subject.head.data
    return rician(data, share * subject.white, subject.random), subject.head.affine


def missing_slices(subject: Subject, millimetres: float) -> Picture:
    """An axial slab of zeros of that thickness, somewhere in the middle of the brain."""
    edge = geometry.spacing(subject.head.affine)[2]
    rows = np.flatnonzero(subject.mask.any(axis=(0, 1)))
    middle = rows[0] + subject.random.uniform(0.3, 0.7) * (rows[-1] - rows[0])
    number = max(1, round(millimetres / edge))
    first = round(middle - number / 2)
    data = subject.head.data.copy()
    data[:, :, first : first + number] = 0
    return data, subject.head.affine


def contrast(subject: Subject, share: float) -> Picture:
    """Mix with the head's negative (bright CSF, dark white matter, as on T2w); 1 is all of it."""
    data = subject.head.data
    head = ndimage.binary_fill_holes(
        ndimage.binary_closing(data > 0.2 * subject.white, iterations=2) | subject.mask
    )
    negative = np.clip(1.2 * subject.white - data, 0.05 * subject.white, None)
    mixed = (1 - share) * data + share * negative
    return np.where(head, mixed, data), subject.head.affine


def _cut(subject: Subject, axis: int, keep: slice) -> Picture:
    place = [slice(None)] * 3
    place[axis] = keep
    affine = subject.head.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (keep.start or 0)
    return subject.head.data[tuple(place)], affine


def clipped_vertex(subject: Subject, millimetres: float) -> Picture:
    """The field of view ends that far below the top of the brain."""
    edge = geometry.spacing(subject.head.affine)[2]
    top = np.flatnonzero(subject.mask.any(axis=(0, 1)))[-1] + 1
    return _cut(subject, 2, slice(0, round(top - millimetres / edge)))


def clipped_temporal(subject: Subject, millimetres: float) -> Picture:
    """The field of view ends that far inside the brain's left or right edge."""
    edge = geometry.spacing(subject.head.affine)[0]
    inside = np.flatnonzero(subject.mask.any(axis=(1, 2)))
    if subject.random.uniform() < 0.5:
        return _cut(subject, 0, slice(round(inside[0] + millimetres / edge), None))
    return _cut(subject, 0, slice(0, round(inside[-1] + 1 - millimetres / edge)))


def second_head(subject: Subject, share: float) -> Picture:
    """Add that share of another person's head, 30 mm right, 40 mm forward, 20 mm up."""
    head, other = subject.head, subject.other
    shift = np.eye(4)
    shift[:3, 3] = -30.0, -40.0, -20.0
    there = geometry.resampled(other.data, other.affine, head.data.shape, head.affine, shift)
    brightness = np.percentile(other.data[other.data > 0], 90)
    own = np.percentile(head.data[head.data > 0], 90)
    return head.data + share * there * own / brightness, head.affine


def phantom(subject: Subject, likeness: float) -> Picture:
    """A phantom on the head's grid: 1 a bottle, 2 a ball, 3 a ball in a ball with a shell."""
    shape, edges = subject.head.data.shape, geometry.spacing(subject.head.affine)
    axes = [(np.arange(n) - (n - 1) / 2) * edge for n, edge in zip(shape, edges, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    size = subject.random.uniform(0.95, 1.05)
    ball = np.sqrt(x**2 + y**2 + z**2) / size
    if likeness == 1:
        inside = (np.hypot(x, y) < 50 * size) & (np.abs(z) < 85 * size)
        values = np.where(inside, 1.0, 0.0)
    elif likeness == 2:
        values = np.where(ball < 75, 1.0, 0.0)
    else:
        values = np.select([ball < 45, ball < 68, ball < 74, ball < 80], [1.0, 0.7, 0.1, 0.9], 0.0)
    values = ndimage.gaussian_filter(values, 0.5) * subject.white
    return rician(values, 0.01 * subject.white, subject.random), subject.head.affine


def small_head(subject: Subject, factor: float) -> Picture:
    """The head of an infant's size: all lengths by that factor, through the voxel size."""
    affine = subject.head.affine.copy()
    affine[:3, :3] *= factor
    return subject.head.data, affine


def upside_down(subject: Subject, _: float) -> Picture:
    """Slices stored from top to bottom while the header says from bottom to top."""
    return subject.head.data[:, :, ::-1], subject.head.affine


def left_right(subject: Subject, _: float) -> Picture:
    """Left and right swapped, and nothing in the header says so."""
    return subject.head.data[::-1], subject.head.affine


def write_picture(path: Path, subject: Subject, picture: Picture, contradict: bool = False) -> None:
    """Write a spoilt head in the steps of the clean one's file.

    `contradict` gives it a qform that takes right for left.
    """
    data, affine = picture
    stored = np.round(np.maximum(data, 0) / subject.step) * subject.step
    image = nibabel.Nifti1Image(stored.astype(np.float32), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine @ np.diag([-1, 1, 1, 1]) if contradict else affine, code=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)


# What imaging gets wrong. Each takes the mask (0 to 1) on the head's grid, the head and a strength.
Spoiler = Callable[[np.ndarray, Head, float], np.ndarray]


def eroded_mask(mask: np.ndarray, head: Head, millimetres: float) -> np.ndarray:
    """Everything nearer to the mask's edge than that is lost."""
    inside = mask > 0.5
    return ndimage.distance_transform_edt(inside, geometry.spacing(head.affine)) > millimetres


def shifted_mask(mask: np.ndarray, head: Head, millimetres: float) -> np.ndarray:
    """The mask beside its place by that much, in a direction of the head's own."""
    random = np.random.default_rng(int(head.voxel_hash[:8], 16))
    shift = millimetres * _direction(random) / geometry.spacing(head.affine)
    return ndimage.shift((mask > 0.5).astype(np.uint8), shift, order=0) > 0


def swapped_mask(others: dict[str, Path]) -> Spoiler:
    """Give another person's mask. `others`: its path, by the hash of the head's voxels.

    Strength 1 lays it centre of mass on centre of mass, 2 as it lies in the middle of its own
    frame, 3 the same, its front to the back.
    """

    def spoil(mask: np.ndarray, head: Head, strength: float) -> np.ndarray:
        image = nibabel.as_closest_canonical(nibabel.load(others[head.voxel_hash]))
        data = (np.asanyarray(image.dataobj) > 0).astype(np.float32)
        if strength == 1:
            here, there = ndimage.center_of_mass(mask > 0.5), ndimage.center_of_mass(data)
        else:
            here, there = (np.array(mask.shape) - 1) / 2, (np.array(data.shape) - 1) / 2
        turn = np.diag([1.0, -1.0, 1.0]) if strength == 3 else np.eye(3)
        to_index = turn @ np.diag(geometry.spacing(head.affine) / geometry.spacing(image.affine))
        offset = np.array(there) - to_index @ np.array(here)
        return ndimage.affine_transform(data, to_index, offset, mask.shape, order=1) > 0.5

    return spoil


def _direction(random: np.random.Generator) -> np.ndarray:
    vector = random.standard_normal(3)
    return vector / np.linalg.norm(vector)


@contextlib.contextmanager
def wrong_mask(spoil: Spoiler, strength: float) -> Iterator[None]:
    """Imaging goes on with a spoilt mask in the place of the one that it found."""
    found = registration.stripped

    def stripped(aligned: AlignedHead) -> tuple[np.ndarray, np.ndarray]:
        head = aligned.head
        own = spoil(found(aligned)[1], head, strength).astype(np.float32)
        grid = (*aligned.template.grid, aligned.template_to_head)
        return geometry.resampled(own, head.affine, *grid) > 0.5, own

    with mock.patch.object(registration, "stripped", stripped):
        yield


@contextlib.contextmanager
def misregistered(millimetres: float) -> Iterator[None]:
    """Imaging goes on with a transform that is off by that much, in a direction of the head's."""
    register = registration.register_head

    def moved(*given: Any) -> AlignedHead:
        aligned = register(*given)
        person = given[-1].name.split("_run-")[0]  # the same direction at each strength
        random = np.random.default_rng(zlib.crc32(person.encode()))
        aligned.template_to_head[:3, 3] += millimetres * _direction(random)
        return aligned

    with mock.patch.object(registration, "register_head", moved):
        yield
