"""A share of cases has the interval that its closed form gives."""

import math

import pytest

from shares import share_interval


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(3, 3, 0.4385, 1.0), (0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433)],
)
def test_share_of_cases_has_wilsons_interval(hits, of, low, high):
    """Values of the closed form with z = 1.96, rounded to four digits."""
    found = share_interval([n < hits for n in range(of)])
    assert found.mean == hits / of
    assert found.low == pytest.approx(low, abs=2e-4)
    assert found.high == pytest.approx(high, abs=2e-4)


def test_no_case_has_no_share():
    assert math.isnan(share_interval([]).mean)
