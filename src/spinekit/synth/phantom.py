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
from spinekit.synth.acquisition import acquire, axes_mm, sample_acquisition
from spinekit.synth.backend import Backend
from spinekit.synth.bodies import Place, draw_atlas, draw_bodies, draw_sacrum
from spinekit.synth.canvas import Canvas
from spinekit.synth.contrast import STYLES
from spinekit.synth.curve import Projection, build_curve, project
from spinekit.synth.posterior import draw_canal, draw_posterior, find_level
from spinekit.synth.scene import Scene, build_scene
from spinekit.synth.spine import sample_spine
from spinekit.synth.style import Style, sample_style
from spinekit.synth.surroundings import Body, draw_surroundings, outline, sample_body
from spinekit.synth.texture import noise_field
from spinekit.synth.truth import describe
from spinekit.synth.view import sample_grid, visible_levels

CHUNK_VOXELS = 600_000
"""Voxels rendered at a time, so that memory does not grow with the scan."""


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
        grid: an unrotated RAS grid to draw on instead of a sampled field of view.
        xp: array namespace, numpy or torch.
        device: of torch arrays.

    Returns:
        Arrays are numpy arrays whatever the namespace.

    Raises:
        ValueError: an unknown field of view, contrast, plane or anomaly.
    """
    rng = np.random.default_rng([seed, 20240229])
    streams = rng.spawn(6)
    backend = Backend(xp, device)
    fov = _choose_fov(streams[0], fov)
    style_name = _choose_contrast(streams[0], contrast)
    spine = sample_spine(streams[1], anomalies, visible_levels(fov))
    curve = build_curve(spine)
    if grid is None:
        grid = sample_grid(streams[2], spine, curve, fov, plane, spacing_mm)
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
    return np.interp(axes_mm(grid)[2], curve.s[order], values[order])


def _front_of_column(scene: Scene, grid: Grid) -> float:
    """Foremost A coordinate of the column inside the grid."""
    s = axes_mm(grid)[2]
    inside = (scene.curve.s >= s[0]) & (scene.curve.s <= s[-1])
    return float(scene.curve.a[inside].max() if inside.any() else 0.0) + 18.0


def render(
    backend: Backend, scene: Scene, body: Body, style: Style, grid: Grid
) -> tuple[Any, NDArray[np.uint8], NDArray[np.uint8]]:
    """True brightness (backend array), parts and labels (numpy), all (I, J, K)."""
    r, a, s = axes_mm(grid)
    plane = project(backend, scene.curve, a, s)
    masks = _pixel_groups(backend, scene, plane)
    step = max(1, CHUNK_VOXELS // (len(a) * len(s)))
    image = backend.zeros(grid.shape)
    parts = backend.zeros(grid.shape, "uint8")
    labels = backend.zeros(grid.shape, "uint8")
    for start in range(0, len(r), step):
        axes = (r[start : start + step], a, s)
        fields = _textures(backend, axes, body.texture_seed)
        chunk = draw_surroundings(backend, scene, body, style, axes, plane, fields)
        volumes = (chunk, parts[start : start + step], labels[start : start + step])
        for name, (jj, kk) in masks.items():
            if len(jj):
                _draw_group(backend, scene, style, name, (jj, kk), axes[0], plane, fields, volumes,
                            grid)  # fmt: skip
        image[start : start + step] = chunk
    return image, backend.to_numpy(parts), backend.to_numpy(labels)


def _textures(backend: Backend, axes: Any, seed: int) -> dict[str, Any]:
    """Fields (I, J, K) of the textures shared by all tissues."""
    scales = {
        "slow": (26.0, 24.0, 30.0),
        "mid": (9.0, 8.0, 10.0),
        "fine": (2.6, 1.9, 1.9),
        "streak": (3.5, 3.5, 16.0),
    }
    return {
        name: noise_field(backend, axes, scale, seed + n)
        for n, (name, scale) in enumerate(scales.items())
    }


def _pixel_groups(backend: Backend, scene: Scene, plane: Projection) -> dict[str, Any]:
    """Pixels (J, K) each group of structures can reach."""
    t, v = backend.to_numpy(plane.t), backend.to_numpy(plane.v)
    k = scene.spine.scale * 1.15
    sacrum, end = float(scene.curve.sacral[0]), float(scene.curve.sacral[-1])
    c2 = float(scene.curve.top[1])
    # A lateral slope of the curve shifts t by up to this much at the sides.
    spare = 12.0
    masks = {
        "posterior": (t > c2 - spare) & (t < sacrum + 25 + spare) & (v < -3) & (v > -98 * k),
        "sacrum": (t > sacrum - 10 - spare) & (t < end + 3 + spare) & (abs(v) < 45 * k),
        "canal": (t > -100) & (t < sacrum + 100) & (v < -2) & (v > -48 * k),
        "bodies": (t > c2 - spare) & (t < sacrum + 8 + spare) & (abs(v) < 27 * k),
        "atlas": (t > -25) & (t < c2 + 20) & (abs(v) < 45),
    }
    return {
        name: tuple(backend.asarray(x) for x in np.nonzero(mask)) for name, mask in masks.items()
    }


def _draw_group(
    backend: Backend,
    scene: Scene,
    style: Style,
    name: str,
    pixels: tuple[Any, Any],
    r_mm: NDArray[np.float64],
    plane: Projection,
    fields: dict[str, Any],
    volumes: tuple[Any, Any, Any],
    grid: Grid,
) -> None:  # fmt: skip
    """Draw one group of structures on its pixels of some slices, in place."""
    jj, kk = pixels
    image, parts, labels = volumes
    index = plane.index[jj, kk]
    u = backend.asarray(r_mm)[:, None] - scene.along["r"][index][None, :]
    slope = scene.along["slope"][index]
    # First order: moving u to the side along a curve that leans by ``slope`` moves along it.
    t = plane.t[jj, kk][None, :] - u * (slope / (1 + slope * slope))[None, :]
    u = u / backend.xp.sqrt(1 + slope * slope)[None, :]
    yaw = float(np.deg2rad(scene.spine.yaw_deg))
    v = plane.v[jj, kk][None, :] + 0.0 * u
    u, v = (
        u * np.cos(yaw).item() - v * np.sin(yaw).item(),
        v * np.cos(yaw).item() + u * np.sin(yaw).item(),
    )
    canvas = Canvas(backend, image[:, jj, kk], parts[:, jj, kk], labels[:, jj, kk],
                    float(max(0.8, min(grid.spacing_mm[1:]))))  # fmt: skip
    place = Place(t, u, v, find_level(canvas, scene, t), index, fields["fine"][:, jj, kk],
                  fields["mid"][:, jj, kk])  # fmt: skip
    if name == "posterior":
        draw_posterior(canvas, scene, style, place)
    elif name == "sacrum":
        draw_sacrum(canvas, scene, style, place)
    elif name == "canal":
        draw_canal(canvas, scene, style, place, fields["streak"][:, jj, kk])
    elif name == "bodies":
        draw_bodies(canvas, scene, style, place)
    else:
        draw_atlas(canvas, scene, style, place)
    image[:, jj, kk] = canvas.image
    parts[:, jj, kk] = canvas.parts
    labels[:, jj, kk] = canvas.labels
