"""Nuisances do to a phantom what they say, and nothing at strength 0."""

from functools import lru_cache

import nibabel
import numpy as np
import pytest

from brainage.core.affines import spacing
from brainage.simulation import intensities, sampling, views
from brainage.simulation.nuisances import GRADES, MASK, NUISANCES, RAW, generator

SHAPE = (40, 48, 44)
WHITE = 100.0
# Axes right to left, then superior, then anterior, as scanners store sagittal heads.
AFFINE = np.array(
    [[-4.0, 0, 0, 80], [0, 0, 4, -88], [0, 4, 0, -96], [0, 0, 0, 1]]
)  # index 0 left, 1 superior, 2 anterior
# What a head of 4 mm cannot show is tried on the same one with voxels of 1 mm.
RESOLUTION = (
    "smoothing",
    "low_resolution",
    "thick_axial_slices",
    "thick_sagittal_slices",
    "voxel_size",
)
NO_ZERO = ("stripped", "stripped_own_mask", "defaced")


def rng():
    return np.random.default_rng(3)


def world(affine=AFFINE, shape=SHAPE):
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def head() -> np.ndarray:
    return phantom().copy()


@lru_cache
def phantom() -> np.ndarray:
    """A scalp, fluid, grey and white matter in shells, with a lump that breaks symmetry."""
    place = world() - [0, -2, -2]
    radius = np.sqrt((place**2 * [1.4, 0.8, 1]).sum(axis=-1))
    values = np.select(
        [radius < 45, radius < 55, radius < 60, radius < 68], [WHITE, 75, 30, 120], 0
    )
    return np.where(np.linalg.norm(place - [10, 50, 20], axis=-1) < 12, 160, values).astype("f4")


def needed(name: str) -> dict:
    place = world()
    if NUISANCES[name].needs == "face":
        return {"face": place[..., 1] - 40}
    if NUISANCES[name].needs:
        return {"mask": np.linalg.norm(place, axis=-1) < 50}
    return {}


def made(name: str, strength: float, data=None, affine=AFFINE):
    data = head() if data is None else data
    return NUISANCES[name].apply(data, affine, strength, rng(), **needed(name))


ON_HEADS = [name for name, nuisance in NUISANCES.items() if nuisance.where == RAW]


def test_every_nuisance_has_a_realistic_strength_and_grades_that_are_known():
    for name, nuisance in NUISANCES.items():
        grades = [grade for grade, _ in nuisance.levels]
        assert "realistic" in grades and set(grades) <= set(GRADES), name
        assert len(set(nuisance.levels)) == len(nuisance.levels), name
        assert nuisance.where in (RAW, MASK)


@pytest.mark.parametrize("name", ON_HEADS)
def test_shape_and_affine_fit_and_nothing_given_is_changed(name):
    data = head()
    before = AFFINE / [[4], [4], [4], [1]] if name in RESOLUTION else AFFINE
    affine = before.copy()
    for _, strength in NUISANCES[name].levels:
        found, to = made(name, strength, data, affine)
        assert found.ndim == 3 and found.dtype == np.float32 and np.isfinite(found).all()
        assert found.min() >= 0
        assert to.shape == (4, 4) and np.allclose(to[3], [0, 0, 0, 1])
        assert np.linalg.det(to[:3, :3]) * np.linalg.det(before[:3, :3]) > 0
        same_grid = found.shape == SHAPE and np.allclose(to, affine)
        assert not (same_grid and np.array_equal(found, data))
        assert np.array_equal(data, head()) and np.array_equal(affine, before)


@pytest.mark.parametrize("name", [name for name in ON_HEADS if name not in NO_ZERO])
def test_strength_0_leaves_the_head_as_it_is(name):
    found, to = made(name, 0)
    assert np.array_equal(to, AFFINE)
    np.testing.assert_allclose(found, head(), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", ["noise", "bias_field", "motion"])
def test_same_seed_same_bytes_and_another_seed_others(name):
    _, strength = NUISANCES[name].levels[1]
    apply = NUISANCES[name].apply
    one, again, other = (
        apply(head(), AFFINE, strength, generator(seed, "sub-1", name))[0] for seed in (1, 1, 2)
    )
    assert one.tobytes() == again.tobytes()
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, apply(head(), AFFINE, strength, generator(1, "sub-2", name))[0])


