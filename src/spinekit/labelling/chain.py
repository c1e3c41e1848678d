"""Names by inference over the whole column: the best sequence, and how sure each name is.

It turns instances and their level evidence into likelihoods, has them weighed against all legal
columns, and reports names, probabilities, runners-up and oddities. It knows nothing of images.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM, VARIANTS, Variant
from spinekit.anatomy.items import Instance, Instances
from spinekit.labelling.hypotheses import Posterior, infer
from spinekit.labelling.naming import (
    COUNTS,
    Anomaly,
    Choice,
    Naming,
    name_items,
    spread_to_discs,
)
from spinekit.labelling.observation import observe
from spinekit.labelling.paths import Hypothesis
from spinekit.labelling.pieces import find_owners, find_plates, span_pieces
from spinekit.labelling.states import SACRAL
from spinekit.labelling.terms import Observations

Names = tuple[str | None, ...]

AMBIGUOUS_BELOW = 0.5
"""A column whose bones' likeliest names are less probable than this together is ambiguous."""
MOST_ALTERNATIVES, LEAST_ALTERNATIVE = 5, 1e-4
"""So many of the next columns are alternatives, if they are more probable than this."""
REPORT_ABOVE = 0.1
"""Least probability at which a deviating count is reported."""
NAME_MERGED_ABOVE = 0.8
"""Least probability of two levels in one bone at which they are named: that two were not told
apart is often sure while which two is open, and a text that names them speaks of these alone."""


def name_column(
    instances: Instances,
    evidence: NDArray[np.floating],
    *,
    certain: Mapping[int, str] | None = None,
    outside: NDArray[np.floating] | None = None,
) -> Naming:
    """Name every vertebra, disc and the sacrum.

    Args:
        instances: the split column.
        evidence: (n, 27) distribution over LEVELS per item, uniform where nothing is known.
        certain: item → its level, where that is known beyond doubt; all others follow. A level
            that the item is called anyway changes no other name.
        outside: (n, 27) log likelihood of LEVELS per item from other sources than the scan, as it
            is to count; zeros where nothing is known.

    Returns:
        Names in the order of instances.items. Empty and ambiguous without items; discs alone
        stay without names.

    Raises:
        UsageError: no legal column has all the certain names.
    """
    items = instances.items
    bones = [n for n, item in enumerate(items) if item.kind != "disc"]
    if not bones:
        nameless: tuple[str | None, ...] = (None,) * len(items)
        return Naming(nameless, (0.0,) * len(items), (), True, "no vertebra in view", ())
    known, seen = dict(certain or {}), np.asarray(evidence, dtype=np.float64)
    alone = name_column(instances, seen, outside=outside) if known else None
    is_corrected = alone is not None and any(alone.names[n] != known[n] for n in known)
    observed = observe(instances, seen, known, outside, is_corrected=is_corrected)
    posterior = infer(observed)
    nothing = 1.0 - posterior.level.sum(axis=1) - np.where(observed.is_sacrum, 0, posterior.merged)
    columns = _join_mirrored(posterior.columns, observed, nothing)
    named = _join_names(items, bones, columns)
    ranked = _rank_bones(named, bones)
    names, _, best = next(one for one in named if _names_of(bones, one[0]) == ranked[0][0])
    others = [(other, sure) for other, sure, _ in named if other != names]
    alternatives = [one for one in others[:MOST_ALTERNATIVES] if one[1] > LEAST_ALTERNATIVE]
    ambiguous = ranked[0][1] < AMBIGUOUS_BELOW
    owners = find_owners(best.choices, observed, nothing)
    probability = _probabilities(items, bones, names, posterior, best.choices, owners)
    return Naming(
        names=names,
        probability=probability,
        alternatives=tuple(alternatives),
        ambiguous=ambiguous,
        reason=_reason(ranked) if ambiguous else None,
        anomalies=(
            *_deviating_counts(best, posterior),
            *_missed_levels(best, bones),
            *_odd_bones(best.choices, bones, posterior, nothing, owners),
        ),
        pieces=(*span_pieces(bones, owners), *find_plates(items, names, probability)),
        cut=tuple(n for n in bones if items[n].kind == "sacrum" and names[n] not in (None, SACRUM)),
    )


def _join_mirrored(
    columns: Sequence[Hypothesis], observed: Observations, nothing: NDArray[np.float64]
) -> list[Hypothesis]:
    """The columns, likeliest first; those that differ in which piece bears a name are one."""
    joined: dict[tuple[Choice, ...], Hypothesis] = {}
    for column in columns:
        owners = find_owners(column.choices, observed, nothing)
        whole = tuple(column.choices[owners.get(n, n)] for n in range(len(column.choices)))
        known = joined.get(whole, column)
        both = column.probability + (known.probability if whole in joined else 0.0)
        joined[whole] = dataclasses.replace(known, probability=both)
    return sorted(joined.values(), key=lambda column: -column.probability)


