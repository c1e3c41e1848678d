"""Exact inference over the column: every legal variant, patient size, drift and place at once.

It sees log likelihoods per bone and per pair of neighbouring bones, and nothing of images or of
where the likelihoods come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, VARIANTS
from spinekit.core.errors import UsageError
from spinekit.labelling.naming import Choice
from spinekit.labelling.states import SACRAL, STATES

MAX_NOISE_RUN = 2
"""Most bones in a row that may be no vertebra."""
IMPOSSIBLE = -1e9
PRUNED = 1e-5
"""States less probable than this are not on the likeliest paths."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observations:
    """What is known of n bones from top to bottom, all as log likelihoods.

    `network` (n, variants, drifts, 27) for each place in each variant's column and each drift: by
    how many levels the network is off, which changes slowly along a column. `drift` (drifts,) is
    the drift's prior and `wander` (drifts, drifts) that of the next bone's. `likeness` (n, 27) is
    what the network says of each level, drift or not. `size` (n, scales, 27) for each level and
    patient size; `merged` (n,) and `noise` (n,) for being two vertebrae in one (whose size says
    nothing) and for being none; `fragment` (n - 1,) for each bone and the next to be parts of one;
    `missed` for each pair (a, b) of bones that follow each other the likelihood (27,) of 0, 1, …
    levels between them; `above` and `below` (27,) of the number of levels beyond the first and
    the last bone. `certain` (n,) is the level of a bone that is known, -1 for the others.
    """

    network: Floats
    drift: Floats
    wander: Floats
    likeness: Floats
    size: Floats
    is_sacrum: NDArray[np.bool_]
    merged: Floats
    noise: Floats
    fragment: Floats
    missed: dict[tuple[int, int], Floats]
    above: Floats
    below: Floats
    variant: Floats
    scale: Floats
    certain: NDArray[np.int64]

    @property
    def context(self) -> Floats:
        """(scales × drifts,) log prior of each size and drift together."""
        return np.add.outer(self.scale, self.drift).ravel()


@dataclass(frozen=True, slots=True)
class Posterior:
    """The answer: marginals and the likeliest whole columns.

    `level` (n, 27) is the probability of each name for each bone, `merged` (n,) of holding two
    vertebrae, `variant` (9,) that of VARIANTS; `columns` are (choices, probability), likeliest
    first.
    """

    level: Floats
    merged: Floats
    variant: Floats
    columns: tuple[tuple[tuple[Choice, ...], float], ...]


def infer(observations: Observations, *, columns: int = 6) -> Posterior:
    """Sum and maximise over all hypotheses.

    Forward-backward and Viterbi recursions (Rabiner, Proc IEEE 1989; 77:257, eqs 19-20, 24-25 and
    32-33) with the levels of one variant, a patient size and a drift as state, for all variants
    and sizes side by side. Deviations: a step may jump over bones that are no vertebra and over
    levels that were not found; Viterbi leaves out states with a marginal probability below
    `PRUNED`, so it is exact for columns more probable than that.

    Args:
        observations: at least one bone.
        columns: how many of the likeliest columns to return.

    Returns:
        Marginals and columns.

    Raises:
        UsageError: no legal column has all the bones that are certain.
    """
    emission = _emissions(observations)
    steps = _steps(observations)
    weights = {pair: np.exp(step) for pair, step in steps.items()}
    end = _ends(observations)
    forward = _forward(observations, emission, weights)
    total = _log_sum(forward + end, axis=None)
    if total < IMPOSSIBLE / 2:
        raise UsageError(
            "contradicting-names",
            "no legal column has all these names in this order",
            "check them against the preview; names already given count too",
        )
    gamma = np.exp(forward + _backward(observations, emission, weights, end) - total).sum(axis=2)
    n = len(observations.noise)
    level = np.zeros((n, len(LEVELS)))
    for v in range(len(VARIANTS)):
        alone = STATES.real[v] & ~STATES.is_merged
        level[:, STATES.level[v, alone]] += gamma[:, v][:, alone]
    merged = gamma[..., STATES.is_merged].sum(axis=(1, 2))
    variant = np.exp(_log_sum(forward + end, axis=(0, 2, 3)) - total)
    found = _likeliest(observations, emission, steps, end, gamma, total)
    return Posterior(level, merged, variant, found[:columns])


def _log_sum(values: Floats, axis: int | tuple[int, ...] | None) -> Floats:
    top = values.max(axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.exp(values - top).sum(axis=axis))


