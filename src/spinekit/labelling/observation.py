"""Instances and evidence as likelihoods: what each bone, gap and disc says of the levels.

It weighs evidence of different kinds and knows nothing of how hypotheses are searched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM, VARIANTS, Variant
from spinekit.anatomy.items import Instance, Instances
from spinekit.labelling.distances import weigh_distances
from spinekit.labelling.pieces import Pair, admit_first_sacral, pair_bones, weigh_pieces
from spinekit.labelling.priors import variant_log_prior
from spinekit.labelling.sizes import weigh_sizes
from spinekit.labelling.terms import IMPOSSIBLE, Observations, log_sum

NETWORK_WEIGHT = 0.8
"""Temperature of the network's distributions, beside a drift that is inferred too."""
DRIFTS: NDArray[np.float64] = np.arange(-1.5, 1.51, 0.25)
"""By how many levels the network may be off."""
GRAIN = 0.4
"""Width in levels of what a network says of one level, for places between levels. A straight line
between logarithms made an error of 0.4 levels one of none, and the next level's one of a whole."""
DRIFT_SD = 0.65
"""Spread of that at a bone: on 30 real scans the network had not seen, without a sacrum in view."""
PINNED_SD = 0.2
"""The same at a sacrum, which a network seldom mistakes: 0.11 at L5 above one, on 82 scans."""
UNPINNED = 0.12
"""Share of networks that drift at a sacrum as anywhere: a third of them by three quarters of a
level or more, as 3 of 82 scans were off."""
HOLD, WANDER_SD = 0.97, 0.2
"""How the drift goes on to the next bone: measured steps have a spread of 0.05 to 0.34."""
JUMP = 0.002
"""Probability that it changes abruptly."""
TRUE_NAMES_TO, COUNTED = 12, 6
"""Habit of the network in a column of another count: down to T6 it gives true names, the last six
it counts from the sacrum (phantoms), and in between it stretches."""
LITERAL = 0.3
"""Probability of a network that, where another count is in view, calls every level what it is, T13
and L6 too, in spite of that habit and without drift: it counts as one more drift, the last. Open to
what looks like a usual column it would more than double the calibration error (0.040 to 0.096 on
columns kept for fitting): most networks drift."""
WEIGHT_BESIDE_CORRECTED = 0.1
"""What is left of that weight when a certain name is not the one given without it: the network's
errors shift whole columns, so a word that moves one bone moves the rest rather than leave a gap."""
CONTAMINATION = 0.02
"""Share of bones whose evidence is worthless: no single one may decide against all others."""
USUAL = Variant().levels
_CHAINS: NDArray[np.int64] = np.array(
    [
        [LEVELS.index(v.levels[min(n, len(v.levels) - 1)]) for n in range(len(LEVELS))]
        for v in VARIANTS
    ]
)
"""(variants, 27) level at each place of a variant's column; the last one is repeated."""
MERGED = np.log(0.005)
"""Log probability that a bone holds two vertebrae."""
NOISE = np.log(0.004)
"""Log probability that a bone is no vertebra, or a fragment of its neighbour."""
SMALL_NOISE = np.log(0.08)
"""The same for a bone much smaller than its neighbours."""
ODD_SIZE = -1.5
"""Size likelihood of what is no vertebra, against at best 0 for a level that fits."""
UNSEEN_IN_ROOM = -1.0
"""Per level that would have to lie in the scan beyond the outermost bone without being found."""
UNSEEN_CAP = 4
"""Most levels that count so."""
WITH_SACRUM = np.log(0.02)
"""Log probability that the sacrum found holds the last lumbar vertebra: 2 of 82 hold-out scans in
runs before, none in the last ones."""
HOLDS_VERTEBRA = 0.9
"""Such a sacrum has at least the volume of this many bodies."""
CUT_VERTEBRA = np.log(0.1)
"""Log probability that a vertebra cut by the lower edge is found as a sacrum: 20 of 200, where an
edge was laid through L5 in scans the network had not seen."""
MOST_OF_CUT = 1.3
"""What was found so has at most the volume of this many bodies: 1.26 where most of it was L5."""
TALL_MERGED = 3.5
"""Gain of MERGED for a bone of the height of two."""
MERGED_HEIGHT = 1.75
"""A merged bone is at least this many neighbours tall."""
LOWEST = 4
"""Vertebrae that tell how tall one at the lower edge is."""


