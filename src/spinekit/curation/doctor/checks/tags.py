"""One name on two structures, and two names in one.

It puts into words what the column tells of bodies and discs by their shape.
"""

from __future__ import annotations

from collections.abc import Iterator

from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding


def check(evidence: Evidence) -> Iterator[Finding]:
    """Report mixed names and names on two structures, for vertebrae and for discs."""
    column = evidence.column
    if column is None:
        return
    for mix in column.mixes:
        text = f"{mix.share:.0%} of what should be {mix.main.name} is named {mix.other.name}"
        spot = column.census.grid.ras_to_ijk(mix.centre_ras_mm)[0]
        yield evidence.finding("tags-mixed", text, mix.main, mix.other, spot=spot)
    for double in column.doubles:
        text = f"{double.structure.name} names two structures {double.apart_mm:.0f} mm apart"
        spot = double.second.centre_ijk
        yield evidence.finding("tag-on-two", text, double.structure, spot=spot)
