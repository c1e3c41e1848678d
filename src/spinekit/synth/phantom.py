"""draw_phantom: one seed → one spine scan with its labels and its truth.

Joins sampling (plain numbers) and rendering (arrays); knows no file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.grid import Grid
from spinekit.synth.acquisition import acquire, grid_axes, sample_acquisition
from spinekit.synth.backend import Backend
from spinekit.synth.body import Body, outline, sample_body
from spinekit.synth.contrast import STYLES
from spinekit.synth.curve import build_curve
from spinekit.synth.render import render
from spinekit.synth.scene import Scene, build_scene
from spinekit.synth.spine import sample_spine
from spinekit.synth.style import sample_style
from spinekit.synth.truth import describe
from spinekit.synth.view import sample_grid, visible_levels


@dataclass(frozen=True)
class Phantom:
    """A drawn scan with everything known about it."""

    image: NDArray[np.float32]
    """(I, J, K), axes to R, A, S."""
    parts: NDArray[np.uint8]
    """(I, J, K): 1 body, 2 posterior elements, 3 disc, 4 canal, 5 cord, 6 sacrum."""
    labels: NDArray[np.uint8]
    """(I, J, K): values of the label contract."""
    grid: Grid
    truth: dict[str, Any]
    """Plain numbers: levels in view, anomalies, sizes in mm; can be written as JSON."""


def draw_phantom(
    seed: int,
    *,
    fov: str = "random",
    contrast: str = "random",
    plane: str = "sagittal",
    spacing_mm: tuple[float, float, float] | None = None,
    anomalies: Iterable[str] | None = None,
    span: tuple[str, str] | None = None,
    grid: Grid | None = None,
    xp: Any = np,
    device: Any = None,
) -> Phantom:
    """Draw one phantom scan; the same arguments give the same scan.

    Args:
        seed: of everything random.
        fov: lumbar, thoracolumbar, cervical, whole, or random.
        contrast: T1, T2, STIR, water, fat, or random, which draws one of these or a style in
            which every tissue's brightness is free.
        plane: sagittal (thick slices), axial, or isotropic.
        spacing_mm: voxel size along R, A, S; None draws one that suits the plane.
        anomalies: names from `spinekit.synth.spine.ANOMALIES`; None draws them by prevalence,
            an empty tuple gives an ordinary spine.
        span: first and last vertebra (or `sacrum`) to be in view, instead of the field of view's
            own height; a last one that this column lacks means its last of that region.
        grid: an unrotated RAS grid to draw on instead of a sampled field of view.
        xp: array namespace, numpy or torch.
        device: of torch arrays.

    Returns:
        Arrays are numpy arrays whatever the namespace.

    Raises:
        ValueError: an unknown field of view, contrast, plane, anomaly or level.
    """
    rng = np.random.default_rng([seed, 20240229])
    streams = rng.spawn(6)
    backend = Backend(xp, device)
    fov = _choose_fov(streams[0], fov)
    style_name = _choose_contrast(streams[0], contrast)
    spine = sample_spine(streams[1], anomalies, None if span else visible_levels(fov))
    curve = build_curve(spine)
    if grid is None:
        grid = sample_grid(streams[2], spine, curve, fov, plane, spacing_mm, span)
    body = sample_body(streams[3], spine.scale)
    style = sample_style(backend, style_name, spine, streams[4])
    scene = build_scene(backend, spine, curve)
    rows = _back_of_body(scene, body, grid)
    taken = sample_acquisition(streams[5], grid, _front_of_column(scene, grid))
    image, parts, labels = render(backend, scene, body, style, grid)
    image = acquire(backend, image, grid, taken, rows)
    truth = describe(spine, curve, grid, labels)
    truth |= {"seed": seed, "fov": fov, "contrast": style_name, "plane": plane,
              "body": body.to_json(), "acquisition": taken.to_json()}  # fmt: skip
    return Phantom(backend.to_numpy(image).astype(np.float32), parts, labels, grid, truth)


def _choose_fov(rng: np.random.Generator, fov: str) -> str:
    names = ("lumbar", "thoracolumbar", "cervical", "whole")
    if fov == "random":
        return str(rng.choice(names, p=(0.55, 0.17, 0.18, 0.10)))
    if fov not in names:
        raise ValueError(f"unknown field of view {fov!r}; known: {', '.join(names)}, random")
    return fov


def _choose_contrast(rng: np.random.Generator, contrast: str) -> str:
    if contrast not in STYLES:
        raise ValueError(f"unknown contrast {contrast!r}; known: {', '.join(STYLES)}")
    if contrast == "random":
        return str(rng.choice(STYLES, p=(0.15, 0.4, 0.1, 0.12, 0.04, 0.19)))
    return contrast


def _back_of_body(scene: Scene, body: Body, grid: Grid) -> NDArray[np.float64]:
    """(K,) A coordinate of the skin of the back."""
    curve = scene.curve
    edge = outline(scene.spine, curve, body)
    order = np.argsort(curve.s)
    values = curve.a - edge["back"] - edge["fat"]
    return np.interp(grid_axes(grid)[2], curve.s[order], values[order])


def _front_of_column(scene: Scene, grid: Grid) -> float:
    """Foremost A coordinate of the column inside the grid."""
    s = grid_axes(grid)[2]
    inside = (scene.curve.s >= s[0]) & (scene.curve.s <= s[-1])
    return float(scene.curve.a[inside].max() if inside.any() else 0.0) + 18.0
