"""What the scanner does to a picture: coil fall-off, blur, noise, artefacts, windowing.

Knows no anatomy. Numbers are sampled first; the random fields come from the sampled seed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spinekit.core.grid import Grid
from spinekit.synth.backend import Backend
from spinekit.synth.texture import noise_field


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Plain numbers that fix how one scan was taken."""

    coil_mm: float
    """Depth over which a coil at the back loses sensitivity by e; large is even."""
    coil_front: float
    """Sensitivity of a second coil at the front of the picture, relative to that at the back."""
    bias: float
    """Amplitude of the smooth unevenness (log scale)."""
    blur_mm: tuple[float, float, float]
    """Standard deviation along R, A, S."""
    noise: float
    """Standard deviation of Rician noise, tissue being about 1."""
    ghost: float
    ghost_mm: float
    wrap: float
    saturation_a_mm: float | None
    """Everything before this A coordinate is darkened."""
    gamma: float
    levels: int
    """Grey levels the image is rounded to; 0 for none."""
    window: float
    """Share of the brightest voxel that becomes white; what lies above is cut off."""
    scale: float
    seed: int

    def to_json(self) -> dict[str, object]:
        """The numbers by name."""
        return {n: list(x) if isinstance(x, tuple) else x for n, x in asdict(self).items()}


def sample_acquisition(rng: np.random.Generator, grid: Grid, front_a_mm: float) -> Acquisition:
    """Draw how a scan is taken.

    Args:
        rng: source of randomness.
        grid: of the scan.
        front_a_mm: A coordinate of the front of the column.
    """
    spacing = grid.spacing_mm
    blur = rng.uniform(0.25, 0.8, 3) * np.array(spacing)
    blur[0] *= 0.6 if spacing[0] > 2 else 1.0
    strong = rng.random() < 0.5
    return Acquisition(
        coil_mm=float(rng.uniform(35, 90) if strong else rng.uniform(100, 600)),
        coil_front=float(rng.uniform(0.1, 0.8) if rng.random() < 0.3 else 0.0),
        bias=float(rng.uniform(0, 0.35)),
        blur_mm=(float(blur[0]), float(blur[1]), float(blur[2])),
        noise=float(rng.gamma(1.6, 0.014)),
        ghost=float(rng.uniform(0.01, 0.07) if rng.random() < 0.2 else 0.0),
        ghost_mm=float(rng.uniform(30, 120)),
        wrap=float(rng.uniform(0.2, 0.8) if rng.random() < 0.05 else 0.0),
        saturation_a_mm=(front_a_mm + float(rng.uniform(4, 40)) if rng.random() < 0.3 else None),
        gamma=float(np.exp(rng.normal(0, 0.15))),
        levels=int(rng.choice([0, 255])),
        window=float(rng.uniform(0.5, 1.0) if rng.random() < 0.5 else 0.95),
        scale=float(10 ** rng.uniform(1.5, 3.5)),
        seed=int(rng.integers(2**31)),
    )


def acquire(backend: Backend, image: Any, grid: Grid, taken: Acquisition, back_a_mm: Any) -> Any:
    """Picture of true brightness (I, J, K) → scan of the same shape, not negative.

    Args:
        backend: arrays to compute with.
        image: true brightness.
        grid: of the image.
        taken: the sampled numbers.
        back_a_mm: (K,) A coordinate of the skin of the back, where the coil lies.
    """
    xp = backend.xp
    r, a, s = grid_axes(grid)
    for axis in range(3):
        image = _blur(backend, image, taken.blur_mm[axis] / grid.spacing_mm[axis], axis)
    field = noise_field(backend, (r, a, s), (70.0, 70.0, 70.0), taken.seed % 64 + 1000)
    depth = backend.asarray(a)[:, None] - backend.asarray(back_a_mm)[None, :]
    coil = xp.exp(-xp.clip(depth, 0.0, 400.0) / taken.coil_mm)
    if taken.coil_front:
        ahead = backend.asarray(np.clip(a[-1] - a, 0, 400))[:, None]
        coil = coil + taken.coil_front * xp.exp(-ahead / max(taken.coil_mm, 50.0))
    image = image * (coil[None] * xp.exp(taken.bias * field))
    if taken.saturation_a_mm is not None:
        band = backend.step(backend.asarray(taken.saturation_a_mm - a), 0.25)
        image = image * (0.12 + 0.88 * band)[None, :, None]
    if taken.ghost:
        shift = max(1, round(taken.ghost_mm / grid.spacing_mm[2]))
        image = image + taken.ghost * (xp.roll(image, shift, 2) + xp.roll(image, -shift, 2))
    if taken.wrap:
        image = image + taken.wrap * _wrapped(backend, image)
    peak = float(xp.max(image[:, :, ::4])) * 0.5 + 1e-3
    sd = taken.noise * max(0.35, min(1.0, peak))
    image = _rician(backend, image, sd, taken.seed)
    image = xp.clip(image, 0.0, 8.0) ** taken.gamma
    if taken.levels:
        top = float(xp.max(image)) * taken.window + 1e-6
        return xp.round(xp.clip(image / top, 0.0, 1.0) * taken.levels)
    return image * taken.scale


def grid_axes(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R, A and S coordinates of the voxel centres of an unrotated RAS grid."""
    step = np.diag(grid.affine)[:3]
    return tuple(grid.affine[n, 3] + step[n] * np.arange(grid.shape[n]) for n in range(3))


def _blur(backend: Backend, image: Any, sigma: float, axis: int) -> Any:
    """Gaussian blur along one axis; sigma in voxels, edges held."""
    n = image.shape[axis]
    if sigma < 0.12 or n < 2:
        return image
    radius = max(1, int(2.5 * sigma + 0.5))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    result = image * float(weights[radius])
    places = np.arange(n)
    for offset in range(1, radius + 1):
        for sign in (-1, 1):
            index = backend.asarray(np.clip(places + sign * offset, 0, n - 1))
            moved = image[index] if axis == 0 else (
                image[:, index] if axis == 1 else image[:, :, index])  # fmt: skip
            result = result + float(weights[radius + offset]) * moved
    return result


def _wrapped(backend: Backend, image: Any) -> Any:
    """The front of the picture folded over from behind."""
    n = image.shape[1]
    width = max(1, n // 6)
    folded = backend.zeros(tuple(image.shape))
    folded[:, :width] = image[:, n - width :]
    return folded


def _rician(backend: Backend, image: Any, sd: float, seed: int) -> Any:
    """Magnitude of the picture plus complex Gaussian noise."""
    rng = np.random.default_rng(seed)
    shape = tuple(image.shape)
    real = backend.asarray(rng.standard_normal(shape, dtype=np.float32))
    # The imaginary channel need not be independent voxel by voxel for the eye or a network.
    imaginary = backend.xp.roll(real, (3, 7), (1, 2))
    return backend.xp.sqrt((image + sd * real) ** 2 + (sd * imaginary) ** 2)