def _emissions(observations: Observations) -> Floats:
    """(n, variants, contexts, states) log likelihood of each bone in each state."""
    n, variants, drifts, _ = observations.network.shape
    place = np.broadcast_to(STATES.first[None, :, None], (n, variants, drifts, STATES.count))
    upper = np.take_along_axis(observations.network, place, axis=3)
    place = np.broadcast_to(STATES.last[None, :, None], (n, variants, drifts, STATES.count))
    lower = np.take_along_axis(observations.network, place, axis=3)
    # What a network says of two vertebrae in one is a mixture of what it says of each.
    pair = np.logaddexp(upper, lower) - np.log(2.0) + observations.merged[:, None, None, None]
    said = np.where(STATES.is_merged, pair, upper)
    size = observations.size[:, :, STATES.level].transpose(0, 2, 1, 3)
    size = np.where(STATES.is_merged, 0.0, size)
    emission = size[:, :, :, None] + said[:, :, None]
    known = observations.certain[:, None, None]
    wrong = (STATES.level == SACRAL) != observations.is_sacrum[:, None, None]
    wrong |= ~STATES.real
    wrong |= (known >= 0) & ((STATES.level != known) | STATES.is_merged)
    emission = np.where(wrong[:, :, None, None], IMPOSSIBLE, emission)
    return emission.reshape(n, variants, -1, STATES.count)


def _steps(observations: Observations) -> dict[tuple[int, int], Floats]:
    """(variants, states, states) log likelihood of bone b following bone a."""
    between = STATES.first[:, None, :] - STATES.last[:, :, None] - 1
    legal = (between >= 0) & STATES.real[:, None, :] & STATES.real[:, :, None]
    skipped = np.clip(between, 0, len(LEVELS) - 1)
    steps = {}
    for (a, b), missed in observations.missed.items():
        step = missed[skipped]
        for c in range(a + 1, b):
            step = step + _skip(
                observations,
                c,
                STATES.lower[:, :, None] if c == a + 1 else None,
                STATES.level[:, None, :] if c == b - 1 else None,
            )
        steps[a, b] = np.where(legal, step, IMPOSSIBLE)
    return steps


def _skip(
    observations: Observations,
    bone: int,
    above: NDArray[np.int64] | None,
    below: NDArray[np.int64] | None,
) -> Floats:
    """Log likelihood of a bone that bears no name: noise, or a fragment of a neighbour.

    Args:
        observations: of the column.
        bone: the bone.
        above: levels of the bone directly above, of any shape; None where that has none either.
        below: the same for the bone below, of a shape to broadcast with it.
    """
    if observations.certain[bone] >= 0:
        return np.asarray(IMPOSSIBLE)
    score = np.asarray(observations.noise[bone])
    for levels, pair in ((above, bone - 1), (below, bone)):
        if levels is not None:
            alike = observations.likeness[bone][levels] + observations.fragment[pair]
            score = np.logaddexp(score, alike)
    return score


def _starts(observations: Observations, b: int) -> Floats:
    """(variants, contexts, states) log prior of bone b being the first vertebra."""
    start = observations.above[STATES.first] - np.log(STATES.length)[:, None]
    start = start + observations.variant[:, None]
    for c in range(b):
        start = start + _skip(observations, c, None, STATES.level if c == b - 1 else None)
    return start[:, None, :] + observations.context[None, :, None]


def _ends(observations: Observations) -> Floats:
    """(n, variants, 1, states) log likelihood of each bone being the last vertebra."""
    n = len(observations.noise)
    beyond = observations.below[np.clip(STATES.length[:, None] - 1 - STATES.last, 0, SACRAL)]
    ends = np.full((n, *beyond.shape), IMPOSSIBLE)
    for b in range(max(0, n - 1 - MAX_NOISE_RUN), n):
        ends[b] = beyond
        for c in range(b + 1, n):
            ends[b] += _skip(observations, c, STATES.lower if c == b + 1 else None, None)
    return ends[:, :, None]


def _forward(
    observations: Observations, emission: Floats, weights: dict[tuple[int, int], Floats]
) -> Floats:
    """(n, variants, contexts, states) log likelihood of all up to each bone."""
    sums = np.full(emission.shape, IMPOSSIBLE)
    for b in range(len(emission)):
        incoming = [_starts(observations, b)] if b <= MAX_NOISE_RUN else []
        for a in range(max(0, b - 1 - MAX_NOISE_RUN), b):
            top = sums[a].max(axis=(1, 2), keepdims=True)
            drifted = _drift(observations, np.exp(sums[a] - top), back=False)
            incoming.append(_log(drifted @ weights[a, b], top))
        sums[b] = _log_sum(np.stack(incoming), axis=0) + emission[b]
    return sums