def _join_names(
    items: Sequence[Instance], bones: list[int], columns: Sequence[Hypothesis]
) -> list[tuple[Names, float, Hypothesis]]:
    """Names, their probability and the likeliest column that gives them, likeliest first.

    Columns may differ in what bears no name: two vertebrae in one or none, a sacrum that holds a
    vertebra or not.
    """
    found: dict[Names, list[Hypothesis]] = {}
    for column in columns:
        names = name_items(items, bones, column.choices, column.variant)
        found.setdefault(names, []).append(column)
    joined = [
        (names, sum(c.probability for c in alike), alike[0]) for names, alike in found.items()
    ]
    return sorted(joined, key=lambda one: -one[1])


def _rank_bones(
    named: Sequence[tuple[Names, float, Hypothesis]], bones: Sequence[int]
) -> list[tuple[Names, float, tuple[Choice, ...]]]:
    """Names of the bones, their probability and what likeliest bears them, likeliest first.

    Columns may differ in the name of a disc alone: with four lumbar vertebrae, or the fifth in the
    sacrum. What the bones are called is as sure as both together.
    """
    found: dict[Names, list[tuple[float, Hypothesis]]] = {}
    for names, probability, column in named:
        found.setdefault(_names_of(bones, names), []).append((probability, column))
    ranked = [(names, sum(p for p, _ in of), of[0][1].choices) for names, of in found.items()]
    return sorted(ranked, key=lambda one: -one[1])


def _names_of(bones: Sequence[int], names: Names) -> Names:
    return tuple(names[n] for n in bones)


def _probabilities(
    items: Sequence[Instance],
    bones: list[int],
    names: Sequence[str | None],
    posterior: Posterior,
    choices: Sequence[Choice],
    owners: Mapping[int, int],
) -> tuple[float | None, ...]:
    result = [0.0] * len(items)
    # Either of two pieces may bear the name of the bone.
    parts = {bone: [n, *(m for m in owners if owners[m] == n)] for n, bone in enumerate(bones)}
    for bone, mine in parts.items():
        name = names[bone]
        if name is not None:
            result[bone] = min(float(posterior.level[mine, LEVELS.index(name)].sum()), 1.0)
        elif len(choices[mine[0]]) == 2:
            result[bone] = float(posterior.merged[mine[0]])
    has_sacrum = names[bones[-1]] == SACRUM
    sure = result[bones[-1]]
    if has_sacrum:
        # The disc above it is called by what the sacrum begins with.
        merged = float(posterior.merged[-1])
        result[bones[-1]] = max(merged if len(choices[-1]) == 2 else sure - merged, 0.0)
    spread = list(spread_to_discs(items, names, result))
    if has_sacrum:
        spread[bones[-1]] = sure
    return tuple(spread)


def _reason(ranked: Sequence[tuple[Names, float, Sequence[Choice]]]) -> str:
    """Why names are open, from those that the bones may bear, likeliest first."""

    def span(of: Names, choices: Sequence[Choice], among: Sequence[int]) -> str:
        given = [name for n in among if (name := of[n])]
        if not given:
            return "two in one" if any(len(choices[n]) == 2 for n in among) else "no vertebra"
        return " to ".join(dict.fromkeys((given[0], given[-1])))

    names = ranked[0][0]
    shown: Sequence[int] = range(len(names))
    if len({span(of, choices, shown) for of, _, choices in ranked[:2]}) < len(ranked[:2]):
        # Their ends are the same: what counts is what lies between.
        shown = [n for n in shown if names[n] != ranked[1][0][n]]
    text = ", ".join(f"{span(of, choices, shown)} {sure:.0%}" for of, sure, choices in ranked[:2])
    landmark = "sacrum in view" if SACRUM in names else "no sacrum in view"
    return f"{landmark}; {text}: nothing in view decides"


def _deviating_counts(best: Hypothesis, posterior: Posterior) -> list[Anomaly]:
    """Counts of thoracic or lumbar vertebrae that deviate, where the names show them."""
    seen = {LEVELS[level] for choice in best.choices for level in choice}
    has_extra = bool({"L6", "T13"} & seen)
    shows_loin = SACRUM in seen and "L1" in seen
    shows_thorax = "T1" in seen and ("L1" in seen or SACRUM in seen)
    # Names that follow each other in such a column alone show it too.
    lacks_l5 = best.variant.lumbar == 4 and {"L4", SACRUM} <= seen
    lacks_t12 = best.variant.thoracic == 11 and {"T11", "L1"} <= seen
    decidable = {
        "four-lumbar": (shows_loin or lacks_l5, _share(posterior, lumbar=4)),
        "L6": (has_extra or shows_loin, _share(posterior, lumbar=6)),
        "T11": (shows_thorax or lacks_t12, _share(posterior, thoracic=11)),
        "T13": (has_extra or shows_thorax, _share(posterior, thoracic=13)),
    }
    return [
        _anomaly(name, probability, f"{COUNTS[name]}: {probability:.0%}")
        for name, (is_shown, probability) in decidable.items()
        if is_shown and probability >= REPORT_ABOVE
    ]


