"""Changed copies of a case, for training tools that do not change scans themselves.

What is changed and how often follows TotalSpineSeg's published augmentation (contrast, structures'
brightness, artefacts, shape, resolution; 7 copies a case). Sampling gives plain numbers, applying
them is deterministic. It knows arrays, no files. Nothing turns a spine upside down or mirrors it
from head to foot: the order of levels is what names them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.geometry import oriented_grid
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_linear
from spinekit.curation import artefacts
from spinekit.curation.regrid import resample_labels, spaced_grid

_MOST_TURN = 0.3
"""Tangent of the largest rotation in a plane as high as it is wide."""

Image = NDArray[np.floating]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Change:
    """One change, by name, with the numbers that decide it."""

    name: str
    numbers: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The change as plain values."""
        return {"name": self.name, **self.numbers}


def sample_changes(rng: np.random.Generator, *, label_to_image: float) -> tuple[Change, ...]:
    """Draw what one copy undergoes, in order.

    Args:
        rng: Of the draw.
        label_to_image: Probability that the image is drawn anew from the labels.

    Returns:
        At least one change.
    """
    changes: list[Change] = []

    def maybe(chance: float, *names: str) -> None:
        if rng.random() < chance:
            name = names[int(rng.integers(len(names)))]
            changes.append(Change(name, _SAMPLERS[name](rng)))

    while not changes:
        if rng.random() < 0.1:
            maybe(1.0, "edges")
        else:
            maybe(label_to_image, "labels")
            maybe(0.8, "structures")
            maybe(0.3, "gamma")
            maybe(0.1, "equalise")
            maybe(0.25, "curve")
        maybe(0.3, "invert")
        maybe(0.7, "motion", "ghosts", "spike", "bias", "blur", "noise")
        maybe(0.3, "mirror")
        maybe(0.7, "turn", "warp")
        maybe(0.5, "slices")
    return tuple(changes)


def apply_changes(
    image: Image, labels: Bytes, grid: Grid, changes: tuple[Change, ...]
) -> tuple[Image, Bytes]:
    """Change a case.

    Args:
        image: (I, J, K).
        labels: (I, J, K) any values.
        grid: Of both; the copy lies on it too.
        changes: In order.

    Returns:
        Image in the range of the given one, and labels.
    """
    low, high = float(image.min()), float(image.max())
    x = (image - low) / max(high - low, 1e-6)
    for change in changes:
        x, labels = _APPLIERS[change.name](x.astype(np.float32), labels, grid, change.numbers)
    x = (x - x.min()) / max(float(np.ptp(x)), 1e-6)
    return (x * (high - low) + low).astype(np.float32), labels


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _uniform(name: str, low: float, high: float) -> Callable[[np.random.Generator], dict[str, Any]]:
    return lambda rng: {name: round(float(rng.uniform(low, high)), 4)}


def _seeded(rng: np.random.Generator) -> dict[str, Any]:
    return {"seed": _seed(rng)}


def _sample_turn(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "degrees": rng.uniform(-10, 10, 3).round(3).tolist(),
        "zoom": rng.uniform(0.9, 1.1, 3).round(4).tolist(),
        "shift_mm": rng.uniform(-8, 8, 3).round(2).tolist(),
    }


def _sample_curve(rng: np.random.Generator) -> dict[str, Any]:
    return {"shape": str(rng.choice(sorted(_CURVES)))}


def _sample_slices(rng: np.random.Generator) -> dict[str, Any]:
    return {"axis": int(rng.integers(3)), "factor": round(float(rng.uniform(1.5, 4.0)), 3)}


_CURVES: dict[str, Callable[[Image], Image]] = {
    "log": lambda x: np.log1p(9 * x) / np.float32(np.log(10)),
    "sqrt": np.sqrt,
    "exp": lambda x: np.expm1(2 * x) / np.float32(np.expm1(2)),
    "sine": lambda x: 0.5 - 0.5 * np.cos(2 * np.pi * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-10 * (x - 0.5))),
}


