"""Resampling between two grids: separable gathers, with a general affine path for shear.

Knows neither which grid is the scan's nor what the values mean.

Positions outside the source are clamped to its outer voxels where the two grids share their
axes; where they do not (shear), images continue with their minimum and labels with 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.errors import GeometryError
from spinekit.core.grid import Grid

_SNAP_DECIMALS = 5
"""Positions in voxels are rounded to these decimals, so that equal grids resample exactly."""
_ANTIALIAS_FROM = 1.3
"""Down-sampling by more than this factor averages over the area of the target voxel."""


@dataclass(frozen=True, slots=True)
class AxisMap:
    """How one axis of the source is sampled by one axis of the target."""

    target_axis: int
    """Axis of the target that runs along this axis of the source."""
    flipped: bool
    """Whether they run in opposite directions."""
    step: float
    """Target spacing in source voxels, > 0."""
    offset: float
    """Position of target voxel 0 in source voxels, after the source has been flipped."""
    source_size: int
    target_size: int

    @property
    def block(self) -> slice | None:
        """The run of source voxels that are the target's, None where it must interpolate."""
        start = int(self.offset)
        fits = start >= 0 and start + self.target_size <= self.source_size
        if self.step != 1 or self.offset != start or not fits:
            return None
        return slice(start, start + self.target_size)

    @property
    def positions(self) -> NDArray[np.float64]:
        """(target_size,) positions in source voxels, clamped to the source."""
        raw = self.offset + self.step * np.arange(self.target_size)
        return np.clip(np.round(raw, _SNAP_DECIMALS), 0, self.source_size - 1)

    def nearest(self) -> NDArray[np.intp]:
        """(target_size,) index of the nearest source voxel; halves go up."""
        return np.floor(self.positions + 0.5).astype(np.intp)

    def taps(self, *, antialias: bool) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Indices and weights (T, target_size) of linear interpolation or area averaging."""
        if antialias and self.step > _ANTIALIAS_FROM:
            return self._area_taps()
        positions = self.positions
        low = np.minimum(np.floor(positions).astype(np.intp), max(self.source_size - 2, 0))
        high = np.minimum(low + 1, self.source_size - 1)
        fraction = (positions - low).astype(np.float32)
        return np.stack([low, high]), np.stack([1 - fraction, fraction])

    def _area_taps(self) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Weights in proportion to the overlap of source voxels with the target voxel."""
        centre = self.offset + self.step * np.arange(self.target_size)
        first = np.floor(np.maximum(centre - self.step / 2, -0.5) + 0.5)
        count = min(math.ceil(self.step), self.source_size) + 1
        index = first + np.arange(count)[:, None]
        upper = np.minimum(index + 0.5, centre + self.step / 2)
        lower = np.maximum(index - 0.5, centre - self.step / 2)
        overlap = np.maximum(upper - lower, 0)
        inside = (index >= 0) & (index < self.source_size)
        overlap = np.where(inside, overlap, 0)
        # A target voxel wholly outside takes the nearest source voxel.
        outside = overlap.sum(axis=0) <= 0
        overlap[0, outside] = 1
        index = np.clip(index, 0, self.source_size - 1)
        return index.astype(np.intp), (overlap / overlap.sum(axis=0)).astype(np.float32)


def axis_maps(source: Grid, target: Grid) -> tuple[AxisMap, AxisMap, AxisMap] | None:
    """Relate the axes of two grids, in order of the source's axes.

    Returns:
        Three maps, or None where the target's axes do not run along those of the source.
    """
    relation = np.linalg.solve(source.affine, target.affine)
    scale, offset = relation[:3, :3], relation[:3, 3]
    maps = []
    for axis in range(3):
        target_axis = int(np.argmax(np.abs(scale[axis])))
        step = float(scale[axis, target_axis])
        # The drift over the whole target must stay below a hundredth of a source voxel.
        drift = np.abs(np.delete(scale[axis], target_axis)) * np.delete(
            np.array(target.shape), target_axis
        )
        if step == 0 or drift.max() > 0.01:
            return None
        size, target_size = source.shape[axis], target.shape[target_axis]
        start = float(offset[axis])
        if step < 0:
            start = size - 1 - start
        step_abs = abs(step)
        if abs(step_abs - 1) * target_size < 10**-_SNAP_DECIMALS:
            step_abs = 1.0
        start = round(start, _SNAP_DECIMALS)
        maps.append(AxisMap(target_axis, step < 0, step_abs, start, size, target_size))
    if {m.target_axis for m in maps} != {0, 1, 2}:
        return None
    return (maps[0], maps[1], maps[2])


