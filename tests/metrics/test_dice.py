import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from spinekit.metrics.dice import measure_dice, tolerance_band

MASKS = arrays(bool, (3, 4, 5))


def box(*ranges):
    mask = np.zeros((4, 10, 10), dtype=bool)
    mask[tuple(slice(*r) for r in ranges)] = True
    return mask


def test_half_overlapping_boxes_score_a_half():
    assert measure_dice(box((0, 4), (0, 4), (0, 4)), box((0, 4), (2, 6), (0, 4))) == 0.5


def test_disjoint_masks_score_zero():
    assert measure_dice(box((0, 4), (0, 4), (0, 4)), box((0, 4), (5, 9), (0, 4))) == 0.0


def test_two_empty_masks_have_no_score():
    assert math.isnan(measure_dice(box((0, 0), (0, 0), (0, 0)), box((0, 0), (0, 0), (0, 0))))


def test_voxels_that_do_not_count_are_left_out():
    pred, ref = box((0, 4), (0, 4), (0, 8)), box((0, 4), (0, 4), (0, 4))
    assert measure_dice(pred, ref) == pytest.approx(2 / 3)
    assert measure_dice(pred, ref, where=box((0, 4), (0, 10), (0, 4))) == 1.0


@given(MASKS, MASKS)
def test_dice_is_symmetric_and_one_only_for_equal_masks(pred, ref):
    dice = measure_dice(pred, ref)
    if not (pred | ref).any():
        assert math.isnan(dice)
        return
    assert dice == measure_dice(ref, pred)
    assert (dice == 1.0) == bool((pred == ref).all())


def test_band_is_one_voxel_wide_within_the_slice_and_outside_the_mask():
    ref = box((1, 2), (4, 6), (4, 6))
    band = tolerance_band(ref)
    assert band.sum() == 8
    assert not (band & ref).any()
    assert not band[0].any()
    assert not band[2].any()


@given(MASKS)
def test_band_of_any_mask_touches_it(ref):
    band = tolerance_band(ref)
    for i, j, k in np.argwhere(band):
        near = [(i, j - 1, k), (i, j + 1, k), (i, j, k - 1), (i, j, k + 1)]
        inside = [n for n in near if all(0 <= v < s for v, s in zip(n, ref.shape, strict=True))]
        assert any(ref[n] for n in inside)


def test_band_of_nothing_is_nothing():
    assert not tolerance_band(np.zeros((2, 2, 2), dtype=bool)).any()