def observe(
    instances: Instances,
    evidence: NDArray[np.float64],
    certain: Mapping[int, str] | None = None,
    outside: NDArray[np.floating] | None = None,
    *,
    is_corrected: bool = False,
) -> Observations:
    """Likelihoods of one column.

    Args:
        instances: the split column with at least one vertebra or sacrum.
        evidence: (items, 27) distribution over LEVELS per item.
        certain: item → its level, where that is known beyond doubt.
        outside: (items, 27) log likelihood of LEVELS from other sources, taken as it is.
        is_corrected: a certain level is another than all else says: of levels that counts less,
            and of what is a vertebra at all as much as before.

    Returns:
        Observations of the bones from the top, the sacrum last.
    """
    items = instances.items
    where = [n for n, item in enumerate(items) if item.kind != "disc"]
    bones = [items[n] for n in where]
    weight = NETWORK_WEIGHT * (WEIGHT_BESIDE_CORRECTED if is_corrected else 1.0)
    floor = CONTAMINATION / len(LEVELS)
    safe = (1.0 - CONTAMINATION) * evidence / np.maximum(evidence.sum(1, keepdims=True), 1e-12)
    safe = safe[where] + floor
    # Against a bone of unknown level: evidence for a level speaks against no vertebra too.
    said = np.log(safe * len(LEVELS))
    likeness = weight * said
    is_sacrum = np.array([bone.kind == "sacrum" for bone in bones])
    network = weight * _by_drift(safe)
    if outside is not None:
        told = _beside_corrected(outside[where]) if is_corrected else outside[where]
        likeness = likeness + told
        network = network + told[:, _CHAINS][:, :, None]
    told_apart = instances.told_apart
    missed, atlas = weigh_distances(items, where, told_apart=told_apart)
    pairs = [Pair()] * (len(where) - 1) if told_apart else pair_bones(items, where, safe)
    volume = np.array([bone.volume_mm3 for bone in bones])
    noise = _noise(volume, is_sacrum) - (NETWORK_WEIGHT - weight) * said.max(axis=1)
    weigh_pieces(pairs, likeness, missed, volume)
    admit_first_sacral(pairs, likeness, missed)
    room_above, room_below = _room(instances, bones)
    merged = _merged(bones)
    sizes = weigh_sizes(bones, _steps(pairs, missed, merged))
    levels = {where.index(item): LEVELS.index(level) for item, level in (certain or {}).items()}
    return Observations(
        network=network,
        drift=_drift_prior(),
        wander=_wander(),
        pinned=_pinned(),
        habit=_habit(),
        likeness=likeness,
        size=sizes.single,
        size_of_two=sizes.of_two,
        is_sacrum=is_sacrum,
        as_vertebra=_as_vertebra(bones, instances.spacing_mm[2]),
        as_sacrum=np.where(is_sacrum, 0.0, IMPOSSIBLE),
        merged=merged,
        noise=noise,
        fragment=np.array([pair.log for pair in pairs]),
        missed=missed,
        atlas=atlas,
        above=_unseen(room_above),
        below=_unseen(room_below),
        variant=np.array([variant_log_prior(variant) for variant in VARIANTS]),
        certain=np.array([levels.get(n, -1) for n in range(len(bones))]),
    )


def _beside_corrected(told: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, 27) what others say where a person's word decides: levels count less.

    That a bone is a vertebra at all, whatever its level, is as sure as before.
    """
    any_level = log_sum(np.asarray(told, dtype=np.float64), axis=1)[:, None] - np.log(len(LEVELS))
    return np.asarray(any_level + WEIGHT_BESIDE_CORRECTED * (told - any_level))


def _noise(volume: NDArray[np.float64], is_sacrum: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,) log likelihood of each bone being no vertebra; of a small one it is greater."""
    of_vertebra = np.where(_ratio(volume, is_sacrum) < 0.3, SMALL_NOISE, NOISE)
    return np.asarray(np.where(is_sacrum, NOISE - 6.0, of_vertebra) + ODD_SIZE)


def _as_vertebra(bones: Sequence[Instance], step_mm: float) -> NDArray[np.float64]:
    """(n,) log likelihood of what each bone was found as, were it a vertebra."""
    is_sacrum = np.array([bone.kind == "sacrum" for bone in bones])
    of_sacrum = np.where(may_be_cut(bones, step_mm), CUT_VERTEBRA, IMPOSSIBLE)
    return np.asarray(np.where(is_sacrum, of_sacrum, 0.0))


def may_be_cut(bones: Sequence[Instance], step_mm: float) -> NDArray[np.bool_]:
    """Which bones were found as a sacrum and may be a vertebra that the scan's lower edge cuts.

    Of a sacrum cut off near its top splitting sees little more than of a vertebra. What has its
    middle farther above the scan's edge than a vertebra is tall, or more volume, is more than one.

    Args:
        bones: vertebrae and the sacrum of one scan, from the top.
        step_mm: between the layers of its grid.

    Returns:
        (n,), False for vertebrae, and for all without a vertebra.
    """
    tall_mm = _usual(bones, "height_mm")
    most_mm3 = MOST_OF_CUT * _usual(bones, "volume_mm3")
    return np.array(
        [
            bone.kind == "sacrum"
            and bone.touches_edge
            and (bone.centroid_ijk[2] + 0.5) * step_mm < tall_mm
            and bone.volume_mm3 < most_mm3
            for bone in bones
        ],
        dtype=bool,
    )


def _usual(bones: Sequence[Instance], size: str) -> float:
    """The median of a size of the lowest vertebrae, 0 without any."""
    sizes = [getattr(bone, size) for bone in bones if bone.kind == "vertebra"]
    return float(np.median(sizes[-LOWEST:])) if sizes else 0.0