def resample_linear(
    array: NDArray[Any], source: Grid, target: Grid, *, antialias: bool = False
) -> NDArray[np.float32]:
    """Interpolate an (I, J, K) image linearly at the voxel centres of another grid.

    Args:
        array: (I, J, K) values on ``source``.
        source: Grid of the values.
        target: Grid to sample on.
        antialias: Average over the target voxel along axes that shrink by more than 1.3.

    Returns:
        float32 array of ``target.shape``, contiguous; it may share memory with ``array``.
    """
    _check_shape(array, source)
    maps = axis_maps(source, target)
    if maps is None:
        return _affine_linear(array, source, target, antialias=antialias)
    image = flip_source(array, maps)
    # Shrinking axes first: the later gathers then move fewer voxels.
    for axis in sorted(range(3), key=lambda a: maps[a].target_size / maps[a].source_size):
        image = apply_taps(image, maps[axis], axis, antialias=antialias)
    return np.ascontiguousarray(image.transpose(target_order(maps)), dtype=np.float32)


def resample_nearest(array: NDArray[Any], source: Grid, target: Grid) -> NDArray[Any]:
    """Take for each voxel of ``target`` the value of the nearest voxel of ``source``.

    Args:
        array: (I, J, K) values on ``source``, of any dtype.
        source: Grid of the values.
        target: Grid to sample on.

    Returns:
        Array of ``target.shape`` and the input's dtype; it may share memory with ``array``.
    """
    _check_shape(array, source)
    maps = axis_maps(source, target)
    if maps is None:
        return _affine_nearest(array, source, target)
    values = flip_source(array, maps)
    for axis, axis_map in enumerate(maps):
        block = axis_map.block
        if block is not None:
            values = _slice_axis(values, axis, block)
        else:
            values = np.take(values, axis_map.nearest(), axis=axis)
    return np.ascontiguousarray(values.transpose(target_order(maps)))


def flip_source(array: NDArray[Any], maps: tuple[AxisMap, AxisMap, AxisMap]) -> NDArray[Any]:
    """View of ``array`` (..., I, J, K) in which every axis runs in the target's direction."""
    i, j, k = (slice(None, None, -1 if m.flipped else 1) for m in maps)
    return array[..., i, j, k]


def target_order(maps: tuple[AxisMap, AxisMap, AxisMap]) -> tuple[int, int, int]:
    """Transposition that puts axes in source order into the target's order."""
    order = sorted(range(3), key=lambda axis: maps[axis].target_axis)
    return (order[0], order[1], order[2])


def apply_taps(
    image: NDArray[Any], axis_map: AxisMap, axis: int, *, antialias: bool
) -> NDArray[Any]:
    """Resample one axis of an array; a view where the target's voxels are the source's."""
    block = axis_map.block
    if block is not None:
        return _slice_axis(image, axis, block)
    indices, weights = axis_map.taps(antialias=antialias)
    along = [1] * image.ndim
    along[axis] = axis_map.target_size
    total: NDArray[Any] | None = None
    for index, weight in zip(indices, weights, strict=True):
        part = np.take(image, index, axis=axis).astype(np.float32, copy=False)
        part *= weight.reshape(along)
        if total is None:
            total = part
        else:
            total += part
    assert total is not None
    return total


def _slice_axis(array: NDArray[Any], axis: int, block: slice) -> NDArray[Any]:
    """View of a block along one axis."""
    return array[(slice(None),) * axis + (block,)]


def _affine_linear(
    array: NDArray[Any], source: Grid, target: Grid, *, antialias: bool
) -> NDArray[np.float32]:
    """Linear interpolation where the axes of the grids are not parallel."""
    relation = np.asarray(np.linalg.solve(source.affine, target.affine), np.float64)
    image = np.asarray(array, dtype=np.float32)
    shrink = np.abs(relation[:3, :3]).max(axis=1)
    if antialias and shrink.max() > _ANTIALIAS_FROM:
        # A Gaussian as wide as the variance that the larger voxel adds.
        sigma = np.sqrt(np.maximum(shrink**2 - 1, 0) / 12)
        image = ndimage.gaussian_filter(image, sigma)
    return np.asarray(_transform(image, relation, target, order=1, outside=float(image.min())))


def _affine_nearest(array: NDArray[Any], source: Grid, target: Grid) -> NDArray[Any]:
    """Nearest neighbour where the axes of the grids are not parallel."""
    relation = np.asarray(np.linalg.solve(source.affine, target.affine), np.float64)
    return _transform(array, relation, target, order=0, outside=0)


def _transform(
    array: NDArray[Any], relation: NDArray[np.float64], target: Grid, *, order: int, outside: float
) -> NDArray[Any]:
    """Sample ``array`` at ``relation`` @ index for every index of ``target``."""
    transform: Callable[..., NDArray[Any]] = ndimage.affine_transform
    # Half a voxel beyond the outer centres still belongs to the outer voxels.
    padded = np.pad(array, 1, mode="edge")
    return transform(
        padded,
        relation[:3, :3],
        offset=relation[:3, 3] + 1,
        output_shape=target.shape,
        order=order,
        mode="constant",
        cval=outside,
    )


def _check_shape(array: NDArray[Any], grid: Grid) -> None:
    """Raise a GeometryError unless ``array`` lies on ``grid``."""
    if array.shape != grid.shape:
        raise GeometryError(
            "shape-mismatch",
            f"the array has shape {array.shape} but its grid has {grid.shape}",
            "give an array of the grid's shape",
        )
