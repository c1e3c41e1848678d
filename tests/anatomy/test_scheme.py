"""Values, colours and the conversion to other schemes."""

import numpy as np
import pytest

from spinekit.anatomy.column import LEVELS, successors
from spinekit.anatomy.scheme import (
    COLOURS,
    NAMES,
    VALUES,
    disc_name,
    disc_value,
    kind_of_value,
    load_scheme,
    name_in_context,
    scheme_names,
)
from spinekit.core.errors import UsageError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spinal_cord", 1), ("spinal_canal", 2), ("C1", 11), ("C7", 17), ("T1", 21), ("T13", 33),
        ("L1", 41), ("L6", 46), ("sacrum", 50), ("C2-C3", 63), ("C6-C7", 67), ("C7-T1", 71),
        ("T1-T2", 72), ("T11-T12", 82), ("T12-T13", 83), ("T13-L1", 84), ("T12-L1", 91),
        ("T11-L1", 91), ("L1-L2", 92), ("L5-L6", 96), ("L5-S1", 100), ("L6-S1", 100),
        ("vertebra_1", 201), ("vertebra_30", 230), ("disc_1", 231), ("disc_25", 255),
    ],
)  # fmt: skip
def test_values_of_the_contract(name, value):
    assert VALUES[name] == value


def test_names_are_the_usual_ones():
    assert NAMES[91] == "T12-L1"
    assert NAMES[100] == "L5-S1"
    assert all(VALUES[name] == value for value, name in NAMES.items())


def test_every_value_has_a_colour_and_neighbours_differ():
    assert set(COLOURS) == set(NAMES)
    for above in LEVELS:
        for below in successors(above):
            difference = np.subtract(COLOURS[VALUES[above]], COLOURS[VALUES[below]])
            assert np.abs(difference).sum() > 120


def test_colours_of_named_structures_are_distinct():
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_disc_between_every_legal_pair_has_a_value():
    for above in LEVELS[1:]:
        for below in successors(above):
            assert kind_of_value(disc_value(above, below)) == "disc"


@pytest.mark.parametrize(("above", "below"), [("C1", "C2"), ("T5", "T7"), ("L5", "L4")])
def test_no_disc_between_others(above, below):
    with pytest.raises(ValueError, match=above):
        disc_name(above, below)


@pytest.mark.parametrize(
    ("value", "present", "name"),
    [
        (100, [44, 45, 50, 100], "L5-S1"),
        (100, [44, 45, 46, 100], "L6-S1"),
        (100, [43, 44, 50, 100], "L4-S1"),
        (91, [31, 41, 91], "T11-L1"),
        (91, [31, 32, 41, 91], "T12-L1"),
        # The vertebra between two discs is there although no voxel bears its value.
        (100, [44, 50, 95, 100], "L5-S1"),
        (100, [45, 50, 96, 100], "L6-S1"),
        (91, [31, 41, 82, 91], "T12-L1"),
    ],
)
def test_shared_disc_values_are_told_apart_by_their_neighbours(value, present, name):
    assert name_in_context(value, present) == name


def test_own_scheme_comes_first_and_loses_nothing():
    assert scheme_names()[0] == "spinekit"
    label_map = np.array(sorted(NAMES), dtype=np.uint8).reshape(1, 1, -1)
    converted, lost = load_scheme("spinekit").convert(label_map)
    assert np.array_equal(converted, label_map)
    assert lost == ()


@pytest.mark.parametrize("name", scheme_names())
def test_every_scheme_uses_only_known_names_and_bytes(name):
    scheme = load_scheme(name)
    assert set(scheme.values) <= set(VALUES)
    assert all(0 < value < 256 for value in scheme.values.values())
    assert scheme.description
    assert scheme.source


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(UsageError, match="spider"):
        load_scheme("spyder")


def _row(*names):
    return np.array([[[0, *(VALUES[n] for n in names)]]], dtype=np.uint8)


