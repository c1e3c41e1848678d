"""Bodies parted from arches, and bones that are cut, of vertebrae that are told apart already.

It knows numbers that mean nothing but "the same bone", and nothing of names.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from statistics import median_low

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.instances.atlas import RING_BESIDE_MM, RING_FRONT_MM
from spinekit.instances.column import coords_mm
from spinekit.instances.curve import ColumnCurve, fit_curve
from spinekit.instances.measure import STRIP
from spinekit.instances.profile import NECK_DEPTH_MM

CORE_SHARE = 0.9
"""The core of a body are voxels this deep inside it, against the deepest one of the bone."""
FRONT_SHARE = 0.6
"""The middle of a body lies in this share of its bone from the front, a spinous process behind."""
HALF_MM = 12.0
"""Half the height of a vertebra, mm, where there is but one."""
BAND_MM = 5.0
"""Only this near the height of its centre a body's front is looked for, mm."""
REAR_SLACK_MM = 1.5
"""A body reaches this much farther behind its centre than in front of it, mm."""
ARCH_SHARE = 0.08
"""With less than this behind its body, a bone is a body alone, and with less in front an arch."""
MIN_BODY_MM3 = 80.0
"""A smaller bone is a speck, and what is smaller of a bone no body, mm³."""
LEAST_WHOLE = 2
"""So many bones that no edge cuts tell how the column goes on to those that one cuts."""
CUT_SHARE, CUT_NEIGHBOURS = 0.25, 3
"""The first or last bone is cut if it is smaller than this share of the median of so many next to
it, the lower of two medians; the least whole one is C1, 0.4 of that even without its ring."""
TOLD_MM = 60.0
"""Middles of bones farther apart than this have another bone between them, mm: from there on the
curve through the whole ones, continued straight, passes a body that it should meet."""
HOLE_MM, HOLE_SHARE = 4.0, 0.02
"""Of C1's ring no more than this share lies so near the dens's axis, mm; of a body a fifth does."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Wall = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Positions along the curve, ascending, and how far to the front the rear of the bodies is there,
both in mm."""


def find_cut(bone: Bytes) -> dict[int, int]:
    """Bones of which the upper or lower edge of a scan left but a part.

    They reach the edge of the mask, or lie at an end of the column and are far smaller than the
    bones next to them: a mask may have been given a margin since it was drawn.

    Args:
        bone: (I, J, K) a number per vertebra; k upwards.

    Returns:
        Number to -1 at the upper end, 1 at the lower one, 0 at both. Empty without bones.
    """
    layers = np.stack([np.bincount(layer.ravel(), minlength=256) for layer in bone.T])
    layers[:, 0] = 0
    size = layers.sum(axis=0)
    height = np.arange(len(layers)) @ layers / np.maximum(size, 1)
    order = sorted(np.flatnonzero(size).tolist(), key=lambda number: -height[number])
    touches = layers[[0, -1]] > 0
    ends = {n: int(touches[0, n]) - int(touches[1, n]) for n in order if touches[:, n].any()}
    for ordered, end in ((order, -1), (order[::-1], 1)):
        for number in ordered[: _count_cut(size[ordered].tolist())]:
            ends.setdefault(number, end)
    return ends


def _count_cut(sizes: Sequence[int]) -> int:
    """How many of the first are far smaller than those that follow."""
    for n, size in enumerate(sizes):
        beside = sizes[n + 1 : n + 1 + CUT_NEIGHBOURS]
        if len(beside) < LEAST_WHOLE or size >= CUT_SHARE * median_low(beside):
            return n
    return 0


