"""How well the sizes of all bones of a column together fit each place in each legal column.

Errors that a patient's bones share are no evidence of a level: they are integrated out. It knows
sizes of bones and published means, and nothing of what a network says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from spinekit.anatomy.column import LEVELS, VARIANTS
from spinekit.anatomy.items import Instance
from spinekit.labelling.priors import (
    DENS_LOG_SD,
    PITCH_MM,
    SCALE_LOG_SD,
    SHARED_OVER,
    SIZE_CAP,
    SIZE_LOG_SD,
    SIZE_MM,
    SIZE_WEIGHT,
    TALL_CAP,
)

Floats = NDArray[np.float64]
BELOW_DENS = {"height": 2, "depth": 2, "pitch": 3}
"""First place at which a size goes with those of other levels: above are the ring and the dens."""
LIKE_OTHERS = (0.7, 1.35)
"""Heights over the neighbours' of a bone that tells the patient's sizes: neither collapsed nor more
than one vertebra."""
TWO_TALL = 1.6
"""Least height over the neighbours' of a bone that may be two vertebrae and the disc between."""


@dataclass(frozen=True, slots=True)
class _Size:
    """One measured size: of which bone, of what kind, and its logarithm."""

    bone: int
    order: int
    """Levels below the first bone; pieces of one vertebra share theirs."""
    kind: str
    value: float
    regular: bool
    """Whether it also tells what the other sizes should be."""
    at_least: bool
    of_two: bool = False
    """Of two vertebrae in one, from the upper one's top to the lower one's bottom."""


@dataclass(frozen=True, slots=True)
class SizeLikelihoods:
    """Log likelihoods (n, variants, 27) of each bone at each place of each variant's column."""

    single: Floats
    """0 on average where it fits."""
    of_two: Floats
    """Of the bone being two vertebrae, the upper one at the place; 0 where that was not weighed."""


def weigh_sizes(bones: Sequence[Instance], steps: Sequence[int] | None = None) -> SizeLikelihoods:
    """Log likelihoods of the sizes of a column's bones.

    Logarithms of sizes are the level's published mean, plus what the patient's bones share (a scale
    of all, an offset of each kind of size, and a deviation that changes slowly along the column),
    plus what they do not. All of it is normal, so the shared part is integrated out exactly: each
    size is judged by its distribution given those before it (Rasmussen and Williams, Gaussian
    Processes for Machine Learning, 2006, eqs 2.25 and 2.26), for every place in every column with
    the other bones as many levels away as `steps` says.

    Args:
        bones: from the top, the sacrum last.
        steps: (n - 1,) levels from each bone to the next: 0 where both are taken for pieces of one
            vertebra, whose size is that of both together; 1 everywhere when not given.

    Returns:
        The likelihoods; those of being two are weighed where a bone is tall enough.
    """
    result = np.zeros((2, len(bones), len(VARIANTS), len(LEVELS)))
    order = np.concatenate([[0], np.cumsum(steps or np.ones(len(bones) - 1))]).astype(np.int64)
    sizes = _measure(bones, order)
    reach = int(order[-1]) + 1
    regular = [size for size in sizes if size.regular]
    factor: Floats | None = None
    if regular:
        factor = np.asarray(np.linalg.cholesky(_covariance(regular, regular)), dtype=np.float64)
    places = np.arange(len(LEVELS))
    for v, variant in enumerate(VARIANTS):
        # Row: place of the first bone; as far beyond the column as any bone may be inside.
        starts = np.arange(-reach, len(LEVELS))
        chain = np.array([LEVELS.index(level) for level in variant.levels])
        off = _deviations(regular, starts, chain, below_dens=True)
        white = solve_triangular(factor, off, lower=True) if factor is not None else off
        for n, size in enumerate(regular):
            score = 0.5 * (1.0 - np.minimum(white[n] ** 2, 2.0 * SIZE_CAP))
            alone = _judge_alone(size, [], None, white[:0], starts, chain)
            score = np.where(starts + size.order < BELOW_DENS[size.kind], alone, score)
            result[0, size.bone, v] += score[places - size.order + reach]
        for size in sizes:
            if size.regular:
                continue
            score = _judge_alone(size, regular, factor, white, starts, chain)
            result[int(size.of_two), size.bone, v] += score[places - size.order + reach]
    return SizeLikelihoods(*(SIZE_WEIGHT * result))


