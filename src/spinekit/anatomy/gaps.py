"""Nameless vertebrae of a label map by their place between named ones.

It knows values and their voxels; of names only their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def fill_gaps(
    label_map: NDArray[np.integer],
    bones: Mapping[str, int],
    nameless: Sequence[int],
    chain: Sequence[str],
) -> dict[str, int]:
    """Give nameless bones the names that are missing where just as many lie.

    Args:
        label_map: (I, J, K) values in any orientation.
        bones: Level → value of those that are named, from the top.
        nameless: Values of the others, all of them in the map.
        chain: All levels of the column, from the top.

    Returns:
        Level → value of those that could be placed between two named ones.
    """
    if not nameless or len(bones) < 2:
        return {}
    boxes = ndimage.find_objects(label_map)
    middles = {
        value: np.mean(np.nonzero(label_map[boxes[value - 1]] == value), axis=1)
        + [side.start for side in boxes[value - 1]]
        for value in (*bones.values(), *nameless)
    }
    found: dict[str, int] = {}
    for upper, lower in pairwise(bones):
        missing = chain[chain.index(upper) + 1 : chain.index(lower)]
        start, way = middles[bones[upper]], middles[bones[lower]] - middles[bones[upper]]
        along = sorted(((middles[value] - start) @ way, value) for value in nameless)
        between = [value for share, value in along if 0 < share < way @ way]
        if len(between) == len(missing):
            found.update(zip(missing, between, strict=True))
    return found