def part_bodies(
    bone: Bytes, canal: Mask, spacing_mm: tuple[float, float, float], cut: Collection[int]
) -> tuple[Mask, ColumnCurve]:
    """Tell bodies from arches.

    Where a body ends and its arch begins is told by the canal's front, or, without a canal, by the
    body's middle: the body is by far the thickest part of a vertebra, and its front is as far from
    its middle as its rear. Of a bone that a scan's edge cut the thickest part in view
    may be a process, so the whole ones tell where its body would lie, and it may have none; where
    none of these is near, it is taken for whole. Of the ring around the dens only the anterior arch
    is body.

    Args:
        bone: (I, J, K) a number per vertebra, not all 0; i to the right, j to the front, k upwards.
        canal: (I, J, K) canal and cord, if they are known.
        spacing_mm: voxel size.
        cut: numbers of the bones that are cut.

    Returns:
        (I, J, K) what is body, never nothing, and the curve through the bodies.
    """
    where = bone > 0
    coords, owner = coords_mm(where, spacing_mm), bone[where]
    cut = _find_told(coords, owner, cut)
    is_core = _depth(bone, spacing_mm)[where] >= CORE_SHARE
    least = MIN_BODY_MM3 / float(np.prod(spacing_mm))
    told = _told(owner, is_core, cut)
    curve = run_through(coords[told], owner[told])
    # Once from the middles alone, once more from the bodies that gave.
    for _ in range(2):
        straight = curve.straighten(coords)
        is_body = _is_body(owner, straight, is_core, cut, _front_of_canal(canal, curve, spacing_mm))
        ring = _find_ring(owner, straight, is_body)
        if ring is not None:
            is_body[owner == ring] = _is_anterior_arch(owner, straight, is_body, ring)
        is_body &= (np.bincount(owner[is_body], minlength=256) >= least)[owner]
        if not is_body.any():
            is_body[:] = True
        told = _told(owner, is_body, [*cut, ring or 0])
        curve = run_through(coords[told], owner[told])
    mask = np.zeros_like(where)
    mask[where] = is_body
    return mask, curve


def _find_told(coords: Floats, owner: Bytes, cut: Collection[int]) -> list[int]:
    """Those of the bones that are cut which have a whole one near by, nearest first.

    Of several far from all whole ones the nearest is taken for one, and tells of the others.
    """
    middle = {int(n): coords[owner == n].mean(axis=0) for n in np.unique(owner)}
    whole = [at for n, at in middle.items() if n not in cut]
    told: list[int] = []
    rest = [n for n in middle if n in cut]
    while rest and whole:
        away = {n: min(float(np.linalg.norm(middle[n] - at)) for at in whole) for n in rest}
        nearest = min(rest, key=lambda n: away[n])
        rest.remove(nearest)
        if away[nearest] > TOLD_MM:
            whole.append(middle[nearest])
        else:
            told.append(nearest)
    return [*told, *rest]


def _told(owner: Bytes, is_meant: Mask, left_out: Collection[int]) -> Mask:
    """(N,) what is meant, but for bones left out, unless hardly another is left."""
    kept = is_meant & ~np.isin(owner, list(left_out))
    return kept if len(np.unique(owner[kept])) >= LEAST_WHOLE else is_meant


def _depth(bone: Bytes, spacing_mm: tuple[float, float, float]) -> Floats:
    """How deep each voxel lies in its bone's sagittal cut, as a share of the deepest in front.

    Farther behind it is 0, where a spinous process may be as thick as a body of the neck.
    """
    depth = np.zeros(bone.shape, np.float32)
    for number, box in enumerate(ndimage.find_objects(bone), start=1):
        if box is None:
            continue
        mine = bone[box] == number
        # A slice of background all around: a bone at the scan's edge ends there.
        inside = np.stack(
            [
                ndimage.distance_transform_edt(np.pad(cut, 1), sampling=spacing_mm[1:])[1:-1, 1:-1]
                for cut in mine
            ]
        )
        view = depth[box]
        rear, front = np.quantile(np.nonzero(mine)[1], (0.02, 0.98))
        inside[:, : round(front - FRONT_SHARE * (front - rear))] = 0.0
        view[mine] = (inside / max(float(inside.max()), 1e-6))[mine]
    return depth


def run_through(coords: Floats, owner: Bytes) -> ColumnCurve:
    """A curve through the middles of the bones' points, from the top.

    It is half a vertebra longer on each end. A curve through the voxels themselves would turn at
    its ends: a body, and its core still more, is wider than it is high.

    Args:
        coords: (N, 3) points in mm, N > 0.
        owner: (N,) number of the bone that each is of.
    """
    middles = np.array([coords[owner == n].mean(axis=0) for n in np.unique(owner)])
    middles = middles[np.argsort(-middles[:, 2], kind="stable")]
    up = middles[0] - middles[1] if len(middles) > 1 else np.array([0.0, 0.0, 2 * HALF_MM])
    down = middles[-1] - middles[-2] if len(middles) > 1 else -up
    ends = [middles[0] + up / 2, *middles, middles[-1] + down / 2]
    steps = np.linspace(0.0, 1.0, 20)[:, None]
    line = [a + steps * (b - a) for a, b in itertools.pairwise(ends)]
    curve = fit_curve(np.concatenate(line).astype(np.float32))
    assert curve is not None  # a line has far more than the eight points a curve needs
    return curve


