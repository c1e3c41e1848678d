"""Which bones a scan's edge cut, by the mask's edge or by their size."""

import numpy as np
import pytest

from spinekit.instances.parting import find_cut


def stack(heights: list[int], margin: int = 2) -> np.ndarray:
    """Bones 1.. from the top, 100 voxels a layer, as many layers as given."""
    layers = [np.full(height, n, np.uint8) for n, height in enumerate(heights, start=1)]
    column = np.pad(np.concatenate(layers)[::-1], margin)
    return np.broadcast_to(column, (10, 10, len(column)))


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ([20, 20, 20], {}),
        ([4, 20, 20, 20], {1: -1}),
        ([20, 20, 20, 4], {4: 1}),
        ([1, 4, 20, 20, 20, 3], {1: -1, 2: -1, 6: 1}),
        ([9, 28, 20, 21], {}),
        ([20, 20, 4, 20, 20], {}),
        ([4, 20], {}),
        ([20], {}),
        ([], {}),
    ],
    ids=["whole", "first", "last", "more", "C1", "inside", "two", "one", "none"],
)
def test_what_is_far_smaller_at_an_end_is_cut(heights: list[int], expected: dict) -> None:
    assert find_cut(stack([*heights] or [0])) == expected


def test_what_reaches_the_edge_of_the_mask_is_cut_whatever_its_size() -> None:
    assert find_cut(stack([20, 20, 20], margin=0)) == {1: -1, 3: 1}
    assert find_cut(stack([20], margin=0)) == {1: 0}
