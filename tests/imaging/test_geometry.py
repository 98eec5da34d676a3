"""Grids keep their place in the world."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainage.imaging import geometry
from tests.imaging.conftest import pose


def blob(affine: np.ndarray, shape: tuple[int, int, int], centre: np.ndarray) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    return np.exp(-((world - centre) ** 2).sum(axis=-1) / (2 * 15.0**2)).astype(np.float32)


def centre_of(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in data.shape], indexing="ij"), axis=-1)
    mean = (index * data[..., None]).sum(axis=(0, 1, 2)) / data.sum()
    return affine[:3, :3] @ mean + affine[:3, 3]


def test_coarser_moves_nothing() -> None:
    affine = pose((10, -5, 20), (7, 8, 9)) @ np.diag([1.5, 2.0, 3.0, 1.0])
    centre = affine[:3, :3] @ [35, 30, 20] + affine[:3, 3] + 3.3
    data = blob(affine, (70, 60, 40), centre)
    coarse, coarse_affine = geometry.coarser(data, affine, 4.0)
    assert np.allclose(geometry.spacing(coarse_affine), 4.0)
    assert np.allclose(centre_of(coarse, coarse_affine), centre, atol=0.3)


def test_resampled_follows_a_map_between_worlds() -> None:
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    centre = np.array([60.0, 66.0, 54.0])
    data = blob(affine, (40, 44, 36), centre)
    template_to_head = pose((0, 0, 8), (4, -3, 2))
    moved = geometry.resampled(data, affine, data.shape, affine, template_to_head, order=3)
    assert np.allclose(
        centre_of(moved, affine), (np.linalg.inv(template_to_head) @ [*centre, 1])[:3], atol=0.2
    )


def test_itk_transforms_are_read_in_nifti_coordinates(tmp_path: Path) -> None:
    ants = geometry.import_ants()
    template_to_head = pose((5, 10, -15), (3, -20, 7))
    itk = geometry.FLIP @ template_to_head @ geometry.FLIP
    transform = ants.create_ants_transform(
        transform_type="AffineTransform",
        matrix=itk[:3, :3],
        center=[10.0, -5.0, 30.0],
        translation=itk[:3, 3]
        - np.array([10.0, -5.0, 30.0])
        + itk[:3, :3] @ np.array([10.0, -5.0, 30.0]),
    )
    path = str(tmp_path / "affine.mat")
    ants.write_transform(transform, path)
    assert np.allclose(geometry.read_itk_transform(path), template_to_head, atol=1e-4)


def test_a_transform_is_read_as_it_was_written(tmp_path: Path) -> None:
    template_to_head = pose((10.0, -20.0, 30.0), (5.0, -6.0, 7.0))
    template_to_head[:3, :3] *= 0.9
    path = tmp_path / "some.mat"
    geometry.write_transform(template_to_head, path)
    assert geometry.read_transform(path).tobytes() == template_to_head.tobytes()
    # ANTsPy keeps numbers in single precision.
    assert np.allclose(geometry.read_itk_transform(str(path)), template_to_head, atol=1e-5)
