"""Words as they are typed."""

import pytest

from blocks import draw_loin, oracle_for
from results import vertebrae
from spinekit.core.errors import UsageError
from spinekit.pipeline import segment
from spinekit.relabelling.correction import relabel
from spinekit.relabelling.words import Word, split_word


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("L2=L1", ("L2", "L1")),
        (" 42 = l1 ", ("42", "L1")),
        ("disc_1=l5-s1", ("disc_1", "L5-S1")),
        ("50=Sacrum", ("50", "sacrum")),
    ],
)
def test_a_word_has_two_sides(text: str, sides: tuple[str, str]) -> None:
    assert split_word(text) == sides


@pytest.mark.parametrize("text", ["", "L1", "=L1", "L1=", " = "])
def test_what_has_not_is_no_word(text: str) -> None:
    with pytest.raises(UsageError) as told:
        split_word(text)
    assert told.value.code == "not-a-word"


def test_a_word_a_text_and_lists_of_both_say_the_same(tmp_path) -> None:
    loin = draw_loin()
    found = segment(loin.image, affine=loin.grid.affine, predictor=oracle_for(loin))
    said = ["L2=L3", Word("L2", "L3"), ["L2=L3"], (Word("L2", "L3"),)]

    for number, words in enumerate(said):
        changed = relabel(found.save(tmp_path / str(number))["dseg"], words)
        assert vertebrae(changed.report) == ["L1", "L2", "L3", "L4"]
