"""How many levels lie between two bones, as the room and the discs between them tell.

It knows places and sizes of bones and discs, and neither which levels they are nor what a network
says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.items import Instance
from spinekit.labelling.priors import PITCH_MM, SIZE_MM
from spinekit.labelling.terms import MAX_NOISE_RUN

MISSED = np.log(0.02)
"""Log probability that a level in view was not found."""
LEFT_OUT, LEFT_OUT_TOO = np.log(0.02), np.log(0.5)
"""The same of a level that a mask leaves out, and of each more that follows it: whoever marks some
vertebrae alone leaves out many in a row."""
GAP_RATIO = 0.28
"""Usual gap between neighbouring bodies over the depth of the body."""
GAP_SD = 0.22
"""Spread of that ratio for neighbours."""
GAP_CAP = 14.0
"""Most that one gap may speak against a count."""
PITCH_SCALE, PITCH_SD = 1.06, 0.12
"""Measured over expected distance of bones between which masks leave some out, and its spread for
each bone on the way, in one such distance: 30 real masks, one to six bones left out."""
TALL = 1.2
"""Height over depth beyond which a body's height tells no distance: C2 with its dens has 2."""
TWO_DISCS = -4.0
"""Two discs between neighbouring bodies: one of them would be false."""
NO_DISC = np.log(0.05)
"""No disc between them, where most others have one: fused, or the two are one bone's pieces."""
ATLAS_DISC = -4.0
"""A disc between C1 and C2: it would be false, there is none."""


def _pitches_over(size_mm: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sizes of C3 to L3, ascending, mm, and the distance from each to the next bone over them."""
    usual = np.arange(LEVELS.index("C3"), LEVELS.index("L4"))
    order = usual[np.argsort(size_mm[usual], kind="stable")]
    return size_mm[order], PITCH_MM[order, order + 1] / size_mm[order]


PITCH_OVER = {kind: _pitches_over(size_mm) for kind, size_mm in SIZE_MM.items()}


def weigh_distances(
    items: Sequence[Instance], where: Sequence[int], *, told_apart: bool
) -> tuple[dict[tuple[int, int], NDArray[np.float64]], dict[tuple[int, int], float]]:
    """What lies between every two bones with no more than a run of noise between them.

    Args:
        items: bones and discs from the top.
        where: (n,) places of the bones among them.
        told_apart: a mask marks each vertebra by itself, and may leave some out.

    Returns:
        For each pair (a, b) of bones (27,) log likelihood of 0, 1, … levels between them that were
        not found or marked; and what is added where the two are C1 and C2, between which there is
        no disc.
    """
    result, atlas = {}, {}
    have_disc = sum(item.kind == "disc" for item in items) > 0.5 * (len(where) - 1)
    for a in range(len(where)):
        for b in range(a + 1, min(len(where), a + 2 + MAX_NOISE_RUN)):
            discs = [n for n in range(where[a] + 1, where[b]) if items[n].kind == "disc"]
            between = _left_out if told_apart else _missed
            result[a, b] = between(items[where[a]], items[where[b]])
            atlas[a, b] = ATLAS_DISC if discs else 0.0
            if len(discs) > 1:
                result[a, b][0] += TWO_DISCS
            elif not discs and have_disc and a > 0:
                # Nothing is said of the first two, where a disc may be cut off.
                result[a, b][0] += NO_DISC
                atlas[a, b] = -NO_DISC
    return result, atlas


def _missed(above: Instance, below: Instance) -> NDArray[np.float64]:
    """(27,) log likelihood of 0, 1, … levels that were not found between two bones."""
    levels = np.arange(len(LEVELS))
    gap = (below.top_mm - above.bottom_mm) / _depth_mm(above, below)
    return _fit(gap, GAP_RATIO + levels, GAP_SD * np.sqrt(1.0 + levels)) + MISSED * levels


def _left_out(above: Instance, below: Instance) -> NDArray[np.float64]:
    """The same of levels that a mask leaves out, as many as there may be."""
    levels = np.arange(len(LEVELS))
    depth_mm = _depth_mm(above, below)
    pitch_mm = float(np.mean([_pitch_mm(bone, depth_mm) for bone in _vertebrae(above, below)]))
    gap_mm = below.top_mm - above.bottom_mm
    expected = GAP_RATIO * depth_mm + PITCH_SCALE * pitch_mm * levels
    spread = np.where(levels > 0, PITCH_SD * pitch_mm * (1.0 + levels), GAP_SD * depth_mm)
    usual = np.where(levels > 0, LEFT_OUT + LEFT_OUT_TOO * (levels - 1), 0.0)
    return np.asarray(_fit(gap_mm, expected, spread) + usual)


def _fit(
    gap: float, expected: NDArray[np.floating], spread: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(27,) log likelihood of a gap for each count of levels in it."""
    deviation = (gap - expected) / spread
    # Bodies that touch or overlap are neighbours all the same.
    deviation[0] = max(deviation[0], 0.0)
    return np.asarray(-np.minimum(0.5 * deviation**2, GAP_CAP))


def _vertebrae(above: Instance, below: Instance) -> list[Instance]:
    return [bone for bone in (above, below) if bone.kind == "vertebra"]


def _depth_mm(above: Instance, below: Instance) -> float:
    depths = [bone.depth_mm for bone in _vertebrae(above, below)]
    return max(float(np.mean(depths)), 8.0)


def _pitch_mm(bone: Instance, depth_mm: float) -> float:
    """Distance of neighbours by the size of one, where `depth_mm` is usual about there."""
    by_depth = depth_mm * float(np.interp(depth_mm, *PITCH_OVER["depth"]))
    if bone.partial or not 0.0 < bone.height_mm < TALL * bone.depth_mm:
        return by_depth
    by_height = bone.height_mm * float(np.interp(bone.height_mm, *PITCH_OVER["height"]))
    return 0.5 * (by_depth + by_height)
