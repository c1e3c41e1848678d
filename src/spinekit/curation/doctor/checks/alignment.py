"""Whether a mask lies where the image's edges are.

It knows edges, no anatomy: the outlines of a mask should lie on steps in brightness, and on more
of them than the same outlines moved aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.volume import Volume
from spinekit.curation.doctor.census import Census
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding

REACH_MM = 20.0
"""Moves tried along both in-plane axes; less than a vertebra, which would fit its neighbour."""
STEP_MM = 2.0
NEAR_MM = 4.0
"""A best move within this is where the mask lies: outlines are drawn inside or outside an edge."""
STANDS_OUT, AHEAD = 2.5, 1.5
"""In standard deviations over all moves: the best move lies so far above their mean, and so far
above the mask's own place."""
AROUND_MM = 12.0
"""Standard deviation of the surroundings an edge is compared with: fat near a coil is bright."""
MOST_POINTS = 3000
LEAST_POINTS = 200


@dataclass(frozen=True)
class Fit:
    """How outlines fit edges."""

    best_mm: tuple[float, float]
    """Move along the two in-plane axes, the lower array axis first, that fits best."""
    here: float
    """How many standard deviations (over all moves) the place of the mask fits above their mean."""
    best: float
    """The same of the best move."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Report a mask whose outlines fit the image's edges far better when moved."""
    scan, column = evidence.specimen.scan, evidence.column
    if scan is None or column is None:
        return
    fit = measure_fit(scan.volume, column.census)
    if fit is None:
        return
    away = float(np.hypot(*fit.best_mm))
    if away > NEAR_MM and fit.best > STANDS_OUT and fit.best > fit.here + AHEAD:
        text = f"moved by {away:.0f} mm its outlines would fit the image's edges far better"
        facts = {"away_mm": round(away, 1), "here": round(fit.here, 2), "best": round(fit.best, 2)}
        yield evidence.finding("mask-off", text, column.census.structures[0], facts=facts)


def measure_fit(image: Volume, census: Census) -> Fit | None:
    """Compare edges under the outlines with those under the same outlines moved in the plane.

    The plane is that of the two finest axes. Edges are magnitudes of the smoothed gradient
    (σ = 1.5 mm) over their mean in the surroundings (σ = 12 mm), cut off at the 95th percentile.

    Args:
        image: (I, J, K) image.
        census: Of masks on the same grid.

    Returns:
        The fit; None for masks with hardly any outline, or images without edges.
    """
    spacing = np.array(image.grid.spacing_mm)
    plane = sorted(np.argsort(spacing, kind="stable")[:2].tolist())
    points = np.argwhere(_outline(census, plane))
    if len(points) < LEAST_POINTS:
        return None
    points = points[:: max(1, len(points) // MOST_POINTS)]
    steps = [max(1, round(STEP_MM / spacing[axis])) for axis in plane]
    counts = [int(REACH_MM / (n * spacing[axis])) for n, axis in zip(steps, plane, strict=True)]
    reach = [0, 0, 0]
    for axis, step, count in zip(plane, steps, counts, strict=True):
        reach[axis] = step * count
    edges = _edges(image.array, points, plane, spacing, reach)
    strides = np.array([edges.shape[1] * edges.shape[2], edges.shape[2], 1])
    places = (points - points.min(axis=0) + reach) @ strides
    flat = edges.ravel()
    along, across = (n * strides[axis] for n, axis in zip(steps, plane, strict=True))
    first, second = (np.arange(-count, count + 1) for count in counts)
    scores = np.array([flat[places + a * along + b * across].mean() for a in first for b in second])
    if scores.std() == 0:
        return None
    away = np.array([(a * steps[0], b * steps[1]) for a in first for b in second]) * spacing[plane]
    z = (scores - scores.mean()) / scores.std()
    best = int(z.argmax())
    here = float(z[np.hypot(*away.T) <= NEAR_MM].max())
    return Fit((float(away[best, 0]), float(away[best, 1])), here, float(z[best]))


def _outline(census: Census, plane: list[int]) -> NDArray[np.bool_]:
    """Voxels of named structures with another value beside them in the plane."""
    named = [s for s in census.structures if s.kind in ("vertebra", "disc", "canal", "sacrum")]
    tags = census.union(named or census.structures)
    outline = np.zeros(tags.shape, bool)
    for axis in plane:
        for shift in (-1, 1):
            outline |= (tags != np.roll(tags, shift, axis=axis)) & (tags > 0)
    return outline


def _edges(
    image: NDArray[np.floating],
    points: NDArray[np.intp],
    plane: list[int],
    spacing: NDArray[np.float64],
    reach: list[int],
) -> NDArray[np.float32]:
    """Gradient magnitude in the plane, 0 to 1, over the box of the points widened by `reach`.

    Outside the image it has its mean, so that moves off the edge neither gain nor lose.
    """
    low = points.min(axis=0) - reach
    high = points.max(axis=0) + reach + 1
    inside = tuple(
        slice(max(0, a), min(size, b)) for a, b, size in zip(low, high, image.shape, strict=True)
    )
    sigma = [1.5 / spacing[axis] if axis in plane else 0.0 for axis in range(3)]
    smooth = ndimage.gaussian_filter(image[inside].astype(np.float32), sigma)
    total = np.zeros(smooth.shape, np.float32)
    for axis in plane:
        if smooth.shape[axis] > 1:
            total += (np.gradient(smooth, axis=axis) / spacing[axis]) ** 2
    total = np.sqrt(total)
    wide = [AROUND_MM / spacing[axis] if axis in plane else 0.0 for axis in range(3)]
    total /= ndimage.gaussian_filter(total, wide) + 0.05 * float(total.mean()) + 1e-12
    limit = float(np.percentile(total[:, ::2, ::2], 95.0)) or 1.0
    total = np.minimum(total / limit, 1.0)
    pad = [
        (side.start - int(a), int(b) - side.stop)
        for side, a, b in zip(inside, low, high, strict=True)
    ]
    return np.pad(total, pad, constant_values=float(total.mean()))
