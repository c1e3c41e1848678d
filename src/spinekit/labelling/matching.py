"""Which items of two columns are the same: those in one place, and what lies between them.

It knows items in order along two curves and how much of each lies in the other; no series.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instance

SAME_SHARE = 0.3
"""Least share of one instance, or of the other, that two have in common when they are the same."""
BESIDE_MM = 3.0
"""How far beside an instance of another series the centre of one may lie along the column and
still be the same, once the two columns are laid along each other."""
OUT_OF_STEP_MM = 10.0
"""Pairs in common shift along the column as their neighbours do, but for less than half a bone."""
NEIGHBOURS = 5
"""Of so many pairs a pair is compared with the middle one."""


def match_items(
    shares: NDArray[np.float64], items: Sequence[Instance], others: Sequence[Instance]
) -> list[tuple[int, int]]:
    """Pair the items of two columns that are the same.

    First are those that overlap, the best first. A patient who moved by some mm between series
    leaves thin discs, and slivers of bones at an edge, beside their like: those follow the others
    along the column.

    Args:
        shares: (n, m) greatest share in common, of the one item or of the other.
        items: (n,) of the one column.
        others: (m,) of the other.

    Returns:
        Positions in the two, each used once; nothing where nothing overlaps.
    """
    shares = shares.copy()
    pairs: list[tuple[int, int]] = []
    while shares.size and shares.max() >= SAME_SHARE:
        n, e = (int(x) for x in np.unravel_index(int(shares.argmax()), shares.shape))
        pairs.append((n, e))
        shares[n], shares[:, e] = 0.0, 0.0
    sacra = [[n for n, item in enumerate(one) if item.kind == "sacrum"] for one in (items, others)]
    if pairs and all(sacra) and sacra[0][0] not in dict(pairs):
        # There is one sacrum, whichever ends of it two series show.
        pairs.append((sacra[0][0], sacra[1][0]))
    pairs = _in_step(pairs, items, others)
    return pairs + _beside(pairs, items, others)


def _in_step(
    pairs: Sequence[tuple[int, int]], items: Sequence[Instance], others: Sequence[Instance]
) -> list[tuple[int, int]]:
    """The pairs without those that are shifted along the column unlike their neighbours.

    Such as the sliver of a bone that lies, moved, in the bone above it. The middle of a sliver is
    elsewhere than that of the whole bone: it is in step where, moved back, it lies in that bone.
    """
    shifts = shifts_along(pairs, items, others)
    kept = []
    for n, e in pairs:
        near = sorted(shifts, key=lambda at: abs(at - items[n].position_mm))[:NEIGHBOURS]
        usual = float(np.median([shifts[at] for at in near])) if len(near) > 2 else None
        one, other = items[n], others[e]
        own = other.position_mm - one.position_mm
        if usual is None or one.kind == "sacrum" or abs(own - usual) <= OUT_OF_STEP_MM:
            is_in_step = True
        else:
            is_in_step = _is_cut(one) != _is_cut(other) and _lies_in(one, other, usual)
        kept += [(n, e)] if is_in_step else []
    return kept


def _lies_in(one: Instance, other: Instance, shift: float) -> bool:
    """Whether half of the shorter of two is in the longer, the one moved by `shift`."""
    common = min(one.bottom_mm + shift, other.bottom_mm) - max(one.top_mm + shift, other.top_mm)
    return common >= 0.5 * min(one.bottom_mm - one.top_mm, other.bottom_mm - other.top_mm)


def _beside(
    pairs: Sequence[tuple[int, int]], items: Sequence[Instance], others: Sequence[Instance]
) -> list[tuple[int, int]]:
    """What has no pair yet, with what lies at its place once the pairs lie on each other."""
    shifts = shifts_along(pairs, items, others)
    if not shifts:
        return []
    used, there = {n for n, _ in pairs}, {e for _, e in pairs}
    found = []
    for n, item in enumerate(items):
        at = move_along(item.position_mm, shifts)
        for e, other in enumerate(others):
            is_free = n not in used and e not in there and item.kind == other.kind != "sacrum"
            if is_free and other.top_mm - BESIDE_MM <= at <= other.bottom_mm + BESIDE_MM:
                found.append((abs(at - other.position_mm), n, e))
    more: list[tuple[int, int]] = []
    for _, n, e in sorted(found):
        if n not in dict(more) and e not in {taken for _, taken in more}:
            more.append((n, e))
    return more


def shifts_along(
    pairs: Sequence[tuple[int, int]], items: Sequence[Instance], others: Sequence[Instance]
) -> dict[float, float]:
    """How far along the curve of a column its items lie in another one.

    The curves of two series run alike, but start elsewhere. Of what a scan cuts the middle is that
    of what is in view, which counts only where there is nothing else.

    Args:
        pairs: Positions of the same in the two.
        items: Of the one column.
        others: Of the other.

    Returns:
        Position in mm along the one, rising → what to add for the place in the other.
    """
    both = [(items[n], others[e]) for n, e in pairs]
    whole = [pair for pair in both if not any(map(_is_cut, pair))] or both
    at = {one.position_mm: other.position_mm for one, other in whole}
    return {position: at[position] - position for position in sorted(at)}


def _is_cut(item: Instance) -> bool:
    """Whether a part of it may be out of view; of a sacrum it mostly is."""
    return item.touches_edge or item.partial or item.kind == "sacrum"


def move_along(position_mm: float, shifts: dict[float, float]) -> float:
    """A position in mm along one column as one along another, by `shifts_along`."""
    return position_mm + float(np.interp(position_mm, list(shifts), list(shifts.values())))
