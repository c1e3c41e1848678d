"""What any way of naming gives: a name for each item, how sure it is, and what else it may be.

It names the discs after the bones beside them and leaves unsure names out; how the bones came by
their names it does not know.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM, Variant
from spinekit.anatomy.items import Instance, gap_mm
from spinekit.anatomy.scheme import disc_name

Choice = tuple[int, ...]
"""What a bone is: () no vertebra, (level,) or (level, next level) when two are merged in one."""
COUNTS = {
    "L6": "six lumbar vertebrae",
    "four-lumbar": "four lumbar vertebrae",
    "T13": "thirteen thoracic vertebrae",
    "T11": "eleven thoracic vertebrae",
}
"""Anomalies of counts that deviate."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A count that deviates, or what splitting got wrong."""

    name: str
    """`L6`, `four-lumbar`, `T11`, `T13`, `missed`, `merged`, `piece` or `no-vertebra`."""
    probability: float | None
    """0 to 1; None where the method gives none."""
    text: str
    """For persons; it speaks of names, never of places among the items."""
    items: tuple[int, ...] = ()
    """Places of the items it is about; empty for the whole column."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Names for the items of one column.

    `names` and `probability` are aligned with the items; a name is None where an item is no
    single vertebra or no disc between two, or where it was too unsure; a probability is None
    where the method gives none; that of a disc is never more than the alternatives that call it
    otherwise leave it. `alternatives` are other whole columns, likeliest first, each with names
    aligned with the items and its probability; where names were left out as unsure, the column
    that has them is one. `ambiguous` comes with a `reason`. `pieces` are (item, vertebra it is a
    part of): bones without a name, and what looked like discs between. `cut` are items found as a
    sacrum that are a vertebra cut by the edge.
    """

    names: tuple[str | None, ...]
    probability: tuple[float | None, ...]
    alternatives: tuple[tuple[tuple[str | None, ...], float], ...]
    ambiguous: bool
    reason: str | None
    anomalies: tuple[Anomaly, ...]
    pieces: tuple[tuple[int, int], ...] = ()
    cut: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Cap the discs: they follow from their bones, which may be sure while a count is open."""
        sure = list(self.probability)
        for n, (name, own) in enumerate(zip(self.names, sure, strict=True)):
            if own is not None and name is not None and "-" in name:
                other = sum(p for names, p in self.alternatives if names[n] != name)
                sure[n] = min(own, max(1.0 - other, 0.0))
        object.__setattr__(self, "probability", tuple(sure))


def keep_items(naming: Naming, kept: Sequence[int]) -> Naming:
    """The naming of a column whose pieces were joined.

    Args:
        naming: of all items.
        kept: places of those that are left.

    Returns:
        In an alternative the joined vertebra is called as any of its pieces was.
    """

    def joined(names: Sequence[str | None]) -> tuple[str | None, ...]:
        own = list(names)
        for piece, bone in naming.pieces:
            if names[piece] in LEVELS:
                own[bone] = own[bone] or names[piece]
        return tuple(own[n] for n in kept)

    names = joined(naming.names)
    return dataclasses.replace(
        naming,
        names=names,
        probability=tuple(naming.probability[n] for n in kept),
        alternatives=tell_apart(names, [(joined(a), sure) for a, sure in naming.alternatives]),
        anomalies=move_anomalies(naming.anomalies, {old: new for new, old in enumerate(kept)}),
        pieces=(),
        cut=tuple(kept.index(n) for n in naming.cut),
    )


def tell_apart(
    names: tuple[str | None, ...], others: Iterable[tuple[tuple[str | None, ...], float]]
) -> tuple[tuple[tuple[str | None, ...], float], ...]:
    """Alternatives that differ from the names and from each other, likeliest first.

    Args:
        names: that were given.
        others: namings and their probabilities; of the same naming they add up.
    """
    found: dict[tuple[str | None, ...], float] = {}
    for other, sure in others:
        if other != names:
            found[other] = found.get(other, 0.0) + sure
    return tuple(sorted(found.items(), key=lambda pair: -pair[1]))


def move_anomalies(anomalies: Sequence[Anomaly], place: Mapping[int, int]) -> tuple[Anomaly, ...]:
    """Those about items that are still there, with their places.

    Args:
        anomalies: of the items before.
        place: place before → place now, of the items that are left.
    """
    return tuple(
        dataclasses.replace(anomaly, items=tuple(place[n] for n in anomaly.items))
        for anomaly in anomalies
        if all(n in place for n in anomaly.items)
    )


def counted_naming(
    items: Sequence[Instance],
    bones: list[int],
    choices: Sequence[Choice],
    of_bones: Sequence[float | None],
    reason: str | None,
) -> Naming:
    """The naming of a method that counts: one column, of usual counts unless it shows others.

    Args:
        items: from the top.
        bones: positions in items of those that are no disc.
        choices: what each bone is.
        of_bones: probability of each item, whatever stands for the discs.
        reason: why the column is ambiguous; None where it is not.
    """
    variant = _counted_variant(items, bones, choices)
    names = name_items(items, bones, choices, variant)
    return Naming(
        names=names,
        probability=spread_to_discs(items, names, of_bones),
        alternatives=(),
        ambiguous=reason is not None,
        reason=reason,
        anomalies=_deviating_counts(variant, names),
    )


def _deviating_counts(variant: Variant, names: Sequence[str | None]) -> tuple[Anomaly, ...]:
    """Deviating counts that names show, of a method without probabilities."""
    loin = {"L1", SACRUM} <= set(names)
    thorax = {"T1", "L1"} <= set(names)
    is_shown = {
        "L6": "L6" in names,
        "four-lumbar": loin and variant.lumbar == 4,
        "T13": "T13" in names,
        "T11": thorax and variant.thoracic == 11,
    }
    return tuple(Anomaly(name, None, text) for name, text in COUNTS.items() if is_shown[name])


def _counted_variant(
    items: Sequence[Instance], bones: list[int], choices: Sequence[Choice]
) -> Variant:
    """The usual column, unless the names themselves show another."""
    used = [(bone, choice) for bone, choice in zip(bones, choices, strict=True) if choice]
    shown = {LEVELS[level] for _, choice in used for level in choice}
    # Two discs between two bones: a vertebra was missed, and the names do not follow each other.
    pairs = {
        (LEVELS[upper[-1]], LEVELS[lower[0]])
        for (a, upper), (b, lower) in itertools.pairwise(used)
        if sum(item.kind == "disc" for item in items[a:b]) <= 1
    }
    thoracic = 13 if "T13" in shown else 11 if ("T11", "L1") in pairs else 12
    lumbar = 6 if "L6" in shown else 4 if ("L4", SACRUM) in pairs else 5
    return Variant(thoracic, lumbar)


def name_items(
    items: Sequence[Instance], bones: list[int], choices: Sequence[Choice], variant: Variant
) -> tuple[str | None, ...]:
    """Names of all items from what the bones are; discs are called by their neighbours.

    Args:
        items: from the top.
        bones: positions in items of those that are no disc.
        choices: what each bone is.
        variant: which names follow each other.

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
            _name_discs(names, items, waiting, (above, n), spans, variant)
            above, waiting = n, []
    _name_discs(names, items, waiting, (above, None), spans, variant)
    return tuple(names)


