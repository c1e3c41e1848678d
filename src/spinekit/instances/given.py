"""Vertebrae that are told apart already: bodies parted from arches, ordered and measured.

It knows numbers that mean nothing but "the same bone", and nothing of names.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.items import Instances
from spinekit.instances.assembly import add_posterior
from spinekit.instances.column import BODY, CANAL, CORD, DISC, POSTERIOR, SACRUM, coords_mm
from spinekit.instances.curve import ColumnCurve, fit_curve
from spinekit.instances.measure import measure_items

CORE_SHARE = 0.9
"""The core of a body are voxels this deep inside it, against the deepest one of the bone."""
HALF_MM = 12.0
"""Half the height of a vertebra, mm, where there is but one."""
BAND_MM = 5.0
"""Only this near the height of its centre a body's front is looked for, mm."""
REAR_SLACK_MM = 1.5
"""A body reaches this much farther behind its centre than in front of it, mm."""
ARCH_SHARE = 0.08
"""With less than this behind its body, a bone is a body alone."""
MIN_BODY_MM3 = 80.0
"""A smaller bone is a speck, mm³."""
GAP_MM = 15.0
"""Body and arch of one vertebra have no layers without either between them as thick as this, mm;
two vertebrae with another between them have more even in the neck."""
TALLEST_MM = 90.0
"""The height of no vertebra, from its upper rim to the tip of its arch, mm."""
PLACE_SHARE = 0.1
"""What holds less of the voxels of a number is a speck, and no place where it lies."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def take_instances(
    numbers: Bytes, tissue: Bytes, spacing_mm: tuple[float, float, float]
) -> tuple[Instances, tuple[int, ...]]:
    """Order and measure bones that bear a number each.

    Where a bone's body ends and its arch begins is told by the canal's front, or, without a canal,
    by the body's middle: the body is by far the thickest part of a vertebra, and its front is as
    far from its middle as its rear.

    Args:
        numbers: (I, J, K) a number per vertebra and per disc, 0 elsewhere; i to the right, j to
            the front, k upwards.
        tissue: (I, J, K) what the voxels are: 1 a vertebra's, 3 a disc's, 4 canal, 5 cord, 6
            sacrum.
        spacing_mm: voxel size.

    Returns:
        Instances from the top, and the number each bore (0 for the sacrum). None, and empty maps,
        without a vertebra.
    """
    bone = np.where(tissue == BODY, numbers, 0)
    depth = _depth(bone, spacing_mm)
    voxel_mm3 = float(np.prod(spacing_mm))
    size = np.bincount(bone.ravel(), minlength=256) * voxel_mm3
    size[0] = 0.0
    bone[size[bone] < MIN_BODY_MM3] = 0
    where = bone > 0
    if not where.any():
        empty = [np.zeros(numbers.shape, np.uint8) for _ in range(3)]
        return Instances(empty[0], empty[1], empty[2], (), spacing_mm), ()
    canal = np.isin(tissue, (CANAL, CORD))
    parts = np.where(tissue == BODY, np.uint8(0), tissue)
    curve = _through_middles(bone, where & (depth >= CORE_SHARE), spacing_mm)
    # Once from the middles alone, once more from the bodies that gave.
    for _ in range(2):
        is_body = _is_body(bone, depth, canal, curve, spacing_mm)
        parts[where] = np.where(is_body, BODY, POSTERIOR)
        curve = _through_middles(bone, parts == BODY, spacing_mm)
    vertebrae, first = _rank(bone, parts == BODY, curve, spacing_mm)
    discs, second = _rank(np.where(tissue == DISC, numbers, 0), tissue == DISC, curve, spacing_mm)
    items = []
    for kind, index, part in (("vertebra", vertebrae, BODY), ("disc", discs, DISC)):
        mask = (parts == part) & (index > 0)
        items += measure_items(
            "vertebra" if kind == "vertebra" else "disc",
            index[mask].astype(np.int64),
            np.argwhere(mask),
            curve.straighten(coords_mm(mask, spacing_mm)),
            spacing_mm,
            numbers.shape[2],
        )
    arch = (parts == POSTERIOR) & (vertebrae > 0)
    bones = [item for item in items if item.kind == "vertebra"]
    bones = add_posterior(
        bones,
        vertebrae[arch].astype(np.int64),
        np.argwhere(arch)[:, 2],
        voxel_mm3,
        numbers.shape[2],
    )
    ordered = sorted(
        [*bones, *(item for item in items if item.kind == "disc")],
        key=lambda item: item.position_mm,
    )
    bore = [(first if item.kind == "vertebra" else second)[item.index - 1] for item in ordered]
    sacrum = tissue == SACRUM
    if sacrum.any():
        ordered += measure_items(
            "sacrum",
            np.ones(int(sacrum.sum()), np.int64),
            np.argwhere(sacrum),
            curve.straighten(coords_mm(sacrum, spacing_mm)),
            spacing_mm,
            numbers.shape[2],
        )
        bore.append(0)
    return Instances(parts, vertebrae, discs, tuple(ordered), spacing_mm), tuple(bore)


def find_scattered(numbers: Bytes, spacing_mm: tuple[float, float, float]) -> dict[int, float]:
    """Numbers that lie farther apart than one vertebra or disc.

    Args:
        numbers: (I, J, K) a number per vertebra and per disc, 0 elsewhere; k upwards.
        spacing_mm: voxel size.

    Returns:
        Number to the height over which it lies, mm. Empty without numbers.
    """
    layers = np.stack([np.bincount(cut.ravel(), minlength=256) for cut in numbers.T], axis=1)
    found = {}
    for number in (np.flatnonzero(layers[1:].any(axis=1)) + 1).tolist():
        count = layers[number]
        marked = np.flatnonzero(count)
        below = np.cumsum(count[marked])[:-1] / count.sum()
        is_place = np.minimum(below, 1 - below) >= PLACE_SHARE
        between_mm = (np.diff(marked) - 1)[is_place] * spacing_mm[2]
        height_mm = is_place.sum() * spacing_mm[2] + between_mm.sum()
        if height_mm > TALLEST_MM or (between_mm >= GAP_MM).any():
            found[number] = float(marked[-1] - marked[0] + 1) * spacing_mm[2]
    return found


def _depth(bone: Bytes, spacing_mm: tuple[float, float, float]) -> Floats:
    """How deep each voxel lies in its bone's sagittal cut, as a share of the bone's deepest."""
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
        view[mine] = (inside / max(float(inside.max()), 1e-6))[mine]
    return depth


def _through_middles(
    bone: Bytes, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> ColumnCurve:
    """A curve through the middles of what is masked of each bone, from the top.

    It is half a vertebra longer on each end. A curve through the voxels themselves would turn at
    its ends: a body, and its core still more, is wider than it is high.
    """
    coords, owner = coords_mm(mask, spacing_mm), bone[mask]
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
    bone: Bytes,
    depth: Floats,
    canal: NDArray[np.bool_],
    curve: ColumnCurve,
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.bool_]:
    """(N,) whether each bone voxel, in the order of np.nonzero, belongs to a body."""
    where = bone > 0
    straight = curve.straighten(coords_mm(where, spacing_mm))
    owner, deep = bone[where], depth[where]
    wall = _front_of_canal(canal, curve, spacing_mm)
    result = np.ones(len(owner), dtype=bool)
    for number in np.unique(owner):
        mine = np.flatnonzero(owner == number)
        along = straight[mine]
        middle = along[deep[mine] >= CORE_SHARE].mean(axis=0)
        if wall is None:
            near = along[np.abs(along[:, 0] - middle[0]) < BAND_MM]
            # The middle of a number on two bones lies on neither.
            near = near if len(near) else along
            rear = 2 * middle[2] - np.quantile(near[:, 2], 0.98) - REAR_SLACK_MM
        else:
            rear = np.interp(along[:, 0], *wall)
        behind = along[:, 2] < rear
        if behind.mean() >= ARCH_SHARE:
            result[mine] = ~behind
    return result


def _front_of_canal(
    canal: NDArray[np.bool_], curve: ColumnCurve, spacing_mm: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Positions along the curve and how far to the front the canal reaches there; None without."""
    if not canal.any():
        return None
    along = curve.straighten(coords_mm(canal, spacing_mm)).astype(np.float64)
    bins = np.rint(along[:, 0] / 4.0).astype(np.int64)
    seen = np.unique(bins)
    front = np.array([np.quantile(along[bins == b, 2], 0.9) for b in seen])
    smooth = ndimage.median_filter(front, size=5, mode="nearest")
    return seen.astype(np.float64) * 4.0, np.asarray(smooth, dtype=np.float64)


def _rank(
    numbers: Bytes,
    mask: NDArray[np.bool_],
    curve: ColumnCurve,
    spacing_mm: tuple[float, float, float],
) -> tuple[Bytes, list[int]]:
    """The map with numbers 1.. from the top, and what each bore; by the middle of the masked."""
    chosen = mask & (numbers > 0)
    along = curve.straighten(coords_mm(chosen, spacing_mm))[:, 0].astype(np.float64)
    owner = numbers[chosen]
    count = np.bincount(owner, minlength=256)
    middle = np.bincount(owner, weights=along, minlength=256) / np.maximum(count, 1)
    bore = sorted(np.flatnonzero(count).tolist(), key=lambda number: middle[number])
    table = np.zeros(256, np.uint8)
    table[bore] = np.arange(1, len(bore) + 1)
    return table[numbers], bore
