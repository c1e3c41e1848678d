"""Margins of a scan above and below what was imaged, as resampling and registration leave them.

It knows arrays on grids; neither files nor anatomy.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.grid import Grid, closest_axes
from spinekit.core.volume import Volume

LEAST_MARGIN_MM = 3.0
"""A thinner margin is left: it is no room for anything. Nor is a thinner image cut out."""
_HALF = 0.5 - 1e-3
"""A voxel's centre lies in a layer if it is nearer than this to the layer's, in layers."""


@dataclass(frozen=True, slots=True)
class Imaged:
    """Layers of a grid, along the axis closest to S, that hold image."""

    grid: Grid
    axis: int
    layers: slice

    @property
    def is_all(self) -> bool:
        """Whether there is no margin."""
        return self.layers == slice(0, self.grid.shape[self.axis])

    def blank_in(self, grid: Grid) -> NDArray[np.bool_]:
        """Where voxels of a grid lie in the margins: a mask that broadcasts to its shape."""
        row = np.linalg.solve(self.grid.affine, grid.affine)[self.axis]
        at = np.full((1, 1, 1), row[3])
        for axis, size in enumerate(grid.shape):
            if abs(row[axis]) * size > 1e-3:
                shape = [size if other == axis else 1 for other in range(3)]
                at = at + row[axis] * np.arange(size).reshape(shape)
        below, above = self.layers.start - 1 + _HALF, self.layers.stop - _HALF
        return np.asarray((at <= below) | (at >= above)) & (not self.is_all)

    def seen_in(self, grid: Grid) -> slice:
        """Layers of a grid, along its axis closest to S, that hold image; all if none does."""
        up, size = _up(grid), grid.shape[_up(grid)]
        others = tuple(axis for axis in range(3) if axis != up)
        seen = np.broadcast_to(~self.blank_in(grid).all(axis=others), size)
        at = np.flatnonzero(seen)
        return slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, size)


def find_imaged(volume: Volume) -> Imaged:
    """The layers between those, at both ends, in which all voxels are equal.

    A column ends where its image does. A margin would be room in which nothing was seen.

    Args:
        volume: (I, J, K) image in any orientation.
    """
    axis = _up(volume.grid)
    layers = np.moveaxis(volume.array, axis, 0)
    thick = volume.grid.spacing_mm[axis]
    ends = (_count_blank(layers), _count_blank(layers[::-1]))
    first, last = (n if n * thick >= LEAST_MARGIN_MM else 0 for n in ends)
    if (len(layers) - first - last) * thick < LEAST_MARGIN_MM:
        first, last = 0, 0
    return Imaged(volume.grid, axis, slice(first, len(layers) - last))


def trim_margins(volume: Volume, imaged: Imaged) -> Volume:
    """The imaged layers alone, a view; the volume itself without margins."""
    if imaged.is_all:
        return volume
    axis, left = imaged.axis, imaged.layers
    array = volume.array[(slice(None),) * axis + (left,)]
    affine = volume.grid.affine.copy()
    affine[:3, 3] += left.start * affine[:3, axis]
    i, j, k = array.shape
    return Volume(array, Grid((i, j, k), affine))


def _count_blank(layers: NDArray[Any]) -> int:
    """How many layers from the first on hold one value each."""
    blank = ((layer == layer.flat[0]).all() for layer in layers)
    return sum(1 for _ in itertools.takewhile(bool, blank))


def _up(grid: Grid) -> int:
    """The axis closest to S."""
    return [axis for axis, _ in closest_axes(grid.affine)].index(2)