def _edges(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    return np.abs(ndimage.laplace(x)), labels


def _labels(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    """A random brightness for each structure and each of five shades of background."""
    rng = np.random.default_rng(numbers["seed"])
    shades = np.quantile(x, (0.2, 0.4, 0.6, 0.8))
    classes = np.where(labels > 0, labels.astype(np.int32) + 5, np.searchsorted(shades, x))
    table = rng.uniform(0.05, 1.0, 261).astype(np.float32)
    drawn = table[classes] + rng.normal(0, 0.03, x.shape).astype(np.float32)
    return np.clip(ndimage.gaussian_filter(drawn, 0.5), 0, None), labels


def _structures(
    x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]
) -> tuple[Image, Bytes]:
    """Every structure brighter or darker on its own, with soft borders."""
    rng = np.random.default_rng(numbers["seed"])
    gain = np.exp(rng.uniform(-0.6, 0.6, 256)).astype(np.float32)
    offset = rng.uniform(-0.15, 0.15, 256).astype(np.float32)
    gain[0], offset[0] = 1, 0
    soft = (0, 1, 1) if min(x.shape) < 3 else 0.7
    return (
        np.clip(
            x * ndimage.gaussian_filter(gain[labels], soft)
            + ndimage.gaussian_filter(offset[labels], soft), 0, None,
        ),
        labels,
    )  # fmt: skip


def _gamma(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    return np.clip(x, 0, 1) ** np.float32(np.exp(numbers["log"])), labels


def _equalise(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    knots = np.quantile(x, np.linspace(0, 1, 33))
    return np.interp(x, knots + np.arange(33) * 1e-7, np.linspace(0, 1, 33)), labels


def _curve(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    return _CURVES[numbers["shape"]](np.clip(x, 0, 1)), labels


def _invert(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    return x.max() - x, labels


def _mirror(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    """Left for right, the one mirror image a spine looks like."""
    axis = next(n for n, letter in enumerate(grid.orientation) if letter in "RL")
    return np.flip(x, axis).copy(), np.flip(labels, axis).copy()


def _turn(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    """Rotation, zoom and shift around the middle of the scan.

    A slab is hardly turned out of its plane: its ends would leave the scan.
    """
    sizes = oriented_grid(grid).size_mm
    matrix = np.eye(3)
    for axis, degrees in enumerate(numbers["degrees"]):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        most = np.arctan(_MOST_TURN * min(sizes[a], sizes[b]) / max(sizes[a], sizes[b]))
        angle = np.clip(np.radians(degrees), -most, most)
        c, s = np.cos(angle), np.sin(angle)
        turn = np.eye(3)
        turn[a, a], turn[b, b], turn[a, b], turn[b, a] = c, c, -s, s
        matrix = matrix @ turn
    matrix = matrix @ np.diag(numbers["zoom"])
    centre = grid.ijk_to_ras((np.array(grid.shape) - 1) / 2)[0]
    world = np.eye(4)
    world[:3, :3] = matrix
    shift = np.clip(numbers["shift_mm"], [-0.1 * mm for mm in sizes], [0.1 * mm for mm in sizes])
    world[:3, 3] = centre - matrix @ centre + shift
    target = Grid(grid.shape, world @ grid.affine)
    moved, _ = resample_labels(labels, grid, target, method="nearest")
    return np.array(resample_linear(x, grid, target)), moved


def _warp(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    """Smooth random displacement, knots 50 mm apart, 4 mm at each; less across a slab."""
    rng = np.random.default_rng(numbers["seed"])
    places = list(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in x.shape), indexing="ij"))
    knots = [max(2, round(mm / 50.0)) + 2 for mm in grid.size_mm]
    for axis, (mm, size) in enumerate(zip(grid.spacing_mm, grid.size_mm, strict=True)):
        coarse = rng.normal(0, min(4.0, 0.05 * size) / mm, knots).astype(np.float32)
        zoom = [n / k for n, k in zip(x.shape, knots, strict=True)]
        places[axis] += ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    return (
        ndimage.map_coordinates(x, places, order=1, mode="nearest"),
        ndimage.map_coordinates(labels, places, order=0, mode="nearest"),
    )


def _slices(x: Image, labels: Bytes, grid: Grid, numbers: dict[str, Any]) -> tuple[Image, Bytes]:
    """Thicker slices along one axis, and back."""
    spacing = list(grid.spacing_mm)
    spacing[numbers["axis"]] *= numbers["factor"]
    coarse = spaced_grid(grid, spacing)
    thick = resample_linear(x, grid, coarse, antialias=True)
    return np.array(resample_linear(thick, coarse, grid)), labels


_SAMPLERS: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "edges": lambda rng: {},
    "labels": _seeded,
    "structures": _seeded,
    "gamma": _uniform("log", -0.7, 0.7),
    "equalise": lambda rng: {},
    "curve": _sample_curve,
    "invert": lambda rng: {},
    "mirror": lambda rng: {},
    "turn": _sample_turn,
    "warp": _seeded,
    "slices": _sample_slices,
    **artefacts.SAMPLERS,
}
_APPLIERS: dict[str, Callable[..., tuple[Image, Bytes]]] = {
    "edges": _edges,
    "labels": _labels,
    "structures": _structures,
    "gamma": _gamma,
    "equalise": _equalise,
    "curve": _curve,
    "invert": _invert,
    "mirror": _mirror,
    "turn": _turn,
    "warp": _warp,
    "slices": _slices,
    **artefacts.APPLIERS,
}
