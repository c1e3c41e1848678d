"""Inference against the slow, obvious sum over every hypothesis of two bones."""

import itertools
from collections import Counter

import numpy as np
import pytest

from labelling.columns import build, bump, draw, uniform
from spinekit.anatomy.column import LEVELS, VARIANTS, Variant
from spinekit.labelling.hypotheses import infer
from spinekit.labelling.observation import observe
from spinekit.labelling.priors import VARIANT_PRIOR

SACRUM = len(LEVELS) - 1


def _observe(column):
    return observe(column.instances, column.evidence)


def _skipped(o, bone, other, level):
    """A bone without a name beside one of a level."""
    return np.logaddexp(o.noise[bone], o.likeness[bone, level] + o.fragment[min(bone, other)])


def _said(o, bone, v, chain, places):
    """(drifts,) what is said of a bone at one place or two, or None where it cannot lie there."""
    if o.is_sacrum[bone] != (chain[places[-1]] == SACRUM):
        return None
    said = [o.network[bone, v, :, place] for place in places]
    if len(places) == 1:
        return said[0] + o.size[bone, v, places[0]]
    size = o.size_of_two[bone, v, places[0]]
    return 0.5 * (said[0] + said[1]) + np.log(2.0) + o.merged[bone] + size


def _weigh(o, v, chain, upper, lower):
    """Log likelihood of two bones at these places of one column; () stands for no vertebra."""
    used = [(n, places) for n, places in enumerate((upper, lower)) if places]
    (first, places), (_, ends) = used[0], used[-1]
    said = [_said(o, n, v, chain, at) for n, at in used]
    if any(row is None for row in said):
        return -np.inf
    start = o.variant[v] + o.above[places[0]] - np.log(len(chain))
    start = start + o.below[len(chain) - 1 - ends[-1]]
    if len(used) == 1:
        level = chain[places[0]] if first else chain[places[-1]]
        score = start + o.drift + said[0] + _skipped(o, 1 - first, first, level)
    else:
        moved = np.log(np.exp(o.drift + said[0]) @ np.exp(o.wander))
        score = start + moved + said[1] + o.missed[0, 1][ends[0] - places[-1] - 1]
        if (LEVELS[chain[places[-1]]], LEVELS[chain[ends[0]]]) == ("C1", "C2"):
            score = score + o.atlas[0, 1]
    return np.logaddexp.reduce(score)


def _enumerate(o):
    """Probability of every (variant, column)."""
    found = {}
    for v, variant in enumerate(VARIANTS):
        chain = [LEVELS.index(level) for level in variant.levels]
        n = len(chain)
        bone = [(), *((k,) for k in range(n)), *((k, k + 1) for k in range(2, n - 1))]
        for upper, lower in itertools.product(bone, bone):
            if (upper or lower) and not (upper and lower and upper[-1] >= lower[0]):
                levels = tuple(tuple(chain[k] for k in places) for places in (upper, lower))
                found[v, levels] = _weigh(o, v, chain, upper, lower)
    total = np.logaddexp.reduce(list(found.values()))
    return {key: float(np.exp(score - total)) for key, score in found.items()}


def _halves(level, height):
    pieces = [("vertebra", 10.0 + n * (height + 0.5), height, 30.0) for n in (0, 1)]
    return build([None, None], [bump(level)] * 2, pieces)


COLUMNS = {
    "halves of L5": lambda: _halves("L5", 12.0),
    "halves of C5": lambda: _halves("C5", 12.0),
    "C1 and C2": lambda: draw(np.random.default_rng(1), first="C1", last="C2", noise=1.0),
    "L5 and the sacrum": lambda: draw(np.random.default_rng(2), first="L5", noise=1.0),
    "T7 and T8, unknown": lambda: draw(
        np.random.default_rng(3), first="T7", last="T8", known=False
    ),
}


@pytest.mark.parametrize("which", COLUMNS)
def test_probabilities_are_those_of_every_hypothesis_weighed_by_itself(which):
    observed = _observe(COLUMNS[which]())
    posterior, every = infer(observed), _enumerate(observed)
    level, merged, variant = np.zeros((2, len(LEVELS))), np.zeros(2), np.zeros(len(VARIANTS))
    columns = Counter()
    for (v, choices), p in every.items():
        variant[v] += p
        columns[choices] += p
        for n, choice in enumerate(choices):
            merged[n] += p * (len(choice) == 2)
            if len(choice) == 1 or (choice and observed.is_sacrum[n]):
                level[n, choice[-1]] += p
    assert posterior.level == pytest.approx(level, abs=1e-9)
    assert posterior.merged == pytest.approx(merged, abs=1e-9)
    assert posterior.variant == pytest.approx(variant, abs=1e-9)
    found = {column.choices: column.probability for column in posterior.columns}
    assert found == pytest.approx({choices: columns[choices] for choices in found}, abs=1e-9)
    assert {choices for choices, p in columns.items() if p > 0.04} <= set(found)
    assert posterior.columns[0].choices == columns.most_common(1)[0][0]


def test_what_bone_by_bone_is_likely_is_in_some_likely_column():
    for seed in range(8, 16):
        column = draw(np.random.default_rng(seed), first="C1", last="T4", noise=0.6)
        posterior = infer(_observe(column))
        for n in range(len(column.bones)):
            nothing = 1.0 - posterior.level[n].sum() - posterior.merged[n]
            listed = sum(c.probability for c in posterior.columns if not c.choices[n])
            assert nothing - listed < 0.03, (seed, n)


def test_what_says_nothing_leaves_counts_as_frequent_as_published():
    alone = build(["sacrum"], [uniform()], [("sacrum", 5.0, 80.0, 40.0)])
    found = infer(_observe(alone)).variant[VARIANTS.index(Variant())]
    assert found == pytest.approx(VARIANT_PRIOR[12, 5], abs=0.01)
