"""Allowed parts of partial masks, on small blocks drawn by hand."""

import numpy as np

from spinekit.datasets.partial import (
    BACKGROUND,
    BODY,
    CANAL,
    CORD,
    DISC,
    POSTERIOR,
    SACRUM,
    UNKNOWN,
    allowed_from_bodies,
    allowed_from_cord,
    allowed_from_discs,
    allowed_from_parts,
    body_names,
)

SPACING = (4.0, 1.0, 1.0)


def two_bodies(values=(44, 45)):
    """Two 30 × 25 mm bodies with a 10 mm gap in a (3, 80, 120) scan; the upper one comes first."""
    bodies = np.zeros((3, 80, 120), np.uint8)
    bodies[:, 30:60, 70:95] = values[0]
    bodies[:, 30:60, 35:60] = values[1]
    return bodies


def test_bodies_are_body_and_the_gap_between_them_is_disc():
    allowed = allowed_from_bodies(two_bodies(), SPACING)
    assert (allowed[:, 30:60, 70:95] == BODY).all()
    assert (allowed[1, 36:54, 61:69] == DISC).all()


def test_next_to_bone_the_gap_may_be_endplate():
    allowed = allowed_from_bodies(two_bodies(), SPACING)
    assert (allowed[1, 36:54, [60, 69]] == DISC | BACKGROUND).all()


def test_gap_is_disc_only_between_the_bodies_and_away_from_their_sides():
    allowed = allowed_from_bodies(two_bodies(), SPACING)
    disc = np.argwhere(allowed == DISC)
    assert disc[:, 1].min() >= 32
    assert disc[:, 1].max() <= 57
    assert disc[:, 2].min() >= 60
    assert disc[:, 2].max() <= 69


def test_loose_sides_say_nothing_but_what_lies_beyond_them_is_no_body():
    bodies = np.zeros((13, 80, 120), np.uint8)
    bodies[2:11] = two_bodies()[0]
    allowed = allowed_from_bodies(bodies, SPACING, loose_sides_mm=8.0)
    upper = allowed[:, 45, 80]
    assert (upper[[2, 3, 9, 10]] == UNKNOWN).all()
    assert (upper[4:9] == BODY).all()
    assert (upper[[0, 1, 11, 12]] == UNKNOWN & ~BODY).all()
    assert (allowed[[2, 3, 9, 10]] != DISC).all()
    assert (allowed[4:9, 45, 65] == DISC).all()


def test_sides_cut_by_the_edge_of_the_scan_are_not_loose():
    allowed = allowed_from_bodies(two_bodies(), SPACING, loose_sides_mm=8.0)
    assert (allowed[:, 30:60, 70:95] == BODY).all()


def test_beside_the_stretch_is_not_body_and_above_it_is_unknown():
    allowed = allowed_from_bodies(two_bodies(), SPACING)
    assert allowed[1, 5, 50] == UNKNOWN & ~BODY
    assert allowed[1, 45, 110] == UNKNOWN


def test_nothing_below_the_fifth_lumbar_is_a_body_but_below_another_all_is_unknown():
    assert allowed_from_bodies(two_bodies(), SPACING)[1, 45, 5] == UNKNOWN & ~BODY
    assert allowed_from_bodies(two_bodies((43, 44)), SPACING)[1, 45, 5] == UNKNOWN


def test_bodies_far_apart_have_no_disc_between_them():
    bodies = np.zeros((1, 80, 160), np.uint8)
    bodies[:, 30:60, 120:145] = 43
    bodies[:, 30:60, 35:60] = 45
    assert not (allowed_from_bodies(bodies, SPACING) == DISC).any()


def test_empty_masks_say_nothing():
    empty = np.zeros((2, 10, 10), np.uint8)
    for allowed in (
        allowed_from_bodies(empty, SPACING),
        allowed_from_discs(empty, SPACING),
        allowed_from_cord(empty),
        allowed_from_parts(empty, empty, SPACING),
    ):
        assert (allowed == UNKNOWN).all()


