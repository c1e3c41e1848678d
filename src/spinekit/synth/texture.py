"""Smooth random fields anchored in the patient's frame, evaluated on any grid.

Knows no tissue. A field is a periodic tile of white noise interpolated by quadratic B-splines,
so that a cropped or shifted grid sees the same texture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.synth.backend import Backend

TILE = 48
"""Nodes of a noise tile along each axis."""


def spline_weights(position_mm: NDArray[np.float64], spacing_mm: float) -> NDArray[np.float32]:
    """Weights (N, TILE) of the periodic quadratic B-spline at N positions."""
    x = np.asarray(position_mm, dtype=np.float64) / spacing_mm
    centre = np.round(x)
    f = x - centre
    weights = np.zeros((len(x), TILE), dtype=np.float32)
    rows = np.arange(len(x))
    index = centre.astype(np.int64)
    for offset, value in ((-1, 0.5 * (0.5 - f) ** 2), (0, 0.75 - f**2), (1, 0.5 * (0.5 + f) ** 2)):
        np.add.at(weights, (rows, (index + offset) % TILE), value)
    return weights


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
    rng = np.random.default_rng(seed)
    tile = rng.standard_normal((TILE, TILE, TILE), dtype=np.float32)
    w = [spline_weights(a, s) for a, s in zip(axes_mm, scale_mm, strict=True)]
    # A quadratic B-spline keeps 0.55 of the variance per axis on average.
    tile /= 0.55**1.5
    field = np.tensordot(w[0], tile, axes=(1, 0))
    shape = (len(axes_mm[0]), len(axes_mm[1]), len(axes_mm[2]))
    rows = backend.asarray(w[1])
    columns = backend.asarray(np.ascontiguousarray(w[2].T))
    return (rows @ (backend.asarray(field) @ columns)).reshape(shape)
