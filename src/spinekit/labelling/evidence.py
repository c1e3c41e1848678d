"""What the network says about the level of each instance.

It knows probabilities on a coarse grid and instances on the fine one, and nothing of sequences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.scheme import LEVELS, PARTS

FLOOR = 1e-4
"""Least probability of a level in one cell: no single cell can rule a level out."""


def pool_levels(
    level_probs: NDArray[np.floating], level_stride: int, instances: Instances
) -> NDArray[np.float64]:
    """Pool the level head's cells over each instance.

    The logarithms are averaged, so an instance counts as one observation however many voxels it
    has (neighbouring voxels see the same image). Cells weigh with the square of the instance's
    share in them: a cell on the border of two vertebrae speaks of both.

    Args:
        level_probs: (27, I, A, B) probabilities of LEVELS per cell; cell (a, b) covers j from
            a times the stride and k from b times the stride.
        level_stride: voxels of j and k per cell.
        instances: the split column; for a vertebra only the body counts.

    Returns:
        (n, 27) distributions over LEVELS in the order of instances.items. Empty (0, 27) without
        items.
    """
    items = instances.items
    pooled = np.full((len(items), len(LEVELS)), 1.0 / len(LEVELS))
    code = item_codes(instances)
    where = np.nonzero(code)
    if len(where[0]) == 0:
        return pooled
    cells = level_probs.shape[1:]
    cell = np.ravel_multi_index(
        (
            np.minimum(where[0], cells[0] - 1),
            np.minimum(where[1] // level_stride, cells[1] - 1),
            np.minimum(where[2] // level_stride, cells[2] - 1),
        ),
        cells,
    )
    total_cells = int(np.prod(cells))
    keys = code[where].astype(np.int64) * total_cells + cell
    pairs, count = np.unique(keys, return_counts=True)
    owner, place = np.divmod(pairs, total_cells)
    logs = np.log(np.maximum(level_probs.reshape(len(LEVELS), -1)[:, place], FLOOR))
    weight = count.astype(np.float64) ** 2
    total = np.bincount(owner, weights=weight, minlength=len(items) + 1)
    for level in range(len(LEVELS)):
        summed = np.bincount(owner, weights=weight * logs[level], minlength=len(items) + 1)
        pooled[:, level] = (summed / np.maximum(total, 1e-9))[1:]
    pooled = np.exp(pooled - pooled.max(axis=1, keepdims=True))
    pooled[total[1:] == 0] = 1.0
    return pooled / pooled.sum(axis=1, keepdims=True)


def item_codes(instances: Instances) -> NDArray[np.uint8]:
    """Which item each voxel belongs to.

    Args:
        instances: the split column; of a vertebra only the body counts.

    Returns:
        (I, J, K) position in instances.items plus one, of bodies, discs and sacrum; 0 elsewhere.
    """
    body, disc = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
    sacrum = 0
    for n, item in enumerate(instances.items):
        if item.kind == "vertebra":
            body[item.index] = n + 1
        elif item.kind == "disc":
            disc[item.index] = n + 1
        else:
            sacrum = n + 1
    code = np.where(instances.parts == PARTS.index("body"), body[instances.vertebra_map], 0)
    code = np.where(instances.disc_map > 0, disc[instances.disc_map], code)
    code[instances.parts == PARTS.index("sacrum")] = sacrum
    return code.astype(np.uint8)
