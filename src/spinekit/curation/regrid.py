"""Another grid for a case: spacing or size unified, no structure lost on the way.

It knows grids and values, nothing of files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.errors import GeometryError
from spinekit.core.grid import Grid
from spinekit.core.resampling import axis_maps, resample_linear, resample_nearest

_MOST_VOXELS = 2**28
_ANTIALIAS_FROM = 1.3

Bytes = NDArray[np.uint8]


def spaced_grid(grid: Grid, spacing_mm: Sequence[float]) -> Grid:
    """The same axes and centre with other spacing, covering the whole of `grid`.

    Args:
        grid: Any grid.
        spacing_mm: Along i, j, k; 0 keeps the grid's own.

    Raises:
        GeometryError: It would have more than 2**28 voxels.
    """
    steps = [(mm or own) / own for mm, own in zip(spacing_mm, grid.spacing_mm, strict=True)]
    shape = [
        n if abs(step - 1) < 1e-6 else max(1, math.ceil(n / step - 1e-3))
        for n, step in zip(grid.shape, steps, strict=True)
    ]
    return _stepped(grid, steps, shape)


def stretched_grid(grid: Grid, size: Sequence[int]) -> Grid:
    """The same extent in another number of voxels; the spacing follows from it.

    Args:
        grid: Any grid.
        size: Voxels along i, j, k; 0 keeps the grid's own.

    Raises:
        GeometryError: It would have more than 2**28 voxels.
    """
    shape = [new or old for new, old in zip(size, grid.shape, strict=True)]
    steps = [old / new for new, old in zip(shape, grid.shape, strict=True)]
    return _stepped(grid, steps, shape)


def cut_grid(grid: Grid, size: Sequence[int], centre_ijk: Sequence[float]) -> Grid:
    """A box of whole voxels around a place, reaching beyond the grid where it must.

    An axis that is long enough is not padded: the box moves until it lies inside.

    Args:
        grid: Any grid.
        size: Voxels along i, j, k; 0 keeps the axis as it is.
        centre_ijk: Where the middle is wanted, in voxels.
    """
    change = np.eye(4)
    shape = []
    for axis, (wanted, n, centre) in enumerate(zip(size, grid.shape, centre_ijk, strict=True)):
        shape.append(wanted or n)
        if not wanted:
            continue
        start = (n - wanted) // 2
        if wanted < n:
            start = min(max(round(centre - (wanted - 1) / 2), 0), n - wanted)
        change[axis, 3] = start
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)


def resample_image(
    image: NDArray[Any], source: Grid, target: Grid, *, order: int
) -> NDArray[np.float32]:
    """An image on another grid; zeros of the image's minimum where the target reaches beyond.

    Args:
        image: (I, J, K) on `source`.
        source: Its grid.
        target: The new grid.
        order: 0 nearest, 1 linear, 2 … 5 splines; axes that shrink by more than 1.3 are averaged
            over the new voxel first (order 1 and more).

    Returns:
        float32 of the target's shape.
    """
    if order == 0:
        result = resample_nearest(image, source, target).astype(np.float32)
    elif order == 1:
        result = np.array(resample_linear(image, source, target, antialias=True))
    else:
        result = _spline(image, source, target, order)
    outside = _outside(source, target)
    if outside is not None:
        result[outside] = float(image.min())
    return result


def resample_labels(
    labels: Bytes, source: Grid, target: Grid, *, method: str
) -> tuple[Bytes, list[int]]:
    """A label map on another grid on which every value survives that has a place there.

    Args:
        labels: (I, J, K) on `source`.
        source: Its grid.
        target: The new grid.
        method: `nearest`, or `linear`: the value with the largest linearly interpolated share,
            background included, the lowest of equals.

    Returns:
        uint8 of the target's shape; and the values that lie wholly beyond the target. A value that
        no voxel of the target would show is put into the free voxel nearest to its middle, single
        voxels too.
    """
    if method == "nearest" or axis_maps(source, target) is None:
        result = resample_nearest(labels, source, target).copy()
    else:
        result = _vote(labels, source, target)
    outside = _outside(source, target)
    if outside is not None:
        result[outside] = 0
    return result, _rescue(labels, source, target, result)


def _stepped(grid: Grid, steps: Sequence[float], shape: Sequence[int]) -> Grid:
    """Voxels `steps` times as large, `shape` of them, around the same centre."""
    if math.prod(shape) > _MOST_VOXELS:
        raise GeometryError(
            "grid-too-large",
            f"a grid of {'×'.join(map(str, shape))} voxels is too large",
            "choose a larger spacing",
        )
    change = np.eye(4)
    for axis, (step, n, old) in enumerate(zip(steps, shape, grid.shape, strict=True)):
        change[axis, axis] = step
        change[axis, 3] = ((old - 1) - step * (n - 1)) / 2
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)


def _outside(source: Grid, target: Grid) -> NDArray[np.bool_] | None:
    """Voxels of the target whose centre lies beyond the source's faces, None where none does."""
    relation = np.linalg.solve(source.affine, target.affine)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(target.shape) - 1)
    reach = corners @ relation[:3, :3].T + relation[:3, 3]
    limits = np.array(source.shape) - 0.5
    if (reach > -0.5 - 1e-3).all() and (reach < limits + 1e-3).all():
        return None
    mask = np.zeros(target.shape, bool)
    axes = np.ogrid[tuple(slice(n) for n in target.shape)]
    for row in range(3):
        at = sum(relation[row, axis] * axes[axis] for axis in range(3)) + relation[row, 3]
        mask |= (at < -0.5 - 1e-3) | (at > limits[row] + 1e-3)
    return mask


