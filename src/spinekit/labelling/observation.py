"""Instances and evidence as likelihoods: what each bone, gap and disc says of the levels.

It weighs evidence of different kinds and knows nothing of how hypotheses are searched.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, VARIANTS
from spinekit.anatomy.items import Instance, Instances
from spinekit.labelling.hypotheses import IMPOSSIBLE, MAX_NOISE_RUN, Observations
from spinekit.labelling.priors import SCALE_PRIOR, size_log_likelihood, variant_log_prior

CORRELATION = 0.2
"""Correlation of the network's errors between bones of one scan: n bones count as
n / (1 + (n - 1) CORRELATION) independent witnesses. Errors shift whole stretches of a column by
one. More makes names a little better calibrated on 56 real lumbar scans (mean negative log
likelihood 0.11 at 0.2, 0.09 at 0.35, the same names) but hides true deviations of the count."""
NETWORK_WEIGHT = 1.0
"""Temperature of the network's distributions, for one bone alone."""
DISC_WEIGHT = 0.5
"""Weight of a disc's distribution against a bone's: both see the same surroundings."""
WEIGHT_BESIDE_CERTAIN = 0.1
"""What is left of that weight when a name is certain: the network's errors shift whole columns, so
a word that moves one bone moves the rest rather than leave a gap."""
CONTAMINATION = 0.02
"""Share of bones whose evidence is worthless: no single one may decide against all others."""
MISSED = np.log(0.02)
"""Log probability that a level in view was not found."""
MERGED = np.log(0.005)
"""Log probability that a bone holds two vertebrae."""
NOISE = np.log(0.004)
"""Log probability that a bone is no vertebra, or a fragment of its neighbour."""
SMALL_NOISE = np.log(0.08)
"""The same for a bone much smaller than its neighbours."""
ODD_SIZE = -1.5
"""Size likelihood of what is no vertebra, against at best 0 for a level that fits."""
FRAGMENT = np.log(0.02)
"""Log probability that two bones without a disc between them, not taller than one, are one."""
FRAGMENT_HEIGHT = 1.35
"""Most height of such two together, in neighbours."""
SACRAL_FRAGMENT = np.log(0.25)
"""Log probability that a bone on the sacrum, without a disc between them, is S1."""
SACRAL_GAP = 0.15
"""Widest gap between such two, over the depth of the bone."""
GAP_RATIO = 0.28
"""Usual gap between neighbouring bodies over the depth of the body."""
GAP_SD = 0.22
GAP_CAP = 14.0
"""Most that one gap may speak against a count."""
TWO_DISCS = -4.0
"""Two discs between neighbouring bodies: one of them would be false."""
UNSEEN_IN_ROOM = -1.0
"""Per level that would have to lie in the scan beyond the outermost bone without being found."""
UNSEEN_CAP = 4
TALL_MERGED = 3.5
"""Gain of that for a bone of the height of two."""
MERGED_HEIGHT = 1.75
"""A merged bone is at least this many neighbours tall."""


def observe(
    instances: Instances,
    evidence: NDArray[np.float64],
    certain: Mapping[int, str] | None = None,
    outside: NDArray[np.floating] | None = None,
) -> Observations:
    """Likelihoods of one column.

    Args:
        instances: the split column with at least one vertebra or sacrum.
        evidence: (items, 27) distribution over LEVELS per item.
        certain: item → its level, where that is known beyond doubt.
        outside: (items, 27) log likelihood of LEVELS from other sources, taken as it is.

    Returns:
        Observations of the bones from the top, the sacrum last.
    """
    items = instances.items
    where = [n for n, item in enumerate(items) if item.kind != "disc"]
    bones = [items[n] for n in where]
    count = len(bones)
    weight = NETWORK_WEIGHT / (1.0 + (count - 1) * CORRELATION)
    if certain:
        weight *= WEIGHT_BESIDE_CERTAIN
    floor = CONTAMINATION / len(LEVELS)
    safe = (1.0 - CONTAMINATION) * evidence / np.maximum(evidence.sum(1, keepdims=True), 1e-12)
    safe = safe + floor
    sizes = _sizes(bones)
    # Against a bone of unknown level: evidence for a level speaks against no vertebra too.
    network = weight * np.log(safe[where] * len(LEVELS))
    if outside is not None:
        network = network + (WEIGHT_BESIDE_CERTAIN if certain else 1.0) * outside[where]
    missed, between = {}, {}
    for a in range(count):
        for b in range(a + 1, min(count, a + 2 + MAX_NOISE_RUN)):
            discs = [n for n in range(where[a] + 1, where[b]) if items[n].kind == "disc"]
            missed[a, b] = _missed(bones[a], bones[b], len(discs))
            if len(discs) == 1:
                p = safe[discs[0]]
                between[a, b] = (
                    weight * DISC_WEIGHT * np.log((p[:, None] + p[None, :]) * len(LEVELS) / 2)
                )
    height = np.array([bone.height_mm for bone in bones])
    volume = np.array([bone.volume_mm3 for bone in bones])
    is_sacrum = np.array([bone.kind == "sacrum" for bone in bones])
    room_above, room_below = _room(instances, bones)
    merged = np.where(
        _ratio(height, is_sacrum) >= MERGED_HEIGHT, MERGED + TALL_MERGED, MERGED - 4.0
    )
    known = np.zeros(count, dtype=bool)
    for item, level in (certain or {}).items():
        bone = where.index(item)
        known[bone], merged[bone] = True, IMPOSSIBLE
        network[bone] = IMPOSSIBLE
        network[bone, LEVELS.index(level)] = 0.0
    return Observations(
        network=network,
        size=sizes,
        is_sacrum=is_sacrum,
        merged=merged,
        noise=np.where(
            is_sacrum, NOISE - 6.0, np.where(_ratio(volume, is_sacrum) < 0.3, SMALL_NOISE, NOISE)
        )
        + ODD_SIZE,
        fragment=_fragments(items, where),
        missed=missed,
        between=between,
        above=_unseen(room_above),
        below=_unseen(room_below),
        variant=np.array([variant_log_prior(variant) for variant in VARIANTS]),
        scale=np.log(SCALE_PRIOR),
        certain=known,
    )


