"""Margins and fill of a scan: what is cut off, and where results may lie."""

import numpy as np
import pytest
from scipy import ndimage

from blocks import turn
from spinekit.core.geometry import isotropic_grid
from spinekit.core.grid import Grid
from spinekit.core.margins import RIM_VOXELS, clear_fill, find_imaged, trim_margins
from spinekit.core.volume import Volume

COS, SIN = np.cos(0.1), np.sin(0.1)
OBLIQUE = np.array([[4, 0, 0, -30], [0, COS, -SIN, 5], [0, SIN, COS, 60], [0, 0, 0, 1.0]])


def scan(below: int, above: int, *, layers: int = 30) -> Volume:
    """Noise with layers of one value each below and above."""
    rng = np.random.default_rng(3)
    array = rng.random((6, 20, below + layers + above)).astype(np.float32)
    array[..., :below], array[..., below + layers :] = 0.0, 7.0
    return Volume(array, Grid(array.shape, OBLIQUE))


@pytest.mark.parametrize("codes", ["RAS", "LPI", "ASR", "SLA", "IPR"])
def test_margins_are_cut_off_in_any_orientation(codes: str) -> None:
    whole = scan(12, 5)
    volume = turn(whole.array, whole.grid, codes)

    left = trim_margins(volume, find_imaged(volume))

    inner = Volume(whole.array[..., 12:42], Grid((6, 20, 30), whole.grid.affine))
    at_first = whole.grid.ijk_to_ras([[0, 0, 12]])[0]
    moved = turn(inner.array, inner.grid, codes)
    np.testing.assert_array_equal(left.array, moved.array)
    corner = left.grid.ijk_to_ras(np.argwhere(left.array == inner.array[0, 0, 0]))[0]
    np.testing.assert_allclose(corner, at_first, atol=1e-4)


@pytest.mark.parametrize(("below", "above"), [(0, 0), (2, 0), (1, 2)])
def test_thin_margins_stay(below: int, above: int) -> None:
    volume = scan(below, above)

    assert find_imaged(volume).is_all
    assert trim_margins(volume, find_imaged(volume)) is volume


def test_a_single_layer_of_image_is_not_cut_out() -> None:
    volume = scan(10, 10, layers=1)

    assert find_imaged(volume).is_all
    assert trim_margins(volume, find_imaged(volume)) is volume


def thinning() -> Volume:
    """Noise from 0 to 1 in layers 12 to 41 of 54, and 0 in the others, of 1000 voxels each."""
    array = np.zeros((20, 50, 54), np.float32)
    array[..., 12:42] = np.random.default_rng(3).random((20, 50, 30))
    return Volume(array, Grid(array.shape, OBLIQUE))


def test_faint_values_and_text_lie_in_margins() -> None:
    volume = thinning()
    volume.array[..., :12] = 0.008 * np.random.default_rng(0).random((20, 50, 12))
    volume.array[2, 5:8, 45:50] = 0.9

    assert find_imaged(volume).layers == slice(12, 42)


def test_a_small_structure_through_many_layers_is_no_mark() -> None:
    volume = thinning()
    volume.array[..., :12] = 0.0
    volume.array[..., 42:] = 0.0
    volume.array[2, 5, 43:54] = 0.9
    assert find_imaged(volume).layers == slice(12, 54)

    volume.array[2, 5, 52:] = 0.0
    assert find_imaged(volume).layers == slice(12, 42)


def test_what_thins_out_is_no_margin() -> None:
    volume = thinning()
    volume.array[..., :12] = 0.02 * np.random.default_rng(0).random((20, 50, 12))
    volume.array[2, 5:8, 42:46] = 0.9

    assert find_imaged(volume).layers == slice(0, 46)


def askew(degrees: float) -> tuple[Volume, np.ndarray]:
    """Noise that was turned in sagittal slices and filled with 0, and where that is."""
    array = 1 + np.random.default_rng(3).random((4, 60, 80))
    turned = ndimage.rotate(array, degrees, axes=(1, 2), order=1, cval=0).astype(np.float32)
    grid = Grid(turned.shape, np.diag([4.0, 1.0, 1.0, 1.0]))
    return Volume(turned, grid), turned == 0


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SLA"])
@pytest.mark.parametrize("degrees", [-10, 25])
def test_fill_lies_around_an_image_that_was_turned(codes: str, degrees: float) -> None:
    plain, empty = askew(degrees)
    there = turn(empty.astype(np.uint8), plain.grid, codes).array > 0

    fill = find_imaged(turn(plain.array, plain.grid, codes)).fill

    assert fill is not None
    assert not fill[~there].any()
    assert np.count_nonzero(fill) > 0.6 * np.count_nonzero(empty)


