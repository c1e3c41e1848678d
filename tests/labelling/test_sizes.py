"""What the sizes of a column say of its levels, and what they do not."""

import dataclasses

import numpy as np
import pytest

from labelling.columns import build, uniform
from spinekit.anatomy.column import LEVELS, VARIANTS, Variant
from spinekit.labelling.priors import DISC_MM, SIZE_MM
from spinekit.labelling.sizes import weigh_sizes

USUAL = VARIANTS.index(Variant())


def _bones(first, last, scale=1.0):
    """Vertebrae of mean sizes times a scale."""
    top, pieces = 5.0, []
    levels = LEVELS[LEVELS.index(first) : LEVELS.index(last) + 1]
    levels = [level for level in levels if level in Variant().levels]
    for level in levels:
        at = LEVELS.index(level)
        height, depth = (scale * SIZE_MM[kind][at] for kind in ("height", "depth"))
        pieces.append(("vertebra", top, height, depth))
        top += height + 0.9 * scale * DISC_MM[level]
    return build(levels, [uniform()] * len(levels), pieces).instances.items


def _by_start(bones):
    """Log likelihood of the usual column for each level of the first bone."""
    sizes = weigh_sizes(bones).single[:, USUAL]
    last = len(Variant().levels) - 1 - len(bones)
    return np.array([sum(sizes[n, s + n] for n in range(len(bones))) for s in range(last + 1)])


@pytest.mark.parametrize(("first", "last"), [("C3", "T3"), ("T1", "T8"), ("T6", "L5")])
def test_mean_sizes_fit_their_levels_best(first, last):
    scores = _by_start(_bones(first, last))
    assert scores.argmax() == Variant().levels.index(first)


def test_what_a_patients_bones_share_is_hardly_evidence():
    def gain(**changes):
        scores = _by_start(_bones("T6", "T12", **changes))
        at = Variant().levels.index("T6")
        return scores[at] - scores[at + 1]

    assert abs(gain() - gain(scale=1.05)) < 1.5
    few, many = (_by_start(_bones("T8", last, scale=1.07)) for last in ("T9", "L1"))
    at = Variant().levels.index("T8")
    # Six bones 7 % too large speak for a lower place little more than two do.
    assert many[at + 1] - many[at] < few[at + 1] - few[at] + 2.0


def test_unknown_sizes_say_nothing_and_wild_ones_are_capped():
    bones = list(_bones("T6", "L3"))
    wild = dataclasses.replace(bones[3], height_mm=3.0, depth_mm=300.0)
    assert np.ptp(weigh_sizes([*bones[:3], wild, *bones[4:]]).single[3, USUAL, :24]) < 8.0
    sacrum = dataclasses.replace(bones[-1], kind="sacrum")
    assert not weigh_sizes([sacrum]).single.any()


def test_what_is_left_of_a_cut_body_speaks_against_smaller_levels_alone():
    bones = _bones("L3", "L3")
    little = dataclasses.replace(bones[0], height_mm=6.0, depth_mm=8.0, partial=True)
    assert not weigh_sizes([little]).single[0, USUAL, 2:24].any()
    tall = weigh_sizes([dataclasses.replace(bones[0], partial=True)]).single[0, USUAL]
    assert tall[LEVELS.index("C5")] < -4.0
    assert tall[Variant().levels.index("L3")] == pytest.approx(0.0)


def test_a_body_far_too_tall_is_no_other_level_but_one_with_a_dens_may_be():
    below = _bones("C3", "C6")
    tall = dataclasses.replace(below[0], height_mm=32.0, top_mm=below[0].top_mm - 37.0)
    tall = dataclasses.replace(tall, bottom_mm=tall.top_mm + 32.0, position_mm=tall.top_mm + 16.0)
    scores = weigh_sizes([tall, *below]).single[0, USUAL]
    assert LEVELS[int(scores.argmax())] == "C2"
    assert scores[LEVELS.index("C2")] > scores[LEVELS.index("C3")] + 3.0


def _in_two(bone):
    """A bone's upper and lower part, without a disc between them."""
    half = 0.48 * bone.height_mm
    upper = dataclasses.replace(bone, height_mm=half, bottom_mm=bone.top_mm + half)
    lower = dataclasses.replace(bone, height_mm=half, top_mm=bone.bottom_mm - half)
    return [
        dataclasses.replace(p, position_mm=0.5 * (p.top_mm + p.bottom_mm)) for p in (upper, lower)
    ]


def test_bones_beyond_one_in_pieces_are_judged_by_their_own_levels():
    bones = list(_bones("T4", "L2"))
    pieces = [*bones[:4], *_in_two(bones[4]), *bones[5:]]
    steps = [1, 1, 1, 1, 0, *[1] * (len(pieces) - 6)]
    at = Variant().levels.index("T4")

    def fit(steps):
        sizes = weigh_sizes(pieces, steps).single[:, USUAL]
        return sum(sizes[n + 1, at + n] for n in range(5, len(bones)))

    whole = weigh_sizes(bones).single[:, USUAL]
    expected = sum(whole[n, at + n] for n in range(5, len(bones)))
    # The bone below the pieces has lost its distance from the one above.
    assert abs(fit(steps) - expected) < 0.5
    assert fit(steps) > fit(None)


def test_pieces_of_one_bone_are_as_tall_as_both_together():
    bones = list(_bones("T10", "L3"))
    pieces = [*bones[:2], *_in_two(bones[2]), *bones[3:]]
    together = weigh_sizes(pieces, [1, 1, 0, 1, 1, 1]).single[2:4, USUAL]
    alone = weigh_sizes(pieces).single[2:4, USUAL]
    at = Variant().levels.index("T12")
    assert (together[:, at] > -0.5).all()
    assert (alone[:, at] < -2.0).all()


def test_two_in_one_are_as_tall_as_both_with_their_disc():
    bones = list(_bones("T6", "L3"))
    upper, lower = bones[3:5]
    two = dataclasses.replace(
        upper,
        bottom_mm=lower.bottom_mm,
        height_mm=lower.bottom_mm - upper.top_mm,
        position_mm=0.5 * (upper.top_mm + lower.bottom_mm),
    )
    sizes = weigh_sizes([*bones[:3], two, *bones[5:]], [1, 1, 1, 2, *[1] * (len(bones) - 6)])
    at = Variant().levels.index("T9")
    assert sizes.of_two[3, USUAL, at] > 0
    assert sizes.single[3, USUAL, at] < -2
    others = [n for n in range(len(bones) - 1) if n != 3]
    assert not sizes.of_two[others].any()
    three = dataclasses.replace(two, height_mm=1.7 * two.height_mm)
    far = weigh_sizes([*bones[:3], three, *bones[5:]], [1, 1, 1, 2, *[1] * (len(bones) - 6)])
    assert far.of_two[3, USUAL, at] < -2
