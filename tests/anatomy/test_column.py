"""The chain of levels and its legal variants."""

import pytest

from spinekit.anatomy.column import (
    LEVELS,
    VARIANTS,
    Variant,
    is_consecutive,
    legal_sequences,
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


def test_every_variant_is_consecutive_in_itself():
    for variant in VARIANTS:
        assert is_consecutive(variant.levels)
        assert is_consecutive(variant.levels[5:9])


@pytest.mark.parametrize("names", [("T10", "T12"), ("L5", "L4"), ("T12", "sacrum"), ("L3", "L3")])
def test_gaps_and_disorder_are_not_consecutive(names):
    assert not is_consecutive(names)


def test_legal_sequences_are_distinct_and_consecutive():
    stretches = list(legal_sequences(6))
    assert len(stretches) == len(set(stretches))
    assert all(is_consecutive(s) for s in stretches)
    assert ("L1", "L2", "L3", "L4", "L5", "sacrum") in stretches
    assert ("T13", "L1", "L2", "L3", "L4", "sacrum") in stretches


def test_full_length_sequences_are_the_variants_of_that_length():
    assert list(legal_sequences(0)) == [()]
    assert set(legal_sequences(27)) == {Variant(13, 6).levels}
    assert set(legal_sequences(28)) == set()