def _missed_levels(best: Hypothesis, bones: Sequence[int]) -> list[Anomaly]:
    """Levels of the column's likeliest variant that lie between two bones and were not found."""
    used = [(bone, choice) for bone, choice in zip(bones, best.choices, strict=True) if choice]
    found = []
    for (a, upper), (b, lower) in itertools.pairwise(used):
        above, below = LEVELS[upper[-1]], LEVELS[lower[0]]
        if best.variant.below(above) != below:
            text = _describe_missed(best.variant, above, below)
            found.append(_anomaly("missed", best.probability, text, a, b))
    return found


def _describe_missed(variant: Variant, above: str, below: str) -> str:
    """What is said of levels between two that a column does not have one after the other."""
    chain = variant.levels
    between = chain[chain.index(above) + 1 : chain.index(below)]
    if len(between) == 1:
        return f"a level between {above} and {below} was not found"
    which = f"{between[0]} to {between[-1]}"
    return f"{len(between)} levels ({which}) between {above} and {below} were not found"


def _odd_bones(
    choices: Sequence[Choice],
    bones: Sequence[int],
    posterior: Posterior,
    nothing: NDArray[np.float64],
    owners: Mapping[int, int],
) -> list[Anomaly]:
    """Bones that are no single vertebra.

    `nothing` (n,) is the probability of bearing no name, `owners` says which are parts of another.
    """
    found: list[Anomaly] = []
    for n, choice in enumerate(choices):
        sure = float(posterior.merged[n])
        holds_vertebra = choice == (SACRAL,) and sure >= REPORT_ABOVE
        if holds_vertebra or len(choice) == 2:
            found.append(_anomaly("merged", *_describe_merged(choice, n, posterior), bones[n]))
        elif n in owners:
            text = f"{LEVELS[choices[owners[n]][0]]} was found in more than one piece"
            sure = float(nothing[n] + nothing[owners[n]])
            found.append(_anomaly("piece", sure, text, bones[owners[n]]))
        elif not choice:
            text = _describe_extra(choices, n)
            found.append(_anomaly("no-vertebra", float(nothing[n]), text, bones[n]))
    return found


def _describe_merged(choice: Choice, n: int, posterior: Posterior) -> tuple[float, str]:
    """What is said of a bone that may hold two, and how probable just that is."""
    of_any = float(posterior.merged[n])
    if len(choice) == 2:
        two = [column for column in posterior.columns if len(column.choices[n]) == 2]
        these = sum(column.probability for column in two if column.choices[n] == choice)
        # Not every column is listed: of two in one in any, the share that the listed ones tell.
        of_these = of_any * these / sum(column.probability for column in two)
        if of_these >= NAME_MERGED_ABOVE:
            return of_these, f"{LEVELS[choice[0]]} and {LEVELS[choice[1]]} were not told apart"
    if choice[-1] == SACRAL:
        return of_any, "the sacrum found may hold the last lumbar vertebra"
    return of_any, "two vertebrae were not told apart"


def _describe_extra(choices: Sequence[Choice], n: int) -> str:
    """What a bone may be that is no vertebra of the column."""
    after = choices[n + 1] if n + 1 < len(choices) else ()
    if after and LEVELS[after[0]] == SACRUM and n > 0 and choices[n - 1]:
        return "the bone above the sacrum is no lumbar vertebra: S1 standing apart, or a piece"
    above = next((choice for choice in reversed(choices[:n]) if choice), ())
    below = next((choice for choice in choices[n:] if choice), ())
    where = f"below {LEVELS[above[-1]]}" if above else f"above {LEVELS[below[0]]}"
    return f"a bone {where} is no single vertebra"


def _share(posterior: Posterior, *, thoracic: int = 0, lumbar: int = 0) -> float:
    """Probability of all columns with so many thoracic or lumbar vertebrae."""
    return sum(
        float(probability)
        for probability, variant in zip(posterior.variant, VARIANTS, strict=True)
        if thoracic == variant.thoracic or lumbar == variant.lumbar
    )


def _anomaly(name: str, probability: float, text: str, *items: int) -> Anomaly:
    return Anomaly(name, round(min(max(probability, 0.0), 1.0), 4), text, items)