def centre(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Centre of mass in mm."""
    return np.average(world(affine, data.shape).reshape(-1, 3), axis=0, weights=data.ravel())


def test_white_matter_is_found_without_a_mask():
    assert abs(intensities.white_matter(np.where(head() > 110, 0, head())) - WHITE) < 1


def test_smoothing_widens_a_point_to_its_width():
    point = np.zeros((41, 41, 41), "f4")
    point[20, 20, 20] = 1
    fine = np.diag([0.5, 0.5, 0.5, 1.0])
    profile = sampling.smoothed(point, fine, 4.0, rng())[0][:, 20, 20]
    assert np.isclose(np.interp(2.0, np.arange(21) * 0.5, profile[20:]), profile[20] / 2, rtol=0.02)


def test_low_resolution_keeps_coarse_waves_and_loses_fine_ones():
    """At 2 mm a voxel of 4 mm shows waves longer than 8 mm alone."""
    x = np.arange(64) * 2.0
    for length, kept in ((16.0, True), (6.4, False)):
        wave = 100 + np.cos(2 * np.pi * x / length)[:, None, None] * np.ones((64, 8, 8))
        found = sampling.low_resolution(wave, np.diag([2.0, 2, 2, 1]), 4.0, rng())[0]
        assert (found.std() > 0.9 * wave.std()) == kept


def test_thick_slices_are_means_of_what_lies_in_them_at_their_place():
    data, affine = sampling.thick_slices(head(), AFFINE, 8.0, rng(), along=2)
    assert data.shape == (40, 24, 44) and np.allclose(spacing(affine), [4, 8, 4])
    assert np.allclose(data, head().reshape(40, 24, 2, 44).mean(axis=2), atol=1e-4)
    assert np.allclose(centre(data, affine), centre(head(), AFFINE), atol=1e-3)
    odd, to = sampling.thick_slices(head(), AFFINE, 10.0, rng(), along=0)
    assert odd.shape == (16, 48, 44)
    assert np.allclose(centre(odd, to), centre(head(), AFFINE), atol=0.05)


def test_sharpening_steepens_an_edge_and_leaves_flat_parts():
    step = np.full((24, 8, 8), 50, "f4")
    step[12:] = 100
    found = sampling.sharpened(step, np.eye(4), 0.6, rng())[0][:, 4, 4]
    assert found[12] > 105 and found[11] < 45
    assert np.allclose(found[[0, -1]], [50, 100], atol=0.1)


def test_ringing_overshoots_at_an_edge_along_the_phase_axis_alone():
    front, side = np.full((2, 40, 40, 40), 10.0)
    front[:, 20:], side[20:] = 100, 100
    along, across = (sampling.ringing(data, np.eye(4), 0.25, rng())[0] for data in (front, side))
    assert along.max() > 105
    assert np.allclose(across, side, atol=1e-3)


def test_motion_moves_no_mean_place_and_blurs_more_the_larger_it_is():
    found = [sampling.moved_during_scan(head(), AFFINE, size, rng())[0] for size in (0.3, 2.0)]
    changes = [np.abs(data - head()).mean() for data in found]
    assert 0 < 3 * changes[0] < changes[1]
    for data in found:
        moved = centre(data > 60, AFFINE) - centre(head() > 60, AFFINE)
        assert np.abs(moved).max() < 0.5


def test_noise_has_its_size_in_tissue_and_that_of_rayleigh_in_air():
    data = head()
    found = intensities.noisy(data, AFFINE, 0.05, rng())[0]
    size = 0.05 * intensities.white_matter(data)
    assert np.isclose(found[data == WHITE].std(), size, rtol=0.05)
    assert np.isclose(found[data == 0].mean(), size * np.sqrt(np.pi / 2), rtol=0.02)


def test_a_bias_field_has_its_range_and_is_smooth():
    data = np.where(head() > 0, WHITE, 0).astype("f4")
    found = intensities.with_bias_field(data, AFFINE, 0.4, rng())[0]
    factor = found[data > 0] / WHITE
    assert np.isclose(factor.max(), 1.2, atol=1e-3) and np.isclose(factor.min(), 0.8, atol=1e-3)
    inside = (data[1:] > 0) & (data[:-1] > 0)
    assert np.abs(np.diff(found, axis=0))[inside].max() < 0.06 * WHITE


@pytest.mark.parametrize("name", ["gamma", "inversion_time"])
def test_contrasts_keep_white_matter_and_the_order_of_tissues(name):
    data = head()
    white = intensities.white_matter(data)
    for _, strength in NUISANCES[name].levels:
        values = np.linspace(0, 2 * white, 200, dtype="f4")
        mapped = made(name, strength, np.concatenate([data.ravel(), values]))[0][-200:]
        assert (np.diff(mapped) > 0).all()
        assert np.isclose(np.interp(white, values, mapped), white, rtol=0.01)
        grey = np.interp(75 / WHITE * white, values, mapped) / white
        # A larger exponent darkens grey matter.
        assert (grey > 0.76) if (strength > 0) == (name == "inversion_time") else (grey < 0.74)


def test_gain_and_offset():
    data = head()
    assert np.allclose(intensities.with_gain(data, AFFINE, -1, rng())[0], data / 10)
    found = intensities.with_offset(data, AFFINE, 0.1, rng())[0]
    assert np.allclose(found - data, 0.1 * intensities.white_matter(data), atol=1e-4)


@pytest.mark.parametrize("about", range(3))
def test_a_head_turned_by_its_header_and_by_resampling_lies_in_one_place(about):
    data, affine = views.turned_by_header(head(), AFFINE, 20, rng(), about)
    assert np.array_equal(data, head())
    angle = np.degrees(
        np.arccos((np.trace(affine[:3, :3] @ np.linalg.inv(AFFINE[:3, :3])) - 1) / 2)
    )
    assert np.isclose(angle, 20)
    resampled, same = views.turned_in_view(head(), AFFINE, 20, rng(), about)
    assert np.array_equal(same, AFFINE)
    same_place = views.sampled(data, affine, SHAPE, AFFINE, mode="constant")
    assert np.allclose(resampled, same_place, atol=1e-3)
    assert np.abs(resampled - head()).mean() > 3


def test_other_voxels_show_the_same_head_in_the_same_place():
    data, affine = views.with_voxel_size(head(), AFFINE, 6.0, rng())
    assert np.allclose(spacing(affine), 6) and data.shape == (26, 32, 29)
    assert np.isclose(data.sum() * 6**3, head().sum() * 4**3, rtol=0.01)
    assert np.allclose(centre(data, affine), centre(head(), AFFINE), atol=0.2)


@pytest.mark.parametrize("size", [-4.0, 4.0])
def test_distortion_shifts_edges_outward_by_its_size_and_does_not_fold(size):
    """A wall of voxels of 1 mm at 80 mm from the centre lies at 80 + size 0.8^3 then."""
    shape = (241, 5, 5)
    affine = np.diag([1.0, 1, 1, 1])
    wall = np.zeros(shape, "f4")
    wall[120 + 80 :] = 100
    found = views.distorted(wall, affine, size, rng())[0][:, 2, 2]
    edge = np.interp(50, found[120:], np.arange(121.0))
    r = 79.5  # between the last dark voxel and the first bright one
    assert np.isclose(edge - size * (edge / 100) ** 3, r, atol=0.1)
    assert np.isclose(edge - r, size * 0.5, atol=0.3)
    ramp = np.broadcast_to(np.arange(241.0)[:, None, None], shape)
    assert (np.diff(views.distorted(ramp, affine, size, rng())[0][5:-5, 2, 2]) > 0).all()


def test_a_shorter_view_keeps_what_is_left_in_its_place():
    for flipped in (False, True):
        data, affine = head(), AFFINE
        if flipped:
            flip = nibabel.orientations.axcodes2ornt(("L", "I", "A"))
            here = nibabel.orientations.io_orientation(AFFINE)
            change = nibabel.orientations.ornt_transform(here, flip)
            data = nibabel.orientations.apply_orientation(data, change)
            affine = AFFINE @ nibabel.orientations.inv_ornt_aff(change, SHAPE)
        heights = world(affine, data.shape)[..., 2]
        below, to = views.cut_below(data, affine, 20, rng())
        left = world(to, below.shape)[..., 2]
        assert np.isclose(left.min(), heights.min() + 20) and left.max() == heights.max()
        assert np.array_equal(
            np.sort(below[below > 0]), np.sort(data[(heights >= left.min()) & (data > 0)])
        )
        above, to = views.cut_above(data, affine, 8, rng())
        top = heights[data > 0].max()
        assert np.isclose(world(to, above.shape)[..., 2].max(), top - 8, atol=4.1)


def test_padding_moves_nothing():
    data, affine = views.padded(head(), AFFINE, 12, rng())
    assert data.shape == (46, 54, 50)
    assert np.allclose(centre(data, affine), centre(head(), AFFINE))


def test_masks_grow_by_voxels_and_stripping_keeps_the_brain_alone():
    mask = np.zeros((9, 9, 9), bool)
    mask[3:6, 3:6, 3:6] = True
    assert views.grown(mask, 0).sum() == 27
    assert views.grown(mask, 1).sum() == 27 + 54
    assert views.grown(mask, -1).sum() == 1
    data = np.ones(mask.shape, "f4")
    assert views.stripped(data, np.eye(4), -1, rng(), mask)[0].sum() == 1


def test_defacing_removes_what_lies_before_the_plane_and_its_margin():
    face = world()[..., 1] - 40
    found = views.defaced(head(), AFFINE, 10, rng(), face)[0]
    assert (found[world()[..., 1] > 50] == 0).all() and (head()[world()[..., 1] > 50] > 0).any()
    assert np.array_equal(found[face <= 10], head()[face <= 10])
