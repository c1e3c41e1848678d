"""Slices with neighbours: drawn from packed cases, moved, scaled and cropped onto one canvas.

It knows nothing of what the classes mean. Sampling draws plain numbers first (`draw_view`),
cutting the view out is deterministic (`cut_view`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spinekit.core.slices import neighbour_slices
from spinekit.loaders.pack import PackedCase

UNKNOWN = 127
"""`allowed` byte of a pixel that says nothing (seven classes)."""
ANY_SLICE = 0.2
"""Share of views from any slice, with or without a label."""
BESIDE_MM = 14.0
"""Slices this far beside the outermost labelled one are drawn like it: bone must end somewhere."""


@dataclass(frozen=True)
class ViewRanges:
    """How far a view may stray. Zero everywhere leaves which slice, and how far its neighbours."""

    rotation_deg: float = 12.0
    """1.5 standard deviations of the turn in the plane."""
    scale: float = 0.25
    """Largest logarithm of the magnification."""
    stretch: float = 0.08
    """Largest logarithm by which A is magnified more, and S less."""
    shift_mm: float = 45.0
    """Farthest from the annotation's centre, or along S from where it leaves the canvas."""
    short_window: float = 0.35
    """Chance that only a part of the canvas along S is seen."""
    thin_context: float = 0.1
    """Chance that the neighbours are the slice itself."""


@dataclass(frozen=True)
class View:
    """One drawn view of one slice of a case in the frame i→R, j→A, k→S: plain numbers."""

    slice_index: int
    """Along i."""
    neighbours: tuple[int, ...]
    """The slices the network sees together, `slice_index` in the middle."""
    centre_jk: tuple[float, float]
    """Voxel of the scan that the canvas is centred on."""
    rotation_deg: float
    """Of the canvas in the plane."""
    mm_per_pixel_jk: tuple[float, float]
    """Of the canvas."""
    window_k: tuple[float, float]
    """First pixel and end of what is seen of the canvas along S."""


@dataclass(frozen=True)
class SliceIndex:
    """Which slices of a case are worth drawing, and where their annotation is centred."""

    slices: NDArray[np.intp]
    """(n,) along i."""
    centre_jk: tuple[float, float]
    """Voxel in the annotation's middle."""
    extent_jk: tuple[float, float]
    """Voxels that the annotation reaches over."""


def index_case(case: PackedCase) -> SliceIndex:
    """Find the slices with a certain foreground label, or just beside one, and its centre.

    Slices that say nothing are left out, wherever they lie.
    Without any such label every slice counts and the centre is the scan's. Centres are in voxels.
    """
    foreground = (case.allowed & 1) == 0
    per_slice = foreground.sum(axis=(1, 2))
    slices = np.flatnonzero(per_slice > 30)
    if len(slices) == 0:
        size = case.image.shape
        return SliceIndex(
            np.arange(size[0]), (size[1] / 2, size[2] / 2), (size[1] / 2, size[2] / 2)
        )
    beside = round(BESIDE_MM / case.spacing_mm[0])
    first, last = max(0, slices[0] - beside), min(len(per_slice) - 1, slices[-1] + beside)
    slices = first + np.flatnonzero((case.allowed[first : last + 1] != UNKNOWN).any(axis=(1, 2)))
    _, j, k = np.nonzero(foreground)
    centre = (float(np.median(j)), float((k.min() + k.max()) / 2))
    extent = (float(np.ptp(j)) + 1.0, float(np.ptp(k)) + 1.0)
    return SliceIndex(slices, centre, extent)