def test_fill_is_known_on_other_grids() -> None:
    volume, _ = askew(15)
    grid = isotropic_grid(volume.grid, spacing_mm=0.5)

    imaged = find_imaged(volume)

    assert not imaged.is_all
    centres = np.argwhere(np.ones(grid.shape))
    at = volume.grid.ras_to_ijk(grid.ijk_to_ras(centres)).round().astype(int)
    at = at.clip(0, np.array(volume.shape) - 1)
    inside = np.abs(centres - (np.array(grid.shape) - 1) / 2).max(axis=1) < 60
    blank = np.broadcast_to(imaged.blank_in(grid), grid.shape)
    np.testing.assert_array_equal(blank[tuple(centres[inside].T)], imaged.fill[tuple(at[inside].T)])


@pytest.mark.parametrize("hole", [(slice(20, 30), slice(30, 50)), (slice(0, 2), slice(None))])
def test_dark_holes_and_thin_edges_are_no_fill(hole: tuple[slice, slice]) -> None:
    volume = scan(0, 0, layers=80)
    array = np.repeat(volume.array, 3, axis=1)
    array[:, *hole] = 0

    assert find_imaged(Volume(array, Grid(array.shape, OBLIQUE))).is_all


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SLA"])
@pytest.mark.parametrize("shear", [0.0, 0.15])
def test_margins_lie_where_the_scan_holds_no_image(codes: str, shear: float) -> None:
    plain = scan(12, 5)
    affine = plain.grid.affine.copy()
    affine[:3, 1] += shear * affine[:3, 2]
    volume = turn(plain.array, Grid(plain.shape, affine), codes)

    imaged = find_imaged(volume)

    blank = np.ptp(np.moveaxis(volume.array, imaged.axis, 0).reshape(47, -1), axis=1) == 0
    there = np.moveaxis(np.broadcast_to(imaged.blank_in(volume.grid), volume.shape), imaged.axis, 0)
    np.testing.assert_array_equal(there.reshape(47, -1).all(axis=1), blank)
    np.testing.assert_array_equal(there.reshape(47, -1).any(axis=1), blank)
    assert imaged.seen_in(volume.grid) == imaged.layers


def test_margins_are_known_on_other_grids() -> None:
    volume = scan(12, 5)
    grid = isotropic_grid(volume.grid, spacing_mm=0.5)

    blank = np.broadcast_to(find_imaged(volume).blank_in(grid), grid.shape)

    at = volume.grid.ras_to_ijk(grid.ijk_to_ras([[0, 0, k] for k in range(grid.shape[2])]))[:, 2]
    inside = (at > 11.5) & (at < 41.5)
    np.testing.assert_array_equal(~blank[0, 0], inside)
    seen = find_imaged(volume).seen_in(grid)
    assert (seen.start, seen.stop) == (inside.argmax(), len(inside) - inside[::-1].argmax())


@pytest.mark.parametrize("margin", [0, 12])
def test_beyond_a_sheared_scan_only_the_ends_of_its_image_have_a_rim(margin: int) -> None:
    plain = scan(margin, margin)
    affine = plain.grid.affine.copy()
    affine[:3, 0] += 1.5 * affine[:3, 2]
    volume = Volume(plain.array, Grid(plain.shape, affine))
    grid = isotropic_grid(volume.grid)
    imaged = find_imaged(volume)
    fill, ends = imaged.fill_in(grid), imaged.ends_in(grid)
    probs = np.zeros((2, *grid.shape))
    probs[1] = 1

    clear_fill(probs, fill, ends)

    at = volume.grid.ras_to_ijk(grid.ijk_to_ras(np.argwhere(np.ones(grid.shape))))
    at = at.reshape(*grid.shape, 3)
    beyond = (at < np.array([0, 0, margin]) - 0.501) | (at > np.array([5, 19, margin + 29]) + 0.501)
    beside, above = beyond[..., :2].any(axis=-1), beyond[..., 2]
    np.testing.assert_array_equal(ends, above)
    np.testing.assert_array_equal(fill, above | beside)
    kept = probs[1] == 1
    assert kept[~fill].all()
    assert not kept[beside & ~above].any()
    assert (kept & above).any()
    far = ndimage.binary_erosion(fill, np.ones((1, 4 * RIM_VOXELS, 4 * RIM_VOXELS)), border_value=1)
    assert not kept[far].any()


def test_fill_of_a_sheared_scan_stays_as_it_was_found() -> None:
    array = scan(12, 5).array.repeat(3, axis=1)
    array[array == 7] = 0
    array[:, :30, 12:30] = 0
    affine = OBLIQUE.copy()
    affine[:3, 1] += 0.15 * affine[:3, 2]
    imaged = find_imaged(Volume(array, Grid(array.shape, affine)))
    assert imaged.fill is not None
    before = imaged.fill.copy()

    blank = imaged.blank_in(imaged.grid)

    assert blank.sum() > before.sum()
    np.testing.assert_array_equal(imaged.fill, before)


def test_without_margins_all_is_seen() -> None:
    volume = scan(0, 0)
    imaged = find_imaged(volume)

    for grid in (volume.grid, isotropic_grid(volume.grid)):
        assert not imaged.blank_in(grid).any()
        assert imaged.seen_in(grid) == slice(0, grid.shape[2])
