"""Which voxels are the spine: foreground, its main piece, and the curve through it.

It knows the parts map and its spacing, and nothing of separators or names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from spinekit.anatomy.parts import BODY, CANAL, CORD, DISC, SACRUM
from spinekit.instances.curve import MARGIN_MM, ColumnCurve, fit_curve

CELL_MM = 5.0
"""Size of the coarse cells (mm) in which pieces are joined: bridges gaps up to two cells."""
MIN_COLUMN_MM3 = 300.0
"""Less body and disc than this (mm³) is no spine."""
MIN_SACRUM_MM3 = 5000.0
"""A sacrum without a column is at least so large (mm³): a third of its first segment."""
PROMONTORY_MM = 22.0
"""How much of the sacrum below the last disc helps to lay the curve, mm."""
PROMONTORY_CORE_MM = 22.0
"""Only this near the curve: the wings and the crest are no part of the column, mm."""
MIN_CANAL_MM3 = 100.0
"""A smaller piece of canal and cord (mm³) is a speck."""
FAR_FROM_CANAL_MM = 40.0
"""No vertebra lies so far from the canal beside it."""
NEAR_CURVE_MM = 28.0
"""Bodies and discs elsewhere lie at most this far from the continued curve, mm."""
LEAVES_MM = 2.0
"""The column leaves the scan at its side if the continued curve ends this far outside, mm."""
OUT_OF_SIGHT_MM = 120.0
"""Where it does, it may come back this much later than elsewhere, mm: four more vertebrae."""
LEADING_MM3 = 500.0
"""Beyond a gap, a piece of body and disc this large (mm³) tells how the curve goes on; a speck does
not."""
WHOLE_SHARE = 0.5
"""Of such a piece, this share near the curve is enough to take it whole."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Column:
    """Body, disc and sacrum voxels of the spine with their straightened coordinates.

    `parts` (I, J, K) is the crop's parts map without what lies off the column; `straight[part]`
    holds the (N, 3) coordinates of the voxels of a part, in the order of np.nonzero.
    """

    parts: NDArray[np.uint8]
    curve: ColumnCurve
    straight: dict[int, Floats]


def decide_parts(probs: NDArray[np.floating]) -> tuple[NDArray[np.uint8], tuple[slice, ...]]:
    """The likeliest part of every voxel, and the box that holds all foreground.

    Args:
        probs: (C, I, J, K) probabilities, background first.

    Returns:
        (I, J, K) parts, and three slices; empty slices for a scan without foreground.
    """
    best = probs[0].astype(np.float32)
    parts = np.zeros(best.shape, dtype=np.uint8)
    # What the background leaves is a small part of the scan: the other classes only there.
    box = bounding_box(best < 0.5)
    inner, inner_best = parts[box], best[box]
    for part in range(1, len(probs)):
        other = probs[part][box].astype(np.float32)
        above = other > inner_best
        inner[above] = part
        np.maximum(inner_best, other, out=inner_best)
    return parts, bounding_box(parts > 0)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box that holds the mask; empty slices for an empty mask."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        seen = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(seen[0]), int(seen[-1]) + 1) if len(seen) else slice(0, 0))
    return tuple(box)


