"""What is said of a column beside its names: why they are open, other columns, odd counts."""

import numpy as np
import pytest

from labelling.columns import draw, merge
from spinekit.anatomy.column import Variant
from spinekit.labelling.chain import _reason, name_column


def _name(column):
    return name_column(column.instances, column.evidence)


def test_the_reason_calls_a_bone_alone_by_one_name():
    column = draw(np.random.default_rng(3), first="C5", last="C5", known=False)
    naming = _name(column)
    assert naming.ambiguous
    assert naming.reason.startswith(f"no sacrum in view; {naming.names[0]} ")
    assert " to " not in naming.reason


def test_the_reason_tells_columns_of_the_same_ends_apart():
    four = ("T11", "T12", "L1", "L2", "L3", "L4", "sacrum")
    eleven = ("T11", "L1", "L2", "L3", "L4", "L5", "sacrum")
    assert _reason([(four, 0.49), (eleven, 0.41), (four[::-1], 0.1)]) == (
        "sacrum in view; T12 to L4 49%, L1 to L5 41%: nothing in view decides"
    )


@pytest.mark.parametrize(("first", "last"), [("T3", "L2"), ("C3", "T10"), ("T5", "T12")])
def test_alternatives_differ_from_the_names_and_from_each_other(first, last):
    for seed in range(4):
        column = draw(np.random.default_rng(seed), first=first, last=last, noise=0.8)
        naming = _name(merge(column, column.bones[-2]))
        every = [naming.names, *(names for names, _ in naming.alternatives)]
        assert len(set(every)) == len(every), seed


@pytest.mark.parametrize(
    ("variant", "first", "last", "count"),
    [
        (Variant(12, 4), "L2", "sacrum", "four-lumbar"),
        (Variant(11, 5), "T9", "L3", "T11"),
        (Variant(), "L2", "sacrum", None),
        (Variant(), "T9", "L3", None),
    ],
)
def test_names_that_lack_a_vertebra_between_two_tell_the_count(variant, first, last, count):
    column = draw(np.random.default_rng(1), variant=variant, first=first, last=last, known=False)
    certain = {n: column.truth[n] for n in column.bones if column.truth[n] != "sacrum"}
    naming = name_column(column.instances, column.evidence, certain=certain)
    assert naming.names == column.truth
    found = {anomaly.name for anomaly in naming.anomalies}
    assert found & {"four-lumbar", "L6", "T11", "T13"} == ({count} if count else set())
