"""A warp's geometry, against ITK's own and against what is known of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainage.imaging import geometry, warp
from brainage.imaging.ants_setup import import_ants
from brainage.imaging.template import Template


@pytest.fixture(scope="module")
def bent(template: Template) -> warp.Warp:
    """Smooth displacements of up to 8 mm, on a part of the template's grid."""
    shape = tuple(part.stop - part.start for part in template.box)
    x, y, z = np.meshgrid(*(np.linspace(0, np.pi, n) for n in shape), indexing="ij")
    bump = np.sin(x) * np.sin(y) * np.sin(z)
    displacement = np.stack([8 * bump, -5 * bump * np.cos(x), 3 * bump * np.cos(y)], axis=-1)
    return warp.Warp(displacement.astype(np.float32), template.box_affine)


def test_itk_applies_the_written_files_as_we_do(
    bent: warp.Warp, template: Template, tmp_path: Path
) -> None:
    ants = import_ants()
    template_to_head = np.eye(4)
    template_to_head[:3, :3] = [[0.96, 0.05, 0], [-0.04, 1.05, 0.02], [0, 0, 0.9]]
    template_to_head[:3, 3] = 4, -6, 9
    geometry.write_transform(template_to_head, tmp_path / "affine.mat")
    warp.write_warp(tmp_path / "warp.nii.gz", bent)
    head = template.head / template.head.max()
    fixed = geometry.ants_image(template.head[template.box], template.box_affine)
    theirs = ants.apply_transforms(
        fixed,
        geometry.ants_image(head, template.affine),
        [str(tmp_path / "warp.nii.gz"), str(tmp_path / "affine.mat")],
    ).numpy()
    grid = (fixed.shape, template.box_affine)
    ours = bent.carried(head, template.affine, *grid, template_to_head, order=1)
    inside = template.mask[template.box]
    assert np.abs(ours - theirs)[inside].max() < 0.01
    without = geometry.resampled(head, template.affine, *grid, template_to_head)
    assert np.abs(without - theirs)[inside].mean() > 0.03


def test_the_determinant_is_that_of_a_known_map(template: Template) -> None:
    matrix = np.diag([0.9, 1.1, 1.2])
    voxels = np.indices(template.head.shape).reshape(3, -1)
    points = template.affine[:3, :3] @ voxels + template.affine[:3, 3:]
    displacement = ((matrix - np.eye(3)) @ points).T.reshape(*template.head.shape, 3)
    linear = warp.Warp(displacement.astype(np.float32), template.affine)
    found = linear.determinant(template.head.shape, template.affine)
    assert np.allclose(found, np.linalg.det(matrix), atol=1e-4)


def test_a_fold_has_a_negative_determinant(bent: warp.Warp) -> None:
    folded = warp.Warp(bent.displacement * 20, bent.affine)
    shape = bent.displacement.shape[:3]
    assert bent.determinant(shape, bent.affine).min() > 0
    assert folded.determinant(shape, bent.affine).min() < 0


def test_a_warp_is_read_as_it_was_written(bent: warp.Warp, tmp_path: Path) -> None:
    warp.write_warp(tmp_path / "warp.nii.gz", bent)
    found = warp.read_warp(tmp_path / "warp.nii.gz")
    assert found.displacement.tobytes() == bent.displacement.tobytes()
    assert np.array_equal(found.affine, bent.affine)
