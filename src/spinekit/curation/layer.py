"""One mask in memory, with what its values mean.

It knows neither how masks were read nor how they go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spinekit.core.volume import Volume
from spinekit.datasets.case import MaskFile

_MOST_POINTS = 255
"""Voxels of a mask of points: one for each value of 8 bits."""


@dataclass(frozen=True)
class Layer:
    """One mask in memory."""

    mask: MaskFile
    volume: Volume
    """(I, J, K) whole numbers."""
    names: Mapping[int, str]
    """What its values mean; guessed, for the doctor alone, where the set does not say."""

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.mask.path.name

    @property
    def is_points(self) -> bool:
        """Whether it numbers places and outlines nothing: so it is said, or all are one voxel."""
        if self.mask.points or self.mask.binary:
            return self.mask.points
        if np.count_nonzero(self.volume.array) > _MOST_POINTS:
            return False
        values, voxels = np.unique(self.volume.array, return_counts=True)
        return bool(values.size > 2 and (voxels[values != 0] == 1).all())
