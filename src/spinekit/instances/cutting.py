"""Bones and discs that end where the image does, though the scan's grid goes on.

It knows maps and a mask of what was not imaged, and not how that came about.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.parts import BODY, SACRUM

REACH_VOXELS = 2
"""What ends so near to fill ends there: the image is dim in the last voxel before it."""


def mark_cut(instances: Instances, fill: NDArray[np.bool_] | None) -> Instances:
    """The same, with what lies right below or above fill cut there.

    Posterior elements do not count: they lie beside fill behind a whole body.

    Args:
        instances: What was told apart.
        fill: (I, J, K) where the grid holds no image, k upwards; None for nowhere.
    """
    if fill is None or not fill.any():
        return instances
    near = np.zeros_like(fill)
    for reach in range(1, REACH_VOXELS + 1):
        near[:, :, reach:] |= fill[:, :, :-reach]
        near[:, :, :-reach] |= fill[:, :, reach:]
    parts = instances.parts[near]
    cut = {
        "vertebra": set(instances.vertebra_map[near][parts == BODY].tolist()),
        "disc": set(instances.disc_map[near].tolist()),
        "sacrum": {1} if (parts == SACRUM).any() else set(),
    }
    items = (
        dataclasses.replace(item, touches_edge=True, partial=True)
        if item.index in cut[item.kind]
        else item
        for item in instances.items
    )
    return dataclasses.replace(instances, items=tuple(items))
