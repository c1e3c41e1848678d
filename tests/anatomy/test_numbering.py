from itertools import pairwise

import pytest

from spinekit.anatomy.column import VARIANTS
from spinekit.anatomy.numbering import ABOVE_C1, ABOVE_C2, point_number
from spinekit.anatomy.scheme import NAMES, VALUES, disc_name


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (ABOVE_C1, 1),
        (ABOVE_C2, 2),
        ("C2-C3", 3),
        ("C7-T1", 8),
        ("T11-T12", 19),
        ("T12-L1", 20),
        ("T11-L1", 20),
        ("T13-L1", 20),
        ("L4-L5", 24),
        ("L5-S1", 25),
        ("L4-S1", 25),
        ("L6-S1", 25),
        ("T12-T13", 33),
        ("L5-L6", 46),
        ("disc_1", None),
        ("disc_25", None),
    ],
)
def test_numbers_follow_names(name: str, number: int | None) -> None:
    assert point_number(name) == number


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_column_uses_a_number_twice(variant) -> None:
    levels = variant.levels
    discs = [disc_name(a, b) for a, b in pairwise(levels[1:])]

    numbers = [point_number(name) for name in (ABOVE_C1, ABOVE_C2, *discs)]

    assert len(set(numbers)) == len(levels)
    assert set(numbers) <= {*range(1, 26), 33, 46}


def test_every_named_disc_has_a_number() -> None:
    discs = [name for name in VALUES if "-" in name]

    assert len(discs) > 25
    assert all(point_number(name) for name in discs)
    assert {NAMES[value] for value in range(231, 256)} == {
        name for name in VALUES if name.startswith("disc_") and point_number(name) is None
    }
