"""What bones are called by the named discs beside them.

It knows where bones and discs lie and which column has which discs; nothing of masks and files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage

from spinekit.anatomy.column import VARIANTS, Variant
from spinekit.anatomy.scheme import ABSTAINED_DISC, VALUES, disc_name, kind_of_value
from spinekit.bones import Adopted
from spinekit.core.volume import Volume

REACH_HEIGHTS = 1.3
"""A disc whose centre lies farther from a bone's, in heights of its body, is not beside it: those
beside it lie at 0.7, the next at 2."""

Beside = tuple[int | None, int | None]
"""Values of the named discs above and below a bone."""


def names_beside_discs(adopted: Adopted, labels: Volume) -> dict[int, str] | None:
    """Name bones so that they agree with the discs that have a name already.

    Args:
        adopted: The bones as they were split.
        labels: (I, J, K) our values of what has a name, the discs among it.

    Returns:
        Value of a vertebra in `adopted` → its name; bones without a disc are counted from those
        with one, and pieces between the same discs bear one name. Empty where no named disc lies
        beside a bone, and None where no legal column has them so.
    """
    discs = _heights_of_discs(labels)
    grid = adopted.record.working_grid
    bones = [entry for entry in adopted.named if entry.item.kind == "vertebra"]
    heights = [float(grid.ijk_to_ras(entry.item.centroid_ijk)[0, 2]) for entry in bones]
    beside = [
        _beside(height, entry.item.height_mm, discs)
        for height, entry in zip(heights, bones, strict=True)
    ]
    if not any(value for pair in beside for value in pair):
        return {}
    for variant in sorted(VARIANTS, key=lambda v: abs(v.thoracic - 12) + abs(v.lumbar - 5)):
        names = _fit(beside, variant) if set(discs) <= set(_chain(variant)) else None
        if names is not None:
            return {entry.value: name for entry, name in zip(bones, names, strict=True)}
    return None


def _heights_of_discs(labels: Volume) -> dict[int, float]:
    """Value → height in mm (S) of the centre of every named disc."""
    present = [int(value) for value in np.unique(labels.array) if value]
    values = [v for v in present if kind_of_value(v) == "disc" and v not in ABSTAINED_DISC]
    if not values:
        return {}
    centres = ndimage.center_of_mass(labels.array > 0, labels.array, values)
    heights = labels.grid.ijk_to_ras(centres)[:, 2]
    return {value: float(height) for value, height in zip(values, heights, strict=True)}


def _beside(height: float, size: float, discs: Mapping[int, float]) -> Beside:
    """The discs next above and below a bone at a height, with a body of a size, all in mm."""
    away = {value: at - height for value, at in discs.items()}
    near = {value: mm for value, mm in away.items() if abs(mm) <= REACH_HEIGHTS * size}
    above = [value for value in near if near[value] > 0]
    below = [value for value in near if near[value] <= 0]
    return (
        min(above, key=lambda value: near[value], default=None),
        max(below, key=lambda value: near[value], default=None),
    )


def _chain(variant: Variant) -> dict[int, int]:
    """Disc → place, in a column, of the level above it."""
    pairs = [(n, upper, lower) for n, (upper, lower) in enumerate(pairwise(variant.levels))]
    return {VALUES[disc_name(upper, lower)]: n for n, upper, lower in pairs if upper != "C1"}


def _fit(beside: Sequence[Beside], variant: Variant) -> tuple[str, ...] | None:
    """Names of bones in one column, None where it does not have these discs between them."""
    place_of = _chain(variant)
    known: dict[int, int] = {}
    for bone, (above, below) in enumerate(beside):
        for value, step in ((above, 1), (below, 0)):
            if value is None:
                continue
            place = place_of.get(value, -1) + step
            if value not in place_of or known.setdefault(bone, place) != place:
                return None
    places = []
    for bone in range(len(beside)):
        nearest = min(known, key=lambda other: abs(other - bone))
        places.append(known[nearest] + bone - nearest)
    bones = len(variant.levels) - 1  # without the sacrum
    one_by_one = all(
        upper < lower or (upper == lower and {n, n + 1} <= set(known))
        for n, (upper, lower) in enumerate(pairwise(places))
    )
    if places[0] < 0 or places[-1] >= bones or not one_by_one:
        return None
    return tuple(variant.levels[place] for place in places)
