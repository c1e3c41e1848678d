"""Margins of a scan above and below what was imaged, as resampling and registration leave them.

It knows arrays on grids; neither files nor anatomy.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.geometry import GeometryRecord
from spinekit.core.grid import Grid, closest_axes
from spinekit.core.resampling import axis_maps
from spinekit.core.volume import Volume

LEAST_MARGIN_MM = 3.0
"""A thinner margin is left: it is no room for anything."""


def trim_margins(volume: Volume) -> Volume:
    """The volume without outer layers along the axis closest to S in which all voxels are equal.

    A column ends where its image does. A margin would be room in which nothing was seen.

    Args:
        volume: (I, J, K) image in any orientation.

    Returns:
        A view of the layers that are left, two or more; the volume itself without margins.
    """
    axis = _up(volume.grid)
    layers = np.moveaxis(volume.array, axis, 0)
    least = LEAST_MARGIN_MM / volume.grid.spacing_mm[axis]
    first, last = (
        n if n >= least else 0 for n in (_count_blank(layers), _count_blank(layers[::-1]))
    )
    left = slice(first, len(layers) - last)
    if first + last == 0 or left.stop - left.start < 2:
        return volume
    shape = list(volume.shape)
    shape[axis] = left.stop - left.start
    affine = volume.grid.affine.copy()
    affine[:3, 3] += first * affine[:3, axis]
    array = volume.array[(slice(None),) * axis + (left,)]
    return Volume(array, Grid((shape[0], shape[1], shape[2]), affine))


def seen_layers(record: GeometryRecord) -> tuple[int, slice]:
    """Layers of the grid that results are restored onto which the working grid covers.

    Returns:
        The axis closest to S, and the layers along it; all of them where the axes of the grids are
        not parallel, since nothing is restored there beyond the working grid.
    """
    axis, size = _up(record.input_grid), 0
    size = record.input_grid.shape[axis]
    maps = axis_maps(record.working_grid, record.input_grid)
    if maps is None:
        return axis, slice(0, size)
    up = maps[2]
    at = up.offset + up.step * np.arange(up.target_size)
    seen = np.flatnonzero((at > -0.5 - 1e-3) & (at < up.source_size - 0.5 + 1e-3))
    return up.target_axis, slice(int(seen[0]), int(seen[-1]) + 1)


def _count_blank(layers: NDArray[Any]) -> int:
    """How many layers from the first on hold one value each."""
    blank = ((layer == layer.flat[0]).all() for layer in layers)
    return sum(1 for _ in itertools.takewhile(bool, blank))


def _up(grid: Grid) -> int:
    """The axis closest to S."""
    return [axis for axis, _ in closest_axes(grid.affine)].index(2)
