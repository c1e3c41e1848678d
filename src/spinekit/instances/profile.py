"""Where one vertebra ends and the next begins: separators along the straightened column.

It sees areas of body, disc and sacrum per millimetre of the curve, and nothing of voxels or names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BIN_MM = 1.0
"""Length of one bin of the profile, mm."""
RATIO_DEPTH_MM = (14.0, 17.0, 21.0, 28.0, 33.0)
PITCH_PER_DEPTH = (1.3, 1.2, 1.0, 0.92, 1.08)
"""Body with disc along the column over body depth front to back, by that depth.

From heights and depths of Panjabi et al. (Spine 1991; 16:888 and 861, Spine 1992; 17:299) and
discs of Kunkel et al. (J Anat 2011; 219:375); so the expected length needs no level.
"""
PITCH_LOG_SD = 0.22
"""Spread of the logarithm of a pitch about that ratio."""
NO_EVIDENCE = -3.0
"""Score of a separator where nothing is seen: more than the length prior's gain for 1.5 pitches."""
DISC_GAIN = 8.0
"""Score of a whole disc across the column."""
GAP_GAIN = 6.5
"""Score of an empty stretch across the column."""
MAX_SEPARATOR = 5.0
"""Most that one separator may score."""
MIN_BONE_MM = 2.5
"""Bone that a vertebra has along the column at least, mm."""
HOLLOW_COST = 8.0
"""Cost of a stretch with less bone than MIN_BONE_MM (mm) and disc instead: one thick disc."""
ROUNDS = 4
"""Most rounds in which the patient's own pitch is learned; two or three nearly always do."""
NEAR_MM = 130.0
"""Distance over which vertebrae tell of each other's pitch, as a standard deviation, mm."""
CLEAR = 2.5
"""Score from which a separator may cut off a piece of any length at the column's end."""
MAX_LENGTH_COST = 9.0
"""Most that an interval's length may cost, so that a stretch without bone is allowed."""
GAP_SIDE = 21
"""Bins on either side of a gap in which bone is looked for."""
NECK_DEPTH_MM = 19.5
"""Bodies less deep than this (mm) are cervical or uppermost thoracic."""
DENS_PITCHES = 2.3
"""Length of C2 with its dens in pitches of the neck."""
MIN_PITCH_MM = 7.0
MAX_PITCH_MM = 60.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profile:
    """Areas (mm²) per bin of BIN_MM along the curve, all (n,), and the body's depth (mm) there."""

    body: Floats
    disc: Floats
    sacrum: Floats
    depth_mm: Floats
    extent: tuple[int, int]
    """First and one past the last bin with body or disc."""


def build_profile(
    straight: NDArray[np.float32], kinds: NDArray[np.uint8], voxel_mm3: float, length_mm: float
) -> Profile | None:
    """Areas along the curve.

    Args:
        straight: (N, 3) straightened coordinates t, u, v (mm) of body, disc and sacrum voxels.
        kinds: (N,) 1 body, 3 disc, 6 sacrum.
        voxel_mm3: volume of one voxel.
        length_mm: length of the curve with margins.

    Returns:
        The profile, or None without any body or disc voxel near the curve.
    """
    n = int(length_mm / BIN_MM) + 2
    bins = np.clip(np.rint(straight[:, 0] / BIN_MM), 0, n - 1).astype(np.int64)
    column = kinds != 6
    if not column.any():
        return None
    depth = _depth(bins[column], straight[column, 2].astype(np.float64), n)
    # The core of the body alone: osteophytes and oblique rims blur the boundary.
    near = np.abs(straight[:, 2]) < 0.42 * depth[bins]
    near &= np.abs(straight[:, 1]) < np.maximum(0.5 * depth[bins], 6.0)
    area = [
        np.bincount(bins[near & (kinds == kind)], minlength=n).astype(np.float64)
        * (voxel_mm3 / BIN_MM)
        for kind in (1, 3, 6)
    ]
    soft = area[0] + area[1]
    usual = np.median(soft[soft > 0]) if (soft > 0).any() else np.inf
    seen = np.flatnonzero((soft > 0.1 * usual) & (soft > 0.5 * area[2]))
    if len(seen) == 0:
        return None
    return Profile(area[0], area[1], area[2], depth, (int(seen[0]), int(seen[-1]) + 1))


def _depth(bins: NDArray[np.int64], v: Floats, n: int) -> Floats:
    """Depth front to back: of a uniform strip it is the standard deviation times √12."""
    sums = [np.bincount(bins, weights=v**power, minlength=n) for power in range(3)]
    count, first, second = (ndimage.gaussian_filter1d(s, 12.0, mode="constant") for s in sums)
    filled = count > 1e-3 * count.max()
    mean = first[filled] / count[filled]
    spread = np.sqrt(np.maximum(second[filled] / count[filled] - mean**2, 1.0))
    depth = np.interp(np.arange(n), np.flatnonzero(filled), spread * np.sqrt(12.0))
    return np.clip(depth, 9.0, 45.0)


