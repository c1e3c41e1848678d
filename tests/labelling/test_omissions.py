"""What did not come through is told with the values of the mask."""

import numpy as np

from spinekit.anatomy.column import LEVELS
from spinekit.labelling.numbers import Given
from spinekit.labelling.omissions import tell_nameless, tell_off_column, tell_too_small


def given(numbers: np.ndarray) -> Given:
    return Given(
        numbers=numbers,
        tissue=(numbers > 0).astype(np.uint8),
        values={1: 110, 2: 120, 3: 130},
        names={1: "C1", 2: "C2", 3: "C3"},
        reliability=np.full(len(LEVELS), 0.9),
        file="mask.nii.gz",
    )


def test_names_that_nothing_bears_are_told() -> None:
    assert tell_nameless(("C1", "C2", "C3", None), ("C2", "C3", "C4", None)) == []
    (told,) = tell_nameless(("C1", "C2", "C3"), (None, "C2", None))
    assert told.code == "names-left-out"
    assert "without a name here: C1, C3;" in told.text


def test_values_that_became_nothing_are_told() -> None:
    mask = given(np.array([[[0, 1, 2, 2, 3]]], np.uint8))

    assert tell_too_small(mask, (3, 1, 2)) == []
    (told,) = tell_too_small(mask, (1, 3, 0))
    assert told.code == "values-left-out"
    assert told.text.endswith("120 (2 voxels)")


def test_pieces_are_told_from_half_a_cubic_centimetre() -> None:
    marked = np.zeros((20, 20, 60), bool)
    marked[:10, :10, :5] = marked[:, :, 50:] = True
    labels = np.zeros(marked.shape, np.uint8)

    assert tell_off_column(marked, (marked * 9).astype(np.uint8), 1.0) == []
    (told,) = tell_off_column(marked, labels, 1.0)
    assert (told.code, told.text[:26]) == ("voxels-left-out", "2 pieces of what is marked")
    assert "4.5 cm³" in told.text
    (told,) = tell_off_column(marked, labels, 0.9)
    assert "1 piece of what is marked, 3.6 cm³" in told.text
