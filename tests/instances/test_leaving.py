"""A column that leaves the scan at its side and comes back is one column."""

import numpy as np
import pytest

from instances.toys import BODY, Toy, draw, overlap, probabilities
from spinekit.instances import split_instances


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("bend", "slices"), [(30.0, 5), (35.0, 7), (40.0, 9)])
def test_a_scoliosis_that_leaves_the_slab_at_its_side_comes_back_whole(bend, slices, side):
    """Three or four vertebrae lie beside the scan, too many for the continued curve alone."""
    toy = Toy(bend=bend, slices=slices, count=8, height=24, disc=6, width=36, depth=30)
    parts, truth = (array[::side] for array in draw(toy))
    body = parts == BODY
    seen = [n for n in range(1, 9) if (body & (truth == n)).sum() * 4 > 1500]
    assert {1, 2, 8} <= set(seen)
    assert not (body & (truth == 5)).any()
    result = split_instances(probabilities(parts), toy.spacing)
    assert result.items[-1].kind == "sacrum"
    for n in seen:
        index = np.bincount(result.vertebra_map[body & (truth == n)]).argmax()
        assert index > 0
        assert overlap((result.vertebra_map == index) & body, (truth == n) & body) > 0.9


def test_what_lies_far_below_a_column_that_stays_in_the_slab_is_not_led_to():
    toy = Toy(sacrum=False)
    parts, _ = draw(toy)
    wide = np.pad(parts, [(0, 0), (0, 0), (120, 0)])
    wide[2:6, 70:90, 10:40] = BODY
    result = split_instances(probabilities(wide), toy.spacing)
    alone = split_instances(probabilities(parts), toy.spacing)
    assert not result.parts[:, :, :60].any()
    assert np.array_equal(result.vertebra_map[:, :, 120:], alone.vertebra_map)
