"""Names by inference over the whole column: the best sequence, and how sure each name is.

It turns instances and their level evidence into likelihoods, has them weighed against all legal
columns, and reports names, probabilities, runners-up and oddities. It knows nothing of images.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM, VARIANTS, successors
from spinekit.anatomy.items import Instance, Instances
from spinekit.anatomy.scheme import disc_name
from spinekit.core.errors import UsageError
from spinekit.labelling.hypotheses import Choice, Posterior, infer
from spinekit.labelling.observation import observe

AMBIGUOUS_BELOW = 0.5
"""A column whose likeliest naming is less probable than this is ambiguous."""
REPORT_ABOVE = 0.1
"""Least probability at which a deviating count is reported."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Names for the items of one column.

    `names` and `probability` are aligned with the items; a name is None where an item is no
    single vertebra or no disc between two. `alternatives` are other whole columns, likeliest
    first, each with names aligned with the items and its probability. `anomalies` are
    dictionaries with `name`, `probability` and `text`.
    """

    names: tuple[str | None, ...]
    probability: tuple[float, ...]
    alternatives: tuple[tuple[tuple[str | None, ...], float], ...]
    ambiguous: bool
    reason: str | None
    anomalies: tuple[dict[str, Any], ...]


def name_column(
    instances: Instances,
    evidence: NDArray[np.floating],
    *,
    method: str = "chain",
    certain: Mapping[int, str] | None = None,
    outside: NDArray[np.floating] | None = None,
) -> Naming:
    """Name every vertebra, disc and the sacrum.

    Args:
        instances: the split column.
        evidence: (n, 27) distribution over LEVELS per item, uniform where nothing is known.
        method: `chain`, the only method so far.
        certain: item → its level, where that is known beyond doubt; all others follow.
        outside: (n, 27) log likelihood of LEVELS per item from other sources than the scan, as it
            is to count; zeros where nothing is known.

    Returns:
        Names in the order of instances.items. Empty and ambiguous without items; discs alone
        stay without names.

    Raises:
        UsageError: the method is unknown, or no legal column has all the certain names.
    """
    if method != "chain":
        raise UsageError("unknown-labeller", f"no labeller is called {method!r}", "use 'chain'")
    items = instances.items
    bones = [n for n, item in enumerate(items) if item.kind != "disc"]
    if not bones:
        nameless: tuple[str | None, ...] = (None,) * len(items)
        return Naming(nameless, (0.0,) * len(items), (), True, "no vertebra in view", ())
    posterior = infer(observe(instances, np.asarray(evidence, dtype=np.float64), certain, outside))
    choices, best = posterior.columns[0]
    names = _item_names(items, bones, choices)
    alternatives = []
    for other, probability in posterior.columns[1:]:
        other_names = _item_names(items, bones, other)
        if other_names != names and probability > 1e-4:
            alternatives.append((other_names, probability))
    ambiguous = best < AMBIGUOUS_BELOW
    return Naming(
        names=names,
        probability=_probabilities(items, bones, names, posterior),
        alternatives=tuple(alternatives[:5]),
        ambiguous=ambiguous,
        reason=_reason(items, names, best, alternatives) if ambiguous else None,
        anomalies=_anomalies(choices, posterior),
    )


def _item_names(
    items: Sequence[Instance], bones: list[int], choices: Sequence[Choice]
) -> tuple[str | None, ...]:
    names: list[str | None] = [None] * len(items)
    for bone, choice in zip(bones, choices, strict=True):
        if len(choice) == 1:
            names[bone] = LEVELS[choice[0]]
    spans: dict[int, Choice] = dict(zip(bones, choices, strict=True))
    above: Choice = ()
    waiting: list[int] = []
    for n, item in enumerate(items):
        if item.kind == "disc":
            waiting.append(n)
        elif spans[n]:
            _name_discs(names, waiting, above, spans[n])
            above, waiting = spans[n], []
    _name_discs(names, waiting, above, ())
    return tuple(names)


def _name_discs(names: list[str | None], discs: list[int], above: Choice, below: Choice) -> None:
    """Name the discs between two bones; () stands for the end of the column."""
    if not discs:
        return
    upper = LEVELS[above[-1]] if above else None
    lower = LEVELS[below[0]] if below else None
    if upper and lower and lower in successors(upper):
        # One disc between neighbours; a second one is noise and stays without a name.
        names[discs[len(discs) // 2]] = _disc(upper, lower)
        return
    if upper:
        names[discs[0]] = _disc(upper, _usual_below(upper))
    if lower and (len(discs) > 1 or not upper):
        names[discs[-1]] = _disc(_usual_above(lower), lower)


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


def _probabilities(
    items: Sequence[Instance],
    bones: list[int],
    names: Sequence[str | None],
    posterior: Posterior,
) -> tuple[float, ...]:
    marginal = dict(zip(bones, posterior.level, strict=True))
    result = [0.0] * len(items)
    for n, name in enumerate(names):
        if name is not None and n in marginal:
            result[n] = float(min(marginal[n][LEVELS.index(name)], 1.0))
    for n, name in enumerate(names):
        if name is None or n in marginal:
            continue
        # A disc is named by its neighbours: no surer than the less sure of those in view.
        near = [result[m] for m in _neighbours(n, items) if names[m] is not None]
        result[n] = min(near) if near else 0.0
    return tuple(result)


def _neighbours(disc: int, items: Sequence[Instance]) -> list[int]:
    above = [m for m in range(disc) if items[m].kind != "disc"][-1:]
    below = [m for m in range(disc + 1, len(items)) if items[m].kind != "disc"][:1]
    return above + below


def _reason(
    items: Sequence[Instance],
    names: Sequence[str | None],
    best: float,
    alternatives: Sequence[tuple[tuple[str | None, ...], float]],
) -> str:
    def span(of: Sequence[str | None]) -> str:
        bones = [name for name, item in zip(of, items, strict=True) if name and item.kind != "disc"]
        return f"{bones[0]} to {bones[-1]}" if bones else "no vertebra"

    landmark = "sacrum in view" if SACRUM in names else "no sacrum in view"
    text = f"{landmark}; {span(names)} {best:.0%}"
    if alternatives:
        text += f", {span(alternatives[0][0])} {alternatives[0][1]:.0%}"
    return text + ": nothing in view decides"


def _anomalies(choices: Sequence[Choice], posterior: Posterior) -> tuple[dict[str, Any], ...]:
    """Counts that deviate, levels not found, and bones that are no single vertebra."""
    found: list[dict[str, Any]] = []
    used = [choice for choice in choices if choice]
    levels = [level for choice in used for level in choice]
    seen = {LEVELS[level] for level in levels}
    deviating = {
        "four-lumbar": _share(posterior, lumbar=4),
        "L6": _share(posterior, lumbar=6),
        "T11": _share(posterior, thoracic=11),
        "T13": _share(posterior, thoracic=13),
    }
    has_extra = bool({"L6", "T13"} & seen)
    shows_loin = SACRUM in seen and "L1" in seen
    shows_thorax = "T1" in seen and ("L1" in seen or SACRUM in seen)
    decidable = {
        "four-lumbar": shows_loin,
        "L6": has_extra or shows_loin,
        "T11": shows_thorax,
        "T13": has_extra or shows_thorax,
    }
    for name, probability in deviating.items():
        if decidable[name] and probability >= REPORT_ABOVE:
            found.append(_anomaly(name, probability, f"{_TEXTS[name]}: {probability:.0%}"))
    for upper, lower in itertools.pairwise(used):
        if LEVELS[lower[0]] not in successors(LEVELS[upper[-1]]):
            text = f"a level between {LEVELS[upper[-1]]} and {LEVELS[lower[0]]} was not found"
            found.append(_anomaly("missed", posterior.columns[0][1], text))
    for n, choice in enumerate(choices):
        if len(choice) == 2:
            text = f"{LEVELS[choice[0]]} and {LEVELS[choice[1]]} were not told apart"
            found.append(_anomaly("merged", float(posterior.merged[n]), text))
        elif not choice:
            noise = 1.0 - float(posterior.level[n].sum() + posterior.merged[n])
            found.append(_anomaly("no-vertebra", noise, f"bone {n + 1} from the top is none"))
    return tuple(found)


_TEXTS = {
    "four-lumbar": "four lumbar vertebrae",
    "L6": "six lumbar vertebrae",
    "T11": "eleven thoracic vertebrae",
    "T13": "thirteen thoracic vertebrae",
}


def _share(posterior: Posterior, *, thoracic: int = 0, lumbar: int = 0) -> float:
    """Probability of all columns with so many thoracic or lumbar vertebrae."""
    return sum(
        float(probability)
        for probability, variant in zip(posterior.variant, VARIANTS, strict=True)
        if thoracic == variant.thoracic or lumbar == variant.lumbar
    )


def _anomaly(name: str, probability: float, text: str) -> dict[str, Any]:
    return {"name": name, "probability": round(min(max(probability, 0.0), 1.0), 4), "text": text}
