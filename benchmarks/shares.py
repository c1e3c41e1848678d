"""The share of cases that come out right, and how sure it is.

It knows which cases are hits, not what a hit is.
"""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binomtest

from spinekit.metrics.intervals import Interval


def share_interval(hits: Sequence[bool], *, level: float = 0.95) -> Interval:
    """Share of cases and its interval after Wilson (1927), which also holds for none and for all.

    Args:
        hits: (N,) whether each of N independent cases is a hit.
        level: confidence, 0…1.

    Returns:
        Share and interval, all nan without a case.
    """
    if not len(hits):
        return Interval(float("nan"), float("nan"), float("nan"))
    test = binomtest(int(sum(hits)), len(hits))
    found = test.proportion_ci(confidence_level=level, method="wilson")
    return Interval(float(test.statistic), float(found.low), float(found.high))
