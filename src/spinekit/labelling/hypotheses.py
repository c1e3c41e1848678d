"""Exact inference over the column: every legal variant, drift and place at once.

It sees log likelihoods per bone and per pair of neighbouring bones, and nothing of images or of
where the likelihoods come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinekit.anatomy.column import LEVELS, VARIANTS
from spinekit.core.errors import UsageError
from spinekit.labelling.paths import Hypothesis, find_likeliest
from spinekit.labelling.states import SACRAL, STATES
from spinekit.labelling.terms import (
    IMPOSSIBLE,
    MAX_NOISE_RUN,
    Floats,
    Observations,
    find_emissions,
    find_ends,
    find_starts,
    find_steps,
    log_sum,
    to_log,
)


@dataclass(frozen=True, slots=True)
class Posterior:
    """The answer: marginals and the likeliest whole columns.

    `level` (n, 27) is the probability of each name for each bone (of the sacrum, also where it
    holds a vertebra too), `merged` (n,) of holding two levels, `variant` (9,) that of VARIANTS;
    `columns` are likeliest first.
    """

    level: Floats
    merged: Floats
    variant: Floats
    columns: tuple[Hypothesis, ...]


def infer(observations: Observations) -> Posterior:
    """Sum and maximise over all hypotheses.

    Forward-backward and Viterbi recursions (Rabiner, Proc IEEE 1989; 77:257, eqs 19-20, 24-25 and
    32-33) with the levels of one variant and a drift as state, for all variants side by side.
    Deviations: a step may jump over bones that are no vertebra and over levels that were not found;
    Viterbi leaves out states with a marginal probability below `paths.PRUNED`, so it is exact for
    columns more probable than that.

    Args:
        observations: at least one bone.

    Returns:
        Marginals and columns.

    Raises:
        UsageError: no legal column has all the bones that are certain.
    """
    emission = find_emissions(observations)
    steps = find_steps(observations)
    weights = {pair: np.exp(step) for pair, step in steps.items()}
    end = find_ends(observations)
    forward, scale = _forward(observations, emission, weights)
    ended = np.stack([_ended(*of_bone) for of_bone in zip(forward, scale, end, strict=True)])
    total = log_sum(ended, axis=None)
    if total < IMPOSSIBLE / 2:
        raise UsageError(
            "contradicting-names",
            "no legal column has all these names in this order",
            "check them against the preview; names given before count too, until --undo",
        )
    backward, scale_back = _backward(observations, emission, weights, end)
    factor = np.exp(scale + scale_back - total)[:, None, None, None]
    gamma = (forward * backward * factor).sum(axis=2)
    n = len(observations.noise)
    level = np.zeros((n, len(LEVELS)))
    for v in range(len(VARIANTS)):
        alone = STATES.real[v] & ~STATES.is_merged
        level[:, STATES.level[v, alone]] += gamma[:, v][:, alone]
    merged = gamma[..., STATES.is_merged].sum(axis=(1, 2))
    level[observations.is_sacrum, SACRAL] += merged[observations.is_sacrum]
    variant = np.exp(log_sum(ended, axis=(0, 2)) - total)
    found = find_likeliest(observations, emission, steps, end, gamma, ended)
    return Posterior(level, merged, variant, found)


def _forward(
    observations: Observations, emission: Floats, weights: dict[tuple[int, int], Floats]
) -> tuple[Floats, Floats]:
    """Likelihood of all up to each bone, at most 1, and the logarithm of what it was divided by.

    Shapes (n, variants, drifts, states) and (n,).
    """
    sums, scale = np.zeros(emission.shape), np.full(len(emission), IMPOSSIBLE)
    drifted = sums.copy()
    for b in range(len(emission)):
        before = range(max(0, b - 1 - MAX_NOISE_RUN), b)
        offset = max((scale[a] for a in before), default=IMPOSSIBLE)
        moved = np.zeros(emission.shape[1:])
        if b <= MAX_NOISE_RUN:
            starts = find_starts(observations, b)
            offset = max(offset, float(starts.max()))
            moved = np.exp(starts - offset)
        for a in before:
            moved = moved + (drifted[a] * np.exp(scale[a] - offset)) @ weights[a, b]
        sums[b], scale[b] = _rescaled(moved, emission[b], offset)
        drifted[b] = _drift(observations, sums[b], back=False)
    return sums, scale


def _rescaled(weight: Floats, emission: Floats, offset: float) -> tuple[Floats, float]:
    """A likelihood times an emission, divided by its maximum, and the logarithm of that."""
    top = emission.max()
    weight = weight * np.exp(emission - top)
    most = weight.max()
    if most <= 0:
        return weight, IMPOSSIBLE
    return weight / most, float(offset + top + np.log(most))


def _ended(weight: Floats, scale: float, end: Floats) -> Floats:
    """(variants, states) log likelihood of the columns that end with this bone."""
    return to_log((weight * np.exp(end)).sum(axis=1), np.asarray(scale))


def _backward(
    observations: Observations,
    emission: Floats,
    weights: dict[tuple[int, int], Floats],
    end: Floats,
) -> tuple[Floats, Floats]:
    """Likelihood of all that follows each bone, in the same way as `_forward`."""
    n = len(emission)
    sums, scale = np.zeros(emission.shape), np.full(n, IMPOSSIBLE)
    seen, seen_scale = sums.copy(), scale.copy()
    for a in range(n - 1, -1, -1):
        after = range(a + 1, min(n, a + 2 + MAX_NOISE_RUN))
        offset = max([float(end[a].max()), *(seen_scale[b] for b in after)])
        moved = np.exp(np.broadcast_to(end[a], emission.shape[1:]) - offset)
        ahead = np.zeros(emission.shape[1:])
        for b in after:
            reached = seen[b] * np.exp(seen_scale[b] - offset)
            ahead += reached @ weights[a, b].transpose(0, 2, 1)
        if len(after):
            moved = moved + _drift(observations, ahead, back=True)
        sums[a], scale[a] = _rescaled(moved, np.zeros(1), offset)
        seen[a], seen_scale[a] = _rescaled(moved, emission[a], offset)
    return sums, scale


def _drift(observations: Observations, weight: Floats, *, back: bool) -> Floats:
    """(variants, drifts, states) with the drift moved on, or back, by one bone."""
    kernel = np.exp(observations.wander)
    return np.asarray((kernel if back else kernel.T) @ weight)
