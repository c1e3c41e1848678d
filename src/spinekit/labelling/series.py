"""Several series of one study as one column: their bones matched by place, their evidence pooled.

It knows instances, evidence and where they lie in the scanner's frame; neither images nor files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM
from spinekit.anatomy.items import Instance, Instances
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.labelling.entries import Entry, Overlaps, add_items, match_entries, second_pieces
from spinekit.labelling.evidence import FLOOR, item_codes
from spinekit.labelling.matching import SAME_SHARE
from spinekit.labelling.naming import Naming, move_anomalies, tell_apart
from spinekit.labelling.observation import may_be_cut
from spinekit.labelling.places import item_points, values_at

CORRELATION = 0.5
"""Correlation of the network's errors on one bone between series: the anatomy is the same, the
picture is not. k series count as k / (1 + (k - 1) CORRELATION) independent ones."""


@dataclass(frozen=True, slots=True)
class SeriesColumn:
    """What was found in one series.

    `instances` on `grid`; `evidence` (n, 27) per item; `outside` (n, 27) log likelihood of other
    sources or None; `frame` names the scanner's frame, empty where it is not known.
    """

    instances: Instances
    grid: Grid
    evidence: NDArray[np.float64]
    outside: NDArray[np.float64] | None = None
    frame: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """Series that show parts of one column, as one.

    `members` are their positions in the study; `instances`, `evidence` and `outside` describe the
    pooled column; `place[m]` holds for each item of member m its position in the pooled column,
    -1 for a piece of something another series shows whole; `sacra[m]` are those of its items that
    were found as a sacrum.
    """

    members: tuple[int, ...]
    instances: Instances
    evidence: NDArray[np.float64]
    outside: NDArray[np.float64] | None
    place: tuple[NDArray[np.int64], ...]
    sacra: tuple[tuple[int, ...], ...]

    def share_out(self, naming: Naming, member: int) -> Naming:
        """The pooled column's names as those of one member's items.

        Args:
            naming: of the pooled column.
            member: position in `members`.
        """
        at = self.place[member]
        item = {int(place): n for n, place in enumerate(at) if place >= 0}

        def own(names: Sequence[str | None]) -> tuple[str | None, ...]:
            return tuple(names[n] if n >= 0 else None for n in at)

        names = own(naming.names)
        return dataclasses.replace(
            naming,
            names=names,
            probability=tuple(naming.probability[n] if n >= 0 else 0.0 for n in at),
            alternatives=tell_apart(names, [(own(a), sure) for a, sure in naming.alternatives]),
            anomalies=move_anomalies(naming.anomalies, item),
            pieces=tuple(
                (item[piece], item[bone])
                for piece, bone in naming.pieces
                if piece in item and bone in item and item[piece] not in self.sacra[member]
            ),
            cut=tuple(n for n in self.sacra[member] if names[n] not in (None, SACRUM)),
        )


def pool_series(series: Sequence[SeriesColumn]) -> list[Pool]:
    """Join the series that show the same bones.

    Two items of one kind are the same where they overlap in the scanner's frame; a series belongs
    to those it shares a vertebra or the sacrum with. Series of different frames share nothing.
    What one cuts and takes for a sacrum is a vertebra where another shows one.

    Args:
        series: of one study, in any order.

    Returns:
        One pool per set of series that hang together, a series by itself included, in the order
        of their first members. Series without items stay by themselves.
    """
    overlap = {
        (a, b): _overlaps(series[a], series[b])
        for a in range(len(series))
        for b in range(len(series))
        if a != b
    }
    sacra = [_sacra(column) for column in series]
    unsure = _unsure(series)
    series = _recast(series, overlap, unsure)
    overlap = {(a, b): _alike(series[a], series[b], seen) for (a, b), seen in overlap.items()}
    left = list(range(len(series)))
    pools = []
    while left:
        # The longest column first: the others are laid along it.
        base = max(left, key=lambda s: (_bones(series[s]), -s))
        found = _grow(base, left, series, overlap, sacra, unsure)
        left = [s for s in left if s not in found.members]
        pools.append(found)
    return sorted(pools, key=lambda pool: min(pool.members))


def _bones(column: SeriesColumn) -> int:
    return sum(item.kind != "disc" for item in column.instances.items)


def _sacra(column: SeriesColumn) -> tuple[int, ...]:
    return tuple(n for n, item in enumerate(column.instances.items) if item.kind == "sacrum")


def _unsure(series: Sequence[SeriesColumn]) -> set[tuple[int, int]]:
    """(series, item) of what was found as a sacrum and may be a vertebra that the edge cuts."""
    found = set()
    for s, column in enumerate(series):
        items = column.instances.items
        bones = [n for n, item in enumerate(items) if item.kind != "disc"]
        may = may_be_cut([items[n] for n in bones], column.instances.spacing_mm[2])
        found |= {(s, bones[at]) for at in np.flatnonzero(may)}
    return found


def _recast(
    series: Sequence[SeriesColumn],
    overlap: Overlaps,
    unsure: set[tuple[int, int]],
) -> list[SeriesColumn]:
    """The series; what one may have cut, and another shows to be a vertebra, is one."""
    result = list(series)
    for a, n in unsure:
        share = {"vertebra": 0.0, "sacrum": 0.0, "disc": 0.0}
        for b in (b for b in range(len(series)) if b != a):
            common = np.maximum(overlap[a, b][n], overlap[b, a][:, n])
            for m, item in enumerate(series[b].instances.items):
                if (b, m) not in unsure:
                    share[item.kind] = max(share[item.kind], float(common[m]))
        if share["vertebra"] >= max(SAME_SHARE, share["sacrum"]):
            column, items = result[a], list(result[a].instances.items)
            items[n] = dataclasses.replace(items[n], kind="vertebra", partial=True)
            instances = dataclasses.replace(column.instances, items=tuple(items))
            result[a] = dataclasses.replace(column, instances=instances)
    return result


def _overlaps(a: SeriesColumn, b: SeriesColumn) -> NDArray[np.float64]:
    """(items of a, items of b) share of each item of a that lies in each item of b."""
    count = len(b.instances.items)
    shares = np.zeros((len(a.instances.items), count))
    if a.frame and b.frame and a.frame != b.frame:
        return shares
    codes = Volume(item_codes(b.instances), b.grid)
    for n, points in enumerate(item_points(a.instances, a.grid)):
        if len(points):
            seen = np.bincount(values_at(codes, points), minlength=count + 1)
            shares[n] = seen[1:] / len(points)
    return shares


def _alike(a: SeriesColumn, b: SeriesColumn, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """(items of a, items of b) the shares, 0 for items of different kinds."""
    kinds = [[item.kind for item in column.instances.items] for column in (a, b)]
    alike = np.array([[one == other for other in kinds[1]] for one in kinds[0]], dtype=bool)
    return np.where(alike.reshape(shares.shape), shares, 0.0)


def _grow(
    base: int,
    left: Sequence[int],
    series: Sequence[SeriesColumn],
    overlap: Overlaps,
    sacra: Sequence[tuple[int, ...]],
    unsure: set[tuple[int, int]],
) -> Pool:
    """The pool around the base: series are added while any shares a bone with it."""
    entries = [
        Entry(item, (base, n), [(base, n)]) for n, item in enumerate(series[base].instances.items)
    ]
    place = {base: np.arange(len(entries))}
    while True:
        best, matched = -1, 0
        for s in left:
            if s not in place:
                pairs = match_entries(s, entries, series[s].instances.items, overlap)
                bones = sum(entries[e].item.kind != "disc" for _, e in pairs)
                if bones > matched:
                    best, matched = s, bones
        if best < 0:
            break
        place[best] = add_items(best, entries, series[best].instances.items, overlap)
        for e in second_pieces(best, place[best], entries, overlap):
            del entries[e]
            for at in place.values():
                at[:] = np.where(at == e, -1, at - (at > e))
    order = sorted(range(len(entries)), key=lambda e: _rank(entries[e].item))
    rank = np.empty(len(entries) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(entries)), -1
    members = tuple(sorted(place))
    ordered = [entries[e] for e in order]
    return Pool(
        members,
        _instances(ordered, members, series, unsure),
        np.array([_evidence(entry, series) for entry in ordered]).reshape(
            len(ordered), len(LEVELS)
        ),
        _outside(ordered, series),
        tuple(rank[place[s]] for s in members),
        tuple(sacra[s] for s in members),
    )


def _rank(item: Instance) -> tuple[bool, float]:
    return item.kind == "sacrum", item.position_mm


def _evidence(entry: Entry, series: Sequence[SeriesColumn]) -> NDArray[np.float64]:
    """(27,) pooled distribution: a weighted geometric mean, sharper with every series.

    A sliver at the edge of a series weighs what it shows of the whole.
    """
    rows = np.array([series[s].evidence[n] for s, n in entry.shown], dtype=np.float64)
    volume = np.array([series[s].instances.items[n].volume_mm3 for s, n in entry.shown])
    weight = volume / max(float(volume.max()), 1e-9)
    weight = np.clip(weight, 0.05, 1.0)
    count = float(weight.sum())
    logs = np.log(np.maximum(rows, FLOOR))
    mean = (weight[:, None] * logs).sum(axis=0) / count
    sharp = mean * count / (1.0 + (count - 1.0) * CORRELATION)
    pooled = np.exp(sharp - sharp.max())
    return np.asarray(pooled / pooled.sum())


def _outside(
    entries: Sequence[Entry], series: Sequence[SeriesColumn]
) -> NDArray[np.float64] | None:
    """(n, 27) log likelihood of each entry by other sources; None without any source.

    What they say of one series is averaged over its bones (`outside.weigh`). Asked of several, it
    is one witness still: it is averaged over the bones of the pool.
    """
    told = {s: column.outside for s, column in enumerate(series) if column.outside is not None}
    if not told:
        return None
    heard = {s: int(rows.any(axis=1).sum()) for s, rows in told.items()}
    result = np.zeros((len(entries), len(LEVELS)))
    for row, entry in zip(result, entries, strict=True):
        said = [heard[s] * told[s][n] for s, n in entry.shown if s in told and told[s][n].any()]
        row[:] = np.mean(said, axis=0) if said else 0.0
    return np.asarray(result / max(1, int(result.any(axis=1).sum())))


def _instances(
    entries: Sequence[Entry],
    members: Sequence[int],
    series: Sequence[SeriesColumn],
    unsure: set[tuple[int, int]],
) -> Instances:
    """The pooled column on a grid of 1 mm that reaches as high and as low as any member.

    What may be a cut vertebra in every view is as far above its lower end as above the edge.
    """
    ends = {s: _ends(series[s].grid) for s in members}
    low, high = min(low for low, _ in ends.values()), max(high for _, high in ends.values())
    items = []
    counts = {"vertebra": 0, "disc": 0, "sacrum": 0}
    for entry in entries:
        s, n = entry.source
        place = series[s].grid.ijk_to_ras(series[s].instances.items[n].centroid_ijk)[0]
        is_unsure = entry.item.kind == "sacrum" and unsure.issuperset(entry.shown)
        foot = ends[s][0] if is_unsure else low
        counts[entry.item.kind] += 1
        items.append(
            dataclasses.replace(
                entry.item,
                index=counts[entry.item.kind],
                centroid_ijk=(float(place[0]), float(place[1]), float(place[2] - foot)),
            )
        )
    empty = np.broadcast_to(np.uint8(0), (1, 1, max(1, round(high - low) + 1)))
    return Instances(empty, empty, empty, tuple(items), (1.0, 1.0, 1.0))


def _ends(grid: Grid) -> tuple[float, float]:
    """Height in the scanner's frame of a grid's lowest and of its highest layer, mm."""
    middle = [0.5 * (size - 1) for size in grid.shape[:2]]
    heights = grid.ijk_to_ras([[*middle, 0], [*middle, grid.shape[2] - 1]])[:, 2]
    return float(heights.min()), float(heights.max())