def _name_discs(
    names: list[str | None],
    items: Sequence[Instance],
    discs: list[int],
    between: tuple[int | None, int | None],
    spans: Mapping[int, Choice],
    variant: Variant,
) -> None:
    """Name the discs between two bones; None stands for the end of the column."""
    if not discs:
        return
    above, below = between
    upper = None if above is None else LEVELS[spans[above][-1]]
    lower = None if below is None else LEVELS[spans[below][0]]
    discs = _outside_bones(items, discs, between)
    if upper and lower and variant.below(upper) == lower:
        # One disc between neighbours; a second one is noise, or S1-S2 above what was found of the
        # sacrum, and stays without a name.
        own = discs[0] if lower == SACRUM else _best_between(items, discs, between)
        names[own] = _disc(upper, lower)
        return
    # Where a bone between them was missed, a disc belongs to the bone that it lies at.
    at_upper = [n for n in discs if _is_at_upper(items, n, above, below)]
    at_lower = [n for n in discs if n not in at_upper]
    if upper and at_upper:
        names[at_upper[0]] = _disc(upper, variant.below(upper))
    if lower and at_lower:
        names[at_lower[-1]] = _disc(variant.above(lower), lower)


def _outside_bones(
    items: Sequence[Instance], discs: Sequence[int], between: tuple[int | None, int | None]
) -> list[int]:
    """Those discs whose middle lies in neither bone; all, where there is none.

    One within a bone lies between two vertebrae that were not told apart.
    """
    clear = [
        n for n in discs if 2 * max(_overlaps_mm(items, n, between)) <= _thickness_mm(items[n])
    ]
    return clear or list(discs)


