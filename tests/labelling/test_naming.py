"""Names of a column as a person or another view of it changes them."""

import dataclasses

from spinekit.labelling.naming import Anomaly, Naming, call_discs, keep_items, move_anomalies

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
