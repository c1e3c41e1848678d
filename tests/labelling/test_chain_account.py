"""What is said of a column beside its names: why they are open, other columns, odd counts."""

import numpy as np
import pytest

from labelling.columns import draw, merge
from spinekit.anatomy.column import LEVELS, Variant
from spinekit.labelling.chain import NAME_MERGED_ABOVE, _describe_merged, _reason, name_column
from spinekit.labelling.hypotheses import Posterior
from spinekit.labelling.paths import Hypothesis


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
    levels = [tuple((LEVELS.index(name),) for name in names) for names in (four, eleven)]
    ranked = [(four, 0.49, levels[0]), (eleven, 0.41, levels[1]), (four[::-1], 0.1, levels[0])]
    assert _reason(ranked) == (
        "sacrum in view; T12 to L4 49%, L1 to L5 41%: nothing in view decides"
    )


@pytest.mark.parametrize(("choice", "told"), [((10, 11), "two in one"), ((), "no vertebra")])
def test_the_reason_says_what_a_bone_without_a_name_is(choice, told):
    names, other = ("T3", None, "T6"), ("T3", "T4", "T6")
    ranked = [(names, 0.4, ((9,), choice, (12,))), (other, 0.3, ((9,), (10,), (12,)))]
    assert _reason(ranked) == f"no sacrum in view; {told} 40%, T4 30%: nothing in view decides"


def _merged_in(column, bone):
    naming = _name(merge(column, bone))
    return naming, next(a for a in naming.anomalies if a.name == "merged")


def test_two_in_one_are_named_where_these_levels_are_as_probable_as_it_says():
    column = draw(np.random.default_rng(8), first="T10", noise=0.1)
    _, merged = _merged_in(column, column.truth.index("L2"))
    assert merged.text == "L2 and L3 were not told apart"
    assert NAME_MERGED_ABOVE < merged.probability < 0.96


def test_two_in_one_of_open_levels_are_not_named():
    """That two are in one is sure here, and the names of the column are not."""
    for seed in range(6):
        column = draw(np.random.default_rng(seed), first="T2", last="T11", noise=0.6)
        naming, merged = _merged_in(column, column.bones[2 + seed])
        assert max(naming.probability) < NAME_MERGED_ABOVE
        assert merged.text == "two vertebrae were not told apart", seed
        assert merged.probability > 0.99, seed


def test_a_vertebra_in_the_sacrum_of_an_open_column_is_no_pair_of_vertebrae():
    choice = (LEVELS.index("L5"), LEVELS.index("sacrum"))
    level, merged = np.zeros((2, len(LEVELS))), np.array([0.0, 0.6])
    columns = (Hypothesis(((LEVELS.index("L4"),), choice), 0.5, Variant()),)
    posterior = Posterior(level, merged, np.full(9, 1 / 9), columns)
    assert _describe_merged(choice, 1, posterior) == (
        pytest.approx(0.6),
        "the sacrum found may hold the last lumbar vertebra",
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
