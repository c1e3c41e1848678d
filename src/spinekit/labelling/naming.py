"""What any way of naming gives: a name for each item, how sure it is, and what else it may be.

It names the discs after the bones beside them and leaves unsure names out; how the bones came by
their names it does not know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM, successors
from spinekit.anatomy.items import Instance, gap_mm
from spinekit.anatomy.scheme import disc_name

Choice = tuple[int, ...]
"""What a bone is: () no vertebra, (level,) or (level, next level) when two are merged in one."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Names for the items of one column.

    `names` and `probability` are aligned with the items; a name is None where an item is no
    single vertebra or no disc between two, or where it was too unsure; a probability is None
    where the method gives none. `alternatives` are other whole columns, likeliest
    first, each with names aligned with the items and its probability. `anomalies` are
    dictionaries with `name`, `probability` and `text`. `ambiguous` comes with a `reason`. `pieces`
    are (item, vertebra it is a part of): bones without a name, and what looked like discs between.
    """

    names: tuple[str | None, ...]
    probability: tuple[float | None, ...]
    alternatives: tuple[tuple[tuple[str | None, ...], float], ...]
    ambiguous: bool
    reason: str | None
    anomalies: tuple[dict[str, Any], ...]
    pieces: tuple[tuple[int, int], ...] = ()


def keep_items(naming: Naming, kept: Sequence[int]) -> Naming:
    """The naming of a column whose pieces were joined.

    Args:
        naming: of all items.
        kept: places of those that are left.
    """
    return dataclasses.replace(
        naming,
        names=tuple(naming.names[n] for n in kept),
        probability=tuple(naming.probability[n] for n in kept),
        alternatives=tuple(
            (tuple(names[n] for n in kept), sure) for names, sure in naming.alternatives
        ),
        pieces=(),
    )


def name_items(
    items: Sequence[Instance], bones: list[int], choices: Sequence[Choice]
) -> tuple[str | None, ...]:
    """Names of all items from what the bones are; discs are called by their neighbours.

    Args:
        items: from the top.
        bones: positions in items of those that are no disc.
        choices: what each bone is.

    Returns:
        One name per item; None for merged vertebrae (a sacrum that holds one keeps its name), for
        what is no vertebra, and for discs that cannot lie between their neighbours.
    """
    names: list[str | None] = [None] * len(items)
    for bone, choice in zip(bones, choices, strict=True):
        if len(choice) == 1:
            names[bone] = LEVELS[choice[0]]
        elif items[bone].kind == "sacrum" and choice:
            names[bone] = SACRUM
    spans: dict[int, Choice] = dict(zip(bones, choices, strict=True))
    above: int | None = None
    waiting: list[int] = []
    for n, item in enumerate(items):
        if item.kind == "disc":
            waiting.append(n)
        elif spans[n]:
            _name_discs(names, items, waiting, above, n, spans)
            above, waiting = n, []
    _name_discs(names, items, waiting, above, None, spans)
    return tuple(names)


def _name_discs(
    names: list[str | None],
    items: Sequence[Instance],
    discs: list[int],
    above: int | None,
    below: int | None,
    spans: Mapping[int, Choice],
) -> None:
    """Name the discs between two bones; None stands for the end of the column."""
    if not discs:
        return
    upper = None if above is None else LEVELS[spans[above][-1]]
    lower = None if below is None else LEVELS[spans[below][0]]
    if upper and lower and lower in successors(upper):
        # One disc between neighbours; a second one is noise, or S1-S2 above what was found of the
        # sacrum, and stays without a name.
        names[discs[0 if lower == SACRUM else len(discs) // 2]] = _disc(upper, lower)
        return
    # Where a bone between them was missed, a disc belongs to the bone that it lies at.
    at_upper = [n for n in discs if _is_at_upper(items, n, above, below)]
    at_lower = [n for n in discs if n not in at_upper]
    if upper and at_upper:
        names[at_upper[0]] = _disc(upper, _usual_below(upper))
    if lower and at_lower:
        names[at_lower[-1]] = _disc(_usual_above(lower), lower)


def _is_at_upper(
    items: Sequence[Instance], disc: int, above: int | None, below: int | None
) -> bool:
    """Whether a disc lies nearer to the bone above it than to the one below."""
    if above is None or below is None:
        return below is None
    return gap_mm(items[above], items[disc]) <= gap_mm(items[disc], items[below])


def _disc(upper: str | None, lower: str | None) -> str | None:
    if upper is None or lower is None or (upper, lower) == ("C1", "C2"):
        return None
    return disc_name(upper, lower)


def _usual_below(level: str) -> str | None:
    """The level below in the usual column, or in the one that has this level."""
    usual = {"T12": "L1", "L5": SACRUM, "T11": "T12", "L4": "L5"}
    below = successors(level)
    return usual.get(level, below[0] if below else None)


def _usual_above(level: str) -> str | None:
    usual = {"L1": "T12", SACRUM: "L5"}
    if level in usual:
        return usual[level]
    number = LEVELS.index(level)
    return LEVELS[number - 1] if number else None


def spread_to_discs(
    items: Sequence[Instance],
    names: Sequence[str | None],
    of_bones: Sequence[float | None],
) -> tuple[float | None, ...]:
    """Probabilities of all items from those of the bones.

    Args:
        items: from the top.
        names: one per item.
        of_bones: one per item, whatever stands for the discs; for a bone without a name that holds
            two vertebrae, that it does.

    Returns:
        0 without a name. A disc is named by its neighbours: it is no surer than the less sure of
        those in view, and None where one of them has no probability.
    """
    result: list[float | None] = []
    for n, (item, name) in enumerate(zip(items, names, strict=True)):
        if name is None:
            result.append(0.0)
        elif item.kind != "disc":
            result.append(of_bones[n])
        else:
            near = [of_bones[m] for m in _neighbours(n, items) if names[m] or of_bones[m]]
            known = [p for p in near if p is not None]
            result.append(min(known, default=0.0) if len(known) == len(near) else None)
    return tuple(result)


def join_evidence(
    evidence: NDArray[np.floating], outside: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    """(n, 27) distributions of the scan's evidence and other sources' log likelihood together."""
    joined = np.asarray(evidence, dtype=np.float64)
    if outside is not None:
        joined = joined * np.exp(outside - outside.max(axis=1, keepdims=True))
    return np.asarray(joined / np.maximum(joined.sum(axis=1, keepdims=True), 1e-12))


def leave_out_unsure(items: Sequence[Instance], naming: Naming, least: float) -> Naming:
    """The naming without names less probable than asked for; nothing else is put in their place.

    Args:
        items: from the top; the sacrum, which can be nothing else, keeps its name.
        naming: of the items.
        least: 0 to 1; names without a probability stay.
    """
    kept = [
        # As rounded as it is reported: what a person said is 1 but for rounding.
        name if item.kind == "sacrum" or sure is None or round(sure, 4) >= least else None
        for item, name, sure in zip(items, naming.names, naming.probability, strict=True)
    ]
    return dataclasses.replace(naming, names=tuple(kept))


def _neighbours(disc: int, items: Sequence[Instance]) -> list[int]:
    above = [m for m in range(disc) if items[m].kind != "disc"][-1:]
    below = [m for m in range(disc + 1, len(items)) if items[m].kind != "disc"][:1]
    return above + below
