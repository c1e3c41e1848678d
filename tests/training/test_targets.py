"""Level codes and their soft targets."""

import numpy as np
import pytest

from spinekit.anatomy.scheme import LEVELS, VALUES
from spinekit.training.targets import DISC_PAIRS, level_codes, target_table


def target_of(value, present=None):
    """Level → weight of one label value."""
    row = target_table()[level_codes(np.array([value]), present=present)[0]]
    return {LEVELS[n]: float(row[n]) for n in np.flatnonzero(row)}


@pytest.mark.parametrize("name", LEVELS)
def test_every_vertebra_is_its_own_target(name):
    assert target_of(VALUES[name]) == {name: 1.0}


@pytest.mark.parametrize("value", [0, 1, 2, 201, 240])
def test_what_has_no_level_has_no_target(value):
    assert target_of(value) == {}


@pytest.mark.parametrize(
    ("value", "pair"),
    [(63, ("C2", "C3")), (71, ("C7", "T1")), (82, ("T11", "T12")), (95, ("L4", "L5"))],
)
def test_a_disc_is_half_of_each_neighbour(value, pair):
    assert target_of(value) == dict.fromkeys(pair, 0.5)


@pytest.mark.parametrize(
    ("present", "value", "pair"),
    [
        (None, 100, ("L5", "sacrum")),
        ({"L4", "T12"}, 100, ("L4", "sacrum")),
        ({"L4", "L5", "L6", "T12"}, 100, ("L6", "sacrum")),
        ({"L5", "T11"}, 91, ("T11", "L1")),
        ({"L5", "T12"}, 91, ("T12", "L1")),
        ({"L5", "T13"}, 84, ("T13", "L1")),
        ({"L4", "L4-L5", "L5-S1"}, 100, ("L5", "sacrum")),
        ({"T11", "T11-T12", "T12-L1"}, 91, ("T12", "L1")),
    ],
)
def test_variants_decide_what_lies_above_the_shared_values(present, value, pair):
    assert target_of(value, present) == dict.fromkeys(pair, 0.5)


def test_every_row_but_the_first_sums_to_one():
    sums = target_table().sum(axis=1)
    assert sums[0] == 0
    np.testing.assert_allclose(sums[1:], 1)
    assert len(sums) == 1 + len(LEVELS) + len(DISC_PAIRS)
