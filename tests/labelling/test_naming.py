"""Names of a column as another view of it changes them."""

import dataclasses

import numpy as np
import pytest

from labelling.columns import build, uniform
from spinekit.anatomy.column import LEVELS, Variant
from spinekit.labelling.naming import (
    Anomaly,
    Naming,
    keep_items,
    leave_out_unsure,
    move_anomalies,
    name_items,
)

NAMES = ("L3", None, "L3-L4", "L4")
NAMING = Naming(NAMES, (0.9, 0.0, 0.8, 0.9), (), False, None, ())


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


def test_a_disc_is_no_surer_than_the_columns_that_call_it_otherwise_leave_it() -> None:
    names = ("L4", "L4-L5", "L5", "L5-S1", "sacrum")
    six = (*names[:3], "L5-L6", "sacrum")
    none = (*names[:3], None, "sacrum")

    naming = Naming(names, (0.9,) * 5, ((six, 0.15), (none, 0.05)), False, None, ())

    assert naming.probability == (0.9, 0.9, 0.9, pytest.approx(0.8), 0.9)


def test_the_column_that_has_the_unsure_names_is_an_alternative() -> None:
    items = build([None] * 3, np.array([uniform()] * 3), LOIN).instances.items
    lower = ("L4", "L4-L5", "L5")
    naming = Naming(("L3", "L3-L4", "L4"), (0.6, 0.6, 0.7), ((lower, 0.3),), False, None, ())

    some = leave_out_unsure(items, naming, 0.65)

    assert some.names == (None, None, "L4")
    assert some.probability == naming.probability
    # No more than its least sure name, nor than the others leave it.
    assert some.alternatives == ((naming.names, 0.6), (lower, 0.3))
    open_one = dataclasses.replace(naming, alternatives=((lower, 0.3), ((*lower[:2], None), 0.2)))
    assert leave_out_unsure(items, open_one, 0.65).alternatives[0] == (naming.names, 0.5)
    assert leave_out_unsure(items, naming, 0.6) == naming


LOIN = [("vertebra", 0, 26.0, 30.0), ("disc", 26, 8.0, 30.0), ("vertebra", 34, 26.0, 30.0)]
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
