"""What is said where another source contradicts the scan."""

import numpy as np
import pytest

from labelling.columns import build, uniform
from spinekit.anatomy.column import LEVELS as ALL
from spinekit.labelling.naming import Naming
from spinekit.labelling.outside import compare, differing, weigh

LEVELS = ("T12", "L1", "L2", "L3", "L4")


def bones() -> tuple:
    pieces = [("vertebra", 34.0 * n, 26.0, 34.0) for n in range(5)]
    return build([None] * 5, np.array([uniform()] * 5), pieces).instances.items


def warning(told: tuple, alone: tuple = LEVELS, sure: tuple = (0.9, 0.8, 0.7, 0.6, 0.9)) -> str:
    """The notice's text, the scan's own names being given."""
    own = Naming(alone, sure, (), False, None, ())
    reading = {"source": "mask", "file": "mask.nii", "names": list(told)}
    row, notice = compare(reading, own, own, bones())
    assert row["agrees"] is False
    assert notice is not None
    assert notice.code == "sources-disagree"
    return notice.text


def test_two_swapped_bones_are_shown_alone() -> None:
    assert warning(("T12", "L1", "L3", "L2", "L4")) == (
        "mask mask.nii says L3 to L2 where all else says L2 to L3 (65%); named L2 to L3, "
        "look at the preview"
    )


def test_one_bone_between_is_shown_alone() -> None:
    assert "says L5 where all else says L2 (70%); named L2," in warning(
        ("T12", "L1", "L5", "L3", "L4")
    )


@pytest.mark.parametrize(
    ("alone", "told"),
    [
        ((None, *LEVELS[1:]), "says L3 to L2 where all else says L2 to L3"),
        ((*LEVELS[:4], None), "says T12 to L2 where all else says T12 to L3"),
    ],
)
def test_a_bone_that_the_scan_does_not_name_hides_no_swap(alone: tuple, told: str) -> None:
    assert told in warning(("T12", "L1", "L3", "L2", "L4"), alone)


def test_of_columns_that_differ_at_an_end_the_ends_are_shown() -> None:
    assert "says T11 to L3 where all else says T12 to L4 (80%)" in warning(
        ("T11", "T12", "L1", "L2", "L3")
    )


def test_names_that_only_one_side_gives_leave_all_bones_to_be_shown() -> None:
    told, alone = ("L1", "L2", None), ("L1", None, "L3")

    assert list(differing(told, alone, (0, 1, 2))) == [0, 1, 2]
    assert list(differing(("T12", "L2", None), alone, (0, 1, 2))) == [0]


def test_names_left_out_as_unsure_are_not_said_to_be_given() -> None:
    own = Naming(LEVELS, (0.9,) * 5, (), False, None, ())
    left = Naming((None,) * 5, (0.0,) * 5, (), False, None, ())
    reading = {"source": "localizer", "file": "loc.nii", "names": ["T11", "T12", "L1", "L2", "L3"]}

    notice = compare(reading, own, left, bones())[1]

    assert notice is not None
    assert notice.text.endswith("; left without names, look at the preview")


def said(*names: str) -> np.ndarray:
    """What a source that calls the bones so is worth."""
    shares = np.array([[name == level for level in ALL] for name in names], dtype=float)
    return weigh(shares, bones()[: len(names)], np.full(len(ALL), 0.85))


def test_a_source_that_numbers_upwards_says_nothing() -> None:
    assert not said("L4", "L3", "L2", "L1", "T12").any()
    assert not said("L2", "L1").any()


def test_a_source_with_two_bones_swapped_or_of_one_name_still_speaks() -> None:
    for names in (("T12", "L2", "L1", "L3", "L4"), ("T12", "L1", "L1", "L2", "L3"), ("L5",)):
        found = said(*names)
        assert [ALL[n] for n in found.argmax(axis=1)] == list(names)
