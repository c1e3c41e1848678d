"""One function for every labeller, and names left out where they are unsure."""

import numpy as np
import pytest

from labelling.columns import draw
from spinekit.core.errors import UsageError
from spinekit.labelling.methods import LABELLERS, check_method, name_with
from spinekit.labelling.naming import leave_out_unsure


@pytest.mark.parametrize("method", LABELLERS)
def test_every_method_answers_for_every_item(method):
    column = draw(np.random.default_rng(1), noise=0.05, spread=0.35)
    naming = name_with(method, column.instances, column.evidence)
    assert naming.names == column.truth
    assert len(naming.probability) == len(naming.names)
    assert all(p is None or 0.0 <= p <= 1.0 for p in naming.probability)
    assert naming.ambiguous == (naming.reason is not None)


@pytest.mark.parametrize("method", LABELLERS)
def test_a_certain_name_moves_all_others(method):
    column = draw(np.random.default_rng(1), first="T3", last="T9", noise=0.05, spread=0.35)
    bone = column.truth.index("T5")
    moved = name_with(method, column.instances, column.evidence, certain={bone: "T6"})
    assert moved.names[bone] == "T6"
    assert moved.names[column.truth.index("T9")] == "T10"
    assert moved.probability[bone] == pytest.approx(1.0)


@pytest.mark.parametrize("method", LABELLERS)
def test_certain_names_out_of_order_are_refused(method):
    column = draw(np.random.default_rng(1), first="T12", noise=0.05, spread=0.35)
    upper, lower = column.truth.index("L3"), column.truth.index("L4")
    with pytest.raises(UsageError, match="no legal column"):
        name_with(method, column.instances, column.evidence, certain={upper: "L4", lower: "L2"})


def test_unknown_method_is_refused():
    column = draw(np.random.default_rng(0))
    with pytest.raises(UsageError, match="rigid"):
        name_with("rigid", column.instances, column.evidence)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(probability):
    with pytest.raises(UsageError) as error:
        check_method("chain", probability)
    assert error.value.code == "min-probability"


def test_without_probabilities_nothing_can_be_left_out_by_them():
    with pytest.raises(UsageError) as error:
        check_method("landmarks", 0.5)
    assert error.value.code == "no-probabilities"


def test_unsure_names_are_left_out_and_the_others_stay():
    column = draw(np.random.default_rng(3), first="T12", known=False)
    every = name_with("chain", column.instances, column.evidence)
    limit = round(sorted(p for p in every.probability if p)[4], 4)
    some = leave_out_unsure(column.instances.items, every, limit)
    for full, kept, probability in zip(every.names, some.names, every.probability, strict=True):
        assert kept == (full if round(probability, 4) >= limit else None)
    assert None in some.names
    (left_out, sure), *others = some.alternatives
    assert left_out == every.names
    assert tuple(others) == every.alternatives
    assert sure + sum(other for _, other in others) <= 1.0
    assert sure <= min(p for p in every.probability if p)


def test_the_sacrum_keeps_its_name():
    column = draw(np.random.default_rng(3), first="L3", known=False)
    every = name_with("chain", column.instances, column.evidence)
    naming = leave_out_unsure(column.instances.items, every, 1.0)
    assert naming.names[-1] == "sacrum"
