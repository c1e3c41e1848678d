"""Inference against the slow, obvious sum over every hypothesis of two bones."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest

from labelling.columns import build, bump, draw, uniform
from spinekit.anatomy.column import LEVELS, VARIANTS, Variant
from spinekit.labelling.hypotheses import infer
from spinekit.labelling.observation import WITH_SACRUM, observe
from spinekit.labelling.priors import VARIANT_PRIOR

SACRUM = len(LEVELS) - 1


def _observe(column):
    return observe(column.instances, column.evidence)


def _skipped(o, bone, other, level):
    """A bone without a name beside one of a level."""
    return np.logaddexp(o.noise[bone], o.likeness[bone, level] + o.fragment[min(bone, other)])


def _said(o, bone, v, chain, places):
    """(drifts,) what is said of a bone at one place or two, or None where it cannot lie there."""
    is_sacral = chain[places[-1]] == SACRUM
    said = [o.network[bone, v, :, place] for place in places]
    if is_sacral:
        if o.as_sacrum[bone] < -1e8 or (len(places) == 2 and not o.is_sacrum[bone]):
            return None
        of_kind = o.pinned + o.as_sacrum[bone]
        if len(places) == 1:
            return said[0] + of_kind
        return np.logaddexp(0.5 * (said[0] + said[1]), said[1]) + o.merged[bone] + of_kind
    if o.as_vertebra[bone] < -1e8 or (len(places) == 2 and o.is_sacrum[bone]):
        return None
    if len(places) == 1:
        return said[0] + o.size[bone, v, places[0]] + o.as_vertebra[bone]
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
    start = start + o.habit[v, int(len(ends) == 2 and chain[ends[-1]] == SACRUM)]
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


def _cut_sacrum():
    column = draw(np.random.default_rng(2), first="L5", noise=1.0)
    *above, sacrum = column.instances.items
    cut = dataclasses.replace(
        sacrum, touches_edge=True, partial=True, centroid_ijk=(5.0, 60.0, 8.0)
    )
    instances = dataclasses.replace(column.instances, items=(*above, cut))
    return dataclasses.replace(column, instances=instances)


def _halves(level, height):
    pieces = [("vertebra", 10.0 + n * (height + 0.5), height, 30.0) for n in (0, 1)]
    return build([None, None], [bump(level)] * 2, pieces)


COLUMNS = {
    "halves of L5": lambda: _halves("L5", 12.0),
    "halves of C5": lambda: _halves("C5", 12.0),
    "C1 and C2": lambda: draw(np.random.default_rng(1), first="C1", last="C2", noise=1.0),
    "L5 and the sacrum": lambda: draw(np.random.default_rng(2), first="L5", noise=1.0),
    "L5 and a sacrum at the edge": _cut_sacrum,
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


@pytest.mark.parametrize("first", ["L2", "T10", "C2"])
def test_four_lumbar_and_a_fifth_in_the_sacrum_stay_as_frequent_however_much_is_read_right(first):
    column = draw(np.random.default_rng(3), first=first, last="L4", noise=0.0, spread=0.2)
    sacrum = draw(np.random.default_rng(3), first="L4", noise=0.0, spread=0.2)
    lower = [("disc", 9.0, 32.0), ("sacrum", 60.0, 30.0)]
    pieces = [(i.kind, i.top_mm, i.height_mm, i.depth_mm) for i in column.instances.items]
    for kind, height, depth in lower:
        pieces.append((kind, pieces[-1][1] + pieces[-1][2], height, depth))
    evidence = [*column.evidence, uniform(), sacrum.evidence[-1]]
    on_sacrum = build([*column.truth, None, "sacrum"], evidence, pieces)

    posterior = infer(_observe(on_sacrum))

    four = posterior.variant[[v for v, variant in enumerate(VARIANTS) if variant.lumbar == 4]].sum()
    prior = VARIANT_PRIOR[12, 4] / (VARIANT_PRIOR[12, 5] * np.exp(WITH_SACRUM))
    assert prior / 3 < four / posterior.merged[-1] < prior * 2


def test_what_says_nothing_leaves_counts_as_frequent_as_published():
    alone = build(["sacrum"], [uniform()], [("sacrum", 5.0, 80.0, 40.0)])
    found = infer(_observe(alone)).variant[VARIANTS.index(Variant())]
    assert found == pytest.approx(VARIANT_PRIOR[12, 5], abs=0.01)
