"""Geometry: every scan onto the model's grid, and results back onto the scan's own.

Knows no anatomy, no network and no file.

The working grid has i → R, j → A, k → S as closely as a permutation and flips allow; oblique
scans stay oblique (nothing is rotated), sheared ones are resampled to the nearest orthogonal
axes. Spacing along A and S is the model's; along R the scan's own slices are kept unless they
are thinner than the model needs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import GeometryError
from spinekit.core.grid import OPPOSITE, Grid
from spinekit.core.resampling import (
    AxisMap,
    apply_taps,
    axis_maps,
    flip_source,
    resample_linear,
    resample_nearest,
    target_order,
)
from spinekit.core.volume import Volume

_KEEP_WITHIN = 0.02
"""A spacing this close (relative) to the model's is left as it is."""
_MOST_VOXELS = 2**27
"""Largest working grid, if not forced: a metre of spine at 1 mm in a field of 0.5 × 0.25 m."""
_MOST_GROWTH = 64
"""Largest ratio of working to input voxels, that of voxels 8 mm wide: no spine is seen in them."""
_ALWAYS_FINE = 2**22
"""Working grids up to this number of voxels may grow more."""


@dataclass(frozen=True, slots=True)
class GeometryRecord:
    """What it takes to undo `normalise_geometry`: the two grids.

    Replace ``input_grid`` (for example by `isotropic_grid`) to restore onto another grid.
    """

    input_grid: Grid
    """Grid results are restored onto."""
    working_grid: Grid
    """Grid of the model's input and output."""


def normalise_geometry(
    volume: Volume, *, in_plane_mm: float = 1.0, min_slice_mm: float = 2.0, force: bool = False
) -> tuple[Volume, GeometryRecord]:
    """Bring an image onto the working grid.

    Linear interpolation along each axis, averaging over the new voxel where an axis shrinks by
    more than 1.3. Spacings within 2 % of the wanted one, and a single slice, are left alone.

    Args:
        volume: (I, J, K) image on any grid.
        in_plane_mm: Spacing in mm along A and S.
        min_slice_mm: Thinner slices along R are resampled to this spacing in mm.
        force: Work on more than 2**27 voxels.

    Returns:
        The float32 image on the working grid (it may share memory with the input) and the
        record that leads back.

    Raises:
        GeometryError: If the working grid would be absurdly large (more than 2**27 voxels, or more
            than 64 times those of the scan).
    """
    grid = working_grid(
        volume.grid, in_plane_mm=in_plane_mm, min_slice_mm=min_slice_mm, force=force
    )
    image = resample_linear(volume.array, volume.grid, grid, antialias=True)
    return Volume(image, grid), GeometryRecord(volume.grid, grid)


def normalise_labels(label_map: NDArray[Any], record: GeometryRecord) -> NDArray[Any]:
    """(I, J, K) labels on the input grid → labels on the working grid, nearest neighbour."""
    return resample_nearest(label_map, record.input_grid, record.working_grid)


def restore_labels(label_map: NDArray[Any], record: GeometryRecord) -> NDArray[Any]:
    """Labels (I, J, K) on the working grid → nearest neighbour on the input grid.

    Exact inverse of `normalise_labels` where no axis was down-sampled or sheared.
    """
    return resample_nearest(label_map, record.working_grid, record.input_grid)


def restore_linear(array: NDArray[Any], record: GeometryRecord) -> NDArray[np.float32]:
    """Soft map (I, J, K) on the working grid → linear interpolation on the input grid."""
    return resample_linear(array, record.working_grid, record.input_grid)


def restore_probs_argmax(probs: NDArray[Any], record: GeometryRecord) -> NDArray[np.uint8]:
    """Most probable class on the input grid, from linearly resampled probabilities.

    Works slice by slice along R and only where some class exceeds class 0 near by (elsewhere
    class 0 wins any linear interpolation), so memory does not grow with the classes.

    Args:
        probs: (C, I, J, K) probabilities on the working grid, any float dtype, C ≤ 256.
        record: The record of `normalise_geometry`.

    Returns:
        uint8 of the input's shape; ties go to the lowest class.

    Raises:
        GeometryError: If ``probs`` does not lie on the working grid.
    """
    if probs.ndim != 4 or probs.shape[1:] != record.working_grid.shape:
        raise GeometryError(
            "shape-mismatch",
            f"probabilities of shape {probs.shape} do not lie on {record.working_grid.shape}",
            "give an array (C, I, J, K) on the working grid",
        )
    maps = axis_maps(record.working_grid, record.input_grid)
    if maps is None:
        return _argmax_any_grid(probs, record)
    result = np.zeros(record.input_grid.shape, np.uint8)
    # The result seen with the working grid's order of axes; directions are already equal.
    by_slice = result.transpose(np.argsort(target_order(maps)))
    for index, rows, columns, labels in _argmax_slices(flip_source(probs, maps), maps):
        by_slice[index, rows, columns] = labels
    return result