def _best_between(
    items: Sequence[Instance], discs: Sequence[int], between: tuple[int | None, int | None]
) -> int:
    """The disc of which most lies between the bones, overlapping neither; else the middle one."""

    def clear_mm(n: int) -> float:
        return _thickness_mm(items[n]) - sum(_overlaps_mm(items, n, between))

    middle = discs[len(discs) // 2]
    return max(discs, key=lambda n: (clear_mm(n), n == middle))


def _thickness_mm(disc: Instance) -> float:
    return disc.bottom_mm - disc.top_mm


def _overlaps_mm(
    items: Sequence[Instance], disc: int, between: tuple[int | None, int | None]
) -> tuple[float, float]:
    """How far a disc overlaps the bone above it and the one below, 0 where there is none."""
    above, below = between
    in_upper = 0.0 if above is None else -gap_mm(items[above], items[disc])
    in_lower = 0.0 if below is None else -gap_mm(items[disc], items[below])
    return max(in_upper, 0.0), max(in_lower, 0.0)


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
        0 without a name. A disc is named by its neighbours, bones that are no vertebra passed over:
        it is no surer than the less sure of those in view, and None where one of them has no
        probability.
    """
    result: list[float | None] = []
    bones = [m for m, item in enumerate(items) if item.kind != "disc" and (names[m] or of_bones[m])]
    for n, (item, name) in enumerate(zip(items, names, strict=True)):
        if name is None:
            result.append(0.0)
        elif item.kind != "disc":
            result.append(of_bones[n])
        else:
            near = [of_bones[m] for m in _beside(n, bones)]
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

    The column with what was left out joins the alternatives, with the most that these leave it,
    and no more than its least sure name has: of whole columns only the others' sums are known.

    Args:
        items: from the top; the sacrum, unless it is a cut vertebra, keeps its name.
        naming: of the items.
        least: 0 to 1; names without a probability stay.
    """
    stays = [item.kind == "sacrum" and n not in naming.cut for n, item in enumerate(items)]
    kept = [
        # As rounded as it is reported: what a person said is 1 but for rounding.
        name if fixed or sure is None or round(sure, 4) >= least else None
        for fixed, name, sure in zip(stays, naming.names, naming.probability, strict=True)
    ]
    names = tuple(kept)
    if names == naming.names:
        return naming
    pairs = zip(naming.names, naming.probability, strict=True)
    given = [sure for name, sure in pairs if name is not None and sure is not None]
    whole = min([1.0 - sum(sure for _, sure in naming.alternatives), *given])
    columns = [(naming.names, max(whole, 0.0)), *naming.alternatives]
    return dataclasses.replace(naming, names=names, alternatives=tell_apart(names, columns))


def _beside(disc: int, bones: Sequence[int]) -> list[int]:
    """The bones next to a disc, of those given."""
    return [m for m in bones if m < disc][-1:] + [m for m in bones if m > disc][:1]
