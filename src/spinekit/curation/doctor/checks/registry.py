"""Every check of one case.

It knows their order only; the table of a report follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from spinekit.curation.doctor.checks import (
    alignment,
    axes,
    brightness,
    header,
    order,
    shape,
    tags,
    values,
)
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding

Check = Callable[[Evidence], Iterable[Finding]]
"""What looks at one case; it is only asked about what could be read."""

CHECKS: tuple[Check, ...] = (
    header.check,
    brightness.check,
    values.check,
    order.check,
    tags.check,
    shape.check,
    axes.check,
    alignment.check,
)
"""Run in this order; what a file could not be read for is said before."""
