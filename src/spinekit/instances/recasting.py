"""A sacrum made a vertebra, once it is known that it is one of which the edge leaves a part.

It moves voxels from one kind to another; how that came to be known it does not know.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from spinekit.anatomy.items import Instances
from spinekit.anatomy.parts import BODY, SACRUM


def recast_sacrum(instances: Instances, cut: Collection[int]) -> Instances:
    """The column with what was found as a sacrum as its last vertebra.

    Args:
        instances: the split column.
        cut: the place of the sacrum in `instances.items`; none for no change.

    Returns:
        The same items in the same order; all that was sacrum is body.
    """
    if not cut:
        return instances
    number = 1 + sum(item.kind == "vertebra" for item in instances.items)
    is_sacral = instances.parts == SACRUM
    items = [
        replace(item, kind="vertebra", index=number, partial=True) if n in cut else item
        for n, item in enumerate(instances.items)
    ]
    return replace(
        instances,
        parts=np.where(is_sacral, np.uint8(BODY), instances.parts),
        vertebra_map=np.where(is_sacral, np.uint8(number), instances.vertebra_map),
        items=tuple(items),
    )
