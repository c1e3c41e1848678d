"""What a scanner or a restless patient does to an image: blur, noise, bias, ghosts, motion, spikes.

Each is plain numbers drawn first and applied after; labels stay as they are. It knows no anatomy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.grid import Grid

Image = NDArray[np.floating]
Bytes = NDArray[np.uint8]
Numbers = dict[str, Any]


def _phase_axis(rng: np.random.Generator) -> int:
    """Phase is encoded within the slice: along any axis but, mostly, the slices'."""
    return int(rng.integers(1, 3))


def _blur(x: Image, labels: Bytes, grid: Grid, numbers: Numbers) -> tuple[Image, Bytes]:
    """Gaussian blur of so many millimetres."""
    sigma = [numbers["mm"] / mm for mm in grid.spacing_mm]
    return ndimage.gaussian_filter(x, sigma), labels


def _noise(x: Image, labels: Bytes, grid: Grid, numbers: Numbers) -> tuple[Image, Bytes]:
    """Rician noise (Gudbjartsson and Patz 1995, eq. 1)."""
    rng = np.random.default_rng(numbers["seed"])
    real, imaginary = rng.normal(0, numbers["sigma"], (2, *x.shape)).astype(np.float32)
    return np.sqrt((x + real) ** 2 + imaginary**2), labels


def _bias(x: Image, labels: Bytes, grid: Grid, numbers: Numbers) -> tuple[Image, Bytes]:
    """Brightness that varies smoothly over the scan."""
    rng = np.random.default_rng(numbers["seed"])
    coarse = rng.normal(0, 0.35, (3, 4, 4)).astype(np.float32)
    zoom = [n / k for n, k in zip(x.shape, coarse.shape, strict=True)]
    smooth = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    return x * np.exp(smooth), labels


def _motion(x: Image, labels: Bytes, grid: Grid, numbers: Numbers) -> tuple[Image, Bytes]:
    """Lines of k-space taken while the patient lay elsewhere."""
    axis = numbers["axis"]
    other = 3 - axis
    moved = ndimage.shift(x, [0 if n != other else numbers["voxels"] for n in range(3)], order=1)
    lines = np.fft.fft(x, axis=axis)
    later = np.fft.fft(moved, axis=axis)
    n = x.shape[axis]
    start, stop = (round(share * n) for share in numbers["lines"])
    box = [slice(None)] * 3
    box[axis] = slice(start, stop)
    lines[tuple(box)] = later[tuple(box)]
    return np.abs(np.fft.ifft(lines, axis=axis)).astype(np.float32), labels


def _ghosts(x: Image, labels: Bytes, grid: Grid, numbers: Numbers) -> tuple[Image, Bytes]:
    """Faint copies along the phase axis: every n-th line of k-space is weaker."""
    axis = numbers["axis"]
    lines = np.fft.fft(x, axis=axis)
    box = [slice(None)] * 3
    box[axis] = slice(numbers["every"], None, numbers["every"])
    lines[tuple(box)] *= 1 - numbers["strength"]
    return np.abs(np.fft.ifft(lines, axis=axis)).astype(np.float32), labels


def _spike(x: Image, labels: Bytes, grid: Grid, numbers: Numbers) -> tuple[Image, Bytes]:
    """Stripes in one direction, from one wrong point in k-space."""
    waves = sum(
        share * np.arange(n).reshape([-1 if axis == a else 1 for a in range(3)])
        for axis, (share, n) in enumerate(zip(numbers["waves"], x.shape, strict=True))
    )
    stripes = np.cos(2 * np.pi * np.asarray(waves)).astype(np.float32)
    return np.clip(x + numbers["strength"] * stripes, 0, None), labels


SAMPLERS: dict[str, Callable[[np.random.Generator], Numbers]] = {
    "blur": lambda rng: {"mm": round(float(rng.uniform(0.4, 1.5)), 3)},
    "noise": lambda rng: {
        "sigma": round(float(10 ** rng.uniform(-2.0, -0.9)), 4),
        "seed": int(rng.integers(2**31)),
    },
    "bias": lambda rng: {"seed": int(rng.integers(2**31))},
    "motion": lambda rng: {
        "axis": _phase_axis(rng),
        "voxels": round(float(rng.uniform(1.0, 4.0)), 3),
        "lines": sorted(rng.uniform(0.1, 0.9, 2).round(3).tolist()),
    },
    "ghosts": lambda rng: {
        "axis": _phase_axis(rng),
        "every": int(rng.integers(2, 6)),
        "strength": round(float(rng.uniform(0.2, 0.7)), 3),
    },
    "spike": lambda rng: {
        "waves": rng.uniform(-0.3, 0.3, 3).round(4).tolist(),
        "strength": round(float(rng.uniform(0.05, 0.2)), 3),
    },
}
"""Name → the numbers of one occurrence."""

APPLIERS: dict[str, Callable[[Image, Bytes, Grid, Numbers], tuple[Image, Bytes]]] = {
    "blur": _blur,
    "noise": _noise,
    "bias": _bias,
    "motion": _motion,
    "ghosts": _ghosts,
    "spike": _spike,
}
"""Name → the change; image and labels (I, J, K) in, the same out."""
