"""Whether structures follow one another as their names say, and whether one is left out.

It knows places and names. A column that stands on its head is for `axes`; names counted from the
wrong end are told here once `axes` says that the header is right.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from spinekit.anatomy.column import successors
from spinekit.anatomy.scheme import VALUES, disc_name
from spinekit.curation.doctor.axes import read_axes
from spinekit.curation.doctor.census import Structure
from spinekit.curation.doctor.column import Column
from spinekit.curation.doctor.cores import column_axis
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding
from spinekit.curation.doctor.meaning import rank_of

CLEARLY = 0.6
"""In levels: a name lies so far from its place at least; a disc cut by an edge, or below a steep
sacrum, lies a little off."""
ROOM = 1.6
"""A gap of at least so many usual distances has room for a vertebra that is not marked."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Report names out of order, skipped names, unmarked vertebrae and discs between others."""
    column = evidence.column
    if column is None or len(column.vertebrae) + len(column.discs) < 2:
        return
    reading = read_axes(column)
    if reading is not None and reading.names_reversed:
        # Three places at least were told apart: of one vertebra or none, there are two discs.
        named = column.vertebrae if len(column.vertebrae) > 1 else column.discs
        text = f"{named[0].name} lies below {named[-1].name}"
        case = evidence.specimen.case.name
        yield Finding("order-reversed", case, text, _file(column, named[0]))
        return
    wrong = [*out_of_order(column), *_without_room(column)]
    for structure in wrong:
        text = f"{structure.name} does not lie between the structures it should lie between"
        spot = column.place_of(structure)[1]
        yield evidence.finding("order-wrong", text, structure, spot=spot)
    if not wrong:
        if not column.doubles:
            yield from _gaps(evidence, column)
        yield from _missing_discs(evidence, column)


def out_of_order(column: Column) -> list[Structure]:
    """The fewest named structures without which the rest follow one another.

    Places are compared along the column, whichever way it runs; names decide which end is up.
    The longest increasing subsequence (Schensted 1961) of ranks stays; of the others those are
    wrong that lie at least 0.6 levels from where the rest would put them.

    Args:
        column: What is marked; names on two structures are passed over.

    Returns:
        Structures out of place, by name from the top.
    """
    doubled = {double.structure for double in column.doubles}
    named = [s for s in (*column.vertebrae, *column.discs) if s not in doubled]
    # Of a vertebra cut by an edge only the spinous process may be in view, a level lower.
    ranked = [s for s in named if column.body_of(s) is not None]
    if len(ranked) < 3:
        return []
    points = np.array([column.place_of(s)[0] for s in ranked])
    along = points @ column_axis(points)
    ranks = np.array([s.rank for s in ranked], float)
    if np.sum((ranks[:, None] - ranks) * (along[:, None] - along)) < 0:
        along = -along
    order = np.argsort(along, kind="stable")
    kept = _longest_rise([float(ranks[n]) for n in order])
    base = order[sorted(kept)]
    expected = np.interp(along, along[base], ranks[base])
    return sorted(
        (
            ranked[n]
            for index, n in enumerate(order)
            if index not in kept and abs(expected[n] - ranks[n]) > CLEARLY
        ),
        key=lambda s: s.rank or 0.0,
    )


def _without_room(column: Column) -> Iterator[Structure]:
    """Vertebrae that the scan cuts, named between two whose bodies are next to each other.

    Where only a process of one is in view, its place says little; that its neighbours by name leave
    no room for a body says that it is none of theirs.
    """
    for above, cut, below in zip(
        column.vertebrae, column.vertebrae[1:], column.vertebrae[2:], strict=False
    ):
        if not column.census.is_cut(cut) or column.body_of(cut) is not None:
            continue
        bodies = [column.body_of(s) for s in (above, below)]
        one, other = (body.centre_ras_mm if body is not None else None for body in bodies)
        if one is None or other is None or below.name in successors(above.name):
            continue
        if np.linalg.norm(one - other) < ROOM * column.step_mm:
            yield cut


def _longest_rise(values: Sequence[float]) -> set[int]:
    """Indices of one longest strictly increasing subsequence."""
    tails: list[float] = []
    ends: list[int] = []
    before: list[int | None] = []
    for index, value in enumerate(values):
        place = bisect_left(tails, value)
        before.append(ends[place - 1] if place else None)
        tails[place : place + 1] = [value]
        ends[place : place + 1] = [index]
    kept: set[int] = set()
    step = ends[-1] if ends else None
    while step is not None:
        kept.add(step)
        step = before[step]
    return kept


def _missing_bones(column: Column) -> dict[str, tuple[Structure, Structure]]:
    """Vertebrae not marked between two marked discs that bear their name: name to the discs."""
    if not column.vertebrae:
        return {}
    marked = {s.name for s in column.vertebrae}
    found: dict[str, tuple[Structure, Structure]] = {}
    for upper, lower in pairwise(column.discs):
        name = upper.name.split("-")[1]
        if name == lower.name.split("-")[0] and name not in marked:
            found[name] = (upper, lower)
    return found


def _gaps(evidence: Evidence, column: Column) -> Iterator[Finding]:
    """Vertebrae left out between discs or vertebrae that are marked."""
    missing = _missing_bones(column)
    for name, (above, below) in missing.items():
        text = f"{name} is not marked, though {above.name} and {below.name} are"
        yield evidence.finding(
            "structure-missing", text, above, below, spot=_between(column, above, below)
        )
    gone = [rank for name in missing if (rank := rank_of(name)) is not None]
    for upper, lower in pairwise(column.vertebrae):
        if any((upper.rank or 0) < rank < (lower.rank or 0) for rank in gone):
            continue
        apart = float(np.linalg.norm(column.place_of(upper)[0] - column.place_of(lower)[0]))
        whole = None not in (column.body_of(upper), column.body_of(lower))
        has_room = whole and apart > ROOM * column.step_mm
        if lower.name in successors(upper.name) and not has_room:
            continue
        text = (
            f"{upper.name} is followed by {lower.name}, {apart:.0f} mm below (usual distance "
            f"{column.step_mm:.0f} mm)"
        )
        code = "structure-missing" if has_room else "level-skipped"
        yield evidence.finding(code, text, upper, lower, spot=_between(column, upper, lower))


def _missing_discs(evidence: Evidence, column: Column) -> Iterator[Finding]:
    """Discs left out between two that are marked, where both vertebrae beside are marked too."""
    marked = {VALUES[s.name] for s in column.discs}
    if len(marked) < 3:
        return
    ranks = [s.rank for s in column.discs if s.rank is not None]
    for upper, lower in pairwise(column.vertebrae):
        if lower.name not in successors(upper.name) or upper.name == "C1":
            continue
        name = disc_name(upper.name, lower.name)
        rank = rank_of(name)
        if VALUES[name] in marked or rank is None or not min(ranks) < rank < max(ranks):
            continue
        if column.are_fused(upper, lower):
            continue
        text = f"{name} is not marked, though the discs above and below are"
        yield replace(
            evidence.finding("structure-missing", text, spot=_between(column, upper, lower)),
            file=_file(column, column.discs[0]),
            structures=(name,),
        )


def _between(column: Column, one: Structure, other: Structure) -> list[float]:
    """Voxel in the middle of two structures."""
    middle: list[float] = np.mean([column.place_of(s)[1] for s in (one, other)], axis=0).tolist()
    return middle


def _file(column: Column, structure: Structure) -> str:
    return column.census.layers[structure.layer].file