def working_grid(
    grid: Grid, *, in_plane_mm: float = 1.0, min_slice_mm: float = 2.0, force: bool = False
) -> Grid:
    """The grid `normalise_geometry` resamples to; arguments and errors as there."""
    oriented = oriented_grid(grid)
    is_thin = oriented.spacing_mm[0] < min_slice_mm * (1 - _KEEP_WITHIN)
    upright = _orthogonal(oriented, keep_slices=not is_thin)
    slice_mm = upright.spacing_mm[0]
    if upright.shape[0] > 1 and is_thin:
        slice_mm = min_slice_mm
    return _respaced(upright, (slice_mm, in_plane_mm, in_plane_mm), force=force)


def isotropic_grid(grid: Grid, *, spacing_mm: float = 1.0, force: bool = False) -> Grid:
    """RAS-ordered orthogonal grid with cubic voxels that covers ``grid``; oblique stays oblique.

    Args:
        grid: Any grid.
        spacing_mm: Width of the voxels in mm.
        force: Make more than 2**27 of them.

    Raises:
        GeometryError: If it would be absurdly large, as in `normalise_geometry`.
    """
    upright = _orthogonal(oriented_grid(grid))
    return _respaced(upright, (spacing_mm,) * 3, keep_within=0.0, force=force)


def coarsened_grid(grid: Grid, *, in_plane_mm: float) -> Grid:
    """`oriented_grid`, but along A and S no finer than `in_plane_mm`, as in `working_grid`."""
    slice_mm, *plane_mm = oriented_grid(grid).spacing_mm
    return _respaced(oriented_grid(grid), (slice_mm, *(max(mm, in_plane_mm) for mm in plane_mm)))


def oriented_grid(grid: Grid, letters: str = "RAS") -> Grid:
    """The same voxels in the same places with axes permuted and flipped.

    Args:
        grid: Any grid.
        letters: Where i, j and k shall point, as nearly as can be: one each of R or L, A or P,
            S or I.
    """
    now = grid.orientation
    order = [next(n for n, x in enumerate(now) if x in (y, OPPOSITE[y])) for y in letters]
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, old in enumerate(order):
        if now[old] == letters[new]:
            change[old, new] = 1
        else:
            change[old, new] = -1
            change[old, 3] = grid.shape[old] - 1
    shape = (grid.shape[order[0]], grid.shape[order[1]], grid.shape[order[2]])
    return Grid(shape, grid.affine @ change)


def oriented_volume(volume: Volume) -> Volume:
    """The same voxels (I, J, K) in the same places with i → R, j → A, k → S; not resampled."""
    grid = oriented_grid(volume.grid)
    return Volume(resample_nearest(volume.array, volume.grid, grid), grid)


def _orthogonal(grid: Grid, *, keep_slices: bool = False) -> Grid:
    """The grid itself, or for a sheared one the nearest orthogonal grid around all of it.

    To keep slices their number along i stays odd or even, so that new ones lie on the old ones at
    the centre, not half between them.

    The nearest rotation to the axes' directions is the orthogonal factor of their polar
    decomposition (Higham 1986, "Computing the polar decomposition", eq. 1.1).
    """
    if not grid.is_sheared:
        return grid
    spacing = np.array(grid.spacing_mm)
    left, _, right = np.linalg.svd(grid.affine[:3, :3] / spacing)
    axes = (left @ right) * spacing
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * np.array(grid.shape) - 0.5
    within = grid.ijk_to_ras(corners) @ np.linalg.inv(axes).T
    low, high = within.min(axis=0), within.max(axis=0)
    shape = np.ceil(high - low - 1e-3).astype(int)
    if keep_slices:
        shape[0] += (shape[0] - grid.shape[0]) % 2
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = axes @ ((low + high) / 2 - (shape - 1) / 2)
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def _respaced(
    grid: Grid,
    spacing_mm: tuple[float, ...],
    *,
    keep_within: float = _KEEP_WITHIN,
    force: bool = False,
) -> Grid:
    """Same axes and centre, other spacing; covers the whole of ``grid``."""
    shape: list[int] = []
    change = np.eye(4)
    for axis, (size, native, wanted) in enumerate(
        zip(grid.shape, grid.spacing_mm, spacing_mm, strict=True)
    ):
        step = wanted / native
        if abs(step - 1) <= max(keep_within, 1e-6):
            shape.append(size)
            continue
        count = max(1, math.ceil(size / step - 1e-3))
        shape.append(count)
        change[axis, axis] = step
        change[axis, 3] = ((size - 1) - step * (count - 1)) / 2
    growth = max(_ALWAYS_FINE, _MOST_GROWTH * math.prod(grid.shape))
    if math.prod(shape) > (growth if force else min(_MOST_VOXELS, growth)):
        extent, voxels = ("×".join(f"{n:.4g}" for n in row) for row in (grid.size_mm, shape))
        raise GeometryError(
            "grid-too-large",
            f"a scan of {extent} mm is too large to work on, with {voxels} voxels",
            "check the voxel spacing in its header, or crop the scan to the spine",
        )
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)


