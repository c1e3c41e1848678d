"""Exact inference over the column: every legal variant, patient size and placement at once.

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

SACRAL = len(LEVELS) - 1
MAX_NOISE_RUN = 2
"""Most bones in a row that may be no vertebra."""
IMPOSSIBLE = -1e9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observations:
    """What is known of n bones from top to bottom, all as log likelihoods.

    `network` (n, 27) and `size` (n, scales, 27) for each level and patient size; `merged` (n,)
    and `noise` (n,) for being two vertebrae in one (whose size says nothing) and for being none;
    `fragment` (n - 1,) for each bone and the next to be parts of one; `missed` for each
    pair (a, b) of bones that follow each other the likelihood (27,) of 0, 1, … levels between
    them; `between` the likelihood (27, 27) of the disc seen there; `above` and `below` (27,) of
    the number of levels beyond the first and the last bone. `certain` (n,) marks bones that are
    known to be one vertebra each.
    """

    network: Floats
    size: Floats
    is_sacrum: NDArray[np.bool_]
    merged: Floats
    noise: Floats
    fragment: Floats
    missed: dict[tuple[int, int], Floats]
    between: dict[tuple[int, int], Floats]
    above: Floats
    below: Floats
    variant: Floats
    scale: Floats
    certain: NDArray[np.bool_]


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


class _States:
    """The states of a bone in every variant: one level, or two levels merged in one bone."""

    def __init__(self) -> None:
        size = len(LEVELS)
        self.count = 2 * size
        self.level = np.full((len(VARIANTS), self.count), -1)
        self.first = np.zeros((len(VARIANTS), self.count), dtype=np.int64)
        self.last = np.zeros((len(VARIANTS), self.count), dtype=np.int64)
        self.lower = np.full((len(VARIANTS), self.count), -1)
        self.length = np.zeros(len(VARIANTS), dtype=np.int64)
        for v, variant in enumerate(VARIANTS):
            chain = [LEVELS.index(name) for name in variant.levels]
            n = len(chain)
            self.length[v] = n
            self.level[v, :n] = chain
            self.first[v, :n] = self.last[v, :n] = np.arange(n)
            self.lower[v, :n] = chain
            # Two merged vertebrae: never the sacrum, whose upper border is not a vertebra's, nor
            # C1 and C2: the dens makes C2 as tall as two.
            pairs = np.arange(1, n - 2)
            self.level[v, size + pairs] = chain[1 : n - 2]
            self.lower[v, size + pairs] = chain[2 : n - 1]
            self.first[v, size + pairs] = pairs
            self.last[v, size + pairs] = pairs + 1
        self.real = self.level >= 0
        self.is_merged = np.arange(self.count) >= size


STATES = _States()


def infer(observations: Observations, *, columns: int = 6) -> Posterior:
    """Sum and maximise over all hypotheses.

    Forward-backward and Viterbi recursions (Rabiner, Proc IEEE 1989; 77:257, eqs 19-20, 24-25 and
    32-33) with the levels of one variant as states, for all variants and patient sizes side by
    side. Deviation: a step may jump over bones that are no vertebra and over levels that were
    not found.

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
    forward, best, source = _forward(observations, emission, steps)
    end = _ends(observations)
    if observations.certain.any() and (best + end).max() < IMPOSSIBLE / 2:
        raise UsageError(
            "contradicting-names",
            "no legal column has all these names in this order",
            "check them against the preview; names already given count too",
        )
    total = _log_sum(forward + end, axis=None)
    gamma = np.exp(forward + _backward(observations, emission, steps, end) - total)
    n = len(observations.noise)
    level = np.zeros((n, len(LEVELS)))
    for v in range(len(VARIANTS)):
        alone = STATES.real[v] & ~STATES.is_merged
        level[:, STATES.level[v, alone]] += gamma[:, v][:, :, alone].sum(axis=1)
    merged = gamma[..., STATES.is_merged].sum(axis=(1, 2, 3))
    variant = np.exp(_log_sum(forward + end, axis=(0, 2, 3)) - total)
    found = _likeliest(observations, emission, steps, best + end, source, total)
    return Posterior(level, merged, variant, found[:columns])


def _log_sum(values: Floats, axis: int | tuple[int, ...] | None) -> Floats:
    top = values.max(axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.exp(values - top).sum(axis=axis))


def _emissions(observations: Observations) -> Floats:
    """(n, variants, scales, states) log likelihood of each bone in each state."""
    alone = observations.network[:, None, :] + observations.size
    emission = alone[:, :, STATES.level].transpose(0, 2, 1, 3)
    upper, lower = (observations.network[:, x] for x in (STATES.level, STATES.lower))
    # What a network says of two vertebrae in one is a mixture of what it says of each.
    pair = np.logaddexp(upper, lower) - np.log(2.0) + observations.merged[:, None, None]
    emission = np.where(STATES.is_merged, pair[:, :, None, :], emission)
    sacral = (STATES.level == SACRAL)[None, :, None, :]
    emission[
        np.broadcast_to(sacral != observations.is_sacrum[:, None, None, None], emission.shape)
    ] = IMPOSSIBLE
    emission[np.broadcast_to(~STATES.real[None, :, None, :], emission.shape)] = IMPOSSIBLE
    return emission


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
        pair = observations.between.get((a, b))
        if pair is not None:
            step = step + pair[STATES.lower[:, :, None], STATES.level[:, None, :]]
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
    if observations.certain[bone]:
        return np.asarray(IMPOSSIBLE)
    score = np.asarray(observations.noise[bone])
    for levels, pair in ((above, bone - 1), (below, bone)):
        if levels is not None:
            alike = observations.network[bone][levels] + observations.fragment[pair]
            score = np.logaddexp(score, alike)
    return score


