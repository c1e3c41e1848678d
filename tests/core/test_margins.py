"""Blank layers above and below a scan: what is cut off, and where results may lie."""

import numpy as np
import pytest

from blocks import turn
from spinekit.core.geometry import isotropic_grid
from spinekit.core.grid import Grid
from spinekit.core.margins import find_imaged, trim_margins
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


def test_without_margins_all_is_seen() -> None:
    volume = scan(0, 0)
    imaged = find_imaged(volume)

    for grid in (volume.grid, isotropic_grid(volume.grid)):
        assert not imaged.blank_in(grid).any()
        assert imaged.seen_in(grid) == slice(0, grid.shape[2])
