"""Bodies and discs: which voxel belongs to which stretch between two separators.

It knows straightened coordinates and separators, and nothing of posterior elements or names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MAX_SLOPE = 0.6
"""Steepest tilt of a separating plane against the curve's normal."""
PLANE_RIDGE_MM2 = 400.0
"""Disc voxels that agree with a flat plane are assumed at this weight (mm² of disc area)."""
WHOLE_SHARE = 0.9
"""A connected piece with at least this share in one stretch is not cut."""
DISC_REACH_MM = 12.0
"""Farthest that a disc's voxels may lie from their separator along the curve, mm."""
SPECK_MM3 = 40.0
"""Connected pieces of body or disc below this volume are noise."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Planes:
    """Separating planes t = at + right·u + front·v, one per separator, all (m,), in mm."""

    at: Floats
    right: Floats
    front: Floats

    def height_mm(self, number: NDArray[np.int64], straight: Floats) -> Floats:
        """How far below plane `number` (N,) each of the points (N, 3) lies, mm along the curve."""
        plane = self.at[number] + self.right[number] * straight[:, 1]
        return straight[:, 0] - plane - self.front[number] * straight[:, 2]

    def stretch(self, straight: Floats) -> NDArray[np.int64]:
        """Number of planes above each point: 0 for the topmost vertebra.

        Args:
            straight: (N, 3) straightened coordinates.

        Returns:
            (N,) values 0..m.
        """
        m = len(self.at)
        number = np.searchsorted(self.at, straight[:, 0]).astype(np.int64)
        if m == 0:
            return number
        above = np.maximum(number - 1, 0)
        below = np.minimum(number, m - 1)
        number -= (number > 0) & (self.height_mm(above, straight) < 0)
        number += (number < m) & (self.height_mm(below, straight) > 0)
        return number


def fit_planes(separators: NDArray[np.float64], disc: Floats, voxel_mm3: float) -> Planes:
    """Tilt each separator like the disc that lies there.

    Ridge regression of t on u and v over the disc's voxels; without disc voxels the plane stays
    perpendicular to the curve.

    Args:
        separators: (m,) positions, mm, ascending.
        disc: (N, 3) straightened coordinates of all disc voxels.
        voxel_mm3: volume of one voxel.

    Returns:
        One plane per separator.
    """
    m = len(separators)
    at, right, front = separators.astype(np.float32), np.zeros(m, "f4"), np.zeros(m, "f4")
    owner = _nearest(separators, disc[:, 0])
    for n in range(m):
        gap = np.diff(separators[max(n - 1, 0) : n + 2]).min(initial=2 * DISC_REACH_MM)
        mine = disc[(owner == n) & (np.abs(disc[:, 0] - at[n]) < min(DISC_REACH_MM, 0.45 * gap))]
        if len(mine) * voxel_mm3 < 100.0:
            continue
        design = np.stack([np.ones(len(mine)), mine[:, 1], mine[:, 2]], axis=1)
        gram = design.T @ design + np.diag([0.0, 1.0, 1.0]) * PLANE_RIDGE_MM2 * 10 / voxel_mm3
        solution = np.linalg.solve(gram, design.T @ mine[:, 0])
        at[n] = solution[0]
        right[n], front[n] = np.clip(solution[1:], -MAX_SLOPE, MAX_SLOPE)
    order = np.argsort(at, kind="stable")
    return Planes(at[order], right[order], front[order])


def _nearest(positions: NDArray[np.float64], t: Floats) -> NDArray[np.int64]:
    if len(positions) == 0:
        return np.full(len(t), -1, dtype=np.int64)
    middle = (positions[1:] + positions[:-1]) / 2
    return np.searchsorted(middle, t).astype(np.int64)


def assign_bodies(
    mask: NDArray[np.bool_], straight: Floats, planes: Planes, voxel_mm3: float
) -> NDArray[np.int64]:
    """The stretch of every body voxel.

    Args:
        mask: (I, J, K) body voxels.
        straight: (N, 3) their straightened coordinates, in the order of np.nonzero.
        planes: the separators.
        voxel_mm3: volume of one voxel.

    Returns:
        (N,) 0..m, or -1 for specks.
    """
    number = planes.stretch(straight)
    labels, count = ndimage.label(mask)
    piece = labels[mask]
    width = len(planes.at) + 1
    votes = np.bincount(piece * width + number, minlength=(count + 1) * width)
    votes = votes.reshape(count + 1, width)
    size = votes.sum(axis=1)
    winner = votes.argmax(axis=1)
    whole = votes.max(axis=1) >= WHOLE_SHARE * np.maximum(size, 1)
    number = np.where(whole[piece], winner[piece], number)
    number[size[piece] * voxel_mm3 < SPECK_MM3] = -1
    return number


def assign_discs(
    mask: NDArray[np.bool_], straight: Floats, planes: Planes, voxel_mm3: float
) -> NDArray[np.int64]:
    """The separator of every disc voxel.

    Args:
        mask: (I, J, K) disc voxels.
        straight: (N, 3) their straightened coordinates, in the order of np.nonzero.
        planes: the separators.
        voxel_mm3: volume of one voxel.

    Returns:
        (N,) 0..m-1, or -1 for specks and for voxels far from every separator.
    """
    number = np.full(len(straight), -1, dtype=np.int64)
    m = len(planes.at)
    if m == 0 or len(straight) == 0:
        return number
    guess = _nearest(planes.at.astype(np.float64), straight[:, 0])
    choices = np.stack([np.clip(guess + step, 0, m - 1) for step in (-1, 0, 1)])
    distance = np.abs(np.stack([planes.height_mm(choice, straight) for choice in choices]))
    pick = distance.argmin(axis=0)
    nearest = np.take_along_axis(choices, pick[None], axis=0)[0]
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    piece = labels[mask]
    votes = np.bincount(piece * m + nearest, minlength=(count + 1) * m).reshape(count + 1, m)
    size = votes.sum(axis=1)
    whole = votes.max(axis=1) >= 0.8 * np.maximum(size, 1)
    nearest = np.where(whole[piece], votes.argmax(axis=1)[piece], nearest)
    centre = np.abs(planes.height_mm(nearest, straight))
    mean = np.bincount(piece, weights=centre, minlength=count + 1) / np.maximum(size, 1)
    keep = (size[piece] * voxel_mm3 >= SPECK_MM3) & (mean[piece] < DISC_REACH_MM)
    number[keep] = nearest[keep]
    return number
