"""The curve of the column and coordinates straightened along it.

A principal curve through the vertebral bodies and discs. It knows points in millimetres and
nothing of voxels, probabilities or levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

STEP_MM = 1.0
"""Distance between neighbouring points of the curve, mm."""
SMOOTHING_MM = 14.0
"""Standard deviation of the smoothing kernel along the curve, mm: half a vertebra."""
GAP_MM = 21.0
"""Half the width of a gap, mm, across which the curve runs straight: nothing near says anything."""
REAR_SMOOTHING_MM = 25.0
"""The same for a curve behind the column, in points of the curve."""
MARGIN_MM = 60.0
"""Straight continuation beyond both ends, mm: two vertebrae that were not found."""
FIT_POINTS = 12000
"""Points used for the fit; more change the curve by less than a tenth of a millimetre."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ColumnCurve:
    """A curve from the top of the column downwards with a frame at every point.

    `points_mm`, `down` and `anterior` are (n, 3), STEP_MM apart; `right` completes the frame. The
    first and last MARGIN_MM are continued straight.
    """

    points_mm: Floats
    down: Floats
    anterior: Floats
    right: Floats

    @property
    def length_mm(self) -> float:
        """Length with both margins, mm."""
        return (len(self.points_mm) - 1) * STEP_MM

    def straighten(self, coords_mm: Floats, *, rounds: int = 5) -> Floats:
        """Coordinates along the curve.

        Args:
            coords_mm: (N, 3) points, mm along i, j, k.
            rounds: fixed-point steps; the error shrinks by distance over radius of curvature
                with each.

        Returns:
            (N, 3): t down the curve from its first point, u to the right, v to the front, mm.
        """
        order = np.argsort(self.points_mm[:, 2], kind="stable")
        t = np.interp(coords_mm[:, 2], self.points_mm[order, 2], order * STEP_MM).astype(np.float32)
        last = len(self.points_mm) - 1
        for _ in range(rounds):
            index = np.clip(np.rint(t / STEP_MM), 0, last).astype(np.int32)
            offset = coords_mm - self.points_mm[index]
            t = index * np.float32(STEP_MM) + np.einsum("nd,nd->n", offset, self.down[index])
        index = np.clip(np.rint(t / STEP_MM), 0, last).astype(np.int32)
        offset = coords_mm - self.points_mm[index]
        u = np.einsum("nd,nd->n", offset, self.right[index])
        v = np.einsum("nd,nd->n", offset, self.anterior[index])
        return np.stack([t, u, v], axis=1).astype(np.float32)

    def bend(self, straight: Floats) -> Floats:
        """Points whose coordinates along the curve are known, the inverse of `straighten`.

        Args:
            straight: (N, 3) t, u, v, mm.

        Returns:
            (N, 3) mm along i, j, k.
        """
        last = len(self.points_mm) - 1
        index = np.clip(np.rint(straight[:, 0] / STEP_MM), 0, last).astype(np.int32)
        points = self.points_mm[index].copy()
        along = straight[:, 0] - index * np.float32(STEP_MM)
        for length, axis in (
            (along, self.down),
            (straight[:, 1], self.right),
            (straight[:, 2], self.anterior),
        ):
            points += length[:, None] * axis[index]
        return points

    def behind(self, distance_mm: NDArray[np.float64]) -> ColumnCurve:
        """A smoother curve behind this one.

        Normals of a lordotic curve cross not far behind it; those of a curve that runs among the
        arches cross only behind the skin, so what lies there keeps its order.

        Args:
            distance_mm: (n,) how far behind each point.

        Returns:
            The new curve, whose positions differ from this one's.
        """
        reach = np.resize(distance_mm, len(self.points_mm))
        moved = self.points_mm - self.anterior * reach[:, None].astype(np.float32)
        # A line keeps its direction where it ends if only the deviation from it is smoothed.
        line = np.linspace(moved[0], moved[-1], len(moved))
        smooth = line + ndimage.gaussian_filter1d(moved - line, REAR_SMOOTHING_MM, axis=0)
        return _frame(_resample(smooth.astype(np.float64)))


