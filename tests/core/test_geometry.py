"""Onto the working grid and back, against a slow oracle and over every orientation."""

import itertools
import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from spinekit.core.errors import GeometryError
from spinekit.core.geometry import (
    GeometryRecord,
    isotropic_grid,
    normalise_geometry,
    normalise_labels,
    oriented_grid,
    oriented_volume,
    restore_labels,
    restore_linear,
    restore_probs_argmax,
    working_grid,
)
from spinekit.core.grid import Grid
from spinekit.core.resampling import axis_maps, resample_linear, resample_nearest
from spinekit.core.volume import Volume

ORIENTATIONS = [
    np.eye(3)[:, list(order)] * np.array(signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
OBLIQUE_DEG = (0.0, 12.0, 31.0)
# Spacings along R, A, S: clinical sagittal, isotropic, axial, anisotropic in plane.
SPACINGS = ((4.0, 1.0, 1.0), (2.0, 1.5, 1.2), (2.2, 1.3, 5.0), (3.3, 1.01, 2.7))


def turn(angle_deg: float) -> np.ndarray:
    """Rotation about an axis that is none of the anatomical ones."""
    axis = np.array([0.36, 0.48, 0.8])
    cross = np.cross(np.eye(3), axis)
    angle = np.deg2rad(angle_deg)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def grid_of(
    orientation: np.ndarray, angle_deg: float, spacing_ras: tuple[float, float, float]
) -> Grid:
    """A grid of about 6 × 9 × 11 voxels in RAS order, stored in the given orientation."""
    sizes = np.abs(orientation).T @ np.array([6, 9, 11])
    spacing = np.abs(orientation).T @ np.array(spacing_ras)
    affine = np.eye(4)
    affine[:3, :3] = turn(angle_deg) @ orientation * spacing
    affine[:3, 3] = (31, -17, 5)
    return Grid(tuple(int(n) for n in sizes), affine)


ALL_GRIDS = [
    grid_of(orientation, angle, SPACINGS[(n + m) % len(SPACINGS)])
    for n, orientation in enumerate(ORIENTATIONS)
    for m, angle in enumerate(OBLIQUE_DEG)
]
SHEARED = Grid(
    (12, 20, 24),
    np.array([[3.0, 0, 0, 4], [0.5, 1.5, 0, 5], [0, 0.2, 1.2, 6], [0, 0, 0, 1]]),
)


def ramp(grid: Grid) -> np.ndarray:
    """A value that is a linear function of the place in mm: resampling must not change it."""
    points = grid.ijk_to_ras(np.indices(grid.shape).reshape(3, -1).T)
    return (points @ [1.0, 0.37, -0.61]).reshape(grid.shape).astype(np.float32)


def inside(source: Grid, target: Grid) -> np.ndarray:
    """Voxels of ``target`` whose centre lies between centres of ``source``."""
    points = source.ras_to_ijk(target.ijk_to_ras(np.indices(target.shape).reshape(3, -1).T))
    within = (points >= -1e-6) & (points <= np.array(source.shape) - 1 + 1e-6)
    return within.all(axis=1).reshape(target.shape)


def slow_linear(array: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Trilinear interpolation, voxel by voxel, the obvious way."""
    result = np.zeros(target.shape)
    for index in np.ndindex(*target.shape):
        place = source.ras_to_ijk([target.ijk_to_ras([index])[0]])[0]
        place = np.clip(place, 0, np.array(source.shape) - 1)
        low = np.minimum(
            np.floor(place + 1e-9).astype(int), np.maximum(np.array(source.shape) - 2, 0)
        )
        for corner in itertools.product((0, 1), repeat=3):
            at = np.minimum(low + corner, np.array(source.shape) - 1)
            share = np.prod(np.where(corner, place - low, 1 - (place - low)))
            result[index] += share * array[tuple(at)]
    return result


@pytest.mark.parametrize("grid", ALL_GRIDS, ids=lambda g: g.orientation)
def test_labels_come_back_exactly_from_every_orientation(grid: Grid) -> None:
    labels = np.random.default_rng(1).integers(0, 50, grid.shape).astype(np.uint8)
    working, record = normalise_geometry(Volume(labels, grid))
    assert working.grid.orientation == "RAS"
    there = normalise_labels(labels, record)
    assert there.shape == working.shape
    back = restore_labels(there, record)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, labels)


@pytest.mark.parametrize("grid", ALL_GRIDS, ids=lambda g: g.orientation)
def test_every_voxel_keeps_its_place_in_mm(grid: Grid) -> None:
    image = ramp(grid)
    working, record = normalise_geometry(Volume(image, grid))
    known = inside(grid, working.grid)
    assert known.mean() > 0.3
    np.testing.assert_allclose(working.array[known], ramp(working.grid)[known], atol=1e-3)
    back = restore_linear(ramp(working.grid), record)
    known = inside(working.grid, grid)
    np.testing.assert_allclose(back[known], image[known], atol=1e-3)


@pytest.mark.parametrize("grid", ALL_GRIDS[::7], ids=lambda g: g.orientation)
def test_working_grid_has_the_models_spacing_and_covers_the_scan(grid: Grid) -> None:
    working = working_grid(grid)
    native = oriented_grid(grid).spacing_mm
    assert working.spacing_mm[0] == pytest.approx(native[0])
    for axis in (1, 2):
        kept = abs(native[axis] - 1) <= 0.02
        assert working.spacing_mm[axis] == pytest.approx(native[axis] if kept else 1)
    corners = np.array(list(itertools.product((0, 1), repeat=3))) * np.array(grid.shape) - 0.5
    places = working.ras_to_ijk(grid.ijk_to_ras(corners))
    assert places.min() >= -0.5 - 1e-2
    assert (places.max(axis=0) <= np.array(working.shape) - 0.5 + 1e-2).all()
    assert not working.is_sheared


@pytest.mark.parametrize("index", [0, 19, 46, 77, 130])
def test_interpolation_agrees_with_the_slow_oracle(index: int) -> None:
    grid = ALL_GRIDS[index]
    image = np.random.default_rng(index).random(grid.shape).astype(np.float32)
    target = isotropic_grid(grid, spacing_mm=2.3)
    expected = slow_linear(image, grid, target)
    np.testing.assert_allclose(resample_linear(image, grid, target), expected, atol=1e-4)


@pytest.mark.parametrize("index", [3, 20, 50, 90, 143])
def test_argmax_agrees_with_resampling_each_class(index: int) -> None:
    grid = ALL_GRIDS[index]
    record = GeometryRecord(grid, working_grid(grid, in_plane_mm=1.7))
    rng = np.random.default_rng(index)
    probs = rng.dirichlet(np.full(7, 0.3), record.working_grid.shape).transpose(3, 0, 1, 2)
    probs = probs.astype(np.float16)
    probs[0, :, :2] += 2
    expected = np.stack([restore_linear(c, record) for c in probs]).argmax(axis=0)
    result = restore_probs_argmax(probs, record)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert (result != expected).mean() < 1e-3
    np.testing.assert_array_equal(restore_probs_argmax(probs.astype(np.float32), record), result)


def test_argmax_without_foreground_is_zero_and_ties_go_to_the_lowest() -> None:
    grid = Grid((4, 5, 6), np.diag([3, 2, 2, 1]))
    record = GeometryRecord(grid, working_grid(grid))
    probs = np.zeros((3, *record.working_grid.shape), np.float16)
    assert not restore_probs_argmax(probs, record).any()
    probs[1:] = 0.5
    assert (restore_probs_argmax(probs, record) == 1).all()
    with pytest.raises(GeometryError, match="do not lie on"):
        restore_probs_argmax(probs[:, 1:], record)


def test_one_hot_probabilities_restore_like_labels_where_nothing_is_resampled() -> None:
    grid = grid_of(ORIENTATIONS[29], 9.0, (4.0, 1.0, 1.0))
    labels = np.random.default_rng(4).integers(0, 7, grid.shape).astype(np.uint8)
    record = GeometryRecord(grid, working_grid(grid))
    there = normalise_labels(labels, record)
    probs = (there[None] == np.arange(7)[:, None, None, None]).astype(np.float16)
    np.testing.assert_array_equal(restore_probs_argmax(probs, record), labels)


def test_sheared_scans_are_straightened_and_restored() -> None:
    assert SHEARED.is_sheared
    image = ramp(SHEARED)
    working, record = normalise_geometry(Volume(image, SHEARED))
    assert not working.grid.is_sheared
    assert axis_maps(SHEARED, working.grid) is None
    known = inside(SHEARED, working.grid)
    np.testing.assert_allclose(working.array[known], ramp(working.grid)[known], atol=0.02)
    back = restore_linear(ramp(working.grid), record)
    np.testing.assert_allclose(back, image, atol=0.02)
    blocks = (np.indices(SHEARED.shape) // 6).sum(axis=0).astype(np.uint8)
    restored = restore_labels(normalise_labels(blocks, record), record)
    assert (restored == blocks).mean() > 0.9
    probs = np.stack([ramp(working.grid) * 0, (ramp(working.grid) > 0).astype(np.float32)])
    expected = restore_linear(probs[1], record) > 0
    np.testing.assert_array_equal(restore_probs_argmax(probs, record), expected)


@pytest.mark.parametrize("shear", [0.002, 0.01, 0.05])
@pytest.mark.parametrize("slices", [1, 8, 19])
def test_thick_slices_of_a_sheared_scan_stay_in_their_places(slices: int, shear: float) -> None:
    affine = np.diag([4.0, 1.0, 1.0, 1.0])
    affine[1, 0] = 4 * shear
    grid = Grid((slices, 60, 50), affine)
    assert grid.is_sheared

    working = working_grid(grid)

    middle = (np.array(grid.shape) - 1) / 2
    places = working.ras_to_ijk(grid.ijk_to_ras([(i, *middle[1:]) for i in range(slices)]))[:, 0]
    np.testing.assert_allclose(places, np.rint(places), atol=0.02)
    assert working.shape[0] <= slices + 3


def test_sheared_resampling_agrees_with_scipy() -> None:
    image = np.random.default_rng(5).random(SHEARED.shape).astype(np.float32)
    target = working_grid(SHEARED, in_plane_mm=2.0)
    points = SHEARED.ras_to_ijk(target.ijk_to_ras(np.indices(target.shape).reshape(3, -1).T))
    expected = map_coordinates(image, points.T, order=1).reshape(target.shape)
    known = inside(SHEARED, target)
    np.testing.assert_allclose(
        resample_linear(image, SHEARED, target)[known], expected[known], atol=1e-4
    )
    nearest = resample_nearest(np.round(image * 9).astype(np.uint8), SHEARED, target)
    assert nearest.dtype == np.uint8
    assert nearest[known].max() == 9


def test_nothing_is_copied_where_nothing_changes() -> None:
    image = np.zeros((19, 40, 50), np.float32)
    working, record = normalise_geometry(Volume(image, Grid(image.shape, np.diag([4, 1, 1, 1]))))
    assert np.shares_memory(working.array, image)
    assert record.working_grid == record.input_grid


@pytest.mark.parametrize(
    ("count", "native_mm", "expected"),
    [(10, 4.0, (10, 4.0)), (10, 0.9, (5, 2.0)), (1, 0.9, (1, 0.9)), (10, 1.97, (10, 1.97))],
)
def test_slices_are_kept_unless_thinner_than_needed(
    count: int, native_mm: float, expected: tuple[int, float]
) -> None:
    working = working_grid(Grid((count, 40, 40), np.diag([native_mm, 1, 1, 1])))
    assert (working.shape[0], pytest.approx(working.spacing_mm[0])) == expected


def test_spacing_within_two_per_cent_is_left_alone() -> None:
    assert working_grid(Grid((9, 40, 40), np.diag([4, 1.019, 0.981, 1]))).shape == (9, 40, 40)
    assert working_grid(Grid((9, 40, 40), np.diag([4, 1.03, 0.97, 1]))).shape == (9, 42, 39)


def test_shrinking_averages_over_the_new_voxel() -> None:
    grid = Grid((1, 4, 6), np.diag([4, 0.5, 1 / 3, 1]))
    image = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
    working, _ = normalise_geometry(Volume(image, grid))
    expected = image.reshape(1, 2, 2, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(working.array, expected, rtol=1e-6)


def test_averaging_keeps_the_mean_for_factors_that_are_no_integers() -> None:
    grid = Grid((1, 40, 70), np.diag([4, 0.625, 0.4, 1]))
    image = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    working, _ = normalise_geometry(Volume(image, grid))
    assert working.shape == (1, 25, 28)
    assert working.array.mean() == pytest.approx(image.mean(), rel=1e-4)
    assert working.array.std() < image.std() / 1.5


def test_isotropic_grid_is_cubic_upright_and_centred() -> None:
    grid = grid_of(ORIENTATIONS[33], 12.0, (4.0, 1.3, 0.7))
    cubic = isotropic_grid(grid)
    assert cubic.orientation == "RAS"
    assert cubic.spacing_mm == pytest.approx((1, 1, 1))
    centres = [g.ijk_to_ras([(np.array(g.shape) - 1) / 2]) for g in (grid, cubic)]
    np.testing.assert_allclose(*centres)
    assert all(
        a >= b - 1e-2 for a, b in zip(cubic.size_mm, oriented_grid(grid).size_mm, strict=True)
    )


def test_results_can_be_restored_onto_another_grid() -> None:
    grid = grid_of(ORIENTATIONS[17], 5.0, (4.0, 1.0, 1.0))
    cubic = isotropic_grid(grid)
    record = GeometryRecord(cubic, working_grid(grid))
    values = np.arange(np.prod(record.working_grid.shape)).reshape(record.working_grid.shape)
    restored = restore_labels(values, record)
    assert restored.shape == cubic.shape
    assert restored.dtype == values.dtype
    assert set(np.unique(restored)) == set(np.unique(values))


@pytest.mark.parametrize("grid", [*ALL_GRIDS, SHEARED], ids=lambda g: g.orientation)
def test_turning_the_axes_keeps_every_voxel_where_it_is(grid: Grid) -> None:
    volume = Volume(np.arange(np.prod(grid.shape)).reshape(grid.shape), grid)
    turned = oriented_volume(volume)
    assert turned.grid.orientation == "RAS"
    assert sorted(turned.spacing_mm) == pytest.approx(sorted(grid.spacing_mm))
    voxels = np.argwhere(np.ones(turned.shape))
    back = grid.ras_to_ijk(turned.grid.ijk_to_ras(voxels)).round().astype(int)
    assert (volume.array[tuple(back.T)] == turned.array[tuple(voxels.T)]).all()
    assert oriented_grid(turned.grid, grid.orientation).is_close(grid, tolerance_mm=1e-9)


def test_absurd_sizes_are_refused_before_memory_is_taken() -> None:
    with pytest.raises(GeometryError) as caught:
        working_grid(Grid((20, 256, 256), np.diag([1000, 1000, 1000, 1])))
    assert caught.value.code == "grid-too-large"
    assert "\n" not in str(caught.value)


def test_large_grids_are_made_if_forced_absurd_ones_never() -> None:
    whole_body = Grid((224, 174, 950), np.diag([2.2, 2.2, 2.0, 1]))
    for make in (working_grid, isotropic_grid):
        with pytest.raises(GeometryError, match="is too large to work on"):
            make(whole_body)
        assert np.prod(make(whole_body, force=True).shape) > 2**27
        with pytest.raises(GeometryError):
            make(Grid((20, 256, 256), np.diag([1000, 1000, 1000, 1])), force=True)


def test_wrong_shape_is_refused() -> None:
    grid = Grid((4, 5, 6), np.eye(4))
    with pytest.raises(GeometryError, match="but its grid has"):
        resample_linear(np.zeros((4, 5, 7)), grid, grid)


def test_restoring_takes_memory_for_slices_not_for_classes() -> None:
    grid = Grid((48, 120, 160), np.diag([1, 1, 1, 1]))
    record = GeometryRecord(grid, working_grid(grid))
    probs = np.zeros((7, *record.working_grid.shape), np.float16)
    probs[0] = 0.2
    probs[3, :, 20:90, 20:150] = 0.8
    tracemalloc.start()
    restore_probs_argmax(probs, record)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    plane = 7 * 120 * 160 * 4
    assert peak < np.prod(grid.shape) + 8 * plane