@pytest.mark.parametrize(
    ("scheme", "names", "expected"),
    [
        ("lumbar9", ("L1", "L5", "L1-L2", "L4-L5"), [0, 1, 5, 6, 9]),
        ("totalsegmentator", ("C1", "T12", "L5", "sacrum", "spinal_cord"), [0, 50, 32, 27, 25, 79]),
        ("totalsegmentator-mr", ("C1", "L5", "sacrum"), [0, 25, 2, 1]),
        ("gliwa", ("C2", "C2-C3", "L5", "L5-S1", "sacrum"), [0, 1, 2, 45, 48, 49]),
        ("spineps", ("C1", "T13", "L6", "L6-S1", "sacrum"), [0, 1, 28, 25, 125, 26]),
        ("spineps", ("L5", "L5-S1", "sacrum"), [0, 24, 124, 26]),
        ("spider", ("T12", "L4", "L5", "L5-S1", "L4-L5"), [0, 6, 2, 1, 201, 202]),
        ("spider", ("T12", "L1", "L2", "L4", "L5"), [0, 6, 5, 4, 2, 1]),
        ("spider", ("T12-L1", "L1", "L2"), [0, 203, 2, 1]),
        ("spider", ("T11-T12", "T12-L1", "L1", "L1-L2"), [0, 203, 202, 1, 201]),
        ("spider", ("T11", "T11-L1", "L1", "L2"), [0, 3, 203, 2, 1]),
        ("spider", ("T12", "T12-T13", "T13-L1", "L1"), [0, 3, 203, 202, 1]),
        ("spider", ("L3", "L4", "L4-S1"), [0, 2, 1, 201]),
        ("spider", ("L2", "vertebra_1", "L4", "L5"), [0, 4, 3, 2, 1]),
        ("spider", ("T12", "vertebra_1", "vertebra_2", "L3"), [0, 4, 3, 2, 1]),
        ("spider", ("L5", "L6", "L5-L6", "L6-S1"), [0, 2, 1, 202, 201]),
        ("totalspineseg", ("L6", "L5-L6", "T12-L1"), [0, 46, 96, 91]),
    ],
)  # fmt: skip
def test_known_answers(scheme, names, expected):
    converted, lost = load_scheme(scheme).convert(_row(*names))
    assert converted.ravel().tolist() == expected
    assert lost == ()


@pytest.mark.parametrize(
    "names",
    [
        ("vertebra_1", "L2", "L4", "L5"),
        ("L2", "vertebra_1", "L5"),
        ("L2", "L3", "vertebra_1", "L4", "L5"),
        ("L3", "L4", "vertebra_1"),
        ("vertebra_1",),
    ],
)
def test_a_nameless_vertebra_whose_place_is_open_has_no_number(names):
    converted, lost = load_scheme("spider").convert(_row(*names))
    assert converted.ravel()[1 + names.index("vertebra_1")] == 0
    assert [item.name for item in lost] == ["vertebra_1"]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("step", [1, -1])
def test_places_of_the_nameless_are_found_in_any_orientation(axis, step):
    row = _row("L1", "vertebra_1", "L3", "vertebra_2", "L5")[..., ::step]
    converted, lost = load_scheme("spider").convert(np.moveaxis(row, 2, axis))
    assert np.moveaxis(converted, axis, 2)[..., ::step].ravel().tolist() == [0, 5, 4, 3, 2, 1]
    assert lost == ()


def test_a_disc_below_a_vertebra_that_is_missing_at_the_bottom_has_no_number():
    converted, lost = load_scheme("spider").convert(_row("L3", "L3-L4", "L4-L5"))
    assert converted.ravel().tolist() == [0, 1, 201, 0]
    assert [item.name for item in lost] == ["L4-L5"]


def test_what_a_scheme_cannot_hold_is_reported():
    converted, lost = load_scheme("lumbar9").convert(_row("T12", "L1", "L1", "sacrum"))
    assert converted.ravel().tolist() == [0, 0, 1, 1, 0]
    assert [(item.name, item.voxels, item.merged_into) for item in lost] == [
        ("T12", 1, None),
        ("sacrum", 1, None),
    ]


def test_merged_structures_are_reported():
    _, lost = load_scheme("spider").convert(_row("spinal_cord", "spinal_canal"))
    assert {item.merged_into for item in lost} == {100}


def test_empty_map_converts_to_zeros():
    converted, lost = load_scheme("spider").convert(np.zeros((2, 3, 4), np.uint8))
    assert converted.shape == (2, 3, 4)
    assert not converted.any()
    assert lost == ()