def _backward(
    observations: Observations,
    emission: Floats,
    weights: dict[tuple[int, int], Floats],
    end: Floats,
) -> Floats:
    """(n, variants, contexts, states) log likelihood of all that follows each bone."""
    n = len(emission)
    sums = np.broadcast_to(end, emission.shape).copy()
    for a in range(n - 1, -1, -1):
        outgoing = [sums[a]]
        for b in range(a + 1, min(n, a + 2 + MAX_NOISE_RUN)):
            ahead = sums[b] + emission[b]
            top = ahead.max(axis=(1, 2), keepdims=True)
            moved = np.exp(ahead - top) @ weights[a, b].transpose(0, 2, 1)
            outgoing.append(_log(_drift(observations, moved, back=True), top))
        sums[a] = _log_sum(np.stack(outgoing), axis=0)
    return sums


def _drift(observations: Observations, weight: Floats, *, back: bool) -> Floats:
    """(variants, contexts, states) with the drift moved on, or back, by one bone."""
    kernel = np.exp(observations.wander)
    shape = (len(weight), len(observations.scale), len(kernel), STATES.count)
    moved = (kernel if back else kernel.T) @ weight.reshape(shape)
    return moved.reshape(weight.shape)


def _log(weight: Floats, top: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.where(weight > 0, np.log(weight) + top, IMPOSSIBLE)


@dataclass(frozen=True, slots=True)
class _Best:
    """Viterbi's tables, per bone over its likely states: (states, contexts)."""

    variant: list[NDArray[np.int64]]
    state: list[NDArray[np.int64]]
    score: list[Floats]
    bone: list[NDArray[np.int64]]
    """The bone each maximum came from, -1 for a start."""
    source: list[NDArray[np.int64]]
    """Position among that bone's likely states times contexts, plus the context."""


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
            score = _starts(observations, b)[variant, :, state]
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
    """(states, contexts) best score with the drift moved on, and the context it came from."""
    sizes, drifts = len(observations.scale), len(observations.drift)
    moved = score.reshape(-1, sizes, drifts, 1) + observations.wander
    came = moved.argmax(axis=2) + np.arange(sizes)[:, None] * drifts
    return moved.max(axis=2).reshape(score.shape), came.reshape(score.shape)


def _likeliest(
    observations: Observations,
    emission: Floats,
    steps: dict[tuple[int, int], Floats],
    end: Floats,
    gamma: Floats,
    total: Floats,
) -> tuple[tuple[tuple[Choice, ...], float], ...]:
    """The best path into every promising final state, each with its exact probability."""
    best = _viterbi(observations, emission, steps, gamma)
    finals = [
        (float(value), b, int(at // scores.shape[1]), int(at % scores.shape[1]))
        for b, scores in enumerate(best.score)
        for at, value in enumerate(
            (scores + end[b, :, 0][best.variant[b], best.state[b]][:, None]).ravel()
        )
    ]
    finals.sort(key=lambda final: -final[0])
    seen: dict[tuple[Choice, ...], float] = {}
    for value, b, at, context in finals[:400]:
        if value < finals[0][0] - 9.0 or len(seen) >= 24:
            break
        choices = _trace(best, b, at, context, len(observations.noise))
        if choices not in seen:
            score = _score(choices, observations, emission, steps, end)
            seen[choices] = float(np.exp(score - total))
    return tuple(sorted(seen.items(), key=lambda item: -item[1]))


def _trace(best: _Best, b: int, at: int, context: int, n: int) -> tuple[Choice, ...]:
    choices: list[Choice] = [()] * n
    while True:
        v, state = best.variant[b][at], best.state[b][at]
        upper, lower = int(STATES.level[v, state]), int(STATES.lower[v, state])
        choices[b] = (upper, lower) if STATES.is_merged[state] else (upper,)
        came = int(best.source[b][at, context])
        if came < 0:
            return tuple(choices)
        b, (at, context) = int(best.bone[b][at, context]), divmod(came, best.score[b].shape[1])


def _score(
    choices: Sequence[Choice],
    observations: Observations,
    emission: Floats,
    steps: dict[tuple[int, int], Floats],
    end: Floats,
) -> Floats:
    """Log likelihood of one column summed over all variants, sizes and drifts that allow it."""
    used = [b for b, choice in enumerate(choices) if choice]
    start = _starts(observations, used[0])
    kernel = np.exp(observations.wander)
    shape = (len(observations.scale), len(kernel))
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
            moved = np.exp(score - top).reshape(shape) @ kernel
            step = steps[a, b][v, path[n - 1], path[n]]
            score = _log(moved.ravel(), top) + step + emission[b, v, :, path[n]]
        total[v] = score + end[used[-1], v, 0, path[-1]]
    return _log_sum(total, axis=None)
