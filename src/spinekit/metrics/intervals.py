"""Confidence intervals of a mean over scans, by resampling subjects.

Knows numbers and who they belong to, not what they measure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

REPEATS = 2000  # resamplings; the interval's ends are then stable to about a fiftieth of its width


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its bootstrap interval; all nan when there was nothing to average.

    Attributes:
        mean: mean over all finite values.
        low: lower end; nan for fewer than two subjects.
        high: upper end; nan for fewer than two subjects.
    """

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: Sequence[float],
    subjects: Sequence[str],
    *,
    level: float = 0.95,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over subjects of the mean of `values`.

    Subjects are drawn with replacement, each with all its values (Davison and Hinkley, Bootstrap
    Methods and their Application, 1997, sections 3.8 and 5.3.1). The same numbers give the same
    interval, whatever order they come in.

    Args:
        values: (N,) one value per scan or per instance; values that are not finite are left out.
        subjects: (N,) whom each value belongs to.
        level: share of the resampled means inside the interval, 0…1.
        repeats: number of resamplings.
        seed: of the random draws.

    Returns:
        Mean and interval; for no finite value all nan, for one subject an interval of nan.

    Raises:
        ValueError: the two sequences differ in length.
    """
    pairs = [(s, v) for v, s in zip(values, subjects, strict=True) if np.isfinite(v)]
    if not pairs:
        return Interval(float("nan"), float("nan"), float("nan"))
    names = sorted({subject for subject, _ in pairs})
    sums = np.array([sum(v for s, v in sorted(pairs) if s == name) for name in names])
    counts = np.array([sum(s == name for s, _ in pairs) for name in names])
    mean = float(sums.sum() / counts.sum())
    if len(names) < 2:
        return Interval(mean, float("nan"), float("nan"))
    drawn = np.random.default_rng(seed).integers(0, len(names), size=(repeats, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(mean, float(low), float(high))
