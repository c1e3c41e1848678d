"""Published numbers and the densities made of them."""

import numpy as np
import pytest

from spinekit.anatomy.column import LEVELS, VARIANTS
from spinekit.labelling.priors import (
    DEPTH_MM,
    DISC_MM,
    HEIGHT_MM,
    PITCH_MM,
    SIZE_MM,
    VARIANT_PRIOR,
)


def test_every_variant_has_a_probability_and_they_sum_to_one():
    assert set(VARIANT_PRIOR) == {(v.thoracic, v.lumbar) for v in VARIANTS}
    assert sum(VARIANT_PRIOR.values()) == pytest.approx(1.0)


def test_presacral_counts_are_the_published_ones():
    def share(total):
        return sum(p for (t, n), p in VARIANT_PRIOR.items() if 7 + t + n == total)

    assert share(25) == pytest.approx((18 + 4) / 418, abs=0.005)
    assert share(23) == pytest.approx((14 + 8) / 418, abs=0.005)


@pytest.mark.parametrize("table", [HEIGHT_MM, DEPTH_MM, DISC_MM])
def test_sizes_cover_every_vertebra(table):
    assert tuple(table) == LEVELS[:-1]


def test_neighbours_lie_further_apart_down_the_column():
    bones = np.arange(LEVELS.index("T2"), LEVELS.index("L3"))
    assert (np.diff(PITCH_MM[bones, bones + 1]) > 0).all()
    assert (PITCH_MM[bones, bones + 1] > SIZE_MM["height"][bones]).all()