def _argmax_slices(
    probs: NDArray[Any], maps: tuple[AxisMap, AxisMap, AxisMap]
) -> Iterator[tuple[int, slice, slice, NDArray[np.uint8]]]:
    """Yield (slice, rows, columns, labels) of every block that may hold a class above 0."""
    seen_slices, seen_rows, seen_columns = _foreground(probs)
    row_map, rows = _crop(maps[1], seen_rows)
    column_map, columns = _crop(maps[2], seen_columns)
    if row_map is None or column_map is None:
        return
    indices, weights = maps[0].taps(antialias=False)
    planes: dict[int, NDArray[Any]] = {}
    for target in range(maps[0].target_size):
        used = [
            (int(i), w)
            for i, w in zip(indices[:, target], weights[:, target], strict=True)
            if w > 0
        ]
        if not any(seen_slices[i] for i, _ in used):
            continue
        planes = {i: plane for i, plane in planes.items() if i in {j for j, _ in used}}
        for i, _ in used:
            if i not in planes:
                planes[i] = _resample_plane(probs[:, i], row_map, column_map)
        mixed = planes[used[0][0]]
        if len(used) == 2:
            mixed = mixed * used[0][1] + planes[used[1][0]] * used[1][1]
        yield target, rows, columns, _argmax(mixed)


def _foreground(probs: NDArray[Any]) -> tuple[NDArray[np.bool_], ...]:
    """Which slices, rows and columns of (C, I, J, K) hold a class that exceeds class 0."""
    seen = tuple(np.zeros(size, bool) for size in probs.shape[1:])
    for i in range(probs.shape[1]):
        above = _any_above_first(probs[:, i])
        seen[1][:] |= above.any(axis=1)
        seen[2][:] |= above.any(axis=0)
        seen[0][i] = above.any()
    return seen


def _crop(axis_map: AxisMap, seen: NDArray[np.bool_]) -> tuple[AxisMap | None, slice]:
    """The part of an axis' target that interpolates from any seen source voxel."""
    hit = np.flatnonzero(seen)
    if hit.size == 0:
        return None, slice(0, 0)
    positions = axis_map.positions
    inside = np.flatnonzero((positions > hit[0] - 1) & (positions < hit[-1] + 1))
    if inside.size == 0:
        return None, slice(0, 0)
    first, count = int(inside[0]), inside.size
    offset = round(axis_map.offset + axis_map.step * first, 9)
    cropped = dataclasses.replace(axis_map, offset=offset, target_size=count)
    return cropped, slice(first, first + count)


def _any_above_first(plane: NDArray[Any]) -> NDArray[np.bool_]:
    """Where (C, J, K) has a class that exceeds class 0."""
    if plane.dtype == np.float16 and not np.signbit(plane).any():
        # The bits of non-negative halves sort like the numbers, and compare much faster.
        plane = plane.view(np.uint16)
    return np.asarray((plane[1:] > plane[:1]).any(axis=0))


def _resample_plane(plane: NDArray[Any], rows: AxisMap, columns: AxisMap) -> NDArray[Any]:
    """(C, J, K) resampled in its plane, float32."""
    for axis, axis_map in sorted(
        ((1, rows), (2, columns)), key=lambda item: item[1].target_size / item[1].source_size
    ):
        plane = apply_taps(plane, axis_map, axis, antialias=False)
    return plane.astype(np.float32, copy=False)


def _argmax(planes: NDArray[Any]) -> NDArray[np.uint8]:
    """Index of the largest of (C, ...) values, the first of equals; a running maximum is fast."""
    best = planes[0].copy()
    labels = np.zeros(best.shape, np.uint8)
    for index in range(1, len(planes)):
        above = planes[index] > best
        np.copyto(labels, np.uint8(index), where=above)
        np.copyto(best, planes[index], where=above)
    return labels


def _argmax_any_grid(probs: NDArray[Any], record: GeometryRecord) -> NDArray[np.uint8]:
    """`restore_probs_argmax` where the axes are not parallel: one class after the other."""
    labels = np.zeros(record.input_grid.shape, np.uint8)
    best = restore_linear(probs[0], record)
    for index in range(1, len(probs)):
        channel = restore_linear(probs[index], record)
        above = channel > best
        np.copyto(labels, np.uint8(index), where=above)
        np.copyto(best, channel, where=above)
    return labels
