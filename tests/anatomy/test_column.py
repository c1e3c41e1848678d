"""The chain of levels and its legal variants."""

from itertools import pairwise

import pytest

from spinekit.anatomy.column import (
    LEVELS,
    VARIANTS,
    Variant,
    ends_of,
    is_nameless,
    successors,
)


def test_levels_are_27_from_c1_to_sacrum():
    assert len(LEVELS) == 27
    assert LEVELS[0] == "C1"
    assert LEVELS[7] == "T1"
    assert LEVELS[20] == "L1"
    assert LEVELS[26] == "sacrum"


def test_usual_column_has_24_vertebrae_and_the_sacrum():
    chain = Variant().levels
    assert len(chain) == 25
    assert "T13" not in chain
    assert "L6" not in chain


@pytest.mark.parametrize(("thoracic", "lumbar"), [(10, 5), (12, 7), (14, 5), (12, 3)])
def test_illegal_variants_are_refused(thoracic, lumbar):
    with pytest.raises(ValueError, match="no legal column"):
        Variant(thoracic, lumbar)


def test_successors_at_the_two_junctions():
    assert successors("T11") == ("T12", "L1")
    assert successors("T12") == ("T13", "L1")
    assert successors("T13") == ("L1",)
    assert successors("L4") == ("L5", "sacrum")
    assert successors("L5") == ("L6", "sacrum")
    assert successors("sacrum") == ()
    assert successors("C7") == ("T1",)


def test_unknown_level_is_refused():
    with pytest.raises(ValueError, match="S1"):
        successors("S1")


def test_every_variant_is_a_chain_of_successors():
    for variant in VARIANTS:
        assert all(lower in successors(upper) for upper, lower in pairwise(variant.levels))


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("L4-L5", ("L4", "L5")),
        ("L5-S1", ("L5", "sacrum")),
        ("T12", ("T12",)),
        ("sacrum", ("sacrum",)),
        ("disc_3", ("disc_3",)),
    ],
)
def test_the_levels_a_name_speaks_of(name, ends):
    assert ends_of(name) == ends


def test_nameless_are_vertebrae_and_discs_that_are_counted():
    assert [is_nameless(name) for name in ("vertebra_1", "disc_25", "L4", "L4-L5", "sacrum")] == [
        True, True, False, False, False
    ]  # fmt: skip