def _starts(observations: Observations, b: int) -> Floats:
    """(variants, scales, states) log prior of bone b being the first vertebra."""
    start = observations.above[STATES.first] - np.log(STATES.length)[:, None]
    start = start + observations.variant[:, None]
    for c in range(b):
        start = start + _skip(observations, c, None, STATES.level if c == b - 1 else None)
    return start[:, None, :] + observations.scale[None, :, None]


def _ends(observations: Observations) -> Floats:
    """(n, variants, scales, states) log likelihood of each bone being the last vertebra."""
    n = len(observations.noise)
    beyond = observations.below[np.clip(STATES.length[:, None] - 1 - STATES.last, 0, SACRAL)]
    ends = np.full((n, *beyond.shape), IMPOSSIBLE)
    for b in range(max(0, n - 1 - MAX_NOISE_RUN), n):
        ends[b] = beyond
        for c in range(b + 1, n):
            ends[b] += _skip(observations, c, STATES.lower if c == b + 1 else None, None)
    return np.repeat(ends[:, :, None], len(observations.scale), axis=2)


def _forward(
    observations: Observations, emission: Floats, steps: dict[tuple[int, int], Floats]
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Sums, maxima, and the bone and state each maximum came from, in one number or -1."""
    n, count = len(emission), STATES.count
    sums = np.full(emission.shape, IMPOSSIBLE)
    best = np.full(emission.shape, IMPOSSIBLE)
    source = np.full(emission.shape, -1, dtype=np.int64)
    for b in range(n):
        starts = (
            _starts(observations, b) if b <= MAX_NOISE_RUN else np.full_like(sums[b], IMPOSSIBLE)
        )
        incoming = [starts]
        best[b] = starts
        for a in range(max(0, b - 1 - MAX_NOISE_RUN), b):
            step = steps[a, b]
            top = sums[a].max(axis=2, keepdims=True)
            moved = np.einsum("vsi,vij->vsj", np.exp(sums[a] - top), np.exp(step))
            incoming.append(np.log(np.maximum(moved, 1e-300)) + top)
            paths = best[a][:, :, :, None] + step[:, None]
            pick = paths.argmax(axis=2)
            score = np.take_along_axis(paths, pick[:, :, None], axis=2)[:, :, 0]
            better = score > best[b]
            best[b][better] = score[better]
            source[b][better] = (a * count + pick)[better]
        sums[b] = _log_sum(np.stack(incoming), axis=0) + emission[b]
        best[b] += emission[b]
    return sums, best, source


def _backward(
    observations: Observations,
    emission: Floats,
    steps: dict[tuple[int, int], Floats],
    end: Floats,
) -> Floats:
    """(n, variants, scales, states) log likelihood of all that follows each bone."""
    n = len(emission)
    sums = end.copy()
    for a in range(n - 1, -1, -1):
        outgoing = [end[a]]
        for b in range(a + 1, min(n, a + 2 + MAX_NOISE_RUN)):
            ahead = sums[b] + emission[b]
            top = ahead.max(axis=2, keepdims=True)
            moved = np.einsum("vsj,vij->vsi", np.exp(ahead - top), np.exp(steps[a, b]))
            outgoing.append(np.log(np.maximum(moved, 1e-300)) + top)
        sums[a] = _log_sum(np.stack(outgoing), axis=0)
    return sums


def _likeliest(
    observations: Observations,
    emission: Floats,
    steps: dict[tuple[int, int], Floats],
    finals: Floats,
    source: NDArray[np.int64],
    total: Floats,
) -> tuple[tuple[tuple[Choice, ...], float], ...]:
    """The best path into every promising final state, each with its exact probability."""
    order = np.argsort(-finals, axis=None, kind="stable")[:400]
    floor = finals.max() - 9.0
    seen: dict[tuple[Choice, ...], float] = {}
    for flat in order:
        b, v, s, state = (int(x) for x in np.unravel_index(flat, finals.shape))
        if finals[b, v, s, state] < floor or len(seen) >= 24:
            break
        choices = _trace(b, v, s, state, source, len(observations.noise))
        if choices not in seen:
            score = _score(choices, observations, emission, steps)
            seen[choices] = float(np.exp(score - total))
    return tuple(sorted(seen.items(), key=lambda item: -item[1]))


def _trace(
    b: int, v: int, s: int, state: int, source: NDArray[np.int64], n: int
) -> tuple[Choice, ...]:
    choices: list[Choice] = [()] * n
    while True:
        upper, lower = int(STATES.level[v, state]), int(STATES.lower[v, state])
        choices[b] = (upper, lower) if STATES.is_merged[state] else (upper,)
        came = int(source[b, v, s, state])
        if came < 0:
            return tuple(choices)
        b, state = divmod(came, STATES.count)


def _score(
    choices: Sequence[Choice],
    observations: Observations,
    emission: Floats,
    steps: dict[tuple[int, int], Floats],
) -> Floats:
    """Log likelihood of one column summed over all variants and sizes that allow it."""
    used = [b for b, choice in enumerate(choices) if choice]
    total = np.full(emission.shape[1:3], IMPOSSIBLE)
    end = _ends(observations)[used[-1]]
    start = _starts(observations, used[0])
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
        score = start[v, :, path[0]] + end[v, :, path[-1]]
        for n, b in enumerate(used):
            score = score + emission[b, v, :, path[n]]
            if n:
                score = score + steps[used[n - 1], b][v, path[n - 1], path[n]]
        total[v] = score
    return _log_sum(total, axis=None)
