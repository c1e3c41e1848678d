"""Where bones and discs lie in the scanner's frame, and what another picture shows there.

It knows places in RAS+ mm and nothing of names or of how sure anything is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.labelling.evidence import item_codes

POINTS = 1500
"""Voxels of one item that are looked up elsewhere; more change a share by less than 2 %."""


def item_points(instances: Instances, grid: Grid) -> list[NDArray[np.float64]]:
    """Voxel centres of every item, of a vertebra those of its body.

    Args:
        instances: the split column.
        grid: where it lies.

    Returns:
        Per item (N, 3) places in RAS+ mm, at most POINTS of them, evenly picked. An item without
        voxels has (0, 3).
    """
    codes = item_codes(instances)
    where = np.argwhere(codes)
    owner = codes[where[:, 0], where[:, 1], where[:, 2]].astype(np.int64) - 1
    order = np.argsort(owner, kind="stable")
    size = np.bincount(owner, minlength=len(instances.items))
    points = []
    for last, count in zip(np.cumsum(size), size, strict=True):
        mine = order[last - count : last]
        points.append(grid.ijk_to_ras(where[mine[:: 1 + max(count - 1, 0) // POINTS]]))
    return points


def values_at(source: Volume, points_ras_mm: NDArray[np.float64]) -> NDArray[np.int64]:
    """What a map holds at places, 0 outside of it.

    Args:
        source: (I, J, K) integer map.
        points_ras_mm: (N, 3).

    Returns:
        (N,) values of the nearest voxels.
    """
    at = np.rint(source.grid.ras_to_ijk(points_ras_mm)).astype(np.int64)
    inside = ((at >= 0) & (at < np.array(source.shape))).all(axis=1)
    found = np.zeros(len(at), dtype=np.int64)
    i, j, k = at[inside].T
    found[inside] = source.array[i, j, k]
    return found