def find_separators(profile: Profile) -> NDArray[np.float64]:
    """Positions that part the column into vertebrae, from the top.

    The best set of positions under two kinds of evidence, found exactly by dynamic programming
    over all positions: a disc or a gap across the column at a separator, and the length of
    what lies between two separators in relation to the depth of the body. Evidence outweighs
    length, so a collapsed body between two discs stays; length decides where evidence is weak, so
    fused bodies are parted and a body with a dark cleft stays one.

    How tall the patient's vertebrae are for their depth is learned from what was found, round by
    round: two in one are taken for the usual only until their neighbours are told apart.

    Args:
        profile: areas along the column.

    Returns:
        (m,) positions in mm along the curve; empty for a single vertebra.
    """
    gain = _separator_scores(profile)
    ratio = np.interp(profile.depth_mm, RATIO_DEPTH_MM, PITCH_PER_DEPTH)
    log_pitch = np.log(np.clip(ratio * profile.depth_mm / BIN_MM, 9, 50))
    found = _best_set(profile, gain, log_pitch)
    for _ in range(ROUNDS):
        clear = (gain[found[1:]] >= CLEAR) & (gain[found[:-1]] >= CLEAR)
        if not clear.any():
            break
        before = found
        found = _best_set(profile, gain, log_pitch + _deviation(found, clear, log_pitch))
        if np.array_equal(found, before):
            break
    return found.astype(np.float64) * BIN_MM


def _deviation(found: NDArray[np.int64], clear: NDArray[np.bool_], log_pitch: Floats) -> Floats:
    """(n,) by how much the logarithm of the patient's pitch differs from the usual, per bin.

    A weighted median of the intervals near by, the one that the bin lies in left out: two in one
    say nothing of themselves. Shrunk towards 0 where few intervals tell.

    Args:
        found: (m,) bins of the separators.
        clear: (m - 1,) intervals with a clear separator at either end.
        log_pitch: (n,) logarithm of the usual pitch.
    """
    upper, lower = found[:-1][clear], found[1:][clear]
    middle = (upper + lower) // 2
    told = np.log(lower - upper) - log_pitch[middle]
    order = np.argsort(told)
    at = np.arange(len(log_pitch))[:, None]
    weight = np.exp(-0.5 * ((at - middle[order]) * BIN_MM / NEAR_MM) ** 2)
    weight[(at >= upper[order]) & (at <= lower[order])] = 0.0
    share = weight.sum(axis=1)
    half = (np.cumsum(weight, axis=1) >= 0.5 * share[:, None]).argmax(axis=1)
    return np.asarray(told[order][half] * share / (share + 1.0))


