"""Instances of a part of a grid, on all of it.

It knows layers and maps, and nothing of how instances were told apart.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from spinekit.anatomy.items import Instances


def place_instances(instances: Instances, layers: slice, depth: int) -> Instances:
    """Instances that were told apart in some layers of a grid, on all of it.

    Args:
        instances: In those layers alone.
        layers: Which they are, along k.
        depth: Number of layers of the whole grid.

    Returns:
        The same; what an edge of the layers cuts stays cut.
    """
    around = ((0, 0), (0, 0), (layers.start, depth - layers.stop))
    items = []
    for item in instances.items:
        i, j, k = item.centroid_ijk
        items.append(dataclasses.replace(item, centroid_ijk=(i, j, k + layers.start)))
    maps = (instances.parts, instances.vertebra_map, instances.disc_map)
    parts, vertebrae, discs = (np.pad(one, around) for one in maps)
    return dataclasses.replace(
        instances, parts=parts, vertebra_map=vertebrae, disc_map=discs, items=tuple(items)
    )