def _sizes(bones: list[Instance]) -> NDArray[np.float64]:
    """(n, scales, 27) log likelihood of the sizes; cut bodies say nothing of theirs."""
    result = []
    for n, bone in enumerate(bones):
        if bone.kind == "sacrum":
            result.append(np.zeros_like(size_log_likelihood(None, None, None)))
            continue
        pitches = [
            abs(bones[m].position_mm - bone.position_mm)
            for m in (n - 1, n + 1)
            if 0 <= m < len(bones) and _are_neighbours(bone, bones[m])
        ]
        whole = not bone.partial
        result.append(
            size_log_likelihood(
                bone.height_mm if whole else None,
                bone.depth_mm if whole else None,
                float(np.median(pitches)) if whole and pitches else None,
            )
        )
    return np.stack(result)


def _are_neighbours(bone: Instance, other: Instance) -> bool:
    """Whether the distance of two bones is a pitch: alike in height, with a disc's room between."""
    if other.kind != "vertebra" or other.partial:
        return False
    gap = max(other.top_mm - bone.bottom_mm, bone.top_mm - other.bottom_mm)
    alike = 0.6 < other.height_mm / max(bone.height_mm, 1e-6) < 1.7
    return alike and gap < 0.7 * bone.depth_mm


def _missed(above: Instance, below: Instance, discs: int) -> NDArray[np.float64]:
    """(27,) log likelihood of 0, 1, … levels that were not found between two bones."""
    bones = [bone for bone in (above, below) if bone.kind == "vertebra"]
    depth = max(float(np.mean([bone.depth_mm for bone in bones])), 8.0)
    gap = (below.top_mm - above.bottom_mm) / depth
    levels = np.arange(len(LEVELS))
    expected = GAP_RATIO + levels
    spread = GAP_SD * np.sqrt(1.0 + levels)
    deviation = (gap - expected) / spread
    # Bodies that touch or overlap are neighbours all the same.
    deviation[0] = max(deviation[0], 0.0)
    result = -np.minimum(0.5 * deviation**2, GAP_CAP) + MISSED * levels
    if discs > 1:
        result[0] += TWO_DISCS
    return result


def _fragments(items: tuple[Instance, ...], where: list[int]) -> NDArray[np.float64]:
    """(n - 1,) log likelihood of each bone and the next to be parts of one vertebra."""
    bones = [items[n] for n in where]
    result = np.full(max(len(bones) - 1, 0), -30.0)
    for n, (above, below) in enumerate(itertools.pairwise(bones)):
        others = [
            other.height_mm
            for other in bones[max(0, n - 2) : n + 4]
            if other.kind == "vertebra" and other not in (above, below)
        ]
        between = items[where[n] + 1 : where[n + 1]]
        if between or not others:
            continue
        if below.kind == "sacrum":
            if below.top_mm - above.bottom_mm < SACRAL_GAP * above.depth_mm:
                result[n] = SACRAL_FRAGMENT
            continue
        height = below.bottom_mm - above.top_mm
        if height < FRAGMENT_HEIGHT * float(np.median(others)):
            result[n] = FRAGMENT
    return result


def _ratio(value: NDArray[np.float64], is_sacrum: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,) each bone's value over the median of its nearest four vertebrae."""
    result = np.ones(len(value))
    for n in range(len(value)):
        near = [
            value[m]
            for m in range(max(0, n - 2), min(len(value), n + 3))
            if m != n and not is_sacrum[m]
        ]
        if near and not is_sacrum[n]:
            result[n] = value[n] / max(float(np.median(near)), 1e-6)
    return result


def _room(instances: Instances, bones: list[Instance]) -> tuple[float, float]:
    """Space in the scan above the first and below the last bone, in vertebrae."""
    spacing = instances.spacing_mm[2]
    depth = instances.parts.shape[2]
    first, last = bones[0], bones[-1]
    pitch = max(first.depth_mm, 12.0) if first.kind == "vertebra" else 30.0
    above = (depth - 1 - first.centroid_ijk[2]) * spacing / pitch - 0.5
    pitch = max(last.depth_mm, 12.0)
    below = last.centroid_ijk[2] * spacing / pitch - 0.5 if last.kind == "vertebra" else 0.0
    return max(above, 0.0), max(below, 0.0)


def _unseen(room: float) -> NDArray[np.float64]:
    """(27,) log likelihood of 0, 1, … levels beyond the outermost bone."""
    levels = np.arange(len(LEVELS))
    return UNSEEN_IN_ROOM * np.minimum(np.minimum(levels, int(room)), UNSEEN_CAP).astype(np.float64)
