"""Vertebrae that are told apart already: ordered and measured, and where their numbers lie.

It knows numbers that mean nothing but "the same bone", and nothing of names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instance, Instances
from spinekit.anatomy.parts import BODY, CANAL, CORD, DISC, POSTERIOR, SACRUM
from spinekit.instances.assembly import add_posterior
from spinekit.instances.column import coords_mm
from spinekit.instances.curve import ColumnCurve
from spinekit.instances.measure import measure_items
from spinekit.instances.parting import MIN_BODY_MM3, find_cut, part_bodies, run_through

GAP_MM = 15.0
"""Body and arch of one vertebra have no layers without either between them as thick as this, mm;
two vertebrae with another between them have more even in the neck."""
TALLEST_MM = 90.0
"""The height of no vertebra, from its upper rim to the tip of its arch, mm."""
PLACE_SHARE = 0.1
"""What holds less of the voxels of a number is a speck, and no place where it lies."""
ARCH_TOP = 0.1
"""An arch springs from its body at the height of this quantile of its voxels, from the top."""
BEYOND_MM = 1e4
"""Longer than any column, mm."""

Bytes = NDArray[np.uint8]


def take_instances(
    numbers: Bytes, tissue: Bytes, spacing_mm: tuple[float, float, float]
) -> tuple[Instances, tuple[int, ...]]:
    """Order and measure bones that bear a number each.

    A vertebra of which only the arch is in view or marked has no volume and is partial; its place
    and height are those that its body would have beside its neighbours'. Without a vertebra the
    column is what discs and sacrum tell.

    Args:
        numbers: (I, J, K) a number per vertebra and per disc, 0 elsewhere; i to the right, j to
            the front, k upwards.
        tissue: (I, J, K) what the voxels are: 1 a vertebra's, 3 a disc's, 4 canal, 5 cord, 6
            sacrum.
        spacing_mm: voxel size.

    Returns:
        Instances from the top, and the number each bore (0 for the sacrum). None, and empty maps,
        without a vertebra, disc and sacrum.
    """
    bone = np.where(tissue == BODY, numbers, 0)
    size = np.bincount(bone.ravel(), minlength=256) * float(np.prod(spacing_mm))
    size[0] = 0.0
    bone[size[bone] < MIN_BODY_MM3] = 0
    sacrum, of_discs = tissue == SACRUM, np.where(tissue == DISC, numbers, 0)
    if not (bone.any() or of_discs.any() or sacrum.any()):
        empty = [np.zeros(numbers.shape, np.uint8) for _ in range(3)]
        return Instances(empty[0], empty[1], empty[2], (), spacing_mm), ()
    cut = find_cut(bone)
    if bone.any():
        is_body, curve = part_bodies(bone, np.isin(tissue, (CANAL, CORD)), spacing_mm, cut)
    else:
        rest = np.where(sacrum, np.uint8(255), of_discs)
        is_body, curve = bone > 0, run_through(coords_mm(rest > 0, spacing_mm), rest[rest > 0])
    parts = np.where(tissue == BODY, np.uint8(0), tissue)
    parts[bone > 0] = np.where(is_body, BODY, POSTERIOR)[bone > 0]
    vertebrae, first = _rank(bone, _order_bones(bone, is_body, curve, spacing_mm, cut))
    discs, second = _rank(of_discs, _middles(of_discs, curve, spacing_mm))
    bones = [
        dataclasses.replace(item, partial=item.partial or first[item.index - 1] in cut)
        for item in _measure_bones(parts, vertebrae, curve, spacing_mm)
    ]
    is_disc = discs > 0
    rows = np.argwhere(is_disc)
    straight = curve.straighten(coords_mm(is_disc, spacing_mm))
    index = discs[is_disc].astype(np.int64)
    items = bones + measure_items("disc", index, rows, straight, spacing_mm, numbers.shape[2])
    ordered = sorted(items, key=lambda item: item.position_mm)
    bore = [(first if item.kind == "vertebra" else second)[item.index - 1] for item in ordered]
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


def _middles(
    numbers: Bytes, curve: ColumnCurve, spacing_mm: tuple[float, float, float]
) -> dict[int, float]:
    """Number → the middle of its voxels along the curve, mm."""
    owner = numbers[numbers > 0]
    along = curve.straighten(coords_mm(numbers > 0, spacing_mm))[:, 0].astype(np.float64)
    count = np.bincount(owner, minlength=256)
    middle = np.bincount(owner, weights=along, minlength=256) / np.maximum(count, 1)
    return {number: float(middle[number]) for number in np.flatnonzero(count).tolist()}


def _order_bones(
    bone: Bytes,
    is_body: NDArray[np.bool_],
    curve: ColumnCurve,
    spacing_mm: tuple[float, float, float],
    cut: Mapping[int, int],
) -> dict[int, float]:
    """Number → where it comes along the curve: its body's middle, or where its arch springs from.

    Processes hang beside the bodies below theirs. So an arch alone that is cut at the upper end is
    above all bodies, and one at the lower end below them.
    """
    places = _middles(np.where(is_body, bone, 0), curve, spacing_mm)
    for number in np.setdiff1d(bone, [0, *places]).tolist():
        mine = bone == number
        along = curve.straighten(coords_mm(mine, spacing_mm))[:, 0]
        places[number] = float(np.quantile(along, ARCH_TOP)) + BEYOND_MM * cut.get(number, 0)
    return places


def _rank(numbers: Bytes, places: dict[int, float]) -> tuple[Bytes, list[int]]:
    """The map with numbers 1.. from the top, and what each bore."""
    bore = sorted(places, key=lambda number: places[number])
    table = np.zeros(256, np.uint8)
    table[bore] = np.arange(1, len(bore) + 1)
    return table[numbers], bore


def _measure_bones(
    parts: Bytes, vertebrae: Bytes, curve: ColumnCurve, spacing_mm: tuple[float, float, float]
) -> list[Instance]:
    """One item per vertebra, ascending."""
    depth = parts.shape[2]
    mask = (parts == BODY) & (vertebrae > 0)
    bodies = measure_items(
        "vertebra",
        vertebrae[mask].astype(np.int64),
        np.argwhere(mask),
        curve.straighten(coords_mm(mask, spacing_mm)),
        spacing_mm,
        depth,
    )
    arch = np.argwhere((parts == POSTERIOR) & (vertebrae > 0))
    owner = vertebrae[tuple(arch.T)].astype(np.int64)
    known = {item.index: item for item in bodies}
    for index in np.setdiff1d(owner, list(known)).tolist():
        i, j, k = (float(at) for at in arch[owner == index].mean(axis=0))
        known[index] = _place_body(index, (i, j, k), bodies)
    bones = [known[index] for index in sorted(known)]
    return add_posterior(bones, owner, arch[:, 2], float(np.prod(spacing_mm)), depth)


def _place_body(
    index: int, centroid_ijk: tuple[float, float, float], bodies: Sequence[Instance]
) -> Instance:
    """A vertebra without a body in view, where and as large as the bodies seen tell.

    Args:
        index: its number from the top.
        centroid_ijk: of its arch.
        bodies: those that are seen, ascending, at least one.
    """
    whole = [item for item in bodies if not item.partial] or bodies
    height, depth, width = (
        float(np.median([getattr(item, name) for item in whole]))
        for name in ("height_mm", "depth_mm", "width_mm")
    )
    above = [item for item in bodies if item.index < index][-1:]
    below = [item for item in bodies if item.index > index][:1]
    if above and below:
        share = (index - above[0].index - 0.5) / (below[0].index - above[0].index - 1)
        middle = above[0].bottom_mm + share * (below[0].top_mm - above[0].bottom_mm)
    elif below:
        middle = below[0].top_mm - (below[0].index - index - 0.5) * height
    else:
        middle = above[0].bottom_mm + (index - above[0].index - 0.5) * height
    return Instance(
        kind="vertebra",
        index=index,
        centroid_ijk=centroid_ijk,
        volume_mm3=0.0,
        touches_edge=False,
        partial=True,
        position_mm=middle,
        top_mm=middle - height / 2,
        bottom_mm=middle + height / 2,
        height_mm=height,
        depth_mm=depth,
        width_mm=width,
    )
