"""Random appearance: contrast, coil, noise and resolution changes on a batch of slices.

It knows nothing of anatomy; labels are used only to change whole structures together. Such changes
are what raised Dice on unseen scanners most in a published comparison (arXiv 2605.03098).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class AppearanceRanges:
    """Probability of each change, 0 … 1."""

    remap: float = 0.45
    invert: float = 0.12
    structures: float = 0.25
    coil: float = 0.4
    bias: float = 0.4
    band: float = 0.12
    blur: float = 0.25
    sharpen: float = 0.15
    coarse: float = 0.25
    noise: float = 0.45
    gamma: float = 0.4

    def scaled(self, share: float) -> AppearanceRanges:
        """Every probability times `share`."""
        return AppearanceRanges(**{f.name: share * getattr(self, f.name) for f in fields(self)})


def change_appearance(
    images: Tensor, allowed: Tensor, ranges: AppearanceRanges, rng: np.random.Generator
) -> Tensor:
    """Return changed copies of (B, context, J, K) images in [0, 1]; `allowed` is (B, J, K)."""
    changed = []
    for image, codes in zip(images, allowed, strict=True):
        outside = image.sum(dim=0) == 0
        x = image
        if rng.random() < ranges.remap:
            x = _remap(x, rng)
        if rng.random() < ranges.structures:
            x = _shift_structures(x, codes, rng)
        if rng.random() < ranges.invert:
            x = 1.0 - x
        if rng.random() < ranges.gamma:
            x = x.clamp(0, 1) ** float(np.exp(rng.uniform(-0.7, 0.7)))
        x = _fields(x, ranges, rng)
        x = _resolution(x, ranges, rng)
        if rng.random() < ranges.noise:
            x = _rician(x, float(10 ** rng.uniform(-2.2, -0.9)), rng)
        x = _window(x, rng)
        changed.append(torch.where(outside, torch.zeros_like(x), x))
    return torch.stack(changed)


def _remap(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Piecewise-linear intensity curve, mostly monotone (after Billot et al. 2023)."""
    knots = 8
    if rng.random() < 0.7:
        steps = rng.dirichlet(np.full(knots, 1.2))
        curve = np.concatenate([[0.0], np.cumsum(steps)])
    else:
        smooth = np.convolve(rng.uniform(0, 1, knots + 3), np.ones(3) / 3, mode="valid")
        curve = (smooth - smooth.min()) / max(float(np.ptp(smooth)), 1e-3)
    table = torch.as_tensor(curve, dtype=x.dtype, device=x.device)
    position = x.clamp(0, 1) * knots
    low = position.floor().clamp(max=knots - 1).long()
    fraction = position - low
    return table[low] * (1 - fraction) + table[low + 1] * fraction


def _shift_structures(x: Tensor, codes: Tensor, rng: np.random.Generator) -> Tensor:
    """Multiply and offset each structure, as labelled in the centre slice."""
    gain = torch.ones_like(codes, dtype=x.dtype)
    offset = torch.zeros_like(gain)
    for code in torch.unique(codes).tolist():
        if code & 1 or code == 0:
            continue
        mask = codes == code
        gain = torch.where(mask, float(np.exp(rng.uniform(-0.5, 0.5))), gain)
        offset = torch.where(mask, float(rng.uniform(-0.12, 0.12)), offset)
    gain = functional.avg_pool2d(gain[None, None], 3, 1, 1)[0, 0]
    offset = functional.avg_pool2d(offset[None, None], 3, 1, 1)[0, 0]
    return (x * gain + offset).clamp(min=0)


def _fields(x: Tensor, ranges: AppearanceRanges, rng: np.random.Generator) -> Tensor:
    """Coil fall-off from the back, smooth bias field, dark saturation band in front."""
    size_j, size_k = x.shape[-2:]
    row = torch.linspace(0, 1, size_j, dtype=x.dtype, device=x.device).view(-1, 1)
    if rng.random() < ranges.coil:
        x = x * torch.exp(-float(rng.uniform(-0.8, 2.5)) * row) * float(rng.uniform(0.9, 1.4))
    if rng.random() < ranges.bias:
        coarse = rng.normal(0, float(rng.uniform(0.1, 0.5)), (1, 1, 4, 5))
        field = torch.as_tensor(coarse, dtype=x.dtype, device=x.device)
        field = functional.interpolate(
            field, size=(size_j, size_k), mode="bicubic", align_corners=True
        )
        x = x * torch.exp(field[0])
    if rng.random() < ranges.band:
        start = float(rng.uniform(0.45, 0.85))
        width = float(rng.uniform(0.02, 0.1))
        x = x * (1 - float(rng.uniform(0.5, 0.98)) * torch.sigmoid((row - start) / width))
    return x


def _resolution(x: Tensor, ranges: AppearanceRanges, rng: np.random.Generator) -> Tensor:
    """Blur, sharpen, or sample more coarsely along one or both axes and back."""
    size = tuple(x.shape[-2:])
    if rng.random() < ranges.coarse:
        factors = np.exp(rng.uniform(0, 1.0, 2))
        small = [max(8, int(n / f)) for n, f in zip(size, factors, strict=True)]
        x = functional.interpolate(x[None], size=small, mode="area")
        x = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)[0]
    if rng.random() < ranges.blur:
        x = _gauss(x, float(rng.uniform(0.4, 1.4)))
    if rng.random() < ranges.sharpen:
        x = (x + float(rng.uniform(0.3, 1.2)) * (x - _gauss(x, 1.0))).clamp(min=0)
    return x


def _gauss(x: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur of (C, J, K) with reflected borders; sigma in pixels."""
    radius = max(1, int(np.ceil(2.5 * sigma)))
    positions = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (positions / sigma) ** 2)
    kernel = kernel / kernel.sum()
    y = functional.pad(x[:, None], (radius, radius, radius, radius), mode="reflect")
    y = functional.conv2d(y, kernel.view(1, 1, -1, 1))
    return functional.conv2d(y, kernel.view(1, 1, 1, -1))[:, 0]


def _rician(x: Tensor, sigma: float, rng: np.random.Generator) -> Tensor:
    """Magnitude of the signal plus complex Gaussian noise (Gudbjartsson and Patz 1995, eq. 1)."""
    generator = torch.Generator(device="cpu").manual_seed(int(rng.integers(2**31)))
    noise = torch.randn((2, *x.shape), generator=generator).to(x) * sigma
    return torch.sqrt((x + noise[0]) ** 2 + noise[1] ** 2)


def _window(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Scale back to [0, 1] between random outer percentiles of the view."""
    values = x[:, ::4, ::4].flatten()
    low = torch.quantile(values, float(rng.uniform(0.0, 0.02)))
    high = torch.quantile(values, float(rng.uniform(0.975, 1.0)))
    return ((x - low) / (high - low).clamp(min=1e-3)).clamp(0, 1)
