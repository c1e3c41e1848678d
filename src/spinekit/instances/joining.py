"""Pieces of one bone made one again, once it is known that they belong together.

It moves voxels and sizes from one instance to another; why they belong together it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spinekit.anatomy.items import PARTIAL_BELOW_MM3, Instance, Instances
from spinekit.anatomy.parts import BODY, DISC


def join_items(
    instances: Instances, pieces: Sequence[tuple[int, int]]
) -> tuple[Instances, list[int]]:
    """Give pieces to the vertebrae that they are parts of.

    Args:
        instances: the split column.
        pieces: (item, the vertebra it belongs to), both places in `instances.items`; a disc that
            belongs to a vertebra becomes body.

    Returns:
        The column without these items, numbered from the top again, and the places of those that
        were kept.
    """
    owner = dict(pieces)
    items = list(instances.items)
    parts, vertebra_map, disc_map = (
        array.copy() for array in (instances.parts, instances.vertebra_map, instances.disc_map)
    )
    for piece, bone in owner.items():
        if items[piece].kind == "disc":
            mine = (disc_map == items[piece].index) & (parts == DISC)
            parts[mine], disc_map[mine] = BODY, 0
        else:
            mine = vertebra_map == items[piece].index
        vertebra_map[mine] = items[bone].index
        items[bone] = _grown(items[bone], instances.items[piece])
    kept = [n for n in range(len(items)) if n not in owner]
    number = {"vertebra": 0, "disc": 0}
    table = {kind: np.zeros(256, dtype=np.uint8) for kind in number}
    rows = []
    for item in (items[n] for n in kept):
        if item.kind == "sacrum":
            rows.append(item)
            continue
        number[item.kind] += 1
        table[item.kind][item.index] = number[item.kind]
        rows.append(replace(item, index=number[item.kind]))
    joined = replace(
        instances,
        parts=parts,
        vertebra_map=table["vertebra"][vertebra_map],
        disc_map=table["disc"][disc_map],
        items=tuple(rows),
    )
    return joined, kept


def _grown(bone: Instance, piece: Instance) -> Instance:
    """The vertebra with a piece of it added; front to back and across the larger of both counts."""
    volume = bone.volume_mm3 + piece.volume_mm3
    share = piece.volume_mm3 / max(volume, 1e-6)
    top, bottom = min(bone.top_mm, piece.top_mm), max(bone.bottom_mm, piece.bottom_mm)
    i, j, k = (
        float((1 - share) * a + share * b)
        for a, b in zip(bone.centroid_ijk, piece.centroid_ijk, strict=True)
    )
    touches = bone.touches_edge or piece.touches_edge
    return replace(
        bone,
        centroid_ijk=(i, j, k),
        volume_mm3=volume,
        touches_edge=touches,
        partial=touches or volume < PARTIAL_BELOW_MM3,
        position_mm=(1 - share) * bone.position_mm + share * piece.position_mm,
        top_mm=top,
        bottom_mm=bottom,
        height_mm=bottom - top,
        depth_mm=max(bone.depth_mm, piece.depth_mm),
        width_mm=max(bone.width_mm, piece.width_mm),
        posterior_mm3=bone.posterior_mm3 + piece.posterior_mm3,
    )
