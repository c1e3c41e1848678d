"""Names of a column as a person or another view of it changes them."""

import dataclasses

import numpy as np
import pytest

from labelling.columns import build, uniform
from spinekit.anatomy.column import LEVELS, Variant
from spinekit.labelling.naming import (
    Anomaly,
    Naming,
    call_discs,
    keep_items,
    move_anomalies,
    name_items,
)

LOWER = ("L4", None, "L4-L5", "L5")
NAMES = ("L3", None, "L3-L4", "L4")
NAMING = Naming(NAMES, (0.9, 0.0, 0.8, 0.9), ((LOWER, 0.2),), False, None, ())


def test_a_disc_bears_the_name_it_is_given_and_no_other_does() -> None:
    called = call_discs(NAMING, {1: "L3-L4"})

    assert called.names == ("L3", "L3-L4", None, "L4")
    assert called.probability == (0.9, 1.0, 0.0, 0.9)


def test_columns_that_a_word_about_a_disc_makes_the_same_are_one() -> None:
    other = ("L4", "L4-L5", None, "L5")
    naming = dataclasses.replace(
        NAMING,
        alternatives=(
            (("L3", "L3-L4", None, "L4"), 0.3),
            (LOWER, 0.2),
            (("L3", None, None, "L4"), 0.1),
            (other, 0.05),
        ),
    )

    called = call_discs(naming, {1: "L4-L5"})

    assert called.names == ("L3", "L4-L5", "L3-L4", "L4")
    assert [names for names, _ in called.alternatives] == [
        ("L3", "L4-L5", None, "L4"),
        ("L4", "L4-L5", None, "L5"),
    ]
    assert [round(sure, 9) for _, sure in called.alternatives] == [0.4, 0.25]


def test_without_a_word_about_a_disc_nothing_changes() -> None:
    assert call_discs(NAMING, {}) == NAMING


def test_anomalies_follow_their_items() -> None:
    count = Anomaly("L6", 0.4, "six lumbar vertebrae: 40%")
    missed = Anomaly("missed", 0.7, "a level between L2 and L4 was not found", (2, 4))

    assert move_anomalies((count, missed), {2: 0, 4: 1}) == (
        count,
        Anomaly("missed", 0.7, missed.text, (0, 1)),
    )
    assert move_anomalies((count, missed), {2: 0}) == (count,)


def test_anomalies_follow_their_items_when_pieces_are_joined() -> None:
    odd = Anomaly("no-vertebra", 0.6, "a bone below L3 is no single vertebra", (3,))
    naming = Naming(NAMES, NAMING.probability, (), False, None, (odd,))

    assert keep_items(naming, [0, 2, 3]).anomalies[0].items == (2,)


def test_columns_that_joined_pieces_make_the_same_are_one() -> None:
    naming = Naming(
        ("C2", None, "C2-C3", "C3"),
        (0.8, 0.0, 0.8, 0.8),
        (
            ((None, "C2", "C2-C3", "C3"), 0.3),
            ((None, "C3", "C3-C4", "C4"), 0.1),
            (("C3", None, "C3-C4", "C4"), 0.15),
            (("C1", "C2", "C2-C3", "C3"), 0.2),
        ),
        False,
        None,
        (),
        ((1, 0),),
    )

    joined = keep_items(naming, [0, 2, 3])

    assert joined.names == ("C2", "C2-C3", "C3")
    assert joined.alternatives == ((("C3", "C3-C4", "C4"), 0.25), (("C1", "C2-C3", "C3"), 0.2))


L1, L2, L3, L4, L5, SACRAL = ((LEVELS.index(n),) for n in ("L1", "L2", "L3", "L4", "L5", "sacrum"))


def name(choices: list, pieces: list) -> tuple[str | None, ...]:
    """Names of pieces (kind, top and bottom in mm) whose bones are these choices."""
    drawn = [(kind, top, bottom - top, 30.0) for kind, top, bottom in pieces]
    column = build([None] * len(drawn), np.array([uniform()] * len(drawn)), drawn)
    return name_items(column.instances.items, column.bones, choices, Variant())


TWO_ABOVE = [("vertebra", 0, 26), ("disc", 26, 34), ("disc", 59, 67), ("vertebra", 34, 92)]
"""L2, a disc, and two vertebrae in one whose own disc lies above its middle."""


def test_the_disc_within_a_merged_bone_is_not_the_one_above_it() -> None:
    assert name([L2, L3 + L4], TWO_ABOVE) == ("L2", "L2-L3", None, None)


def test_the_disc_within_a_merged_bone_is_not_the_one_below_it() -> None:
    pieces = [("vertebra", 0, 58), ("disc", 27, 35), ("disc", 58, 66), ("sacrum", 66, 110)]

    assert name([L4 + L5, SACRAL], pieces) == (None, None, "L5-S1", "sacrum")


def test_the_disc_within_a_merged_bone_is_none_of_a_vertebra_that_was_missed() -> None:
    assert name([L1, L3 + L4], TWO_ABOVE) == ("L1", "L1-L2", None, None)


@pytest.mark.parametrize(
    ("discs", "names"),
    [
        # A speck beside the disc, above or below it.
        ([(26, 27), (27, 34)], (None, "L2-L3")),
        ([(26, 33), (33, 34)], ("L2-L3", None)),
        # One of them reaches into a bone.
        ([(27, 33), (33, 39)], ("L2-L3", None)),
        ([(22, 27), (28, 33)], (None, "L2-L3")),
        # Nothing tells them apart.
        ([(26, 28), (28, 30), (30, 32)], (None, "L2-L3", None)),
        # Both lie within a bone.
        ([(10, 18), (20, 28)], (None, "L2-L3")),
    ],
)
def test_of_discs_between_neighbours_the_one_that_lies_best_has_the_name(
    discs: list, names: tuple
) -> None:
    pieces = [("vertebra", 0, 26), *(("disc", *ends) for ends in discs), ("vertebra", 34, 60)]

    assert name([L2, L3], pieces) == ("L2", *names, "L3")


def test_above_the_sacrum_the_first_disc_has_the_name_though_it_reaches_into_a_bone() -> None:
    pieces = [("vertebra", 0, 26), ("disc", 24, 32), ("disc", 40, 48), ("sacrum", 48, 90)]

    assert name([L5, SACRAL], pieces) == ("L5", "L5-S1", None, "sacrum")
