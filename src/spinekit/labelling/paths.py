"""The likeliest whole columns, each with its exact probability.

It sees the terms of inference and the marginals found, and nothing of where they come from.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import VARIANTS, Variant
from spinekit.labelling.naming import Choice
from spinekit.labelling.states import STATES
from spinekit.labelling.terms import (
    IMPOSSIBLE,
    MAX_NOISE_RUN,
    Floats,
    Observations,
    find_starts,
    log_sum,
    to_log,
)

PRUNED = 1e-5
"""States less probable than this are not on the likeliest paths."""
TRACED = 12
"""So many different columns are traced; they and their mirrors are weighed exactly."""
PIECES_ABOVE = -20.0
"""Log probability of two bones being one above which either may bear the name."""
MOST_MIRRORED = 4
"""So many pairs of pieces are mirrored, each with and without the others."""
UNLISTED = 0.02
"""Probability that a bone is what it is in no column found, from which on one with it is sought."""
PER_END = 3
"""Most paths that are traced from one final state, beside one without drift."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One whole column: what each bone is, how probable that is, and in which legal column.

    What was not found leaves it open how many vertebrae there are: `variant` is the likeliest of
    the legal columns that allow these choices.
    """

    choices: tuple[Choice, ...]
    probability: float
    variant: Variant


@dataclass(frozen=True, slots=True)
class _Best:
    """Viterbi's tables, per bone over its likely states: (states, drifts)."""

    variant: list[NDArray[np.int64]]
    state: list[NDArray[np.int64]]
    score: list[Floats]
    bone: list[NDArray[np.int64]]
    """The bone each maximum came from, -1 for a start."""
    source: list[NDArray[np.int64]]
    """Position among that bone's likely states times drifts, plus the drift."""


def _viterbi(
    observations: Observations,
    emission: Floats,
    steps: dict[tuple[int, int], Floats],
    gamma: Floats,
) -> _Best:
    likely = [np.nonzero(of_bone > PRUNED) for of_bone in gamma]
    best = _Best([v for v, _ in likely], [s for _, s in likely], [], [], [])
    for b, (variant, state) in enumerate(likely):
        score = np.full((len(state), emission.shape[2]), IMPOSSIBLE)
        if b <= MAX_NOISE_RUN:
            score = find_starts(observations, b)[variant, :, state]
        bone = np.full(score.shape, -1)
        source = np.full(score.shape, -1)
        for a in range(max(0, b - 1 - MAX_NOISE_RUN), b):
            lead, came = _drifted_best(observations, best.score[a])
            step = steps[a, b][best.variant[a][:, None], best.state[a][:, None], state]
            step = np.where(best.variant[a][:, None] == variant, step, IMPOSSIBLE)
            if not len(step):
                continue
            paths = lead[:, None] + step[:, :, None]
            pick = paths.argmax(axis=0)
            reached = np.take_along_axis(paths, pick[None], axis=0)[0]
            better = reached > score
            score = np.where(better, reached, score)
            bone[better] = a
            count = emission.shape[2]
            source[better] = (pick * count + np.take_along_axis(came, pick, axis=0))[better]
        best.score.append(score + emission[b][variant, :, state])
        best.bone.append(bone)
        best.source.append(source)
    return best


