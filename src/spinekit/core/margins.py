"""What of a scan holds no image, as resampling and registration leave it: margins and fill.

Margins are whole layers above and below the image, fill lies in its corners where it was turned.
It knows arrays on grids; neither files nor anatomy.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.grid import Grid, closest_axes
from spinekit.core.intensity import HIGH_PERCENTILE, LOW_PERCENTILE, robust_range
from spinekit.core.resampling import resample_nearest
from spinekit.core.volume import Volume

LEAST_MARGIN_MM = 3.0
"""Thinner margins and fill are left: no room for anything. Nor is a thinner image cut out."""
LEAST_FILL_MM = 8.0
"""Fill is so deep along S: some scanners leave a few black layers with vague edges."""
RIM_VOXELS = 5
"""How far into fill the network's word counts while instances are told apart."""
MOST_MARKS_MM = 10.0
"""Height of the marks in a margin, such as a line of text."""
BLANK_RANGE = 0.01
"""Values of a margin span at most this share of what the scan's values span."""
_EDGE = 0.5 + 1e-3
"""How far beyond the outermost centres a voxel's own centre may lie and be in the scan."""
_HALF = 0.5 - 1e-3
"""A voxel's centre lies in a layer if it is nearer than this to the layer's, in layers."""


@dataclass(frozen=True, slots=True)
class Imaged:
    """Layers of a grid, along the axis closest to S, that hold image, but for fill."""

    grid: Grid
    axis: int
    layers: slice
    fill: NDArray[np.bool_] | None = dataclasses.field(default=None, compare=False)
    """(I, J, K) where the grid was filled in around the image; None for nowhere."""

    @property
    def has_margins(self) -> bool:
        """Whether some layers hold no image."""
        return self.layers != slice(0, self.grid.shape[self.axis])

    @property
    def is_all(self) -> bool:
        """Whether there is neither margin nor fill, and no upright grid reaches beyond the scan."""
        return not self.has_margins and self.fill is None and not self.grid.is_sheared

    def blank_in(self, grid: Grid) -> NDArray[np.bool_]:
        """Where voxels of a grid hold no image: a mask that broadcasts to its shape."""
        fill = self.fill_in(grid)
        return self._margins_in(grid) if fill is None else self._margins_in(grid) | fill

    def fill_in(self, grid: Grid) -> NDArray[np.bool_] | None:
        """(I, J, K) where voxels of a grid lie in fill; None for nowhere.

        So does what an upright grid holds beyond the sides and ends of a sheared scan.
        """
        return self._beyond(grid, (0, 1, 2))

    def ends_in(self, grid: Grid) -> NDArray[np.bool_] | None:
        """The same but for the sides: they cut no bone from above or below, however they slant."""
        return self._beyond(grid, (self.axis,))

    def _beyond(self, grid: Grid, axes: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """(I, J, K) fill, and of a sheared scan what lies beyond its image along some axes."""
        fill = None if self.fill is None else resample_nearest(self.fill, self.grid, grid)
        if not self.grid.is_sheared:
            return fill
        # Moved voxels may be a view of the fill itself.
        beyond = np.zeros(grid.shape, bool) if fill is None else fill.copy()
        for axis in axes:
            image = self.layers if axis == self.axis else slice(0, self.grid.shape[axis])
            at = self._places(grid, axis)
            beyond |= (at < image.start - _EDGE) | (at > image.stop - 1 + _EDGE)
        return beyond

    def _margins_in(self, grid: Grid) -> NDArray[np.bool_]:
        """Where voxels of a grid lie in the margins: a mask that broadcasts to its shape."""
        at = self._places(grid, self.axis)
        below, above = self.layers.start - 1 + _HALF, self.layers.stop - _HALF
        return np.asarray((at <= below) | (at >= above)) & self.has_margins

    def _places(self, grid: Grid, axis: int) -> NDArray[np.float64]:
        """Where voxels of a grid lie along an axis of this one; broadcasts to its shape."""
        row = np.linalg.solve(self.grid.affine, grid.affine)[axis]
        at = np.full((1, 1, 1), row[3])
        for other, size in enumerate(grid.shape):
            if abs(row[other]) * size > 1e-3:
                shape = [size if n == other else 1 for n in range(3)]
                at = at + row[other] * np.arange(size).reshape(shape)
        return at

    def seen_in(self, grid: Grid) -> slice:
        """Layers of a grid, along its axis closest to S, that hold image; all if none does."""
        up, size = _up(grid), grid.shape[_up(grid)]
        others = tuple(axis for axis in range(3) if axis != up)
        seen = np.broadcast_to(~self._margins_in(grid).all(axis=others), size)
        at = np.flatnonzero(seen)
        return slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, size)


