"""Vertebrae that are told apart already: ordered and measured, and where their numbers lie.

It knows numbers that mean nothing but "the same bone", and nothing of names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
TWO_BODIES, BOTH_BODIES = 0.4, 1.4
"""Of the usual body beside it, each of two pieces of a body and both together have at least these
shares where they are two bodies: halves of one have but one body's volume together."""
DENS_SHARE = 0.66
"""Cross-section of the dens, in that of C2's body, at most; of two bodies the upper one has 0.7."""
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
        return Instances(empty[0], empty[1], empty[2], (), spacing_mm, told_apart=True), ()
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
    found = Instances(parts, vertebrae, discs, tuple(ordered), spacing_mm, told_apart=True)
    return found, tuple(bore)


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


def find_doubled(instances: Instances, bore: Sequence[int]) -> dict[int, float]:
    """Numbers that two vertebrae bear, also one above the other.

    What lies rather in front of, behind or beside the largest piece of a body than above or below
    it is a process or a lateral mass.

    Args:
        instances: As `take_instances` gives them.
        bore: The number of each item.

    Returns:
        Number to the height over which its bodies lie, mm. Empty without vertebrae.
    """
    body = np.where(instances.parts == BODY, instances.vertebra_map, 0)
    size = np.bincount(body.ravel(), minlength=256)
    own = {item.index: n for n, item in enumerate(instances.items) if item.kind == "vertebra"}
    is_whole = {index: not instances.items[n].partial for index, n in own.items()}
    found = {}
    for index, box in enumerate(ndimage.find_objects(body), start=1):
        near = [n for n in range(index - 2, index + 3) if n != index and is_whole.get(n)]
        beside = [size[n] for n in near if size[n]]
        if box is None or not beside:
            continue
        usual, may_be_axis = float(np.median(beside)), index <= 2
        if _are_two(body[box] == index, instances.spacing_mm, usual, may_be_axis=may_be_axis):
            found[bore[own[index]]] = (box[2].stop - box[2].start) * instances.spacing_mm[2]
    return found


def _are_two(
    body: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    usual: float,
    *,
    may_be_axis: bool,
) -> bool:
    """Whether a piece of a body lies above or below the largest one, by its size another body.

    Args:
        body: (I, J, K).
        spacing_mm: voxel size.
        usual: The size of one body there, voxels.
        may_be_axis: Its slimmer upper piece is a dens then.
    """
    pieces, count = ndimage.label(body)
    size = np.bincount(pieces.ravel())[1:]
    middle = np.array(ndimage.center_of_mass(body, pieces, np.arange(1, count + 1))) * spacing_mm
    most = size.argmax()
    way = middle - middle[most]
    is_body = np.abs(way[:, 2]) > np.hypot(way[:, 0], way[:, 1])
    is_body &= (size >= TWO_BODIES * usual) & (size + size[most] >= BOTH_BODIES * usual)
    if may_be_axis:
        layers = [box[2].stop - box[2].start for box in ndimage.find_objects(pieces)]
        share = size / layers / (size[most] / layers[most])
        is_body &= np.where(way[:, 2] > 0, share, 1.0 / share) > DENS_SHARE
    return bool(is_body.any())


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
    is_arch = (parts == POSTERIOR) & (vertebrae > 0)
    arch, along = np.argwhere(is_arch), curve.straighten(coords_mm(is_arch, spacing_mm))[:, 0]
    owner = vertebrae[is_arch].astype(np.int64)
    known = {item.index: item for item in bodies}
    for index in np.setdiff1d(owner, list(known)).tolist():
        i, j, k = (float(at) for at in arch[owner == index].mean(axis=0))
        springs_mm = float(np.quantile(along[owner == index], ARCH_TOP))
        known[index] = _place_body(index, (i, j, k), springs_mm, bodies)
    bones = [known[index] for index in sorted(known)]
    return add_posterior(bones, owner, arch[:, 2], float(np.prod(spacing_mm)), depth)


def _place_body(
    index: int,
    centroid_ijk: tuple[float, float, float],
    springs_mm: float,
    bodies: Sequence[Instance],
) -> Instance:
    """A vertebra without a body in view, where and as large as the bodies seen tell.

    Beyond the outermost body it lies where its arch springs from, if that is so far away that there
    is room for another one between them, else beside that body.

    Args:
        index: its number from the top.
        centroid_ijk: of its arch.
        springs_mm: where that springs from, along the curve.
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
    beyond_mm = springs_mm - middle if above else middle - springs_mm
    if not (above and below) and beyond_mm > height:
        middle = springs_mm
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
