"""Blank layers above and below a scan: what is cut off, and where results may lie."""

import nibabel as nib
import numpy as np
import pytest

from spinekit.core.geometry import isotropic_grid, normalise_geometry
from spinekit.core.grid import Grid
from spinekit.core.margins import seen_layers, trim_margins
from spinekit.core.volume import Volume

COS, SIN = np.cos(0.1), np.sin(0.1)
OBLIQUE = np.array([[4, 0, 0, -30], [0, COS, -SIN, 5], [0, SIN, COS, 60], [0, 0, 0, 1.0]])


def scan(below: int, above: int, *, layers: int = 30) -> Volume:
    """Noise with layers of one value each below and above."""
    rng = np.random.default_rng(3)
    array = rng.random((6, 20, below + layers + above)).astype(np.float32)
    array[..., :below], array[..., below + layers :] = 0.0, 7.0
    return Volume(array, Grid(array.shape, OBLIQUE))


def turned(volume: Volume, codes: str) -> Volume:
    image = nib.Nifti1Image(volume.array, volume.grid.affine)
    wanted = nib.orientations.axcodes2ornt(codes)
    change = nib.orientations.ornt_transform(nib.io_orientation(image.affine), wanted)
    moved = image.as_reoriented(change)
    array = np.asarray(moved.dataobj)
    return Volume(array, Grid(array.shape, moved.affine))


@pytest.mark.parametrize("codes", ["RAS", "LPI", "ASR", "SLA", "IPR"])
def test_margins_are_cut_off_in_any_orientation(codes: str) -> None:
    volume = turned(scan(12, 5), codes)

    left = trim_margins(volume)

    whole = scan(12, 5)
    inner = Volume(whole.array[..., 12:42], Grid((6, 20, 30), whole.grid.affine))
    at_first = whole.grid.ijk_to_ras([[0, 0, 12]])[0]
    moved = turned(inner, codes)
    np.testing.assert_array_equal(left.array, moved.array)
    corner = left.grid.ijk_to_ras(np.argwhere(left.array == inner.array[0, 0, 0]))[0]
    np.testing.assert_allclose(corner, at_first, atol=1e-4)


@pytest.mark.parametrize(("below", "above"), [(0, 0), (2, 0), (1, 2)])
def test_thin_margins_stay(below: int, above: int) -> None:
    volume = scan(below, above)

    assert trim_margins(volume) is volume


def test_a_single_layer_of_image_is_not_cut_out() -> None:
    volume = scan(10, 10, layers=1)

    assert trim_margins(volume) is volume


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SLA"])
def test_results_lie_in_the_layers_that_were_seen(codes: str) -> None:
    volume = turned(scan(12, 5), codes)
    _, record = normalise_geometry(trim_margins(volume), in_plane_mm=0.8)
    whole = type(record)(volume.grid, record.working_grid)

    axis, seen = seen_layers(whole)

    blank = np.ptp(np.moveaxis(volume.array, axis, 0).reshape(47, -1), axis=1) == 0
    assert [n for n in range(47) if not blank[n]] == list(range(seen.start, seen.stop))


def test_all_layers_are_seen_of_a_scan_without_margins() -> None:
    volume = scan(0, 0)
    _, record = normalise_geometry(volume, in_plane_mm=0.8)

    for grid in (volume.grid, isotropic_grid(volume.grid)):
        axis, seen = seen_layers(type(record)(grid, record.working_grid))
        assert seen == slice(0, grid.shape[axis])