def _drifted_best(observations: Observations, score: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """(states, drifts) best score with the drift moved on, and the drift it came from."""
    moved = score[:, :, None] + observations.wander
    return moved.max(axis=1), moved.argmax(axis=1)


def find_likeliest(
    observations: Observations,
    emission: Floats,
    steps: dict[tuple[int, int], Floats],
    end: Floats,
    gamma: Floats,
    ended: Floats,
) -> tuple[Hypothesis, ...]:
    """Paths into every promising final state, each with its exact probability.

    A column is likely by the sum over all drifts, a path has but one: columns of paths that may
    drift stand far behind one that may not. So it is the states' own probabilities of being the
    last that say where to look, and both kinds of paths are traced. Of two pieces of one bone
    either may bear its name: a path goes through one of them, and the column with the other is
    weighed too.
    """
    best = _viterbi(observations, emission, steps, gamma)
    finals: list[tuple[float, int, int]] = []
    for b in range(max(0, len(best.score) - 1 - MAX_NOISE_RUN), len(best.score)):
        last = ended[b][best.variant[b], best.state[b]]
        finals += [(float(last[at]), b, int(at)) for at in np.flatnonzero(last > IMPOSSIBLE / 2)]
    finals.sort(key=lambda final: -final[0])
    traced: list[tuple[Choice, ...]] = []
    for _, b, at in finals:
        if len(traced) >= TRACED:
            break
        for drift in _promising(best.score[b][at]):
            choices = _trace(best, b, at, drift, len(observations.noise))
            if choices not in traced:
                traced.append(choices)
    total = log_sum(ended, axis=None)

    def weigh(columns: Iterable[tuple[Choice, ...]]) -> list[Hypothesis]:
        found = []
        for choices in dict.fromkeys(columns):
            scores = _score(choices, observations, emission, steps, end)
            probability = float(np.exp(log_sum(scores, axis=None) - total))
            found.append(Hypothesis(choices, probability, VARIANTS[int(scores.argmax())]))
        return sorted(found, key=lambda hypothesis: -hypothesis.probability)

    found = weigh([*traced, *(m for c in traced for m in _mirror(c, observations))])
    more = weigh(_find_unlisted(found, gamma))
    return tuple(sorted([*found, *more], key=lambda hypothesis: -hypothesis.probability))


def _find_unlisted(found: Sequence[Hypothesis], gamma: Floats) -> list[tuple[Choice, ...]]:
    """The likeliest column with one bone as it probably is, but is in no column found.

    Into each final state one path is the best: those beside it differ further up.
    """
    best = found[0].choices
    columns = []
    for n, of_bone in enumerate(gamma):
        left: defaultdict[Choice, float] = defaultdict(float, {(): 1.0 - float(of_bone.sum())})
        for v, state in zip(*np.nonzero(of_bone > PRUNED), strict=True):
            left[_choice(v, state)] += float(of_bone[v, state])
        for hypothesis in found:
            left[hypothesis.choices[n]] -= hypothesis.probability
        columns += [(*best[:n], c, *best[n + 1 :]) for c, p in left.items() if p > UNLISTED]
    known = {hypothesis.choices for hypothesis in found}
    return [one for one in columns if one not in known and _is_ordered(one) and _is_reached(one)]


def _is_ordered(choices: Sequence[Choice]) -> bool:
    """Whether there is a vertebra at all, and each is below the one before."""
    levels = [level for choice in choices for level in choice]
    return bool(levels) and all(above < below for above, below in itertools.pairwise(levels))


def _mirror(choices: tuple[Choice, ...], observations: Observations) -> list[tuple[Choice, ...]]:
    """The same column with others of its pieces bearing the names, in every combination."""
    found = [choices]
    pairs = [n for n, fragment in enumerate(observations.fragment) if fragment > PIECES_ABOVE]
    pairs = [n for n in pairs if _is_named_once(choices, n)]
    for n in pairs[:MOST_MIRRORED]:
        found += [
            (*one[:n], one[n + 1], one[n], *one[n + 2 :]) for one in found if _is_named_once(one, n)
        ]
    return [one for one in found[1:] if _is_reached(one)]


def _is_named_once(choices: Sequence[Choice], n: int) -> bool:
    """Whether of a bone and the next one is a vertebra and the other none."""
    return sorted((len(choices[n]), len(choices[n + 1]))) == [0, 1]


def _is_reached(choices: Sequence[Choice]) -> bool:
    """Whether no more bones in a row are no vertebra than a step, a start or an end passes over."""
    used = [-1, *(n for n, choice in enumerate(choices) if choice), len(choices)]
    return all(b - a - 1 <= MAX_NOISE_RUN for a, b in itertools.pairwise(used))


def _promising(score: Floats) -> list[int]:
    """Contexts of the best paths into one state, and of the best one without drift."""
    found = [*np.argsort(-score[:-1])[:PER_END].tolist(), len(score) - 1]
    return [drift for drift in found if score[drift] > IMPOSSIBLE / 2]


def _trace(best: _Best, b: int, at: int, drift: int, n: int) -> tuple[Choice, ...]:
    choices: list[Choice] = [()] * n
    while True:
        choices[b] = _choice(best.variant[b][at], best.state[b][at])
        came = int(best.source[b][at, drift])
        if came < 0:
            return tuple(choices)
        b, (at, drift) = int(best.bone[b][at, drift]), divmod(came, best.score[b].shape[1])


def _choice(variant: int, state: int) -> Choice:
    """What a bone is in one state."""
    upper, lower = int(STATES.level[variant, state]), int(STATES.lower[variant, state])
    return (upper, lower) if STATES.is_merged[state] else (upper,)


def _score(
    choices: Sequence[Choice],
    observations: Observations,
    emission: Floats,
    steps: dict[tuple[int, int], Floats],
    end: Floats,
) -> Floats:
    """(variants,) log likelihood of one column summed over all drifts; IMPOSSIBLE in others."""
    used = [b for b, choice in enumerate(choices) if choice]
    start = find_starts(observations, used[0])
    kernel = np.exp(observations.wander)
    total = np.full((len(VARIANTS), emission.shape[2]), IMPOSSIBLE)
    for v in range(len(VARIANTS)):
        path = []
        for b in used:
            match = STATES.real[v] & (STATES.level[v] == choices[b][0])
            match &= (STATES.lower[v] == choices[b][-1]) & (
                STATES.is_merged == (len(choices[b]) == 2)
            )
            path.append(int(match.argmax()) if match.any() else -1)
        if -1 in path:
            continue
        score = start[v, :, path[0]] + emission[used[0], v, :, path[0]]
        for n in range(1, len(used)):
            a, b = used[n - 1], used[n]
            top = score.max()
            moved = np.exp(score - top) @ kernel
            step = steps[a, b][v, path[n - 1], path[n]]
            score = to_log(moved, top) + step + emission[b, v, :, path[n]]
        total[v] = score + end[used[-1], v, :, path[-1]]
    return log_sum(total, axis=1)
