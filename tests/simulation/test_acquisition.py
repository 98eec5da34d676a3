"""Sites and scans."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from brainage.simulation import acquisition, heads, template

SITES = ["healthy-1", "healthy-2", "healthy-3", "healthy-4", "external-1", "external-2"]


@pytest.fixture(scope="module")
def atlas():
    return template.atlas(2.0)


@pytest.fixture(scope="module")
def head(atlas):
    return heads.make_head(atlas, 5, "sub-1", "F", 40.0, 0.0)


def test_sites_follow_from_their_names_and_differ():
    sites = [acquisition.make_site(5, name) for name in SITES]
    assert sites == [acquisition.make_site(5, name) for name in SITES]
    points = np.array([[np.log10(s.gain), *s.contrast, 10 * s.noise, s.blur] for s in sites])
    distance = np.abs(points[:, None] - points[None]).max(axis=-1)
    assert distance[~np.eye(len(sites), dtype=bool)].min() > 0.1


def test_poses_stay_in_their_limits():
    for k in range(100):
        scan = acquisition.make_scan(5, f"sub-{k}", "ses-1", "healthy-1")
        moved = scan.pose[:3, :3] @ acquisition.HEAD_CENTRE + scan.pose[:3, 3]
        assert np.abs(moved - acquisition.HEAD_CENTRE).max() <= acquisition.MAX_SHIFT
        assert np.allclose(scan.pose[:3, :3] @ scan.pose[:3, :3].T, np.eye(3))
        angle = np.degrees(np.arccos((np.trace(scan.pose[:3, :3]) - 1) / 2))
        assert angle <= 3**0.5 * acquisition.MAX_ROTATION + 0.1


@pytest.mark.slow
def test_storage_orientation_moves_no_voxel(atlas, head):
    scan = acquisition.make_scan(5, "sub-1", "ses-1", "healthy-1")
    seen = {}
    for codes in ("RAS", "PIR", "LPS"):
        turned = replace(scan, site=replace(scan.site, orientation=codes))
        image, affine = acquisition.acquire(5, turned, head, atlas, 6.0, "x")
        assert nibabel.aff2axcodes(affine) == tuple(codes)
        canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(image, affine))
        seen[codes] = np.asarray(canonical.dataobj), canonical.affine
    for codes in ("PIR", "LPS"):
        assert np.array_equal(seen["RAS"][0], seen[codes][0])
        assert np.allclose(seen["RAS"][1], seen[codes][1])


@pytest.mark.slow
def test_the_affine_says_where_the_head_is(atlas, head):
    """The brain found in the image lies where pose and affine say, whatever the field of view."""
    brain = template.template_volume("mask") > 0.5
    for person in ("sub-1", "sub-2", "sub-3"):
        scan = acquisition.make_scan(5, person, "ses-1", "healthy-2")
        image, affine = acquisition.acquire(5, scan, head, atlas, 4.0, person)
        grid = np.linalg.inv(scan.pose) @ affine
        inside = heads.carry_mask(head, brain, grid, image.shape)
        flat = image / acquisition.bias_field(scan.site.bias, affine, image.shape)
        grid_ras = grid.copy()
        expected = heads.render(atlas, head, grid_ras, image.shape).numpy()
        assert np.corrcoef(expected[inside > 0.5], flat[inside > 0.5])[0, 1] > 0.6
        moved = grid.copy()
        moved[:3, 3] += 8.0
        wrong = heads.render(atlas, head, moved, image.shape).numpy()
        assert np.corrcoef(wrong[inside > 0.5], flat[inside > 0.5])[0, 1] < 0.5


def test_contrast_hits_its_levels():
    import torch

    t1 = torch.tensor(acquisition.KNOTS)
    levels = acquisition._contrast((0.3, 0.7, 1.2), t1)
    assert np.allclose(levels.numpy(), [0, 0.3, 0.7, 1.0, 1.2], atol=1e-5)


def test_bias_field_is_one_at_the_isocentre():
    affine = np.eye(4)
    affine[:3, 3] = [-2, -3, -4]
    field = acquisition.bias_field([0.1] * 9, affine, (5, 7, 9))
    assert field[2, 3, 4] == pytest.approx(1)
    assert field.max() > 1.001


@pytest.mark.slow
@pytest.mark.parametrize("voxel_size", [2.0, 4.0, 5.0])
def test_any_voxel_size(voxel_size):
    atlas = template.atlas(2.0)
    head = heads.make_head(atlas, 5, "sub-1", "F", 40.0, 0.0)
    scan = acquisition.make_scan(5, "sub-1", "ses-1", "external-1")
    image, affine = acquisition.acquire(5, scan, head, atlas, voxel_size, "x")
    sizes = np.sort(nibabel.affines.voxel_sizes(affine))
    assert np.allclose(sizes, np.sort(scan.site.voxel) * voxel_size)
    assert np.allclose(np.sort(np.array(image.shape)), np.sort(scan.extent / sizes), atol=60)
    assert image.dtype == np.int16
    assert 100 < image.max() < 32767
