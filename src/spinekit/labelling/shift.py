"""Names by splitting at disc planes and shifting one rigid sequence, as Gliwa's system does.

After the plane split and the small-field labels of Gliwa's spine segmentation, from its
description: each disc is a plane through its centre, perpendicular to the line between the
centres of the discs above and below it; the missing neighbours of the outer ones are extrapolated
by a quadratic fit of the four nearest; a bone's number is the count of planes it lies below. The
numbered bones are then shifted as one sequence along C2 … L6, S1, with 4, 5 or 6 lumbar vertebrae
where S1 is in view, to the least mean of |difference| + [difference ≠ 0] against what a network
says of every voxel. Here the voxels' votes are an item's evidence times its volume.

Defects of the method that are kept, because they are the method: a missed, fused or false disc
merges or adds a number and moves all names on one side of it; T11 and T13 cannot occur, and L6 or
four lumbar vertebrae only with S1 in view. Defects of the program that are not inherited: the fit
is ill-posed with fewer than three discs (here the degree falls with their number); it must find
discs (here bones without any are numbered by their order); planes that crossed, or whose fit
turned back, put names out of order (here they face downwards, and numbers never fall); two bones
between two discs were one (here the larger bears the name, but C1 above C2 bears its own); pieces
were dropped by a count of voxels whatever their size.
It knows instances and evidence, no voxel.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import CERVICAL, LEVELS, LUMBAR, SACRUM, THORACIC
from spinekit.anatomy.items import Instances
from spinekit.labelling.naming import Choice, Naming, counted_naming, join_evidence

LINE = (*CERVICAL[1:], *THORACIC[:12], *LUMBAR, SACRUM)
"""The sequence that is shifted along; there is no C1 and no T13 in it."""
NEAREST = 4
"""Discs that an end is extrapolated from."""

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


def name_by_shift(
    instances: Instances,
    evidence: NDArray[np.floating],
    *,
    outside: NDArray[np.floating] | None = None,
) -> Naming:
    """Name every vertebra, disc and the sacrum by the best rigid shift.

    Args:
        instances: the split column.
        evidence: (n, 27) distribution over LEVELS per item.
        outside: (n, 27) log likelihood of LEVELS per item from other sources than the scan; it
            joins the evidence.

    Returns:
        Names in the order of instances.items. A probability is the share of the votes, those of
        the item itself, that its name got: it is not calibrated, and says nothing of the other
        shifts. Ambiguous without a bone.
    """
    items = instances.items
    bones = [n for n, item in enumerate(items) if item.kind != "disc"]
    votes = join_evidence(evidence, outside)[bones]
    numbers = number_bones(instances)
    places = _best_shift(
        numbers,
        _cost_per_place(votes),
        np.array([items[bone].volume_mm3 for bone in bones]),
        np.array([items[bone].kind == "sacrum" for bone in bones], dtype=bool),
    )
    choices = _choose(places, instances, bones)
    of_bones: list[float | None] = [None] * len(items)
    for row, bone, choice in zip(votes, bones, choices, strict=True):
        is_sacrum = items[bone].kind == "sacrum"
        of_bones[bone] = 1.0 if is_sacrum else float(row[choice[0]]) if choice else 0.0
    reason = None if bones else "no vertebra in view"
    return counted_naming(items, bones, choices, of_bones, reason)


def number_bones(instances: Instances) -> Numbers:
    """Number of each bone, the sacrum included: how many disc planes it lies below.

    Args:
        instances: the split column.

    Returns:
        (n,) numbers from 0 that never fall in the order of the bones; their order alone without
        discs.
    """
    spacing = np.array(instances.spacing_mm)
    centres = [np.array(item.centroid_ijk) * spacing for item in instances.items]
    discs = [c for c, item in zip(centres, instances.items, strict=True) if item.kind == "disc"]
    bones = [c for c, item in zip(centres, instances.items, strict=True) if item.kind != "disc"]
    if not discs:
        return np.arange(len(bones), dtype=np.int64)
    if len(discs) == 1:
        up = np.array([0.0, 0.0, 1.0])
        line = np.stack([discs[0] + up, discs[0], discs[0] - up])
    else:
        line = np.stack([_beyond(discs), *discs, _beyond(discs[::-1])])
    normals = line[2:] - line[:-2]
    # Where discs lie unevenly, a fit may turn back beyond them.
    down = discs[-1] - discs[0] if len(discs) > 1 else line[-1] - line[0]
    normals[normals @ down < 0] *= -1
    below = [
        sum(float(np.dot(bone - disc, n)) > 0 for disc, n in zip(discs, normals, strict=True))
        for bone in bones
    ]
    return np.maximum.accumulate(np.array(below, dtype=np.int64))


def _beyond(discs: list[Floats]) -> Floats:
    """(3,) centre of the disc that would come before the first of two or more, extrapolated."""
    near = np.stack(discs[:NEAREST])
    places = np.arange(len(near))
    degree = min(2, len(near) - 1)
    fits = [np.polyfit(places, near[:, axis], degree) for axis in range(3)]
    return np.array([np.polyval(fit, -1) for fit in fits])


def _cost_per_place(votes: Floats) -> Floats:
    """(bones, places) mean of |difference| + [difference ≠ 0] of each bone's votes."""
    at = np.array([_place(level) for level in LEVELS], dtype=np.float64)
    off = np.abs(at[:, None] - np.arange(len(LINE))[None, :])
    return np.asarray(votes @ (off + (off > 0)))