def find_imaged(volume: Volume) -> Imaged:
    """What lies between the margins at both ends, and outside of fill.

    A column ends where its image does. A margin would be room in which nothing was seen. Its
    layers are of one value, give or take a hundredth of the scan's range; marks on fewer voxels
    than normalisation cuts off, such as a line of text, may lie between such layers.

    Args:
        volume: (I, J, K) image in any orientation.
    """
    axis = _up(volume.grid)
    layers = np.moveaxis(volume.array, axis, 0)
    thick = volume.grid.spacing_mm[axis]
    low, high = robust_range(volume.array)
    most = BLANK_RANGE * (high - low)
    marks = math.ceil(MOST_MARKS_MM / thick)
    ends = (_count_blank(layers, most, marks), _count_blank(layers[::-1], most, marks))
    first, last = (n if n * thick >= LEAST_MARGIN_MM else 0 for n in ends)
    if (len(layers) - first - last) * thick < LEAST_MARGIN_MM:
        return Imaged(volume.grid, axis, slice(0, len(layers)))
    return Imaged(volume.grid, axis, slice(first, len(layers) - last), _find_fill(volume))


def trim_margins(volume: Volume, imaged: Imaged) -> Volume:
    """The imaged layers alone, a view; the volume itself without margins."""
    if not imaged.has_margins:
        return volume
    axis, left = imaged.axis, imaged.layers
    array = volume.array[(slice(None),) * axis + (left,)]
    affine = volume.grid.affine.copy()
    affine[:3, 3] += left.start * affine[:3, axis]
    i, j, k = array.shape
    return Volume(array, Grid((i, j, k), affine))


def clear_fill(
    probs: NDArray[np.floating],
    fill: NDArray[np.bool_] | None,
    ends: NDArray[np.bool_] | None = None,
) -> None:
    """Make probabilities those of background in fill, but for its rim, in place.

    What ends at a mask drawn close around the spine is told apart by what lies in the rim.

    Args:
        probs: (C, I, J, K), background first.
        fill: (I, J, K) where it lies; None for nowhere.
        ends: (I, J, K) the part of it that has a rim, all by default: what the sides of a sheared
            scan cut off would widen whole bones.
    """
    if fill is not None:
        sure = ndimage.binary_erosion(fill, np.ones((1, 2 * RIM_VOXELS + 1, 1)), border_value=1)
        sure = ndimage.binary_erosion(sure, np.ones((1, 1, 2 * RIM_VOXELS + 1)), border_value=1)
        if ends is not None:
            sure |= fill & ~ends
        probs[:, sure] = 0
        probs[0, sure] = 1


def _count_blank(layers: NDArray[Any], most: float, marks: int) -> int:
    """How many layers from the first on are margin, whose values span at most so much.

    Of layers with marks on a few voxels, so many in a row may lie between blank ones.
    """
    count = 0
    for n, layer in enumerate(layers):
        if np.ptp(layer) <= most:
            count = n + 1
            continue
        is_image = np.ptp(np.percentile(layer, (LOW_PERCENTILE, HIGH_PERCENTILE))) > most
        if is_image or n >= count + marks:
            break
    return count


def _find_fill(volume: Volume) -> NDArray[np.bool_] | None:
    """Where the lowest value fills the corners of sagittal slices.

    Whatever lies between a voxel and one corner of its slice is fill with it: that is all there is
    around an image with straight edges, and little of the air that a scanner sets to 0.
    """
    axes = [axis for axis, _ in closest_axes(volume.grid.affine)]
    lowest = np.moveaxis(volume.array, np.argsort(axes), (0, 1, 2)) == volume.array.min()
    if not lowest[:, :: max(1, lowest.shape[1] - 1), :: max(1, lowest.shape[2] - 1)].any():
        return None
    fill = np.zeros_like(lowest)
    for corner in itertools.product((slice(None), slice(None, None, -1)), repeat=2):
        seen = np.logical_and.accumulate(lowest[:, *corner], axis=1)
        fill[:, *corner] |= np.logical_and.accumulate(seen, axis=2)
    front_mm, up_mm = (volume.grid.spacing_mm[axes.index(n)] for n in (1, 2))
    box = (1, math.ceil(LEAST_MARGIN_MM / front_mm), math.ceil(LEAST_FILL_MM / up_mm))
    for size in ((1, box[1], 1), (1, 1, box[2])):
        fill = ndimage.binary_erosion(fill, np.ones(size))
    for size in ((1, box[1], 1), (1, 1, box[2])):
        fill = ndimage.binary_dilation(fill, np.ones(size))
    return np.moveaxis(fill, (0, 1, 2), np.argsort(axes)) if fill.any() else None


def _up(grid: Grid) -> int:
    """The axis closest to S."""
    return [axis for axis, _ in closest_axes(grid.affine)].index(2)
