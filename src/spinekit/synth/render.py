"""From sampled numbers to brightness, parts and labels, a few slices at a time.

Knows the order in which structures cover one another, not their shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.grid import Grid
from spinekit.synth.acquisition import grid_axes
from spinekit.synth.backend import Backend
from spinekit.synth.bodies import Place, draw_bodies, draw_sacrum
from spinekit.synth.body import Body
from spinekit.synth.canvas import Canvas
from spinekit.synth.craniocervical import draw_atlas
from spinekit.synth.curve import Projection, project
from spinekit.synth.posterior import draw_canal, draw_posterior, draw_ribs, draw_screws, find_level
from spinekit.synth.scene import Scene
from spinekit.synth.style import Style
from spinekit.synth.surroundings import draw_surroundings
from spinekit.synth.texture import TILES, noise_field, streak_field, streak_tile

CHUNK_VOXELS = 600_000
"""Voxels rendered at a time, so that memory does not grow with the scan."""

TEXTURES_MM: dict[str, tuple[float, float, float]] = {
    "slow": (26.0, 24.0, 30.0),
    "mid": (9.0, 8.0, 10.0),
    "fine": (2.6, 1.9, 1.9),
}
"""Feature size of the textures along R, A, S."""


@dataclass(frozen=True)
class Frame:
    """All that stays the same from slice to slice."""

    backend: Backend
    scene: Scene
    body: Body
    style: Style
    plane: Projection
    """Straightened coordinates of the pixels (J, K)."""
    axes_mm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    groups: dict[str, tuple[Any, Any]]
    """Pixel indices (P,), (P,) each group of structures can reach."""
    fibres: Any
    """Flat tile of streaks."""
    soft_mm: float


@dataclass(frozen=True)
class Slab:
    """Some slices being drawn: three arrays (I, J, K) and their textures."""

    r_mm: NDArray[np.float64]
    image: Any
    parts: Any
    labels: Any
    fields: dict[str, Any]


def render(
    backend: Backend, scene: Scene, body: Body, style: Style, grid: Grid
) -> tuple[Any, NDArray[np.uint8], NDArray[np.uint8]]:
    """True brightness (backend array), parts and labels (numpy arrays), all (I, J, K).

    Args:
        backend: arrays to draw with.
        scene: tables of the spine.
        body: soft tissue of the patient.
        style: brightness of the tissues.
        grid: an unrotated RAS grid; the same place of a patient looks the same on any grid.
    """
    axes = grid_axes(grid)
    plane = project(backend, scene.curve, axes[1], axes[2])
    frame = Frame(
        backend=backend,
        scene=scene,
        body=body,
        style=style,
        plane=plane,
        axes_mm=axes,
        groups=_pixel_groups(backend, scene, plane),
        fibres=backend.asarray(streak_tile(body.texture_seed % TILES)),
        soft_mm=max(0.8, min(grid.spacing_mm[1:])),
    )
    step = max(1, CHUNK_VOXELS // (grid.shape[1] * grid.shape[2]))
    image = backend.zeros(grid.shape)
    parts = backend.zeros(grid.shape, "uint8")
    labels = backend.zeros(grid.shape, "uint8")
    for start in range(0, grid.shape[0], step):
        part = slice(start, start + step)
        image[part] = _draw_slab(frame, axes[0][part], parts[part], labels[part])
    return image, backend.to_numpy(parts), backend.to_numpy(labels)


def _draw_slab(frame: Frame, r_mm: NDArray[np.float64], parts: Any, labels: Any) -> Any:
    """Brightness (I, J, K) of some slices; parts and labels are filled in place."""
    backend = frame.backend
    axes = (r_mm, frame.axes_mm[1], frame.axes_mm[2])
    fields = {
        name: noise_field(backend, axes, scale, frame.body.texture_seed % TILES * 8 + n)
        for n, (name, scale) in enumerate(TEXTURES_MM.items())
    }
    plane = frame.plane
    # Multifidus runs from the midline down and forward, hence the slanted v.
    fields["streak"] = streak_field(
        backend,
        frame.fibres,
        backend.asarray(r_mm)[:, None, None],
        plane.v + 0.25 * plane.t,
        plane.t,
    )
    image = draw_surroundings(backend, frame.scene, frame.body, frame.style, axes, plane, fields)
    slab = Slab(r_mm, image, parts, labels, fields)
    for name, pixels in frame.groups.items():
        if len(pixels[0]):
            _draw_group(frame, slab, name)
    return slab.image


def _pixel_groups(backend: Backend, scene: Scene, plane: Projection) -> dict[str, tuple[Any, Any]]:
    """Pixels (J, K) each group of structures can reach, in the order of drawing."""
    t, v = backend.to_numpy(plane.t), backend.to_numpy(plane.v)
    k = scene.spine.scale * 1.15
    sacrum, end = float(scene.curve.sacral[0]), float(scene.curve.sacral[-1])
    c2 = float(scene.curve.top[1])
    ribs = float(scene.curve.top[7]), float(scene.curve.top[-4])
    # A lateral slope of the curve shifts t by about this much at the sides.
    spare = 12.0
    masks = {
        "ribs": (t > ribs[0] - spare) & (t < ribs[1] + spare) & (v < 0) & (v > -75 * k),
        "posterior": (t > c2 - spare) & (t < sacrum + 25 + spare) & (v < -3) & (v > -98 * k),
        "sacrum": (t > sacrum - 10 - spare) & (t < end + 3 + spare) & (abs(v) < 45 * k),
        "canal": (t > -100) & (t < sacrum + 100) & (v < -2) & (v > -48 * k),
        "bodies": (t > c2 - spare) & (t < sacrum + 8 + spare) & (abs(v) < 27 * k),
        "atlas": (t > -50) & (t < c2 + 20) & (v > -65) & (v < 60),
    }
    if scene.spine.screws:
        masks["screws"] = masks["posterior"] | masks["bodies"]
    return {
        name: tuple(backend.asarray(x) for x in np.nonzero(mask)) for name, mask in masks.items()
    }


def _draw_group(frame: Frame, slab: Slab, name: str) -> None:
    """Draw one group of structures on its pixels of some slices, in place."""
    backend, scene, style = frame.backend, frame.scene, frame.style
    jj, kk = frame.groups[name]
    index = frame.plane.index[jj, kk]
    u, v, t = _straighten(frame, slab.r_mm, index, jj, kk)
    canvas = Canvas(
        backend,
        slab.image[:, jj, kk],
        slab.parts[:, jj, kk],
        slab.labels[:, jj, kk],
        frame.soft_mm,
    )
    place = Place(
        t,
        u,
        v,
        find_level(canvas, scene, t),
        index,
        slab.fields["fine"][:, jj, kk],
        slab.fields["mid"][:, jj, kk],
    )
    if name == "ribs":
        draw_ribs(canvas, scene, style, place)
    elif name == "posterior":
        draw_posterior(canvas, scene, style, place)
    elif name == "sacrum":
        draw_sacrum(canvas, scene, style, place)
    elif name == "canal":
        draw_canal(canvas, scene, style, place, streak_field(backend, frame.fibres, u, v, t))
    elif name == "bodies":
        draw_bodies(canvas, scene, style, place)
    elif name == "screws":
        draw_screws(canvas, scene, style, place)
    else:
        draw_atlas(canvas, scene, style, place)
    slab.image[:, jj, kk] = canvas.image
    slab.parts[:, jj, kk] = canvas.parts
    slab.labels[:, jj, kk] = canvas.labels


def _straighten(
    frame: Frame, r_mm: NDArray[np.float64], index: Any, jj: Any, kk: Any
) -> tuple[Any, Any, Any]:
    """Coordinates u, v, t (I, P) of pixels, the lateral deviation taken to first order."""
    xp = frame.backend.xp
    along = frame.scene.along
    u = frame.backend.asarray(r_mm)[:, None] - along["r"][index][None, :]
    slope = along["slope"][index]
    t = frame.plane.t[jj, kk][None, :] - u * (slope / (1 + slope * slope))[None, :]
    u = u / xp.sqrt(1 + slope * slope)[None, :]
    v = frame.plane.v[jj, kk][None, :]
    yaw = np.deg2rad(frame.scene.spine.yaw_deg)
    cos, sin = float(np.cos(yaw)), float(np.sin(yaw))
    return u * cos - v * sin, v * cos + u * sin, t
