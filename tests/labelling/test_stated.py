"""Discs called as a person knows them."""

import dataclasses

import pytest

from spinekit.labelling.naming import Anomaly, Naming
from spinekit.labelling.stated import call_discs

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
        ("L4", "L4-L5", None, "L5"),
        ("L3", "L4-L5", None, "L4"),
    ]
    assert [round(sure, 9) for _, sure in called.alternatives] == [0.25, 0.1]


def test_without_a_word_about_a_disc_nothing_changes() -> None:
    assert call_discs(NAMING, {}) == NAMING


def test_alternatives_that_call_the_disc_otherwise_are_none() -> None:
    naming = dataclasses.replace(
        NAMING, alternatives=((LOWER, 0.2), (("L3", None, None, "L4"), 0.1))
    )

    called = call_discs(naming, {2: "L3-L4"})

    assert called.names == NAMES
    assert called.alternatives == ()


@pytest.mark.parametrize(("word", "other"), [("L5-S1", "L6-S1"), ("T12-L1", "T11-L1")])
def test_no_other_disc_bears_the_same_value(word: str, other: str) -> None:
    naming = Naming((None, other), (0.0, 0.8), (), False, None, ())

    called = call_discs(naming, {0: word})

    assert called.names == (word, None)
    assert called.probability == (1.0, 0.0)


def test_a_count_that_a_disc_states_is_certain() -> None:
    names = ("T11", "T11-L1", "L1", "L1-L2", "L2")
    naming = Naming(
        names,
        (1.0,) * 5,
        (),
        False,
        None,
        (
            Anomaly("T13", 0.2, "thirteen thoracic vertebrae: 20%"),
            Anomaly("T11", 0.7, "eleven thoracic vertebrae: 70%"),
            Anomaly("L6", 0.3, "six lumbar vertebrae: 30%"),
            Anomaly("missed", 0.4, "a level between T11 and L1 was not found", (0, 2)),
            Anomaly("missed", 0.4, "a level between L1 and L2 was not found", (2, 4)),
        ),
    )

    told = call_discs(naming, {1: "T11-L1"}).anomalies

    assert [(found.name, found.probability) for found in told] == [
        ("T11", 1.0), ("L6", 0.3), ("missed", 0.4)
    ]  # fmt: skip
    assert told[-1].items == (2, 4)
    usual = call_discs(naming, {1: "T12-L1"}).anomalies
    assert [found.name for found in usual] == ["L6", "missed", "missed"]
