"""Label-safe resampling: no structure is lost, no value is made up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from spinekit.core.errors import GeometryError
from spinekit.core.geometry import oriented_grid
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_linear
from spinekit.curation.regrid import (
    cut_grid,
    resample_image,
    resample_labels,
    spaced_grid,
    stretched_grid,
)


def grid_of(shape, spacing=(1.0, 1.0, 1.0)) -> Grid:
    return Grid(shape, np.diag([*spacing, 1.0]))


def test_spacing_is_what_was_asked_for_and_all_is_covered() -> None:
    source = grid_of((10, 30, 31), (4.0, 1.0, 1.0))

    target = spaced_grid(source, (0, 2.0, 2.0))

    assert target.shape == (10, 15, 16)
    assert target.spacing_mm == pytest.approx((4.0, 2.0, 2.0))
    middle = (np.array(target.shape) - 1) / 2
    assert target.ijk_to_ras(middle) == pytest.approx(source.ijk_to_ras([4.5, 14.5, 15.0]))


def test_a_size_derives_its_spacing() -> None:
    source = grid_of((19, 381, 381), (4.0, 1.0, 1.0))

    target = stretched_grid(source, (32, 128, 128))

    assert target.shape == (32, 128, 128)
    assert target.size_mm == pytest.approx(source.size_mm)
    assert target.spacing_mm == pytest.approx((19 * 4 / 32, 381 / 128, 381 / 128))


def test_an_absurd_grid_is_refused() -> None:
    with pytest.raises(GeometryError, match="too large"):
        spaced_grid(grid_of((100, 100, 100)), (0.01, 0.01, 0.01))


def test_cutting_follows_the_centre_but_stays_inside() -> None:
    source = grid_of((10, 50, 50))

    middle = cut_grid(source, (0, 20, 20), (5, 30, 48))

    assert middle.shape == (10, 20, 20)
    assert source.ras_to_ijk(middle.ijk_to_ras([[0, 0, 0]]))[0] == pytest.approx([0, 20, 30])


def test_padding_is_background() -> None:
    source = grid_of((4, 4, 4))
    target = cut_grid(source, (8, 8, 8), (2, 2, 2))
    labels = np.full((4, 4, 4), 9, np.uint8)

    result, beyond = resample_labels(labels, source, target, method="linear")
    image = resample_image(labels + 1.0, source, target, order=1)

    assert (np.count_nonzero(result), beyond) == (64, [])
    assert np.count_nonzero(image > 10) == 0
    assert image[result == 0].max() == image.min() == 10.0


@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_ramp_stays_a_ramp(order: int) -> None:
    source = grid_of((6, 40, 40))
    ramp = np.broadcast_to(np.arange(40.0), (6, 40, 40))
    target = spaced_grid(source, (0, 0.5, 0.5))

    image = resample_image(ramp, source, target, order=order)

    wanted = target.ijk_to_ras([[0, 0, k] for k in range(80)])[:, 2]
    assert np.abs(image[3, 40, 4:-4] - wanted[4:-4]).max() <= (0.5 if order == 0 else 0.05)


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_single_voxels_survive_a_coarse_grid(method: str) -> None:
    labels = np.zeros((12, 40, 40), np.uint8)
    # Fifteen points in one voxel of the new grid, on a large structure that must remain as well.
    labels[:, 10:30, 10:30] = 44
    for n in range(15):
        labels[5, 12 + n // 5, 12 + n % 5] = 60 + n
    source = grid_of(labels.shape)
    target = spaced_grid(source, (6.0, 10.0, 10.0))

    result, beyond = resample_labels(labels, source, target, method=method)

    assert beyond == []
    assert set(np.unique(result)) >= {44, *range(60, 75)}


def test_what_has_no_place_is_named() -> None:
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[0, 0, 0], labels[4, 4, 4] = 7, 8
    source = grid_of(labels.shape)

    result, beyond = resample_labels(
        labels, source, cut_grid(source, (4, 4, 4), (5, 5, 5)), method="linear"
    )

    assert beyond == [7]
    assert np.unique(result).tolist() == [0, 8]


def test_voting_is_the_largest_share() -> None:
    """The slow and obvious way: every value's share on the whole grid."""
    rng = np.random.default_rng(3)
    labels = ndimage.zoom(rng.integers(0, 4, (4, 6, 6)), (4, 5, 5), order=0).astype(np.uint8)
    source = grid_of(labels.shape, (3.0, 1.0, 1.0))
    for spacing in ((2.0, 1.7, 0.8), (5.0, 3.1, 2.2)):
        target = spaced_grid(source, spacing)
        shares = [
            resample_linear((labels == v).astype(np.float32), source, target, antialias=True)
            for v in range(4)
        ]

        result, _ = resample_labels(labels, source, target, method="linear")

        sure = np.ptp(np.sort(shares, axis=0)[-2:], axis=0) > 1e-4
        assert (result[sure] == np.argmax(shares, axis=0)[sure]).all()


letters = st.sampled_from(["RAS", "LPS", "PSR", "SRA", "IPL", "ALI"])


@settings(max_examples=40)
@given(st.data())
def test_no_value_is_lost_or_made_up_on_any_grid(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(3, 9)] * 3))
    spacing = data.draw(st.tuples(*[st.floats(0.5, 5)] * 3))
    labels = np.zeros(shape, np.uint8)
    count = data.draw(st.integers(1, 8))
    for value in range(1, count + 1):
        labels[tuple(data.draw(st.integers(0, n - 1)) for n in shape)] = value
    source = grid_of(shape, spacing)
    target = oriented_grid(source, data.draw(letters))
    target = spaced_grid(target, data.draw(st.tuples(*[st.floats(0.4, 6)] * 3)))

    result, beyond = resample_labels(
        labels, source, target, method=data.draw(st.sampled_from(["linear", "nearest"]))
    )

    there = set(np.unique(labels)) - {0}
    if result.size > len(there):
        assert beyond == []
    assert set(np.unique(result)) - {0} == there - set(beyond)


@settings(max_examples=25)
@given(st.integers(0, 2**16), letters)
def test_turning_there_and_back_changes_nothing(seed: int, word: str) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (5, 6, 7)).astype(np.uint8)
    source = grid_of(labels.shape, (3.0, 1.0, 2.0))
    target = oriented_grid(source, word)

    there, _ = resample_labels(labels, source, target, method="linear")
    back, _ = resample_labels(there, target, source, method="linear")

    assert target.orientation == word
    assert (back == labels).all()
