"""Counting from landmark discs: right with anchors in view, and its failures are the known ones."""

import numpy as np
import pytest

from labelling.columns import delete, draw, others_right
from spinekit.anatomy.column import LEVELS, Variant
from spinekit.labelling.landmarks import USUAL, name_by_landmarks


def _draw(seed=1, **view):
    return draw(np.random.default_rng(seed), noise=0.05, spread=0.35, **view)


def _name(column, **given):
    return name_by_landmarks(column.instances, column.evidence, **given)


@pytest.mark.parametrize(
    ("first", "last"),
    [("C1", "sacrum"), ("C2", "T4"), ("C5", "T3"), ("T9", "L3"), ("T12", "sacrum")],
)
def test_every_anchor_names_a_clean_column(first, last):
    column = _draw(first=first, last=last)
    naming = _name(column)
    assert naming.names == column.truth
    assert not naming.ambiguous


@pytest.mark.parametrize(("lumbar", "anomaly"), [(4, "four-lumbar"), (6, "L6")])
def test_two_anchors_find_a_deviating_loin(lumbar, anomaly):
    column = _draw(first="C2", variant=Variant(12, lumbar))
    naming = _name(column)
    assert naming.names == column.truth
    assert [found.name for found in naming.anomalies] == [anomaly]
    assert naming.anomalies[0].probability is None


def test_with_the_sacrum_alone_a_sixth_lumbar_is_not_seen():
    column = _draw(first="T11", variant=Variant(12, 6))
    names = [name for name in _name(column).names if name and "-" not in name]
    assert names[-2:] == ["L5", "sacrum"]


def test_no_landmark_gives_no_names_and_says_so():
    column = _draw(first="T3", last="T9")
    naming = _name(column)
    assert set(naming.names) == {None}
    assert naming.ambiguous
    assert "landmark" in naming.reason


def test_names_have_no_probability_but_the_sacrum():
    column = _draw(first="L1")
    naming = _name(column)
    assert set(naming.probability[:-1]) == {None}
    assert naming.probability[-1] == 1.0


def test_a_missed_disc_moves_the_names_beyond_it():
    column = _draw(first="T8")
    disc = column.truth.index("L2-L3")
    harmed = delete(column, disc)
    assert not others_right(harmed, _name(harmed).names)


def test_what_other_sources_say_becomes_a_landmark():
    column = _draw(first="T9", last="L3")
    outside = np.zeros((len(column.truth), len(LEVELS)))
    for bone in column.bones:
        above = USUAL[USUAL.index(column.truth[bone]) - 1]
        outside[bone, LEVELS.index(above)] = 20.0
    names = _name(column, outside=outside).names
    assert names[column.truth.index("L1")] == "T12"


def test_no_name_occurs_twice_however_many_discs():
    column = _draw(first="C2", variant=Variant(13, 6))
    names = [name for name in _name(column).names if name]
    assert len(names) == len(set(names))


def test_nothing_in_view():
    column = _draw(first="L1")
    empty = type(column.instances)(*[column.instances.parts] * 3, (), (1.0, 1.0, 1.0))
    naming = name_by_landmarks(empty, np.zeros((0, len(LEVELS))))
    assert naming.names == ()
    assert naming.ambiguous