def fit_curve(coords_mm: Floats, *, rounds: int = 3) -> ColumnCurve | None:
    """Fit a smooth curve through the voxels of bodies and discs.

    Principal curve of Hastie and Stuetzle (J Am Stat Assoc 1989; 84:502, their algorithm of
    alternating projection and local averaging), with a local linear smoother so that the ends do
    not shrink, started from the mean of every axial layer.

    Args:
        coords_mm: (N, 3) points, mm along i, j, k with k upwards.
        rounds: alternations.

    Returns:
        The curve, or None for fewer than 8 points.
    """
    if len(coords_mm) < 8:
        return None
    points = coords_mm[:: max(1, len(coords_mm) // FIT_POINTS)].astype(np.float32)
    curve = _smooth_curve(points, points[:, 2].max() - points[:, 2])
    for _ in range(rounds):
        curve = _smooth_curve(points, curve.straighten(points)[:, 0])
    return curve


def _smooth_curve(points: Floats, t: Floats) -> ColumnCurve:
    """Local linear regression of the points on t, resampled at equal steps and continued."""
    t = t - t.min()
    bins = (t / 2.0).astype(np.int64)
    count = np.bincount(bins).astype(np.float64)
    filled = count > 0
    sums = [np.bincount(bins, weights=points[:, axis]) for axis in range(3)]
    means = np.stack(sums, axis=1)[filled] / count[filled, None]
    at = np.bincount(bins, weights=t)[filled] / count[filled]
    grid = np.arange(0.0, max(float(t.max()), 2.0) + 1.0, 2.0)
    # Layers weigh alike, but for those of which the scan's edge cut off a part: their centre is
    # off the axis.
    usual = ndimage.maximum_filter1d(ndimage.uniform_filter1d(count, 5), 15)
    share = count[filled] / np.maximum(usual[filled], 1e-6)
    distance = np.abs(grid[:, None] - at[None, :])
    near = distance.min(axis=1) < GAP_MM
    grid, distance = grid[near], distance[near]
    weight = np.exp(-0.5 * (distance / SMOOTHING_MM) ** 2)
    weight *= np.minimum(share, 1.0)[None, :] ** 3
    delta = at[None, :] - grid[:, None]
    s0, s1, s2 = weight.sum(1), (weight * delta).sum(1), (weight * delta**2).sum(1)
    # A small ridge keeps the slope finite where only one layer was seen.
    local = (weight * (s2[:, None] + 1e-3 - s1[:, None] * delta)) @ means
    smooth = local / (s0 * (s2 + 1e-3) - s1**2)[:, None]
    return _frame(_continue(_resample(smooth)))


def _resample(points: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if steps.sum() < STEP_MM:
        return np.stack([points[0], points[0] - [0.0, 0.0, STEP_MM]])
    along = np.concatenate([[0.0], np.cumsum(steps)])
    grid = np.arange(0.0, along[-1] + 0.5 * STEP_MM, STEP_MM)
    return np.stack([np.interp(grid, along, points[:, axis]) for axis in range(3)], axis=1)


def _continue(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add a straight margin at both ends."""
    reach = min(len(points) - 1, 12)
    extra = np.arange(1, int(MARGIN_MM / STEP_MM) + 1)[:, None] * STEP_MM
    top = points[0] - points[reach]
    bottom = points[-1] - points[-1 - reach]
    above = points[0] + extra[::-1] * top / np.linalg.norm(top)
    below = points[-1] + extra * bottom / np.linalg.norm(bottom)
    return np.concatenate([above, points, below])


def _frame(points: NDArray[np.float64]) -> ColumnCurve:
    down = np.gradient(points, axis=0)
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    anterior = np.array([0.0, 1.0, 0.0]) - down * down[:, 1:2]
    anterior /= np.maximum(np.linalg.norm(anterior, axis=1, keepdims=True), 1e-6)
    right = np.cross(down, anterior)
    return ColumnCurve(
        points.astype(np.float32),
        down.astype(np.float32),
        anterior.astype(np.float32),
        right.astype(np.float32),
    )
