"""Size and place of every instance.

It knows the final maps and the straightened coordinates, and nothing of how voxels were assigned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import PARTIAL_BELOW_MM3, Instance, Kind

Floats = NDArray[np.float32]
SACRAL_CORE_MM = 20.0
"""Only this near the curve the sacrum is measured along it, mm."""
STRIP = float(np.sqrt(12.0))
"""Length of a uniform strip over its standard deviation."""


def measure_items(
    kind: Kind,
    number: NDArray[np.int64],
    voxels: NDArray[np.int64],
    straight: Floats,
    spacing_mm: tuple[float, float, float],
    depth: int,
) -> list[Instance]:
    """Describe the instances of one kind.

    Args:
        kind: what they are.
        number: (N,) instance 1..n of each voxel, 0 for none.
        voxels: (N, 3) their indices i, j, k in the scan.
        straight: (N, 3) their straightened coordinates.
        spacing_mm: voxel size.
        depth: number of layers K of the scan.

    Returns:
        One item per number that occurs, ascending. Empty for no voxels.
    """
    voxel_mm3 = float(np.prod(spacing_mm))
    items = []
    for index in np.unique(number[number > 0]):
        mine = number == index
        where, along = voxels[mine], straight[mine].astype(np.float64)
        volume = len(where) * voxel_mm3
        touches = bool(where[:, 2].min() == 0 or where[:, 2].max() == depth - 1)
        centre = along.mean(axis=0)
        front = np.abs(along[:, 2] - centre[2])
        size = along.std(axis=0) * STRIP
        core = along[front < 0.3 * max(size[2], 1.0)]
        if kind == "sacrum":
            # Far from the curve, which does not follow the sacrum, positions mean little.
            near = along[np.abs(along[:, 1:]).max(axis=1) < SACRAL_CORE_MM]
            core = near if len(near) else along
        items.append(
            Instance(
                kind=kind,
                index=int(index),
                centroid_ijk=tuple(float(c) for c in where.mean(axis=0)),  # type: ignore[arg-type]
                volume_mm3=volume,
                touches_edge=touches,
                partial=touches or volume < PARTIAL_BELOW_MM3,
                position_mm=float(centre[0]),
                top_mm=float(np.quantile(core[:, 0], 0.03)),
                bottom_mm=float(np.quantile(core[:, 0], 0.97)),
                height_mm=float(core[:, 0].std() * STRIP),
                depth_mm=float(size[2]),
                width_mm=float(size[1]),
            )
        )
    return items