def _merged(bones: Sequence[Instance]) -> NDArray[np.float64]:
    """(n,) log likelihood of each bone being two in one, by its height against its neighbours'.

    Of a sacrum, that it holds a vertebra: it is as large as one then.
    """
    is_sacrum = np.array([bone.kind == "sacrum" for bone in bones])
    height, volume = (np.array([getattr(b, n) for b in bones]) for n in ("height_mm", "volume_mm3"))
    is_tall = _ratio(height, is_sacrum) >= MERGED_HEIGHT
    merged = np.where(is_tall, MERGED + TALL_MERGED, MERGED - 4.0)
    # A tall bone at the top is C2 with the dens sooner than two in one.
    merged[0] = min(merged[0], MERGED - 1.5)
    is_small = volume < HOLDS_VERTEBRA * _usual(bones, "volume_mm3")
    merged[is_sacrum] = np.where(is_small, IMPOSSIBLE, WITH_SACRUM)[is_sacrum]
    return np.asarray(merged)


def _by_drift(safe: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, variants, drifts + 1, 27) log likelihood of each place of each variant's column."""
    order = [LEVELS.index(level) for level in USUAL]
    usual = safe[:, order] * len(LEVELS)
    result = np.zeros((len(safe), len(VARIANTS), len(DRIFTS) + 1, len(LEVELS)))
    for v, variant in enumerate(VARIANTS):
        count = len(variant.levels)
        called = np.clip(_called_places(count - 1)[None, :] + DRIFTS[:, None], 0, len(USUAL) - 1)
        near = np.exp(-0.5 * ((called[..., None] - np.arange(len(USUAL))) / GRAIN) ** 2)
        result[:, v, :-1, :count] = np.log(near @ usual.T).transpose(2, 0, 1)
        chain = [LEVELS.index(level) for level in variant.levels]
        result[:, v, -1, :count] = np.log(safe[:, chain] * len(LEVELS))
    return result


def _called_places(vertebrae: int) -> NDArray[np.float64]:
    """(vertebrae + 1,) places on the usual line that a column's levels are called by habit."""
    place = np.arange(vertebrae + 1, dtype=np.float64)
    share = (place - TRUE_NAMES_TO) / (vertebrae - COUNTED - TRUE_NAMES_TO)
    return place + np.clip(share, 0.0, 1.0) * (len(USUAL) - 1 - vertebrae)


def _drift_prior() -> NDArray[np.float64]:
    """(drifts + 1,) log probability of the first bone's drift."""
    weight = np.exp(-0.5 * (DRIFTS / DRIFT_SD) ** 2)
    return np.log(np.append((1.0 - LITERAL) * weight / weight.sum(), LITERAL))


def _habit() -> NDArray[np.float64]:
    """(variants, 2, drifts + 1) log probability of each drift in what is in view, over its prior.

    The second is for columns whose last lumbar vertebra is in the sacrum found, so that one less is
    in view. Where that is the usual column, all networks drift: those are the whole there, and
    elsewhere a share.
    """
    usual = np.append(np.full(len(DRIFTS), -np.log1p(-LITERAL)), IMPOSSIBLE)
    looks = [
        [variant.levels == USUAL, (*variant.levels[:-2], SACRUM) == USUAL] for variant in VARIANTS
    ]
    return np.where(np.array(looks)[:, :, None], usual, 0.0)


def _pinned() -> NDArray[np.float64]:
    """(drifts + 1,) log probability of each drift at a sacrum over that at any bone."""
    pinned = np.exp(-0.5 * (DRIFTS / PINNED_SD) ** 2)
    pinned = np.log(np.append((1.0 - LITERAL) * pinned / pinned.sum(), LITERAL)) - _drift_prior()
    return np.logaddexp(np.log1p(-UNPINNED) + pinned, np.log(UNPINNED))


def _wander() -> NDArray[np.float64]:
    """(drifts + 1, drifts + 1) log probability of the next bone's drift."""
    off = (DRIFTS[None, :] - HOLD * DRIFTS[:, None]) / WANDER_SD
    weight = np.exp(-0.5 * off**2)
    anew = np.exp(-0.5 * (DRIFTS / DRIFT_SD) ** 2)
    stays = weight / weight.sum(axis=1, keepdims=True)
    result = np.full((len(DRIFTS) + 1, len(DRIFTS) + 1), IMPOSSIBLE)
    result[:-1, :-1] = np.log((1.0 - JUMP) * stays + JUMP * anew / anew.sum())
    # A literal network is one all along.
    result[-1, -1] = 0.0
    return result


def _steps(
    pairs: Sequence[Pair],
    missed: dict[tuple[int, int], NDArray[np.float64]],
    merged: NDArray[np.float64],
) -> list[int]:
    """(n - 1,) levels from each bone to the next, as heights, gaps and discs tell."""
    return [
        0
        if pair.is_one_bone
        else 1 + int(missed[n, n + 1].argmax()) + int(n > 0 and merged[n] > MERGED)
        for n, pair in enumerate(pairs)
    ]


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
