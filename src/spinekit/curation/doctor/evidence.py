"""What the checks of one case look at.

It carries what others found and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spinekit.curation.doctor.axes import AxisReading
from spinekit.curation.doctor.census import Structure
from spinekit.curation.doctor.column import Column
from spinekit.curation.doctor.findings import Finding
from spinekit.curation.doctor.specimen import Specimen


@dataclass(frozen=True)
class Evidence:
    """A case opened, the column its masks mark, and which way up it lies."""

    specimen: Specimen
    column: Column | None
    """None without any usable mask."""
    mask_axes: AxisReading | None
    """None where the masks tell nothing."""
    image_axes: AxisReading | None
    """None where the image tells nothing or was not asked."""

    def finding(
        self,
        code: str,
        text: str,
        *structures: Structure,
        spot: Sequence[float] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Finding:
        """A finding about structures of this case.

        Args:
            code: Of its kind.
            text: What was seen.
            *structures: What is concerned; the file named is the last one's mask.
            spot: (3,) voxel to look at.
            facts: Numbers for machines.
        """
        file = self.specimen.case.image.name
        if structures and self.column is not None:
            file = self.column.census.layers[structures[-1].layer].file
        return Finding(
            code,
            self.specimen.case.name,
            text,
            file,
            tuple(structure.name for structure in structures),
            None if spot is None else (float(spot[0]), float(spot[1]), float(spot[2])),
            facts or {},
        )
