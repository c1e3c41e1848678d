"""Bones that do not touch are numbered as they are; what is no vertebra by itself is not."""

import numpy as np
import pytest

from spinekit.instances.apart import number_bones

SPACING = (4.0, 1.0, 1.0)


def _column(tops, height=24, shape=(9, 60, 200)):
    """Bodies of nine slices that end at the heights given."""
    bone = np.zeros(shape, bool)
    for top in tops:
        bone[:, 15:45, max(0, top - height) : top] = True
    return bone


TOPS = (30, 64, 98, 132, 166)


def test_every_piece_is_a_bone_numbered_from_below():
    bone = _column(TOPS)
    numbers = number_bones(bone, SPACING)
    assert ((numbers > 0) == bone).all()
    for number, top in enumerate(TOPS, start=1):
        assert (numbers[:, 15:45, top - 24 : top] == number).all()


def test_specks_bear_no_number():
    bone = _column(TOPS)
    bone[4, 2:5, 2:5] = True
    numbers = number_bones(bone, SPACING)
    assert numbers.max() == len(TOPS)
    assert not numbers[4, 2:5, 2:5].any()


def _whole_spine():
    """C1's arch, C2 with its dens, and bodies from the neck to the loin, numbered from below."""
    bone, top = np.zeros((17, 60, 640), np.uint8), 620
    bone[7:10, 36:42, top - 9 : top], top = 24, top - 6
    bone[7:10, 20:30, top - 14 : top] = 23
    bone[6:11, 18:32, top - 28 : top - 14], top = 23, top - 32
    for n in range(22, 0, -1):
        share = (22 - n) / 21
        half, depth, height = int(2 + 4 * share), int(14 + 20 * share), int(12 + 15 * share)
        bone[8 - half : 9 + half, 15 : 15 + depth, top - height : top] = n
        top -= height + 4 + int(4 * share)
    return bone


def test_the_small_bodies_of_a_neck_are_bones_in_a_column_that_grows_tenfold():
    truth = _whole_spine()
    size = np.bincount(truth.ravel())[1:]
    assert size.max() > 10 * size[21]
    assert (number_bones(truth > 0, SPACING) == truth).all()


def test_specks_are_told_by_what_lies_at_their_height():
    truth = _whole_spine()
    bone = truth > 0
    beside_loin, beside_neck = np.s_[0:3, 52:58, 60:74], np.s_[0:2, 50:53, 560:565]
    bone[beside_loin] = bone[beside_neck] = True
    assert np.count_nonzero(bone[beside_loin]) > 0.2 * np.count_nonzero(truth == 22)
    assert (number_bones(bone, SPACING) == truth).all()


def test_no_bone_is_lost_for_being_too_thin_to_be_eroded():
    bone = _column(TOPS)
    bone[4, 20, 64:74] = True
    assert number_bones(bone, SPACING).max() == len(TOPS)
    assert number_bones(bone[:, :, :144], SPACING) is None


@pytest.mark.parametrize("rows", [slice(20, 21), slice(15, 17)])
def test_bones_that_touch_by_a_voxel_are_parted(rows):
    bone = _column(TOPS)
    bone[4, rows, 64:74] = True
    numbers = number_bones(bone, SPACING)
    assert numbers.max() == len(TOPS)
    for number, top in enumerate(TOPS, start=1):
        assert (numbers[:, 18:42, top - 22 : top - 2] == number).all()
        assert (numbers[:, 15:45, top - 24 : top] == number).mean() > 0.99


def test_a_bone_that_the_edge_cuts_may_be_small():
    bone = _column(TOPS, shape=(9, 60, 150))
    assert number_bones(bone, SPACING).max() == len(TOPS)
    near = _column((4, *TOPS))
    assert number_bones(near, SPACING).max() == len(TOPS) + 1
    lower = _column((6, *(top + 10 for top in TOPS[1:])))
    assert number_bones(lower, SPACING).max() == len(TOPS)


def test_a_body_that_is_cut_and_broken_is_not_two_bones():
    bone = _column(TOPS, shape=(9, 60, 164))
    assert number_bones(bone, SPACING).max() == len(TOPS)
    bone[:, :, 152] = False
    assert number_bones(bone, SPACING) is None


@pytest.mark.parametrize("harm", ["fused", "halves", "beside", "few", "far", "aside"])
def test_what_is_no_vertebra_by_itself_is_left_to_splitting(harm):
    bone = _column(TOPS)
    if harm == "fused":
        bone[:, 15:45, 64:74] = True
    elif harm == "halves":
        bone[:, :, 85:87] = False
    elif harm == "beside":
        bone[4:6, :, 74:98] = False
    elif harm == "far":
        bone = _column((30, 64, 98, 132, 330), shape=(9, 60, 340))
    elif harm == "aside":
        bone = np.pad(bone, ((0, 0), (60, 0), (0, 0)))
        bone[:, 15:45, 85:109] = True
    else:
        bone = _column(TOPS[:2])
    assert number_bones(bone, SPACING) is None


def test_a_missing_bone_is_a_gap_and_no_reason_to_split():
    assert number_bones(_column((30, 64, 132, 166)), SPACING).max() == 4
    assert number_bones(np.zeros((3, 20, 20), bool), SPACING) is None
