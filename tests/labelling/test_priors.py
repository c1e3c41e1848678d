"""Published numbers and the densities made of them."""

import numpy as np
import pytest

from spinekit.anatomy.column import LEVELS, VARIANTS
from spinekit.labelling.priors import (
    DEPTH_MM,
    DISC_MM,
    HEIGHT_MM,
    ROUNDED,
    SCALE_PRIOR,
    VARIANT_PRIOR,
    size_log_likelihood,
)


def test_every_variant_has_a_probability_and_they_sum_to_one():
    assert set(VARIANT_PRIOR) == {(v.thoracic, v.lumbar) for v in VARIANTS}
    assert sum(VARIANT_PRIOR.values()) == pytest.approx(1.0)
    assert SCALE_PRIOR.sum() == pytest.approx(1.0)


def test_presacral_counts_are_the_published_ones():
    def share(total):
        return sum(p for (t, n), p in VARIANT_PRIOR.items() if 7 + t + n == total)

    assert share(25) == pytest.approx((18 + 4) / 418, abs=0.005)
    assert share(23) == pytest.approx((14 + 8) / 418, abs=0.005)


@pytest.mark.parametrize("table", [HEIGHT_MM, DEPTH_MM, DISC_MM])
def test_sizes_cover_every_vertebra(table):
    assert tuple(table) == LEVELS[:-1]


def test_sizes_of_a_level_fit_it_best_at_mean_scale():
    for level in ("C5", "T6", "L3"):
        at = LEVELS.index(level)
        pitch = HEIGHT_MM[level] + DISC_MM[level]
        depth = ROUNDED * DEPTH_MM[level]
        scores = size_log_likelihood(HEIGHT_MM[level], depth, pitch)[2, :-1]
        assert scores[at] > scores.max() - 0.3
        assert scores[at] > scores[np.abs(np.arange(26) - at) > 6].max() + 1.0


def test_unknown_sizes_say_nothing_and_wild_ones_are_capped():
    assert not size_log_likelihood(None, None, None).any()
    wild = size_log_likelihood(500.0, 500.0, 500.0)
    assert np.ptp(wild) == pytest.approx(0.0)


def test_what_is_left_of_a_cut_body_speaks_against_smaller_levels_alone():
    little = size_log_likelihood(6.0, 8.0, None, cut=True)[2, :-1]
    assert not little.any()
    tall = size_log_likelihood(26.0, 30.0, None, cut=True)[2]
    assert tall[LEVELS.index("C5")] < -5.0
    assert tall[LEVELS.index("L3")] == pytest.approx(0.0)


def test_a_body_far_too_tall_is_no_other_level_but_one_with_a_dens_may_be():
    tall = size_log_likelihood(32.0, 14.0, 18.0)[2, :-1]
    assert LEVELS[int(tall.argmax())] == "C2"
    assert tall[LEVELS.index("C2")] > tall[LEVELS.index("C3")] + 5.0
