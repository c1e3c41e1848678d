"""What was taken out of a map, and slices that nobody drew on, are not taken for background."""

import numpy as np
import pytest

from datasets.test_partial import SPACING, lumbar_map, named_map, two_bodies
from spinekit.anatomy.scheme import VALUES
from spinekit.datasets.partial import (
    ALLOW_BACKGROUND,
    ALLOW_BODY,
    ALLOW_CANAL,
    ALLOW_DISC,
    ALLOW_POSTERIOR,
    ALLOW_SACRUM,
    UNKNOWN,
    allowed_from_bodies,
    allowed_from_discs,
    allowed_from_labels,
)


def transitional_map(*left_out):
    """As `lumbar_map`, moved up to make room for L6, its disc above, the last disc and a sacrum."""
    labels = np.zeros((3, 60, 140), np.uint8)
    labels[:, :, 40:] = lumbar_map()[0]
    labels[:, 18:28] = VALUES["spinal_canal"]
    for name, low, high in (
        ("L5-L6", 46, 50),
        ("L6", 36, 46),
        ("L5-S1", 32, 36),
        ("sacrum", 12, 32),
    ):
        labels[:, 30:50, low:high] = VALUES[name]
    labels[:, 5:15, 36:46] = VALUES["L6"]
    for name in left_out:
        labels[labels == VALUES[name]] = 0
    return labels


def contradicted(allowed, labels):
    """Voxels of whole bones and discs where what is there may not be."""
    return (allowed & allowed_from_labels(labels, SPACING)) == 0


def test_a_sixth_lumbar_vertebra_that_was_taken_out_is_no_background():
    whole = transitional_map()
    chosen = transitional_map("L6", "L5-L6", "sacrum")
    assert contradicted(allowed_from_labels(chosen, SPACING), whole).any()
    allowed = allowed_from_labels(chosen, SPACING, known=["L5", "L6", "sacrum", "spinal_canal"])
    assert not contradicted(allowed, whole).any()
    assert (allowed[:, 55, 60:100] == ALLOW_BACKGROUND | ALLOW_SACRUM).all()  # L5 up to L2


def test_what_is_known_of_beyond_the_map_changes_nothing_within_it():
    labels, _ = lumbar_map()
    known = ["C2", "T11", "sacrum", "spinal_cord", "C2-C3"]
    ordinary = allowed_from_labels(labels, SPACING)
    np.testing.assert_array_equal(allowed_from_labels(labels, SPACING, known=known), ordinary)


@pytest.mark.parametrize(
    ("name", "codes"), [("vertebra_1", ALLOW_BODY | ALLOW_POSTERIOR), ("disc_2", ALLOW_DISC)]
)
def test_a_nameless_structure_that_was_taken_out_may_be_anywhere(name, codes):
    labels, feet = lumbar_map()
    allowed = allowed_from_labels(labels, SPACING, known=[name])
    assert (allowed[:, 55, feet["L5"] + 8 :] & codes == codes).all()
    labels[:, 55, feet["L3"]] = VALUES[name]
    allowed = allowed_from_labels(labels, SPACING, known=[name])
    assert not (allowed[:, 57, feet["L4"]] & codes).any()


def drawn_on(slices, of=13):
    """`named_map` in some slices of a scan."""
    labels = np.zeros((of, 60, 80), np.uint8)
    labels[list(slices)] = named_map()[2]
    return labels


@pytest.mark.parametrize("kinds", ["all", "discs"])
def test_slices_that_nobody_drew_on_are_unknown_where_no_vertebra_is_whole(kinds):
    labels = drawn_on((5, 6, 7))
    if kinds == "discs":
        labels[(labels < VALUES["C2-C3"])] = 0
    allowed = allowed_from_labels(labels, SPACING)
    assert (allowed[[0, 4, 8, 12]] == UNKNOWN).all()
    assert (allowed[5:8] != UNKNOWN).any(axis=(1, 2)).all()
    wide = allowed_from_labels(labels, (5.0, 1.0, 1.0))
    assert (wide[[0, 4, 8, 12]] != UNKNOWN).any(axis=(1, 2)).all()


def test_scoliosis_makes_no_narrow_vertebra_wide():
    labels = drawn_on((5, 6))
    labels[5:7, :, 44:] = 0
    labels[9:11, :, 44:] = drawn_on((9, 10))[9:11, :, 44:]
    allowed = allowed_from_labels(labels, SPACING)
    assert (allowed[[0, 4, 7, 8, 12]] == UNKNOWN).all()


def test_bodies_and_discs_drawn_on_the_middle_slices_say_nothing_of_the_others():
    bodies, discs = np.zeros((2, 9, 80, 120), np.uint8)
    bodies[3:6] = two_bodies()
    discs[3:6] = np.where(two_bodies() == 44, 95, 0)
    for allowed in (allowed_from_bodies(bodies, SPACING), allowed_from_discs(discs, SPACING)):
        assert (allowed[[0, 1, 2, 6, 7, 8]] == UNKNOWN).all()
        assert (allowed[3:6] != UNKNOWN).any(axis=(1, 2)).all()


def test_a_canal_alone_is_narrow_by_nature():
    labels = np.zeros((9, 40, 60), np.uint8)
    labels[3:6, 15:25, 10:50] = VALUES["spinal_canal"]
    assert not (allowed_from_labels(labels, SPACING)[0, :, 10:50] & ALLOW_CANAL).any()
