"""Posterior elements: which vertebra each voxel of arch and processes belongs to.

It knows straightened coordinates and the separators between bodies, and nothing of names.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

STEP_MM = 2.0
"""Bin of the seam image from front to back, mm."""
REAR_MM = 12.0
"""How far behind the bodies the curve runs by which arches are ordered, mm."""
REACH_MM = 84.0
"""Farthest behind the bodies that a process may reach, mm."""
START_PITCH = -0.1
"""Where a seam leaves the separator, in pitches: the pedicle springs from the upper body."""
BAND_MM = 8.0
"""Half width of the middle band, mm: spinous processes within, facets and arches outside."""
ARCH_MM = 16.0
"""How far behind the bodies the arch ends and the spinous process begins, mm."""
ARCH_DROP_PITCH = 0.28
"""Descent of a border over the arch, in pitches (median of 30 lumbar spines: 0.28 at L1 to L5)."""
SLOPE_DEPTH_MM = (15.0, 18.0, 23.0, 28.0, 30.5, 32.5)
SLOPE = (0.5, 0.7, 1.0, 1.0, 0.4, 0.0)
"""Downward slope (mm per mm backwards) of the processes behind it, by depth of the body.

The processes of neck and loin point back, those of the thorax down (Gray's Anatomy, 41st ed.,
chapter 43); the seam bends away from this wherever bone is in its way.
"""
SLOPE_WEIGHT = 0.6
"""Cost of a squared deviation of 1 from that slope, in full bone thicknesses per bin."""
EVEN_WEIGHTS = (0.0, 0.2, 0.2, 0.2)
"""Cost of lying a quarter pitch off the place that both neighbours leave a seam, by round: in full
bone thicknesses per bin. Every vertebra has one process; a seam alone passes two of them where fat
between their tips is taken for bone."""
ONE_SIDED = 0.1
"""The same for the first and last seam, which have one neighbour, as a share: a loin's lowest
processes shorten, and the scan's edge cuts the highest ones."""
UNSEEN_SHARE = 0.5
"""Bone that a seam crosses beyond the scan's edge, over the mean of what is seen as far behind: it
passes where there is less. On phantoms cut by the edge 0.25 left the arches of the last vertebra to
its neighbour, and 0.7 drew the seam of a sliver of a body into the scan."""
WHOLE_SHARE = 0.85
"""A connected piece with at least this share at one vertebra is not cut."""
SPECK_MM3 = 60.0
"""Connected pieces below this volume (mm³) are noise."""
SPECK = -2
"""Number of a voxel of noise."""

Floats = NDArray[np.float32]
InView = Callable[[Floats], NDArray[np.bool_]]


def assign_posterior(
    mask: NDArray[np.bool_],
    straight: Floats,
    borders: NDArray[np.float64],
    depth_mm: NDArray[np.float64],
    voxel_mm3: float,
    in_view: InView,
) -> NDArray[np.int64]:
    """The vertebra of every posterior voxel.

    Between two neighbours a seam runs backwards from the separator of their bodies along the path
    that crosses the least bone, seen from the side: exact dynamic programming over a projection,
    once for the midline and once for each side, with the usual slope of the processes as prior;
    then again with the seams above and below as a further one, for processes follow each other
    about as evenly as their bodies.

    Args:
        mask: (I, J, K) posterior voxels.
        straight: (N, 3) their coordinates along a curve REAR_MM behind the bodies, in the order
            of np.nonzero.
        borders: (m,) positions of the borders between vertebrae along that curve, ascending, the
            upper border of the first and the lower border of the last included, mm.
        depth_mm: (m,) depth of the bodies at each border.
        voxel_mm3: volume of one voxel.
        in_view: tells of points (N, 3), straightened like the voxels, whether the scan shows them.

    Returns:
        (N,) 0 for the first vertebra and so on; -1 above the first border and below the last,
        SPECK for noise.
    """
    number = np.full(len(straight), -1, dtype=np.int64)
    if len(borders) < 2 or len(straight) == 0:
        return number
    t, u, v = straight.T
    behind = np.clip(REAR_MM - v, 0, REACH_MM - 0.1)
    column = (behind / STEP_MM).astype(np.int64)
    rows = int(max(t.max(), borders[-1]) + 60.0)
    row = np.clip(np.rint(t), 0, rows - 1).astype(np.int64)
    is_seen = _seen(rows, in_view)
    for band in (np.abs(u) <= BAND_MM, u > BAND_MM, u < -BAND_MM):
        if not band.any():
            continue
        image = np.zeros(is_seen.shape)
        np.add.at(image, (row[band], column[band]), voxel_mm3)
        seams = _find_seams(image, is_seen, borders, depth_mm)
        above = (t[band][None, :] > seams[:, column[band]]).sum(axis=0)
        number[band] = np.where(above == len(borders), -1, above - 1)
    return _join_pieces(mask, number, len(borders), voxel_mm3)


def _seen(rows: int, in_view: InView) -> NDArray[np.bool_]:
    """(rows, columns) whether the scan shows a bin of the seam image."""
    t, column = np.indices((rows, int(REACH_MM / STEP_MM)))
    v = REAR_MM - (column + 0.5) * STEP_MM
    points = np.stack([t, np.zeros_like(v), v], axis=-1).astype(np.float32)
    return in_view(points.reshape(-1, 3)).reshape(t.shape)


