"""Every comparison of cases.

It knows their order only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from spinekit.curation.doctor.comparisons import balance, duplicates, expectations, outliers, splits
from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.findings import Finding

Comparison = Callable[[Sequence[Examination]], Iterable[Finding]]
"""A comparison gets all examinations of a set."""

COMPARISONS: tuple[Comparison, ...] = (
    duplicates.compare,
    splits.compare,
    expectations.compare,
    outliers.compare,
    balance.compare,
)
"""Run in this order once every case has been examined."""