def _best_set(profile: Profile, gain: Floats, log_pitch: Floats) -> NDArray[np.int64]:
    """(m,) bins of the separators that score best together, ascending."""
    first, last = profile.extent
    filled = np.maximum(profile.body + profile.disc + profile.sacrum, 1e-6)
    bone, soft = (np.cumsum(area / filled) * BIN_MM for area in (profile.body, profile.disc))
    best = np.full(last + 1, -np.inf)
    source = np.full(last + 1, -1)
    shortest, longest = int(MIN_PITCH_MM / BIN_MM), int(MAX_PITCH_MM / BIN_MM)
    is_neck = profile.depth_mm < NECK_DEPTH_MM
    log_top = log_pitch + np.where(is_neck, np.log(DENS_PITCHES), 0.0)
    for at in range(first + 1, last):
        # Nothing above: the topmost vertebra may be cut, so only too great a length costs.
        # Where little is seen, what is cut off must at least look like a vertebra.
        is_open = bool(gain[at] >= CLEAR)
        best[at] = gain[at] - _length_cost(at - first, log_top[at], open_end=is_open)
        lengths = np.arange(shortest, min(longest, at - first) + 1)
        if len(lengths):
            starts = at - lengths
            cost = _length_cost(lengths, log_pitch[(at + starts) // 2], open_end=False)
            hollow = (bone[at] - bone[starts] < MIN_BONE_MM) & (soft[at] - soft[starts] > 3.0)
            scores = best[starts] + gain[at] - cost - HOLLOW_COST * hollow
            pick = int(np.argmax(scores))
            if scores[pick] > best[at]:
                best[at], source[at] = scores[pick], starts[pick]
    found: list[int] = []
    at = _last_of(best, gain, log_pitch, profile.extent)
    while at >= 0:
        found.append(at)
        at = int(source[at])
    return np.array(found[::-1], dtype=np.int64)


def _last_of(best: Floats, gain: Floats, log_pitch: Floats, extent: tuple[int, int]) -> int:
    """The last separator of the best set, -1 if none is best."""
    first, last = extent
    ends = np.arange(first + 1, last)
    if len(ends) == 0:
        return -1
    middle = log_pitch[(last + ends) // 2]
    cost = np.where(
        gain[ends] >= CLEAR,
        _length_cost(last - ends, middle, open_end=True),
        _length_cost(last - ends, middle, open_end=False),
    )
    scores = best[ends] - cost
    alone = -_length_cost(last - first, log_pitch[(last + first) // 2], open_end=True)
    return int(ends[np.argmax(scores)]) if scores.max() > alone else -1


def _length_cost(length: NDArray[np.int64] | int, log_pitch: Floats, *, open_end: bool) -> Floats:
    ratio = (np.log(length) - log_pitch) / PITCH_LOG_SD
    if open_end:
        ratio = np.maximum(ratio, 0.0)
    return np.minimum(0.5 * ratio**2, MAX_LENGTH_COST)


def _separator_scores(profile: Profile) -> Floats:
    """How much each bin looks like the space between two vertebrae."""
    # Rows of voxels fall unevenly into bins where the column is oblique.
    body, disc_area, sacrum = (
        ndimage.gaussian_filter1d(area, 1.0)
        for area in (profile.body, profile.disc, profile.sacrum)
    )
    filled = body + disc_area + sacrum
    # The local full cross-section: the largest area in a vertebra's length, smoothed.
    full = ndimage.maximum_filter1d(ndimage.uniform_filter1d(filled, 3), 31)
    full = np.maximum(ndimage.gaussian_filter1d(full, 8.0), 1e-6)
    disc = np.minimum(disc_area / full, 1.0)
    # A gap has bone on both sides; where the column ends or tapers into the dens there is none.
    share = np.minimum(filled / full, 1.0)
    before = ndimage.maximum_filter1d(share, GAP_SIDE, origin=GAP_SIDE // 2)
    after = ndimage.maximum_filter1d(share, GAP_SIDE, origin=-(GAP_SIDE // 2))
    empty = np.clip(np.minimum(before, after) - share - 0.15, 0.0, 1.0)
    window = np.hanning(9)[1:-1]
    disc_seen = np.minimum(np.convolve(disc, window, mode="same") / 2.2, 1.0)
    gap_seen = np.minimum(np.convolve(empty, window, mode="same") / 2.2, 1.0)
    score = NO_EVIDENCE + DISC_GAIN * disc_seen + GAP_GAIN * gap_seen
    inside = _enclosed(body)
    # A saturated score is flat; the slight slope picks the middle of a thick disc.
    centre = ndimage.gaussian_filter1d(disc + 0.5 * empty, 3.0)
    return np.where(inside, np.minimum(score, MAX_SEPARATOR) + 0.5 * centre, NO_EVIDENCE)


def _enclosed(bone: Floats) -> NDArray[np.bool_]:
    """True between the first and the last bin with bone, and at the discs that end the column."""
    # Against the median: a neck has a quarter of the loin's cross-section.
    usual = np.median(bone[bone > 0]) if (bone > 0).any() else np.inf
    seen = np.flatnonzero(bone > 0.1 * usual)
    inside = np.zeros(len(bone), dtype=bool)
    if len(seen):
        inside[max(seen[0] - 12, 0) : seen[-1] + 12] = True
    return inside


def part_sacrum(profile: Profile, separators: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add a separator where the last body runs into the sacrum without a disc in between.

    Args:
        profile: areas along the column.
        separators: (m,) those found so far, mm, ascending.

    Returns:
        The separators, with one more where at least half a vertebra lies above the sacrum.
    """
    start = int(separators[-1] / BIN_MM) if len(separators) else 0
    body, sacrum = profile.body[start:], profile.sacrum[start:]
    if body.sum() == 0 or sacrum.sum() == 0:
        return separators
    # The position that leaves the most body above and the most sacrum below.
    right = np.cumsum(body) + sacrum.sum() - np.cumsum(sacrum)
    at = int(right.argmax())
    seen = np.flatnonzero(body[: at + 1])
    length_mm = (at - int(seen[0])) * BIN_MM if len(seen) else 0.0
    is_vertebra = length_mm > 0.55 * profile.depth_mm[start + at]
    if not is_vertebra or body[: at + 1].sum() < 0.7 * body.sum():
        return separators
    return np.append(separators, (start + at + 0.5) * BIN_MM)