def _find_seams(
    image: NDArray[np.float64],
    is_seen: NDArray[np.bool_],
    borders: NDArray[np.float64],
    depth_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """One position (m, columns) per border and bin behind the bodies, ascending in m."""
    smooth = ndimage.gaussian_filter(image, (1.0, 0.7))
    positive = smooth[smooth > 0]
    density = smooth / max(float(np.quantile(positive, 0.8)) if len(positive) else 1.0, 1e-6)
    density = np.minimum(density, 1.5)
    # Beyond the scan's edge there is bone too: nothing is gained by leaving the scan.
    usual = (density * is_seen).sum(axis=0) / np.maximum(is_seen.sum(axis=0), 1)
    density = np.where(is_seen, density, UNSEEN_SHARE * usual)
    seams = np.zeros((len(borders), image.shape[1]))
    for weight in EVEN_WEIGHTS:
        for n in range(1, len(borders) - 1):
            near = float(borders[n + 1] - borders[n - 1]) / 2
            slope = _slopes(depth_mm[n], near, image.shape[1])
            cost = density + weight * _unevenness(len(density), seams, borders, n)
            seams[n] = _seam(cost, borders[n] + START_PITCH * near, slope, 0.25 * near)
        for outer, inner in ((0, 1), (-1, -2)):
            seams[outer] = _outer_seam(density, borders, seams, outer, inner, depth_mm)
    return np.maximum.accumulate(seams, axis=0)


def _unevenness(
    rows: int, seams: NDArray[np.float64], borders: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """(rows, columns) squared distance, in quarter pitches, from where seam `n` would lie even."""
    near = [m for m in (n - 1, n + 1) if 0 < m < len(borders) - 1]
    if not near:
        return np.zeros((rows, seams.shape[1]))
    even = np.mean([seams[m] + borders[n] - borders[m] for m in near], axis=0)
    quarter = (borders[n + 1] - borders[n - 1]) / 8
    share = 1.0 if len(near) == 2 else ONE_SIDED
    return share * np.square((np.arange(rows)[:, None] - even) / quarter)


def _outer_seam(
    density: NDArray[np.float64],
    borders: NDArray[np.float64],
    seams: NDArray[np.float64],
    outer: int,
    inner: int,
    depth_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The seam beyond the first or last vertebra: its neighbour's shape, a vertebra further on."""
    shift = borders[outer] - borders[inner]
    if len(borders) == 2:
        slope = _slopes(depth_mm[outer], abs(shift), density.shape[1])
        return borders[outer] + START_PITCH * abs(shift) + np.cumsum(slope) * STEP_MM
    columns = np.arange(density.shape[1])
    play = np.arange(-0.25, 0.251, 0.05) * abs(shift)
    rows = np.rint(seams[inner] + shift + play[:, None]).astype(np.int64)
    crossed = np.where(
        (rows >= 0) & (rows < len(density)),
        density[np.clip(rows, 0, len(density) - 1), columns],
        0.0,
    ).sum(axis=1)
    best = int(np.argmin(crossed + 4.0 * (play / max(abs(shift), 1.0)) ** 2))
    return seams[inner] + shift + play[best]


def _slopes(depth_mm: float, pitch: float, columns: int) -> NDArray[np.float64]:
    """(columns,) usual slope of a border, over the arch and behind it."""
    slope = np.full(columns, float(np.interp(depth_mm, SLOPE_DEPTH_MM, SLOPE)))
    slope[: int(ARCH_MM / STEP_MM)] = ARCH_DROP_PITCH * pitch / ARCH_MM
    return slope


def _seam(
    density: NDArray[np.float64], start: float, slope: NDArray[np.float64], play: float
) -> NDArray[np.float64]:
    """Cheapest path from front to back that begins near `start` (mm) with the given slopes."""
    low = int(max(start - 20, 0))
    window = density[low : int(start + 110)]
    rows, columns = window.shape
    away = (np.arange(rows) + low - start) / max(play, 1.0)
    cost = window[:, 0] + away**2
    steps = np.arange(-1, int(2.5 * STEP_MM) + 1)
    came = np.zeros((rows, columns), dtype=np.int64)
    for c in range(1, columns):
        penalty = SLOPE_WEIGHT * (steps / STEP_MM - slope[c]) ** 2
        options = np.full((len(steps), rows), np.inf)
        for n, step in enumerate(steps):
            if step >= 0:
                options[n, step:] = cost[: rows - step] + penalty[n]
            else:
                options[n, :step] = cost[-step:] + penalty[n]
        pick = options.argmin(axis=0)
        came[:, c] = steps[pick]
        cost = options[pick, np.arange(rows)] + window[:, c]
    path = np.empty(columns)
    row = int(cost.argmin())
    for c in range(columns - 1, -1, -1):
        path[c] = row + low
        row -= int(came[row, c])
    return path


def _join_pieces(
    mask: NDArray[np.bool_], number: NDArray[np.int64], borders: int, voxel_mm3: float
) -> NDArray[np.int64]:
    """Give pieces that lie nearly whole at one vertebra to it, and drop specks."""
    labels, count = ndimage.label(mask)
    piece = labels[mask]
    votes = np.bincount(piece * (borders + 1) + number + 1, minlength=(count + 1) * (borders + 1))
    votes = votes.reshape(count + 1, borders + 1)
    size = votes.sum(axis=1)
    whole = votes.max(axis=1) >= WHOLE_SHARE * np.maximum(size, 1)
    number = np.where(whole[piece], votes.argmax(axis=1)[piece] - 1, number)
    return np.where(size[piece] * voxel_mm3 < SPECK_MM3, SPECK, number)