def _is_body(
    owner: Bytes, straight: Floats, is_core: Mask, cut: Collection[int], wall: Wall | None
) -> Mask:
    """(N,) whether each bone voxel belongs to a body.

    Args:
        owner: (N,) number of the bone.
        straight: (N, 3) straightened coordinates.
        is_core: (N,) whether it lies deep inside.
        cut: numbers of the bones that are cut.
        wall: the canal's front; None without a canal.
    """
    result = np.ones(len(owner), dtype=bool)
    numbers = np.unique(owner)
    whole = numbers[~np.isin(numbers, list(cut))]
    if wall is None and len(whole) >= LEAST_WHOLE:
        result, wall = _part_by_middles(owner, straight, is_core, whole)
        numbers = np.setdiff1d(numbers, whole)
        arches = [not result[owner == n].all() for n in whole]
        if np.mean(arches) < 0.5:
            return result
    elif wall is None:
        return _part_by_middles(owner, straight, is_core, numbers)[0]
    for number in numbers:
        mine = np.flatnonzero(owner == number)
        behind = straight[mine, 2] < np.interp(straight[mine, 0], *wall)
        if behind.mean() >= ARCH_SHARE:
            result[mine] = ~behind & (behind.mean() <= 1 - ARCH_SHARE)
    return result


def _part_by_middles(
    owner: Bytes, straight: Floats, is_core: Mask, numbers: NDArray[np.uint8]
) -> tuple[Mask, Wall]:
    """(N,) whether each bone voxel belongs to a body, of the numbers given, and where those end."""
    result = np.ones(len(owner), dtype=bool)
    rears = []
    for number in numbers:
        mine = np.flatnonzero(owner == number)
        along = straight[mine]
        middle = along[is_core[mine]].mean(axis=0)
        near = along[np.abs(along[:, 0] - middle[0]) < BAND_MM]
        # The middle of a number on two bones lies on neither.
        near = near if len(near) else along
        rear = 2 * middle[2] - np.quantile(near[:, 2], 0.98) - REAR_SLACK_MM
        rears.append((float(middle[0]), float(rear)))
        behind = along[:, 2] < rear
        if behind.mean() >= ARCH_SHARE:
            result[mine] = ~behind
    places, fronts = np.array(sorted(rears)).T
    return result, (places, fronts)


def _front_of_canal(
    canal: Mask, curve: ColumnCurve, spacing_mm: tuple[float, float, float]
) -> Wall | None:
    """How far to the front the canal reaches; None without one."""
    if not canal.any():
        return None
    along = curve.straighten(coords_mm(canal, spacing_mm)).astype(np.float64)
    bins = np.rint(along[:, 0] / 4.0).astype(np.int64)
    seen = np.unique(bins)
    front = np.array([np.quantile(along[bins == b, 2], 0.9) for b in seen])
    smooth = ndimage.median_filter(front, size=5, mode="nearest")
    return seen.astype(np.float64) * 4.0, np.asarray(smooth, dtype=np.float64)


def _find_ring(owner: Bytes, straight: Floats, is_body: Mask) -> int | None:
    """The topmost bone if it is C1: in a neck, around what it holds of the next one, the dens."""
    numbers = np.unique(owner[is_body])
    if len(numbers) < 2:
        return None
    bodies = {int(n): straight[is_body & (owner == n)] for n in numbers}
    first, second = sorted(bodies, key=lambda n: float(bodies[n][:, 0].mean()))[:2]
    dens = _beside(bodies[first], bodies[second])
    if not len(dens) or float(bodies[second][:, 2].std()) * STRIP >= NECK_DEPTH_MM:
        return None
    away = np.hypot(*(bodies[first] - dens.mean(axis=0))[:, 1:].T)
    return first if np.mean(away < HOLE_MM) < HOLE_SHARE else None


def _beside(ring: Floats, others: Floats) -> Floats:
    """(n, 3) what lies at the heights of the ring."""
    low, high = np.quantile(ring[:, 0], (0.05, 0.95))
    return others[(others[:, 0] >= low) & (others[:, 0] <= high)]


def _is_anterior_arch(owner: Bytes, straight: Floats, is_body: Mask, ring: int) -> Mask:
    """(n,) which voxels of the ring lie in front of the dens, near the middle."""
    mine = straight[owner == ring]
    dens = _beside(straight[is_body & (owner == ring)], straight[is_body & (owner != ring)])
    _, u, v = dens.mean(axis=0)
    before = mine[:, 2] > v + RING_FRONT_MM
    return np.asarray(before & (np.abs(mine[:, 1] - u) < RING_BESIDE_MM))
