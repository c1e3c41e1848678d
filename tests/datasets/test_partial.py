"""Allowed parts of partial masks, on small blocks drawn by hand."""

import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.datasets.partial import (
    ALLOW_BACKGROUND,
    ALLOW_BODY,
    ALLOW_CANAL,
    ALLOW_CORD,
    ALLOW_DISC,
    ALLOW_POSTERIOR,
    ALLOW_SACRUM,
    UNKNOWN,
    allowed_from_bodies,
    allowed_from_cord,
    allowed_from_discs,
    allowed_from_labels,
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
    assert (allowed[:, 30:60, 70:95] == ALLOW_BODY).all()
    assert (allowed[1, 36:54, 62:68] == ALLOW_DISC).all()


def test_next_to_bone_the_gap_may_be_endplate():
    allowed = allowed_from_bodies(two_bodies(), SPACING)
    assert (allowed[1, 36:54][:, [60, 61, 68, 69]] == ALLOW_DISC | ALLOW_BACKGROUND).all()


def test_gap_is_disc_only_between_the_bodies_and_away_from_their_sides():
    allowed = allowed_from_bodies(two_bodies(), SPACING)
    disc = np.argwhere(allowed == ALLOW_DISC)
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
    assert (upper[4:9] == ALLOW_BODY).all()
    assert (upper[[0, 1, 11, 12]] == UNKNOWN & ~ALLOW_BODY).all()
    assert (allowed[[2, 3, 9, 10]] != ALLOW_DISC).all()
    assert (allowed[4:9, 45, 65] == ALLOW_DISC).all()


def test_sides_cut_by_the_edge_of_the_scan_are_not_loose():
    allowed = allowed_from_bodies(two_bodies(), SPACING, loose_sides_mm=8.0)
    assert (allowed[:, 30:60, 70:95] == ALLOW_BODY).all()


def test_beside_the_stretch_is_not_body_and_above_it_is_unknown():
    allowed = allowed_from_bodies(two_bodies(), SPACING)
    assert allowed[1, 5, 50] == UNKNOWN & ~ALLOW_BODY
    assert allowed[1, 45, 110] == UNKNOWN


def test_nothing_below_the_fifth_lumbar_is_a_body_but_below_another_all_is_unknown():
    assert allowed_from_bodies(two_bodies(), SPACING)[1, 45, 5] == UNKNOWN & ~ALLOW_BODY
    assert allowed_from_bodies(two_bodies((43, 44)), SPACING)[1, 45, 5] == UNKNOWN


def test_bodies_far_apart_have_no_disc_between_them():
    bodies = np.zeros((1, 80, 160), np.uint8)
    bodies[:, 30:60, 120:145] = 43
    bodies[:, 30:60, 35:60] = 45
    assert not (allowed_from_bodies(bodies, SPACING) == ALLOW_DISC).any()


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
    assert (allowed[discs > 0] == ALLOW_DISC).all()
    assert allowed[0, 30, 40] == UNKNOWN & ~ALLOW_DISC
    assert allowed[0, 30, 5] == UNKNOWN & ~ALLOW_DISC
    assert allowed[0, 30, 80] == UNKNOWN


def test_cord_is_known_only_where_it_was_drawn():
    cord = np.zeros((1, 30, 60), np.uint8)
    cord[:, 12:20, 20:40] = 1
    allowed = allowed_from_cord(cord)
    assert (allowed[cord > 0] == ALLOW_CORD).all()
    assert allowed[0, 2, 30] == UNKNOWN & ~ALLOW_CORD
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
    assert (allowed[0, 50:80, 45:60] == ALLOW_BODY).all()
    assert (allowed[0, 10:30, 45:52] == ALLOW_POSTERIOR).all()


def test_vertebra_without_a_canal_in_its_row_may_be_either():
    parts, names = spider()
    parts[parts == 4] = 0
    allowed = allowed_from_parts(parts, names, SPACING)
    assert (allowed[0, 50:80, 45:60] == ALLOW_BODY | ALLOW_POSTERIOR).all()


def test_the_gap_between_disc_and_bone_is_neither():
    parts, names = spider()
    allowed = allowed_from_parts(parts, names, SPACING)
    assert (allowed[0, 55:75, 68:70] == ALLOW_BACKGROUND).all()


def test_cord_ends_above_the_third_lumbar_vertebra():
    parts, names = spider()
    allowed = allowed_from_parts(parts, names, SPACING)
    assert allowed[0, 40, 155] == ALLOW_CANAL | ALLOW_CORD
    assert allowed[0, 40, 60] == ALLOW_CANAL


def test_the_unannotated_sacrum_may_hide_below_the_lowest_vertebra_only():
    parts, names = spider()
    allowed = allowed_from_parts(parts, names, SPACING)
    assert allowed[0, 60, 10] & ALLOW_SACRUM
    assert allowed[0, 90, 150] == ALLOW_BACKGROUND


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
    assert (allowed[0, 38:43, 140:155] == ALLOW_CORD).all()
    assert allowed[0, 46, 150] == allowed[0, 46, 100] == ALLOW_CANAL
    assert allowed[0, 37, 150] == allowed[0, 36, 150] == ALLOW_CANAL | ALLOW_CORD
    assert (allowed[0, 38:43, 62:120] == ALLOW_CANAL | ALLOW_CORD).all()
    assert allowed[0, 40, 40] == ALLOW_CANAL | ALLOW_CORD


def test_nothing_is_said_of_cord_where_none_was_seen():
    parts, names = spider()
    unseen = allowed_from_parts(parts, names, SPACING, cord=np.zeros(parts.shape, bool))
    np.testing.assert_array_equal(unseen, allowed_from_parts(parts, names, SPACING))


def named_map(*, cord=True, sacrum=True):
    """Two vertebrae with arch, their disc, the canal, and below them a disc and a sacrum."""
    labels = np.zeros((7, 60, 80), np.uint8)
    labels[1:6, 30:50, 50:65] = VALUES["L4"]
    labels[1:6, 5:15, 50:62] = VALUES["L4"]
    labels[1:6, 30:50, 44:50] = VALUES["L4-L5"]
    labels[1:6, 30:50, 28:44] = VALUES["L5"]
    labels[1:6, 18:28, 10:70] = VALUES["spinal_canal"]
    if cord:
        labels[2, 21:25, 40:70] = VALUES["spinal_cord"]
    if sacrum:
        labels[1:6, 30:50, 24:28] = VALUES["L5-S1"]
        labels[1:6, 25:45, 8:24] = VALUES["sacrum"]
    return labels


def test_a_full_map_of_names_says_everything_between_its_ends():
    labels = named_map()
    allowed = allowed_from_labels(labels, SPACING)
    assert (allowed[1:4, 30:50, 50:65] == ALLOW_BODY).all()
    assert (allowed[1:4, 5:15, 50:62] == ALLOW_POSTERIOR).all()
    assert (allowed[labels == VALUES["L4-L5"]] == ALLOW_DISC).all()
    assert (allowed[labels == VALUES["spinal_canal"]] == ALLOW_CANAL).all()
    assert (allowed[labels == VALUES["spinal_cord"]] == ALLOW_CORD).all()
    assert (allowed[labels == VALUES["sacrum"]] == ALLOW_SACRUM).all()
    assert (allowed[:, :, 8:50][labels[:, :, 8:50] == 0] == ALLOW_BACKGROUND).all()
    # Beside the topmost bone the arch of another may hang down, and above it anything may be.
    assert (
        allowed[:, :, 50:57][labels[:, :, 50:57] == 0] == ALLOW_BACKGROUND | ALLOW_POSTERIOR
    ).all()
    assert (allowed[:, :, 65:][labels[:, :, 65:] == 0] == UNKNOWN).all()


def test_what_a_map_holds_none_of_may_be_anywhere_in_its_background():
    allowed = allowed_from_labels(named_map(cord=False, sacrum=False), SPACING)
    assert (allowed[:, 52:, 36:50] == ALLOW_BACKGROUND | ALLOW_SACRUM).all()
    assert (allowed[1:4, 20, 30:60] == ALLOW_CANAL | ALLOW_CORD).all()


def test_around_a_cord_without_a_canal_there_may_be_canal_but_no_more_cord():
    labels = named_map()
    labels[labels == VALUES["spinal_canal"]] = 0
    allowed = allowed_from_labels(labels, SPACING)
    assert (allowed[labels == VALUES["spinal_cord"]] == ALLOW_CORD).all()
    assert (allowed[2, 26, 30:50] == ALLOW_BACKGROUND | ALLOW_CANAL).all()


def lumbar_map(*left_out):
    """T12 to L5 as blocks of 10 with arches, discs of 4 between them; (labels, foot of each)."""
    labels = np.zeros((3, 60, 100), np.uint8)
    feet = {}
    for n, name in enumerate(("L5", "L4", "L3", "L2", "L1", "T12")):
        feet[name] = 10 + 14 * n
        labels[:, 30:50, feet[name] : feet[name] + 10] = VALUES[name]
        labels[:, 5:15, feet[name] : feet[name] + 10] = VALUES[name]
    for name in ("L4-L5", "L3-L4", "L2-L3", "L1-L2", "T12-L1"):
        feet[name] = feet[name.split("-")[1]] + 10
        labels[:, 30:50, feet[name] : feet[name] + 4] = VALUES[name]
    labels[:, 18:28] = VALUES["spinal_canal"]
    for name in left_out:
        labels[labels == VALUES[name]] = 0
    return labels, feet


def test_a_complete_column_leaves_nothing_open_between_its_ends():
    labels, feet = lumbar_map()
    ends = slice(feet["L5"] + 5, feet["T12"])
    inside = labels[:, :, ends] == 0
    assert (
        allowed_from_labels(labels, SPACING)[:, :, ends][inside] == ALLOW_BACKGROUND | ALLOW_SACRUM
    ).all()


def test_a_vertebra_left_out_between_two_others_is_no_background():
    labels, feet = lumbar_map("L3")
    allowed = allowed_from_labels(labels, SPACING)
    hidden = lumbar_map()[0] == VALUES["L3"]
    assert (allowed[hidden] == ALLOW_BACKGROUND | ALLOW_SACRUM | ALLOW_BODY | ALLOW_POSTERIOR).all()
    assert (allowed[:, 55, feet["L1"]] == ALLOW_BACKGROUND | ALLOW_SACRUM).all()
    assert (allowed[:, 55, feet["L5"] + 5] == ALLOW_BACKGROUND | ALLOW_SACRUM).all()


def test_a_disc_left_out_between_two_others_is_no_background():
    labels, feet = lumbar_map("L2-L3")
    allowed = allowed_from_labels(labels, SPACING)
    hidden = lumbar_map()[0] == VALUES["L2-L3"]
    assert (allowed[hidden] == ALLOW_BACKGROUND | ALLOW_SACRUM | ALLOW_DISC).all()
    assert (allowed[:, 55, feet["L4"]] == ALLOW_BACKGROUND | ALLOW_SACRUM).all()


def test_vertebrae_left_out_beside_discs_that_are_marked_are_no_background():
    """As `--labels L3-L5,discs` makes them of a scan that shows more."""
    labels, feet = lumbar_map("T12", "L1", "L2")
    allowed = allowed_from_labels(labels, SPACING)
    top = feet["T12-L1"] + 4
    for name in ("L1", "L2"):
        hidden = lumbar_map()[0][:, :, :top] == VALUES[name]
        assert (
            allowed[:, :, :top][hidden]
            == ALLOW_BACKGROUND | ALLOW_SACRUM | ALLOW_BODY | ALLOW_POSTERIOR
        ).all()
    assert (allowed[:, 55, feet["L4"]] == ALLOW_BACKGROUND | ALLOW_SACRUM).all()


@pytest.mark.parametrize("name", ["T12", "L5"])
def test_what_reaches_in_of_the_next_bone_is_no_background(name):
    labels, feet = lumbar_map(name)
    above = name == "T12"
    k = feet["L1"] + 8 if above else feet["L4"] + 1
    allowed = allowed_from_labels(labels, SPACING)
    assert (
        allowed[:, 55, k] == ALLOW_BACKGROUND | ALLOW_SACRUM | ALLOW_BODY | ALLOW_POSTERIOR
    ).all()
    assert (allowed[:, 55, feet["L2"] + 8] == ALLOW_BACKGROUND | ALLOW_SACRUM).all()


def test_a_disc_beyond_the_lowest_bone_is_no_background():
    labels, feet = lumbar_map("L5", "L4-L5")
    labels[:, 5:15, feet["L4"] - 4 : feet["L4"]] = VALUES["L4"]
    allowed = allowed_from_labels(labels, SPACING)
    assert (allowed[:, 35, feet["L4"] - 2] & ALLOW_DISC).all()
    assert not (allowed[:, 55, feet["L2"]] & ALLOW_DISC).any()


def test_a_map_of_bodies_leaves_the_arches_open():
    labels = np.where(named_map() >= VALUES["C1"], named_map(), 0)
    labels[:, :20] = 0
    allowed = allowed_from_labels(labels, SPACING, bodies_only=True)
    assert (allowed[labels == VALUES["L5"]] == ALLOW_BODY).all()
    assert (
        allowed[1:4, 5:15, 50:57] == ALLOW_BACKGROUND | ALLOW_POSTERIOR | ALLOW_CANAL | ALLOW_CORD
    ).all()


@pytest.mark.parametrize("bodies_only", [False, True])
def test_c1_is_a_ring_of_posterior_elements(bodies_only):
    labels = np.zeros((5, 60, 90), np.uint8)
    labels[:, 40:46, 70:80] = VALUES["C1"]
    labels[:, 28:38, 45:85] = VALUES["C2"]
    labels[:, 15:24, 10:88] = VALUES["spinal_canal"]
    allowed = allowed_from_labels(labels, SPACING, bodies_only=bodies_only)
    assert (allowed[labels == VALUES["C1"]] == ALLOW_POSTERIOR).all()
    assert (allowed[labels == VALUES["C2"]] == ALLOW_BODY).all()


def test_an_empty_map_says_nothing():
    assert (allowed_from_labels(np.zeros((3, 8, 8), np.uint8), SPACING) == UNKNOWN).all()