def _spline(image: NDArray[Any], source: Grid, target: Grid, order: int) -> NDArray[np.float32]:
    relation = np.asarray(np.linalg.solve(source.affine, target.affine), np.float64)
    shrink = np.abs(relation[:3, :3]).max(axis=1)
    smooth = image.astype(np.float32)
    if shrink.max() > _ANTIALIAS_FROM:
        # A Gaussian as wide as the variance that the larger voxel adds.
        smooth = ndimage.gaussian_filter(smooth, np.sqrt(np.maximum(shrink**2 - 1, 0) / 12))
    result = ndimage.affine_transform(
        smooth,
        relation[:3, :3],
        offset=relation[:3, 3],
        output_shape=target.shape,
        order=order,
        mode="nearest",
    )
    return np.asarray(result, np.float32)


def _vote(labels: Bytes, source: Grid, target: Grid) -> Bytes:
    """Every voxel's value with the largest share, one value after the other in its own box."""
    result = np.zeros(target.shape, np.uint8)
    background = (labels == 0).astype(np.float32)
    best = resample_linear(background, source, target, antialias=True).copy()
    relation = np.asarray(np.linalg.solve(target.affine, source.affine), np.float64)
    # Averaging over a target voxel must see all of it.
    pad = [math.ceil(1 / step) + 1 for step in np.abs(relation[:3, :3]).max(axis=0)]
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        window, part = _window(box, source, target, relation)
        if part is None:
            continue
        inner = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(box, pad, strict=True))
        mask = (labels[inner] == value).astype(np.float32)
        share = resample_linear(mask, _sub(source, inner), part, antialias=True)
        better = share > best[window]
        result[window][better] = value
        best[window][better] = share[better]
    return result


def _window(
    box: tuple[slice, ...], source: Grid, target: Grid, relation: NDArray[np.float64]
) -> tuple[tuple[slice, ...], Grid | None]:
    """The part of the target that a box of the source can reach, None where there is none."""
    low = np.array([s.start for s in box]) - 1.0
    high = np.array([s.stop for s in box], float)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (high - low) + low
    reach = corners @ relation[:3, :3].T + relation[:3, 3]
    start = np.maximum(np.floor(reach.min(axis=0)).astype(int), 0)
    stop = np.minimum(np.ceil(reach.max(axis=0)).astype(int) + 1, target.shape)
    window = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    if (stop <= start).any():
        return window, None
    return window, _sub(target, window)


def _sub(grid: Grid, box: tuple[slice, ...]) -> Grid:
    """The grid of a box of a grid."""
    start = [s.indices(n)[0] for s, n in zip(box, grid.shape, strict=True)]
    stop = [s.indices(n)[1] for s, n in zip(box, grid.shape, strict=True)]
    change = np.eye(4)
    change[:3, 3] = start
    shape = tuple(b - a for a, b in zip(start, stop, strict=True))
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)


def _rescue(labels: Bytes, source: Grid, target: Grid, result: Bytes) -> list[int]:
    """Put vanished values back, in place; list those that lie beyond the target."""
    before = np.bincount(labels.ravel(), minlength=256)
    after = np.bincount(result.ravel(), minlength=256)
    gone = [int(v) for v in np.flatnonzero((before > 0) & (after == 0)) if v]
    relation = np.linalg.solve(target.affine, source.affine)
    beyond = []
    # The smallest first: they have the fewest places to go.
    for value in sorted(gone, key=lambda v: (before[v], v)):
        points = np.argwhere(labels == value) @ relation[:3, :3].T + relation[:3, 3]
        inside = ((points > -0.5 - 1e-6) & (points < np.array(target.shape) - 0.5 + 1e-6)).all(1)
        if not inside.any():
            beyond.append(value)
            continue
        place = _free_place(result, after, points[inside].mean(axis=0))
        if place is None:
            beyond.append(value)
            continue
        after[result[place]] -= 1
        result[place] = value
        after[value] += 1
    return beyond


def _free_place(
    result: Bytes, counts: NDArray[np.int64], middle: NDArray[np.float64]
) -> tuple[int, ...] | None:
    """The voxel nearest to a place that is not the last of its value; None where all are."""
    size = np.array(result.shape)
    middle = np.clip(middle, 0, size - 1)
    reach = 1
    while True:
        low = np.maximum(np.ceil(middle - reach).astype(int), 0)
        high = np.minimum(np.floor(middle + reach).astype(int) + 1, size)
        near = np.argwhere(np.ones(tuple(high - low), bool)) + low
        values = result[tuple(near.T)]
        free = (values == 0) | (counts[values] > 1)
        if free.any():
            way = ((near - middle) ** 2).sum(axis=1)
            return tuple(int(n) for n in near[free][np.argmin(way[free])])
        if (low == 0).all() and (high == size).all():
            return None
        reach *= 2
