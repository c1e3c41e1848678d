"""Whether marked bone holds arches: bone, a gap as wide as the canal, and bone again behind it.

It knows one mask of bone, and nothing of which voxels are whose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANAL_MM = 10.0
"""Least gap between a body and its arch, from front to back, mm."""
CROSS_SHARE = 0.12
"""Share of the lines from front to back through bone that cross such a gap: at most 0.07 in masks
of bodies (52 real ones and phantoms), at least 0.25 with arches (30 real ones, phantoms of necks
too), and 0.2 where one vertebra alone is marked. A neck most of whose arches are missing has less,
0.05 to 0.18 in what the embedded model finds of four."""


def has_arches(bone: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> bool:
    """Whether marked bone is more than bodies.

    Args:
        bone: (I, J, K); i to the right, j to the front, k upwards.
        spacing_mm: voxel size.

    Returns:
        False without bone.
    """
    i, k, j = np.nonzero(bone.transpose(0, 2, 1))
    if not len(j):
        return False
    line = i * bone.shape[2] + k
    is_gap = (np.diff(line) == 0) & ((np.diff(j) - 1) * spacing_mm[1] >= CANAL_MM)
    crossing = np.unique(line[1:][is_gap])
    return len(crossing) >= CROSS_SHARE * len(np.unique(line))
