import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinekit.metrics.intervals import bootstrap_interval

SCORES = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from("abcde")), min_size=2, max_size=12
).filter(lambda pairs: len({s for _, s in pairs}) > 1)


@given(SCORES)
def test_interval_lies_within_the_values(pairs):
    values, subjects = zip(*pairs, strict=True)
    interval = bootstrap_interval(values, subjects, repeats=200)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.mean == pytest.approx(np.mean(values))


@given(SCORES)
def test_order_does_not_matter(pairs):
    forth = bootstrap_interval(*zip(*pairs, strict=True), repeats=50)
    back = bootstrap_interval(*zip(*reversed(pairs), strict=True), repeats=50)
    assert forth == back


def test_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    subjects = [str(n) for n in range(40)]
    hits = 0
    for seed in range(200):
        interval = bootstrap_interval(
            rng.normal(0.8, 0.1, 40).tolist(), subjects, repeats=400, seed=seed
        )
        hits += interval.low <= 0.8 <= interval.high
    assert 180 <= hits <= 199


def test_many_scans_of_one_subject_do_not_narrow_the_interval():
    values, subjects = [0.5, 0.9, 0.7, 0.8], ["a", "b", "c", "d"]
    once = bootstrap_interval(values, subjects)
    often = bootstrap_interval(values * 10, subjects * 10)
    assert often.high - often.low == pytest.approx(once.high - once.low)
    alone = bootstrap_interval(values * 10, [str(n) for n in range(40)])
    assert alone.high - alone.low < 0.5 * (once.high - once.low)


def test_values_that_are_not_finite_are_left_out():
    assert bootstrap_interval([0.5, math.nan, 0.7], ["a", "b", "c"]).mean == pytest.approx(0.6)


def test_one_subject_has_a_mean_without_an_interval():
    interval = bootstrap_interval([0.5, 0.7], ["a", "a"])
    assert interval.mean == pytest.approx(0.6)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_nothing_has_no_mean():
    assert math.isnan(bootstrap_interval([], []).mean)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="shorter"):
        bootstrap_interval([1.0, 2.0], ["a"])
