"""The slices a network sees together."""

import numpy as np
import pytest

from spinekit.core.slices import neighbour_slices


def test_neighbours_lie_as_far_as_asked_and_repeat_at_the_ends():
    near = neighbour_slices(20, slice_mm=1.0, neighbour_mm=4.0, context=3)
    assert near.shape == (20, 3)
    assert near[10].tolist() == [6, 10, 14]
    assert near[0].tolist() == [0, 0, 4]
    assert near[19].tolist() == [15, 19, 19]


@pytest.mark.parametrize("context", [1, 3, 5])
@pytest.mark.parametrize(("slice_mm", "step"), [(1.3, 3), (3.3, 1), (4.0, 1), (9.0, 1)])
def test_a_slice_is_in_the_middle_of_whole_steps(context, slice_mm, step):
    near = neighbour_slices(41, slice_mm=slice_mm, neighbour_mm=4.0, context=context)
    np.testing.assert_array_equal(near[:, context // 2], np.arange(41))
    assert (np.diff(near[20]) == step).all()


def test_a_single_slice_is_its_own_neighbour():
    assert neighbour_slices(1, slice_mm=4.0, neighbour_mm=4.0, context=3).tolist() == [[0, 0, 0]]
