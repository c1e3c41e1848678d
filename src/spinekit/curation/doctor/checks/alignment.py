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
CLEARLY = 1.5
"""The best move must stand out from all moves so many times more than the mask's own place."""
MOST_POINTS = 6000
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
    if away > NEAR_MM and fit.best > 3.0 and fit.best > CLEARLY * max(fit.here, 0.0):
        text = f"moved by {away:.0f} mm its outlines would fit the image's edges far better"
        facts = {"away_mm": round(away, 1), "here": round(fit.here, 2), "best": round(fit.best, 2)}
        yield evidence.finding("mask-off", text, column.census.structures[0], facts=facts)


def measure_fit(image: Volume, census: Census) -> Fit | None:
    """Compare edges under the outlines with those under the same outlines moved in the plane.

    The plane is that of the two finest axes. Edges are magnitudes of the smoothed gradient
    (σ = 1.5 mm), as ranks, so that contrast does not matter.

    Args:
        image: (I, J, K) image.
        census: Of masks on the same grid.

    Returns:
        The fit; None for masks with hardly any outline, or without room to move.
    """
    spacing = np.array(image.grid.spacing_mm)
    plane = sorted(np.argsort(spacing, kind="stable")[:2].tolist())
    outline = _outline(census, plane)
    points = np.argwhere(outline)
    if len(points) < LEAST_POINTS:
        return None
    points = points[:: max(1, len(points) // MOST_POINTS)]
    steps = [max(1, round(STEP_MM / spacing[axis])) for axis in plane]
    counts = [
        int(REACH_MM / (step * spacing[axis])) for step, axis in zip(steps, plane, strict=True)
    ]
    edges = _edges(image.array, points, plane, spacing)
    moves = [(a, b) for a in range(-counts[0], counts[0] + 1)
             for b in range(-counts[1], counts[1] + 1)]  # fmt: skip
    scores = np.empty(len(moves))
    limit = np.array(image.shape) - 1
    for number, move in enumerate(moves):
        moved = points.copy()
        for axis, step, size in zip(plane, steps, move, strict=True):
            moved[:, axis] += step * size
        inside = ((moved >= 0) & (moved <= limit)).all(axis=1)
        if inside.mean() < 0.5:
            scores[number] = np.nan
            continue
        scores[number] = edges[tuple(moved[inside].T)].mean()
    unit_mm = [step * spacing[axis] for step, axis in zip(steps, plane, strict=True)]
    away = np.array(moves) * unit_mm
    if np.isfinite(scores).sum() < 20 or np.nanstd(scores) == 0:
        return None
    z = (scores - np.nanmean(scores)) / np.nanstd(scores)
    near = np.hypot(*away.T) <= NEAR_MM
    best = int(np.nanargmax(z))
    return Fit(
        (float(away[best, 0]), float(away[best, 1])), float(np.nanmax(z[near])), float(z[best])
    )


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
) -> NDArray[np.float32]:
    """Gradient magnitude in the plane, as ranks from 0 to 1 within the slices that are used."""
    sigma = [1.5 / spacing[axis] if axis in plane else 0.0 for axis in range(3)]
    smooth = ndimage.gaussian_filter(image.astype(np.float32), sigma)
    total = np.zeros(image.shape, np.float32)
    for axis in plane:
        total += (
            (np.gradient(smooth, axis=axis) / spacing[axis]) ** 2 if image.shape[axis] > 1 else 0
        )
    through = next(axis for axis in range(3) if axis not in plane)
    used = np.unique(points[:, through])
    edges = np.zeros(image.shape, np.float32)
    sample = np.sort(np.take(total, used, axis=through).ravel()[:: max(1, total.size // 200_000)])
    edges[...] = np.searchsorted(sample, total) / len(sample)
    return edges
