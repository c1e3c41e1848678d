"""Smooth random fields anchored in the patient's frame, evaluated on any grid.

Knows no tissue. A field is a periodic tile of white noise interpolated by quadratic B-splines,
so that a cropped or shifted grid sees the same texture.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.synth.backend import Backend

TILE = 48
"""Nodes of a noise tile along each axis."""


def spline_taps(
    position_mm: NDArray[np.float64], spacing_mm: float
) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Three pairs of node (N,) and weight (N,) of the periodic quadratic B-spline."""
    x = np.asarray(position_mm, dtype=np.float64) / spacing_mm
    centre = np.round(x)
    f = x - centre
    node = centre.astype(np.int64)
    weights = (0.5 * (0.5 - f) ** 2, 0.75 - f**2, 0.5 * (0.5 + f) ** 2)
    return [
        ((node + offset) % TILE, weight.astype(np.float32))
        for offset, weight in zip((-1, 0, 1), weights, strict=True)
    ]


def noise_field(
    backend: Backend,
    axes_mm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    scale_mm: tuple[float, float, float],
    seed: int,
) -> Any:
    """A field (I, J, K) of zero mean and about unit deviation with features of ``scale_mm``.

    Args:
        backend: arrays to draw with.
        axes_mm: coordinates (I,), (J,), (K,) of the voxel centres.
        scale_mm: distance of the noise nodes along the three axes.
        seed: of the tile.
    """
    field = _noise_tile(seed)
    # The two long axes are small until the last step; only that one runs on the backend.
    for axis in (0, 1):
        taps = spline_taps(axes_mm[axis], scale_mm[axis])
        shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
        terms = [np.take(field, node, axis=axis) * w.reshape(shape) for node, w in taps]
        field = terms[0] + terms[1] + terms[2]
    rows = backend.asarray(field)
    taps = spline_taps(axes_mm[2], scale_mm[2])
    result = rows[:, :, backend.asarray(taps[0][0])] * backend.asarray(taps[0][1])
    for node, weight in taps[1:]:
        result += rows[:, :, backend.asarray(node)] * backend.asarray(weight)
    return result


STREAK_SHAPE = (16, 128, 128)
"""Nodes of the streak tile along u, v, t."""
STREAK_MM = (2.2, 0.7, 1.6)
"""Distance of its nodes."""
TILES = 16
"""Number of different tiles of each kind; they are kept once drawn."""


@lru_cache(maxsize=4 * TILES)
def _noise_tile(seed: int) -> NDArray[np.float32]:
    """Periodic tile (TILE, TILE, TILE) of white noise, scaled for quadratic B-splines."""
    tile = np.random.default_rng(seed).standard_normal((TILE, TILE, TILE), dtype=np.float32)
    # A quadratic B-spline keeps 0.55 of the variance per axis on average.
    return np.asarray(tile / np.float32(0.55**1.5))


@lru_cache(maxsize=TILES)
def streak_tile(seed: int) -> NDArray[np.float32]:
    """Flat periodic tile of STREAK_SHAPE: fibres that run along t, zero mean, unit deviation."""
    rng = np.random.default_rng([seed % TILES, 1])
    fine = _smooth_tile(rng, (0.5, 1.1, 5.0))
    coarse = _smooth_tile(rng, (1.2, 3.5, 5.0))
    return np.asarray(0.6 * fine + 0.8 * coarse, dtype=np.float32).ravel()


def _smooth_tile(
    rng: np.random.Generator, sigma: tuple[float, float, float]
) -> NDArray[np.float32]:
    """White noise smoothed periodically by a Gaussian of sigma nodes, unit deviation."""
    spectrum = np.fft.rfftn(rng.standard_normal(STREAK_SHAPE))
    for axis, (count, width) in enumerate(zip(STREAK_SHAPE, sigma, strict=True)):
        frequency = np.fft.rfftfreq(count) if axis == 2 else np.fft.fftfreq(count)
        decay = np.exp(-2 * (np.pi * frequency * width) ** 2)
        spectrum = spectrum * np.expand_dims(decay, tuple(n for n in range(3) if n != axis))
    tile = np.fft.irfftn(spectrum, STREAK_SHAPE, axes=(0, 1, 2))
    return np.asarray(tile / tile.std(), dtype=np.float32)


def streak_field(backend: Backend, tile: Any, u: Any, v: Any, t: Any) -> Any:
    """Fibres at straightened coordinates that broadcast to (I, J, K) or (I, P).

    The nearest node is taken: the tile is smooth already, and one look-up is cheap.
    """
    index = None
    for values, spacing, count in zip((u, v, t), STREAK_MM, STREAK_SHAPE, strict=True):
        # Counts are powers of two, so the remainder is a bit mask.
        place = backend.cast(values * (1.0 / spacing) + 4096.0, "int32") & (count - 1)
        index = place if index is None else index * count + place
    return tile[index]