def _place(level: str) -> int:
    """Where a vote falls on the line; C1 and T13 count for their neighbours."""
    return LINE.index({"C1": "C2", "T13": "T12"}.get(level, level))


def _best_shift(
    numbers: Numbers,
    cost: Floats,
    volume: Floats,
    is_sacrum: NDArray[np.bool_],
) -> Numbers:
    """(bones,) place on the line of each bone in the best sequence."""
    if len(numbers) == 0:
        return numbers
    weight = volume / max(float(volume.sum()), 1e-9)

    def loss(places: Numbers) -> float:
        return float(weight @ cost[np.arange(len(places)), places])

    return min(_sequences(numbers, is_sacrum), key=loss)


def _sequences(numbers: Numbers, is_sacrum: NDArray[np.bool_]) -> list[Numbers]:
    """Every place of the sequence on the line: with S1 in view one for 4, 5 and 6 lumbar."""
    last = len(LINE) - 1
    vertebrae = numbers[~is_sacrum]
    if is_sacrum.any():
        below = int(numbers[is_sacrum].max())
        found = [np.where(is_sacrum, last, numbers - below + last - gap) for gap in (1, 0, 2)]
    else:
        highest = last - 2 - int(vertebrae.max(initial=0))
        found = [numbers + shift for shift in range(min(0, highest), highest + 1)]
    return [np.clip(places, 0, last) for places in found]


def _choose(places: Numbers, instances: Instances, bones: list[int]) -> list[Choice]:
    """One name per bone: of bones with one number the largest bears it, C1 above C2 its own."""
    levels = {bone: LINE[place] for bone, place in zip(bones, places, strict=True)}
    for upper, lower in itertools.pairwise(bones[:2]):
        if levels[upper] == levels[lower] == "C2":
            levels[upper] = "C1"
    owner: dict[str, int] = {}
    for bone in bones:
        level = levels[bone]
        fits = (level == SACRUM) == (instances.items[bone].kind == "sacrum")
        size = instances.items[bone].volume_mm3
        held = owner.get(level)
        if fits and (held is None or size > instances.items[held].volume_mm3):
            owner[level] = bone
    return [
        (LEVELS.index(levels[bone]),) if owner.get(levels[bone]) == bone else () for bone in bones
    ]