def _measure(bones: Sequence[Instance], order: NDArray[np.int64]) -> list[_Size]:
    vertebrae = [n for n, bone in enumerate(bones) if bone.kind == "vertebra"]
    height = {n: _height(bones, order, n) for n in vertebrae}
    sizes = []
    for n in vertebrae:
        bone, place = bones[n], int(order[n])
        is_piece = np.count_nonzero(order == place) > 1
        near = [height[m] for m in vertebrae if 0 < abs(order[m] - place) <= 2]
        ratio = height[n] / max(float(np.median(near)), 1e-6) if near else 1.0
        alike = LIKE_OTHERS[0] < ratio < LIKE_OTHERS[1] and not bone.partial and not is_piece
        # The first bone may be C2 with the dens, whose height tells nothing of the others'.
        for kind, value, tells in (
            ("height", height[n], alike and n > 0),
            ("depth", bone.depth_mm, alike),
        ):
            if value > 0:
                sizes.append(_Size(n, place, kind, float(np.log(value)), tells, bone.partial))
        if ratio > TWO_TALL and n > 0:
            value = float(np.log(height[n]))
            sizes.append(_Size(n, place, "height", value, False, bone.partial, of_two=True))
        if n and are_neighbours(bones[n - 1], bone) and not is_piece:
            pitch = bone.position_mm - bones[n - 1].position_mm
            sizes.append(_Size(n, place, "pitch", float(np.log(max(pitch, 1.0))), n > 1, False))
    return sizes


def _height(bones: Sequence[Instance], order: NDArray[np.int64], n: int) -> float:
    """Height of a bone, of all its pieces together where it is one of several."""
    pieces = [bone for bone, place in zip(bones, order, strict=True) if place == order[n]]
    return bones[n].height_mm if len(pieces) == 1 else pieces[-1].bottom_mm - pieces[0].top_mm


def are_neighbours(above: Instance, below: Instance) -> bool:
    """Whether the distance of two bones is a pitch: alike in height, with a disc's room between."""
    if {above.kind, below.kind} != {"vertebra"} or above.partial or below.partial:
        return False
    alike = 0.6 < above.height_mm / max(below.height_mm, 1e-6) < 1.7
    return alike and below.top_mm - above.bottom_mm < 0.7 * below.depth_mm


def _deviations(
    sizes: Sequence[_Size],
    starts: NDArray[np.int64],
    chain: NDArray[np.int64],
    *,
    below_dens: bool = False,
) -> Floats:
    """(sizes, starts) logarithm of measured over mean size; levels beyond the column repeat."""
    if not sizes:
        return np.zeros((0, len(starts)))
    order = np.array([size.order for size in sizes])
    first = np.array([BELOW_DENS[size.kind] if below_dens else 0 for size in sizes])
    place = np.clip(starts[None] + order[:, None], first[:, None], len(chain) - 2)
    level = chain[place]
    above = chain[np.clip(place - 1, 0, None)]
    result = np.empty(place.shape)
    for n, size in enumerate(sizes):
        if size.of_two:
            lower = chain[np.clip(place[n] + 1, None, len(chain) - 2)]
            halves = 0.5 * (SIZE_MM["height"][level[n]] + SIZE_MM["height"][lower])
            result[n] = size.value - np.log(PITCH_MM[level[n], lower] + halves)
        elif size.kind == "pitch":
            result[n] = size.value - np.log(PITCH_MM[above[n], level[n]])
        else:
            result[n] = size.value - np.log(SIZE_MM[size.kind][level[n]])
    return result


def _covariance(rows: Sequence[_Size], columns: Sequence[_Size]) -> Floats:
    """Of the deviations of two lists of sizes of one patient."""
    apart = np.abs(np.subtract.outer([a.order for a in rows], [b.order for b in columns]))
    near = np.exp(-apart / SHARED_OVER)
    same = np.array([[a is b for b in columns] for a in rows])
    result = np.full(near.shape, SCALE_LOG_SD**2)
    for kind, (offset, smooth, alone) in SIZE_LOG_SD.items():
        of_kind = np.outer([a.kind == kind for a in rows], [b.kind == kind for b in columns])
        result += of_kind * (offset**2 + smooth**2 * near + alone**2 * same)
    return result


def _judge_alone(
    size: _Size,
    regular: Sequence[_Size],
    factor: Floats | None,
    white: Floats,
    starts: NDArray[np.int64],
    chain: NDArray[np.int64],
) -> Floats:
    """(starts,) log likelihood of a size that says nothing of others, given the regular ones."""
    off = _deviations([size], starts, chain)[0]
    variance = float(_covariance([size], [size])[0, 0])
    if factor is not None:
        gain = solve_triangular(factor, _covariance(regular, [size])[:, 0], lower=True)
        off = off - gain @ white
        variance -= float(gain @ gain)
    place = np.clip(starts + size.order, 0, len(chain) - 2)
    is_dens = (size.kind == "height") & (chain[place] == LEVELS.index("C2"))
    spread = np.sqrt(variance + is_dens * DENS_LOG_SD**2)
    deviation = off / spread
    if size.at_least:
        deviation = np.maximum(deviation, 0.0)
    cap = np.where((deviation > 0) & (size.kind == "height"), TALL_CAP, SIZE_CAP)
    usual = 0.0 if size.at_least else 0.5
    return usual - np.minimum(0.5 * deviation**2, cap) - np.log(spread / np.sqrt(variance))
