"""What a label map tells of its column."""

from itertools import pairwise

import pytest

from spinekit.anatomy.column import Variant
from spinekit.anatomy.scheme import VALUES, disc_name, name_in_context
from spinekit.curation.encoding import anomaly_of

WORDS = {
    (12, 5): "none", (12, 4): "four-lumbar", (12, 6): "L6", (11, 5): "eleven-thoracic",
    (13, 5): "T13",
}  # fmt: skip


def column(thoracic: int, lumbar: int) -> dict[str, int]:
    """Name → value of all that a column has from T8 down."""
    levels = Variant(thoracic, lumbar).levels[14:]
    names = [*levels, *(disc_name(upper, lower) for upper, lower in pairwise(levels))]
    return {name: VALUES[name] for name in names}


@pytest.mark.parametrize("counts", WORDS)
def test_bones_with_or_without_discs_tell_the_column(counts: tuple[int, int]) -> None:
    there = column(*counts)

    assert anomaly_of(there.values()) == WORDS[counts]
    assert anomaly_of([v for n, v in there.items() if "-" not in n]) == WORDS[counts]


@pytest.mark.parametrize("missing", ["L5", "T12"])
def test_a_bone_that_is_not_marked_is_told_by_its_discs(missing: str) -> None:
    there = column(12, 5)
    del there[missing]

    assert anomaly_of(there.values()) == "none"


@pytest.mark.parametrize("missing", ["L4-L5", "L5-S1", "T11-T12", "T12-L1"])
@pytest.mark.parametrize("bone", ["L5", "T12"])
def test_the_word_and_the_names_of_discs_never_disagree(missing: str, bone: str) -> None:
    there = column(12, 5)
    del there[missing], there[bone]
    values = list(there.values())

    names = {name_in_context(value, values) for value in values}

    assert (anomaly_of(values) == "four-lumbar") >= ("L4-S1" in names)
    assert (anomaly_of(values) == "eleven-thoracic") >= ("T11-L1" in names)


def test_what_ends_above_tells_nothing() -> None:
    assert anomaly_of([VALUES[name] for name in ("T10", "T11")]) == "none"
    assert anomaly_of([VALUES[name] for name in ("L3", "L4")]) == "none"
    assert anomaly_of([]) == "none"


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (("L3", "L4", "L5-S1"), "none"),
        (("T11", "T12-L1"), "none"),
        (("L3", "L4", "L5-S1", "sacrum"), "four-lumbar"),
        (("L4", "sacrum"), "four-lumbar"),
        (("T11", "T12-L1", "L1"), "eleven-thoracic"),
        (("T11", "L1"), "eleven-thoracic"),
    ],
)
def test_a_bone_too_few_is_told_by_the_bones_on_both_sides(names: tuple, word: str) -> None:
    assert anomaly_of([VALUES[name] for name in names]) == word
