"""What each bone, step and end of a column weighs: the terms that inference adds up.

It sees log likelihoods per bone and per pair of bones, and nothing of how they are searched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.labelling.states import SACRAL, STATES

C1, C2 = LEVELS.index("C1"), LEVELS.index("C2")
MAX_NOISE_RUN = 2
"""Most bones in a row that may be no vertebra."""
IMPOSSIBLE = -1e9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observations:
    """What is known of n bones from top to bottom, all as log likelihoods.

    `network` (n, variants, drifts, 27) for each place in each variant's column and each drift: by
    how many levels the network is off, which changes slowly along a column. `drift` (drifts,) is
    the drift's prior, `wander` (drifts, drifts) that of the next bone's, `pinned` (drifts,) what is
    added at a sacrum, and `habit` (variants, 2, drifts) for the whole column, without and with the
    last lumbar vertebra in the sacrum found. `likeness` (n, 27) is what the network says of each
    level, drift or not. `size` (n, variants, 27) for each place in
    each variant's column and `size_of_two` the same for the upper of two vertebrae in one;
    `as_vertebra` and `as_sacrum` (n,) for a bone that was found as what it is; `merged` (n,) and
    `noise` (n,) for being two in one and for being none; `fragment` (n - 1,) for each bone
    and the next to be parts of one; `missed` for each pair (a, b) of bones that follow each other
    the likelihood (27,) of 0, 1, … levels between them, and `atlas` what is added where the two are
    C1 and C2; `above` and `below` (27,) of the number of levels beyond the first and the last bone.
    `certain` (n,) is the level of a bone that is known, -1 for the others.
    """

    network: Floats
    drift: Floats
    wander: Floats
    pinned: Floats
    habit: Floats
    likeness: Floats
    size: Floats
    size_of_two: Floats
    is_sacrum: NDArray[np.bool_]
    as_vertebra: Floats
    as_sacrum: Floats
    merged: Floats
    noise: Floats
    fragment: Floats
    missed: dict[tuple[int, int], Floats]
    atlas: dict[tuple[int, int], float]
    above: Floats
    below: Floats
    variant: Floats
    certain: NDArray[np.int64]


def log_sum(values: Floats, axis: int | tuple[int, ...] | None) -> Floats:
    """Logarithm of the sum of exponentials along axes, without overflow."""
    top = values.max(axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.exp(values - top).sum(axis=axis))


def find_emissions(observations: Observations) -> Floats:
    """(n, variants, drifts, states) log likelihood of each bone in each state."""
    n, variants, drifts, _ = observations.network.shape
    place = np.broadcast_to(STATES.first[None, :, None], (n, variants, drifts, STATES.count))
    upper = np.take_along_axis(observations.network, place, axis=3)
    place = np.broadcast_to(STATES.last[None, :, None], (n, variants, drifts, STATES.count))
    lower = np.take_along_axis(observations.network, place, axis=3)
    # What a network says of two vertebrae in one is half what it says of each: both must be there.
    # A sacrum that holds one may as well be called a sacrum: that is most of it.
    is_sacral = STATES.lower == SACRAL
    half = 0.5 * (upper + lower)
    pair = np.where(is_sacral[:, None], np.logaddexp(half, lower), half + np.log(2.0))
    pair = pair + observations.merged[:, None, None, None]
    said = np.where(STATES.is_merged, pair, upper)
    place = np.broadcast_to(STATES.first, (n, variants, STATES.count))
    size, of_two = (
        np.take_along_axis(sizes, place, axis=2)
        for sizes in (observations.size, observations.size_of_two)
    )
    alone = np.where(is_sacral, 0.0, size)
    found_as = (observations.as_sacrum, observations.as_vertebra)
    of_kind = np.where(is_sacral, *(log[:, None, None] for log in found_as))
    emission = said + (np.where(STATES.is_merged, of_two, alone) + of_kind)[:, :, None]
    emission = emission + np.where(is_sacral[:, None], observations.pinned[:, None], 0.0)
    known = observations.certain[:, None, None]
    # What holds two is what it was found as.
    wrong = STATES.is_merged & (is_sacral != observations.is_sacrum[:, None, None])
    wrong |= ~STATES.real
    wrong |= (known >= 0) & ((STATES.level != known) | STATES.is_merged)
    return np.where(wrong[:, :, None], IMPOSSIBLE, emission)


def find_steps(observations: Observations) -> dict[tuple[int, int], Floats]:
    """(variants, states, states) log likelihood of bone b following bone a."""
    between = STATES.first[:, None, :] - STATES.last[:, :, None] - 1
    legal = (between >= 0) & STATES.real[:, None, :] & STATES.real[:, :, None]
    skipped = np.clip(between, 0, len(LEVELS) - 1)
    is_atlas = (STATES.lower == C1)[:, :, None] & (STATES.level == C2)[:, None, :]
    steps = {}
    for (a, b), missed in observations.missed.items():
        step = missed[skipped] + np.where(is_atlas, observations.atlas[a, b], 0.0)
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

    A sacrum is no fragment of the bone above it; that one may be its first segment.

    Args:
        observations: of the column.
        bone: the bone.
        above: levels of the bone directly above, of any shape; None where that has none either.
        below: the same for the bone below, of a shape to broadcast with it.
    """
    if observations.certain[bone] >= 0:
        return np.asarray(IMPOSSIBLE)
    score = np.asarray(observations.noise[bone])
    if observations.is_sacrum[bone]:
        return score
    for levels, pair in ((above, bone - 1), (below, bone)):
        if levels is not None:
            alike = observations.likeness[bone][levels] + observations.fragment[pair]
            score = np.logaddexp(score, alike)
    return score


def find_starts(observations: Observations, b: int) -> Floats:
    """(variants, drifts, states) log prior of bone b being the first vertebra."""
    start = observations.above[STATES.first] - np.log(STATES.length)[:, None]
    start = start + observations.variant[:, None]
    for c in range(b):
        start = start + _skip(observations, c, None, STATES.level if c == b - 1 else None)
    return start[:, None, :] + observations.drift[None, :, None]


def find_ends(observations: Observations) -> Floats:
    """(n, variants, drifts, states) log likelihood of each bone being the last vertebra."""
    n = len(observations.noise)
    beyond = observations.below[np.clip(STATES.length[:, None] - 1 - STATES.last, 0, SACRAL)]
    ends = np.full((n, *beyond.shape), IMPOSSIBLE)
    for b in range(max(0, n - 1 - MAX_NOISE_RUN), n):
        ends[b] = beyond
        for c in range(b + 1, n):
            ends[b] += _skip(observations, c, STATES.lower if c == b + 1 else None, None)
    holds_last = (STATES.is_merged & (STATES.lower == SACRAL)).astype(np.int64)
    habit = np.take_along_axis(observations.habit, holds_last[:, :, None], axis=1)
    return np.asarray(ends[:, :, None] + habit.transpose(0, 2, 1))


def to_log(weight: Floats, top: Floats) -> Floats:
    """Log likelihood of a weight that was divided by exp(top); IMPOSSIBLE for 0."""
    with np.errstate(divide="ignore"):
        return np.where(weight > 0, np.log(weight) + top, IMPOSSIBLE)
