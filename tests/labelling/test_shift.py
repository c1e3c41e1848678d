"""The plane split and the rigid shift: right on clean columns, and its failures the known ones."""

import numpy as np
import pytest

from labelling.columns import build, bump, delete, draw, others_right, uniform
from spinekit.anatomy.column import LEVELS, Variant
from spinekit.labelling.shift import name_by_shift, number_bones


def _draw(seed=1, noise=0.05, **view):
    return draw(np.random.default_rng(seed), noise=noise, spread=0.35, **view)


def _name(column, **given):
    return name_by_shift(column.instances, column.evidence, **given)


@pytest.mark.parametrize(
    ("first", "last"),
    [("C1", "sacrum"), ("C2", "T4"), ("T3", "T9"), ("T9", "L3"), ("T12", "sacrum"), ("L5", "L5")],
)
def test_clean_columns_are_named_right(first, last):
    column = _draw(first=first, last=last)
    assert _name(column).names == column.truth


@pytest.mark.parametrize("lumbar", [4, 5, 6])
def test_the_loin_is_counted_where_s1_is_in_view(lumbar):
    column = _draw(first="C2", variant=Variant(12, lumbar))
    assert _name(column).names == column.truth


def test_one_bad_witness_is_outvoted_by_volume():
    column = _draw(first="T9", last="L3")
    column.evidence[column.bones[0]] = bump("C4", flat=0.0, spread=0.3)
    assert _name(column).names == column.truth


def test_probability_is_the_share_of_the_items_own_votes():
    column = _draw(first="T9", last="L3")
    naming = _name(column)
    bone = column.truth.index("T11")
    assert naming.probability[bone] == pytest.approx(column.evidence[bone, LEVELS.index("T11")])


def test_a_missed_disc_merges_two_numbers():
    column = _draw(first="T8")
    harmed = delete(column, column.truth.index("L2-L3"))
    naming = _name(harmed)
    assert not others_right(harmed, naming.names)
    bones = [naming.names[n] for n in harmed.bones]
    assert bones.count(None) == 1


def test_thirteen_thoracic_vertebrae_cannot_be():
    column = _draw(first="C2", variant=Variant(13, 5))
    assert "T13" not in _name(column).names


def test_other_sources_join_the_votes():
    column = _draw(first="T3", last="T9")
    outside = np.zeros((len(column.truth), len(LEVELS)))
    for bone in column.bones:
        outside[bone, LEVELS.index(column.truth[bone]) + 1] = 20.0
    assert _name(column, outside=outside).names[column.truth.index("T5")] == "T6"


def test_planes_number_the_bones_of_a_bent_column():
    column = _draw(first="T3", last="L2")
    assert number_bones(column.instances).tolist() == list(range(len(column.bones)))


@pytest.mark.parametrize("discs", [0, 1, 2])
def test_few_discs_are_no_reason_to_fail(discs):
    pieces = [("vertebra", 10.0, 26.0, 34.0)]
    for n in range(discs):
        pieces += [("disc", 36.0 + 36 * n, 10.0, 34.0), ("vertebra", 46.0 + 36 * n, 26.0, 34.0)]
    column = build([None] * len(pieces), [uniform()] * len(pieces), pieces)
    names = _name(column).names
    assert len(names) == len(pieces)
    assert len(set(names)) == len(names)


def test_nothing_in_view():
    column = _draw(first="L1")
    empty = type(column.instances)(*[column.instances.parts] * 3, (), (1.0, 1.0, 1.0))
    naming = name_by_shift(empty, np.zeros((0, len(LEVELS))))
    assert naming.names == ()
    assert naming.ambiguous


UNEVEN = [
    ("VDDVDVVDV", (400, 388, 382, 370, 355, 340, 310, 295, 280)),
    ("VDVDVDVVVDV", (400, 390, 383, 376, 355, 340, 320, 290, 260, 245, 230)),
]
"""Kinds and heights, mm, of bones and discs among which a fit through the discs turns back."""


@pytest.mark.parametrize(("kinds", "heights"), UNEVEN, ids=["near", "missed"])
def test_planes_beside_uneven_discs_put_no_name_out_of_order(kinds, heights):
    size = {"V": ("vertebra", 24.0), "D": ("disc", 6.0)}
    pieces = [
        (kind, 500.0 - at - thick / 2, thick, 32.0)
        for (kind, thick), at in zip([size[k] for k in kinds], heights, strict=True)
    ]
    levels = iter(LEVELS[LEVELS.index("T10") :])
    evidence = [bump(next(levels)) if k == "V" else uniform() for k in kinds]
    column = build([None] * len(kinds), evidence, pieces)

    assert (np.diff(number_bones(column.instances)) >= 0).all()
    named = [name for name in _name(column).names if name]
    bones = [LEVELS.index(name) for name in named if name in LEVELS]
    assert bones == sorted(bones)
    assert len(set(named)) == len(named)