def find_column(parts: NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> Column | None:
    """Keep the spine, drop blobs elsewhere and lay the curve.

    Args:
        parts: (I, J, K) parts map with i to the right, j to the front, k upwards.
        spacing_mm: voxel size.

    Returns:
        The column, or None where there is no spine.
    """
    voxel_mm3 = float(np.prod(spacing_mm))
    main = _main_piece(parts, spacing_mm)
    column = (parts == BODY) | (parts == DISC)
    canal = without_specks((parts == CANAL) | (parts == CORD), voxel_mm3)
    elsewhere = _far_from_canal(column, canal, spacing_mm)
    column &= ~elsewhere
    parts = parts * ~elsewhere
    if int((column & main).sum()) * voxel_mm3 < MIN_COLUMN_MM3:
        return None
    curve = fit_curve(coords_mm(column & main, spacing_mm))
    if curve is None:
        return None
    off = _pieces_off(column & main, curve, spacing_mm)
    away, leads = _follow(column & main & ~off, column & ~main, curve, spacing_mm)
    kept_column = (column & main & ~off) | away
    bones = coords_mm(kept_column, spacing_mm)
    promontory = _promontory(parts, curve, bones, spacing_mm)
    curve = fit_curve(np.concatenate([bones, promontory])) or curve
    parts = parts * ~off
    beside = _touching(parts, leads, spacing_mm) & ~column
    kept = parts * (main | away | beside)
    parts_of_curve = (BODY, DISC, SACRUM)
    straight = {n: curve.straighten(coords_mm(kept == n, spacing_mm)) for n in parts_of_curve}
    return Column(kept, curve, straight)


def keep_sacrum(
    parts: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> NDArray[np.uint8]:
    """What is left of the parts where there is no column: the sacrum, and the canal in it.

    Args:
        parts: (I, J, K) parts map.
        spacing_mm: voxel size.

    Returns:
        (I, J, K) parts, nothing where the sacrum is smaller than `MIN_SACRUM_MM3`.
    """
    labels, _ = ndimage.label(parts == SACRUM, structure=np.ones((3, 3, 3)))
    size = np.bincount(labels.ravel())
    size[0] = 0
    voxel_mm3 = float(np.prod(spacing_mm))
    if size.max() * voxel_mm3 < MIN_SACRUM_MM3:
        return np.zeros_like(parts)
    sacrum = labels == size.argmax()
    tube = without_specks((parts == CANAL) | (parts == CORD), voxel_mm3)
    return parts * (sacrum | (tube & _touching(parts * (tube | sacrum), sacrum, spacing_mm)))


def _follow(
    main: NDArray[np.bool_],
    others: NDArray[np.bool_],
    curve: ColumnCurve,
    spacing_mm: tuple[float, float, float],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the column goes on behind gaps, each piece found leading the curve to the next.

    Args:
        main: (I, J, K) body and disc that the curve was laid through.
        others: (I, J, K) all other body and disc.
        curve: through `main`.
        spacing_mm: voxel size.

    Returns:
        (I, J, K) what lies on the curve of `others`, and what of that is of large pieces.
    """
    found = np.zeros_like(others)
    if not others.any():
        return found, found
    labels, _ = ndimage.label(others, structure=np.ones((3, 3, 3)))
    size = np.bincount(labels.ravel())
    least = LEADING_MM3 / float(np.prod(spacing_mm))
    large = others & (size >= least)[labels]
    pieces = voxels = 0
    left = others.copy()
    width_mm = (others.shape[0] - 1) * spacing_mm[0]
    while True:
        found[left] = _near_curve(coords_mm(left, spacing_mm), curve, width_mm, large[left])
        reached = np.bincount(labels[found & large], minlength=len(size))
        found |= large & (reached >= WHOLE_SHARE * size)[labels]
        if np.count_nonzero(reached) == pieces and reached.sum() < voxels + least:
            return found, found & large
        pieces, voxels = int(np.count_nonzero(reached)), int(np.count_nonzero(found & large))
        curve = fit_curve(coords_mm(main | found, spacing_mm)) or curve
        left = large & ~found


def _near_curve(
    coords: Floats, curve: ColumnCurve, width_mm: float, is_large: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(N,) which points lie on the curve, or where a column that left the scan came back into it.

    Args:
        coords: (N, 3) points of bodies and discs, mm.
        curve: through those known.
        width_mm: from the scan's first slice along i to its last.
        is_large: (N,) whether the point's piece is: only those are looked for far off.
    """
    t, u, v = curve.straighten(coords).T
    near = (np.hypot(u, v) < NEAR_CURVE_MM) & (t > 0) & (t < curve.length_mm)
    for end, beyond in ((0, -t), (-1, t - curve.length_mm)):
        outward = curve.down[end, 0] if end else -curve.down[end, 0]
        outside = curve.points_mm[end, 0] - np.clip(curve.points_mm[end, 0], 0, width_mm)
        if abs(outside) < LEAVES_MM or outside * outward <= 0:
            continue
        # It comes back at any place of the same depth, for beside the scan nothing was seen of it.
        back = is_large & (np.abs(v) < NEAR_CURVE_MM)
        near |= back & (beyond > -MARGIN_MM) & (beyond < OUT_OF_SIGHT_MM)
    return near


def _touching(
    parts: NDArray[np.uint8], mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """What is joined, in coarse cells, with the masked voxels."""
    touching = np.zeros_like(mask)
    if mask.any():
        where, piece, _ = _coarse_pieces(parts, spacing_mm)
        touching[where] = np.isin(piece, piece[mask[where]])
    return touching


def without_specks(tube: NDArray[np.bool_], voxel_mm3: float) -> NDArray[np.bool_]:
    """Canal and cord without the pieces that are too small to be any.

    Args:
        tube: (I, J, K) where either is.
        voxel_mm3: volume of a voxel.

    Returns:
        (I, J, K), pieces of less than `MIN_CANAL_MM3` left out.
    """
    labels, _ = ndimage.label(tube, structure=np.ones((3, 3, 3)))
    large = np.bincount(labels.ravel()) * voxel_mm3 >= MIN_CANAL_MM3
    return tube & large[labels]


def _far_from_canal(
    column: NDArray[np.bool_], canal: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Connected pieces that have a canal at their heights, but a long way off: teeth, jaws."""
    labels, _ = ndimage.label(column, structure=np.ones((3, 3, 3)))
    far = np.zeros_like(column)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        beside = coords_mm(canal[:, :, box[2]], spacing_mm)[::5]
        if len(beside):
            piece = labels[box] == number
            start = [0.0 if axis == 2 else box[axis].start * spacing_mm[axis] for axis in range(3)]
            away, _ = KDTree(beside).query(coords_mm(piece, spacing_mm)[::20] + start)
            far[box] |= piece & bool(away.min() > FAR_FROM_CANAL_MM)
    return far


def _promontory(
    parts: NDArray[np.uint8],
    curve: ColumnCurve,
    bones: Floats,
    spacing_mm: tuple[float, float, float],
) -> Floats:
    """(N, 3) coordinates of the upper end of the sacrum, which tells how the last disc lies."""
    sacrum = coords_mm(parts == SACRUM, spacing_mm)
    end = float(np.quantile(curve.straighten(bones[:: 1 + len(bones) // 5000])[:, 0], 0.995))
    along = curve.straighten(sacrum, rounds=3)
    near = np.abs(along[:, 1:]).max(axis=1, initial=0.0) < PROMONTORY_CORE_MM
    return sacrum[near & (np.abs(along[:, 0] - end) < PROMONTORY_MM)]


def _pieces_off(
    mask: NDArray[np.bool_], curve: ColumnCurve, spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Connected pieces whose centre lies far from the curve; never the largest, which made it."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    where = np.nonzero(mask)
    piece = labels[where]
    size = np.bincount(piece, minlength=count + 1)[1:]
    centres = np.stack(
        [np.bincount(piece, weights=axis, minlength=count + 1)[1:] / size for axis in where],
        axis=1,
    )
    along = curve.straighten((centres * spacing_mm).astype(np.float32))
    far = np.hypot(along[:, 1], along[:, 2]) > NEAR_CURVE_MM
    far[size.argmax()] = False
    return np.concatenate([[False], far])[labels]


def coords_mm(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> Floats:
    """(N, 3) coordinates of the mask's voxels in mm, in the order of np.nonzero."""
    return np.stack(np.nonzero(mask), axis=1).astype(np.float32) * np.asarray(
        spacing_mm, dtype=np.float32
    )


def _main_piece(
    parts: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Voxels of the connected region, in coarse cells, with most of bodies, discs and canal."""
    where, piece, count = _coarse_pieces(parts, spacing_mm)
    value = parts[where]
    weight = np.isin(value, (BODY, DISC)) + 0.2 * np.isin(value, (CANAL, CORD))
    mass = np.bincount(piece, weights=weight, minlength=count + 1)
    main = np.zeros(parts.shape, dtype=bool)
    main[where] = piece == mass[1:].argmax() + 1 if count else False
    return main


def _coarse_pieces(
    parts: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.int32], int]:
    """Where the parts are, (N,) the connected region, in coarse cells, of each, and their count."""
    cells = [max(1, round(CELL_MM / spacing)) for spacing in spacing_mm]
    shape = [-(-size // cell) for size, cell in zip(parts.shape, cells, strict=True)]
    where = np.nonzero(parts)
    cell = tuple(index // size for index, size in zip(where, cells, strict=True))
    occupied = np.zeros(shape, dtype=bool)
    occupied[cell] = True
    labels, count = ndimage.label(ndimage.binary_dilation(occupied), structure=np.ones((3, 3, 3)))
    return where, labels[cell], int(count)