def draw_view(
    case: PackedCase,
    index: SliceIndex,
    canvas: tuple[int, int],
    ranges: ViewRanges,
    rng: np.random.Generator,
    *,
    pixel_mm: float = 1.0,
    neighbour_mm: float = 4.0,
    context: int = 3,
) -> View:
    """Draw which slice, its neighbours and how the canvas lies on it."""
    total = case.image.shape[0]
    anywhere = rng.random() < ANY_SLICE
    slice_index = int(rng.integers(total) if anywhere else rng.choice(index.slices))
    away_mm = neighbour_mm * rng.uniform(0.75, 1.25)
    near = _neighbours(case, slice_index, away_mm, context)
    if rng.random() < ranges.thin_context:
        near = (slice_index,) * context
    if rng.random() < 0.5:
        near = near[::-1]
    scale = float(np.exp(rng.uniform(-ranges.scale, ranges.scale)))
    stretch = float(np.exp(rng.uniform(-ranges.stretch, ranges.stretch)))
    mm = (pixel_mm * scale * stretch, pixel_mm * scale / stretch)
    half_extent_mm = index.extent_jk[1] * case.spacing_mm[2] / 2
    slack_k = max(0.0, half_extent_mm - canvas[1] * mm[1] / 2) + ranges.shift_mm
    shift = (rng.uniform(-1, 1) * ranges.shift_mm, rng.uniform(-1, 1) * slack_k)
    centre = (
        index.centre_jk[0] + shift[0] / case.spacing_mm[1],
        index.centre_jk[1] + shift[1] / case.spacing_mm[2],
    )
    window = (0.0, float(canvas[1]))
    if rng.random() < ranges.short_window:
        length = rng.uniform(0.25, 0.85) * canvas[1]
        start = rng.uniform(0.0, canvas[1] - length)
        window = (start, start + length)
    rotation = float(rng.normal(0.0, ranges.rotation_deg / 1.5))
    rotation = float(np.clip(rotation, -2 * ranges.rotation_deg, 2 * ranges.rotation_deg))
    return View(slice_index, near, centre, rotation, mm, window)


def _neighbours(
    case: PackedCase, slice_index: int, neighbour_mm: float, context: int
) -> tuple[int, ...]:
    """A slice and those beside it."""
    near = neighbour_slices(
        case.image.shape[0],
        slice_mm=case.spacing_mm[0],
        neighbour_mm=neighbour_mm,
        context=context,
    )
    return tuple(int(n) for n in near[slice_index])


def plain_view(
    case: PackedCase,
    index: SliceIndex,
    slice_index: int,
    canvas: tuple[int, int],
    *,
    pixel_mm: float = 1.0,
    neighbour_mm: float = 4.0,
    context: int = 3,
) -> View:
    """The view without any change, centred on the annotation."""
    return View(
        slice_index,
        _neighbours(case, slice_index, neighbour_mm, context),
        index.centre_jk,
        0.0,
        (pixel_mm, pixel_mm),
        (0.0, float(canvas[1])),
    )


def cut_view(
    case: PackedCase, view: View, canvas: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a view out: image (context, J, K) float in [0, 1], allowed (J, K) and level (J, K) uint8.

    Outside the scan and outside the window the image is 0, `allowed` unknown and the level 0.
    """
    size_j, size_k = case.image.shape[1:]
    grid = _sampling_grid(case, view, canvas)
    image = torch.from_numpy(case.image[list(view.neighbours)]).float().unsqueeze(0) / 255.0
    image = functional.grid_sample(image, grid, mode="bilinear", align_corners=True)[0]
    codes = np.stack([case.allowed[view.slice_index] ^ UNKNOWN, case.level[view.slice_index]])
    sampled = functional.grid_sample(
        torch.from_numpy(codes).float().unsqueeze(0), grid, mode="nearest", align_corners=True
    )[0].to(torch.uint8)
    inside = (grid[0].abs() <= 1.0 + 1.0 / max(size_j, size_k)).all(dim=-1)
    columns = torch.arange(canvas[1])
    inside &= (columns >= view.window_k[0]) & (columns < view.window_k[1])
    image = image * inside
    allowed = torch.where(inside, sampled[0] ^ UNKNOWN, UNKNOWN).to(torch.uint8)
    level = torch.where(inside, sampled[1], 0).to(torch.uint8)
    return image, allowed, level


def _sampling_grid(case: PackedCase, view: View, canvas: tuple[int, int]) -> Tensor:
    """(1, J, K, 2) coordinates for `grid_sample`: last axis is (k, j) in [-1, 1]."""
    j = (torch.arange(canvas[0], dtype=torch.float32) - (canvas[0] - 1) / 2) * view.mm_per_pixel_jk[
        0
    ]
    k = (torch.arange(canvas[1], dtype=torch.float32) - (canvas[1] - 1) / 2) * view.mm_per_pixel_jk[
        1
    ]
    angle = np.deg2rad(view.rotation_deg)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    jj, kk = torch.meshgrid(j, k, indexing="ij")
    source_j = (cos * jj - sin * kk) / case.spacing_mm[1] + view.centre_jk[0]
    source_k = (sin * jj + cos * kk) / case.spacing_mm[2] + view.centre_jk[1]
    size_j, size_k = case.image.shape[1:]
    normal_j = 2.0 * source_j / max(size_j - 1, 1) - 1.0
    normal_k = 2.0 * source_k / max(size_k - 1, 1) - 1.0
    return torch.stack([normal_k, normal_j], dim=-1).unsqueeze(0)
