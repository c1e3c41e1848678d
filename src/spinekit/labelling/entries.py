"""One pooled column that grows: the items of a study's series, each matched with its like.

It knows items, shares in common and places along a curve; no evidence and no names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instance
from spinekit.labelling.matching import SAME_SHARE, match_items, move_along, shifts_along

Overlaps = dict[tuple[int, int], NDArray[np.float64]]
"""Two series → (items of the one, items of the other) share of each of the one in each of the
other, 0 for items of different kinds."""


@dataclass(slots=True)
class Entry:
    """An item of the pooled column: who shows it, and how it lies along the base's curve."""

    item: Instance
    """The view that shows most of it."""
    source: tuple[int, int]
    """Series of that view, and the item's place in it."""
    shown: list[tuple[int, int]]
    """The same of every view."""


def match_entries(
    s: int,
    entries: Sequence[Entry],
    items: Sequence[Instance],
    overlap: Overlaps,
) -> list[tuple[int, int]]:
    """The items of a series and the entries that are the same.

    Args:
        s: the series.
        entries: of the pooled column, in any order.
        items: of the series.
        overlap: shares in common of all series.

    Returns:
        Positions in `items` and in `entries`, each used once.
    """
    shares = _shares(s, len(items), entries, overlap)
    return match_items(shares, items, [entry.item for entry in entries])


def _shares(
    s: int,
    count: int,
    entries: Sequence[Entry],
    overlap: Overlaps,
) -> NDArray[np.float64]:
    """(items of s, entries) greatest share in common, of the one or of the other."""
    shares = np.zeros((count, len(entries)))
    for e, entry in enumerate(entries):
        for other, n in entry.shown:
            common = np.maximum(overlap[s, other][:, n], overlap[other, s][n])
            shares[:, e] = np.maximum(shares[:, e], common)
    return shares


def add_items(
    s: int,
    entries: list[Entry],
    items: Sequence[Instance],
    overlap: Overlaps,
) -> NDArray[np.int64]:
    """Add the items of a series to the pooled column, whose entries change and grow.

    Args:
        s: the series.
        entries: of the pooled column.
        items: of the series.
        overlap: shares in common of all series.

    Returns:
        (n,) entry of each of its items, -1 for a second piece of what is there already.
    """
    found = match_entries(s, entries, items, overlap)
    pairs, shifts = dict(found), shifts_along(found, items, [entry.item for entry in entries])
    touched = _shares(s, len(items), entries, overlap).max(axis=1, initial=0.0) >= SAME_SHARE
    place = np.full(len(items), -1, dtype=np.int64)
    for n, item in enumerate(items):
        shift = move_along(item.position_mm, shifts) - item.position_mm
        moved = dataclasses.replace(
            item,
            position_mm=item.position_mm + shift,
            top_mm=item.top_mm + shift,
            bottom_mm=item.bottom_mm + shift,
        )
        if n in pairs:
            entry = entries[pairs[n]]
            entry.shown.append((s, n))
            if _is_better(moved, entry.item):
                entry.item, entry.source = moved, (s, n)
            place[n] = pairs[n]
        elif not touched[n]:
            entries.append(Entry(moved, (s, n), [(s, n)]))
            place[n] = len(entries) - 1
    return place


def second_pieces(
    s: int,
    place: NDArray[np.int64],
    entries: Sequence[Entry],
    overlap: Overlaps,
) -> list[int]:
    """Entries that a series shows to be pieces of a vertebra that another entry is.

    Such as the second of two slivers that an edge leaves of one. A disc that was taken to lie
    between them goes with it. What shows all of a bone is no piece, however a patient moved.

    Args:
        s: the series, added already.
        place: (n,) entry of each of its items, -1 for none.
        entries: of the pooled column.
        overlap: shares in common of all series.

    Returns:
        Positions in `entries`, falling.
    """
    pieces: list[tuple[int, int]] = []
    for e, entry in enumerate(entries):
        is_cut = entry.item.partial or entry.item.touches_edge
        if entry.item.kind != "vertebra" or not is_cut or e in place:
            continue
        inside = [overlap[other, s][n] for other, n in entry.shown]
        share = np.where(place >= 0, np.max(inside, axis=0), 0.0)
        if share.max(initial=0.0) >= SAME_SHARE:
            pieces.append((e, int(place[share.argmax()])))
    gone = {e for e, _ in pieces}
    for ends in pieces:
        low, high = sorted(entries[e].item.position_mm for e in ends)
        gone |= {
            e
            for e, entry in enumerate(entries)
            if entry.item.kind == "disc" and e not in place and low < entry.item.position_mm < high
        }
    return sorted(gone, reverse=True)


def _is_better(item: Instance, other: Instance) -> bool:
    """Whether one view of an instance shows more of it than another."""
    if item.partial != other.partial:
        return other.partial
    return item.touches_edge < other.touches_edge