def test_discs_down_to_the_sacrum():
    discs = np.zeros((1, 60, 100), np.uint8)
    discs[:, 20:40, 50:58] = 95
    discs[:, 20:40, 20:28] = 100
    allowed = allowed_from_discs(discs, SPACING)
    assert (allowed[discs > 0] == DISC).all()
    assert allowed[0, 30, 40] == UNKNOWN & ~DISC
    assert allowed[0, 30, 5] == UNKNOWN & ~DISC
    assert allowed[0, 30, 80] == UNKNOWN


def test_cord_is_known_only_where_it_was_drawn():
    cord = np.zeros((1, 30, 60), np.uint8)
    cord[:, 12:20, 20:40] = 1
    allowed = allowed_from_cord(cord)
    assert (allowed[cord > 0] == CORD).all()
    assert allowed[0, 2, 30] == UNKNOWN & ~CORD
    assert allowed[0, 2, 10] == UNKNOWN


def spider():
    """L3–L5 with discs, a canal behind them and a spinous process; returns (parts, names)."""
    parts = np.zeros((1, 100, 160), np.uint8)
    names = np.zeros_like(parts)
    for value, low in ((45, 40), (44, 80), (43, 120)):
        parts[:, 50:80, low : low + 28] = 7
        parts[:, 10:30, low : low + 15] = 7
        names[:, 50:80, low : low + 28] = value
        names[:, 10:30, low : low + 15] = value
        parts[:, 50:80, low + 30 : low + 38] = 3
        names[:, 50:80, low + 30 : low + 38] = value + 50
    parts[:, 50:80, 30:38] = 3
    names[:, 50:80, 30:38] = 100
    parts[:, 34:48, 20:158] = 4
    return parts, names


def test_vertebra_is_body_before_and_posterior_behind_the_canal():
    parts, names = spider()
    allowed = allowed_from_parts(parts, names, SPACING)
    assert (allowed[0, 50:80, 45:60] == BODY).all()
    assert (allowed[0, 10:30, 45:52] == POSTERIOR).all()


def test_vertebra_without_a_canal_in_its_row_may_be_either():
    parts, names = spider()
    parts[parts == 4] = 0
    allowed = allowed_from_parts(parts, names, SPACING)
    assert (allowed[0, 50:80, 45:60] == BODY | POSTERIOR).all()


def test_the_gap_between_disc_and_bone_is_neither():
    parts, names = spider()
    allowed = allowed_from_parts(parts, names, SPACING)
    assert (allowed[0, 55:75, 68:70] == BACKGROUND).all()


def test_cord_ends_above_the_third_lumbar_vertebra():
    parts, names = spider()
    allowed = allowed_from_parts(parts, names, SPACING)
    assert allowed[0, 40, 155] == CANAL | CORD
    assert allowed[0, 40, 60] == CANAL


def test_the_unannotated_sacrum_may_hide_below_the_lowest_vertebra_only():
    parts, names = spider()
    allowed = allowed_from_parts(parts, names, SPACING)
    assert allowed[0, 60, 10] & SACRUM
    assert allowed[0, 90, 150] == BACKGROUND


def test_names_stay_on_certain_bodies_and_discs():
    parts, names = spider()
    kept = body_names(parts, names, allowed_from_parts(parts, names, SPACING))
    assert kept[0, 60, 50] == 45
    assert kept[0, 15, 45] == 0
    assert kept[0, 60, 73] == 95


def test_cord_that_was_seen_is_told_from_fluid_above_the_middle_of_l1_only():
    parts, names = spider()
    names = np.where(names == 43, 41, names)
    cord = np.zeros(parts.shape, bool)
    cord[:, 37:44, 60:158] = True
    allowed = allowed_from_parts(parts, names, SPACING, cord=cord)
    assert (allowed[0, 38:43, 140:155] == CORD).all()
    assert allowed[0, 46, 150] == allowed[0, 46, 100] == CANAL
    assert allowed[0, 37, 150] == allowed[0, 36, 150] == CANAL | CORD
    assert (allowed[0, 38:43, 62:120] == CANAL | CORD).all()
    assert allowed[0, 40, 40] == CANAL | CORD


def test_nothing_is_said_of_cord_where_none_was_seen():
    parts, names = spider()
    unseen = allowed_from_parts(parts, names, SPACING, cord=np.zeros(parts.shape, bool))
    np.testing.assert_array_equal(unseen, allowed_from_parts(parts, names, SPACING))
