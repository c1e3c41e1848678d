"""C1, the dens and the base of the skull above them, drawn from straightened coordinates.

Knows no other vertebra; how these are shaped is drawn with the spine.
"""

from __future__ import annotations

from typing import Any

from spinekit.anatomy.parts import BODY, POSTERIOR
from spinekit.synth.bodies import CORTEX_MM, RIM_MM, Place
from spinekit.synth.canvas import Canvas, shade_bone
from spinekit.synth.scene import Scene
from spinekit.synth.style import Style

ANTERIOR_MM = 11.0
"""The anterior arch reaches this far beside the midline."""
BACK_MM = 30.0
"""The back of the ring lies this far behind the axis of the dens."""


def draw_atlas(canvas: Canvas, scene: Scene, style: Style, place: Place) -> None:
    """Paint the base of the skull, C1 (anterior arch = body, the rest posterior) and the dens."""
    if scene.spine.atlas.skull:
        _draw_skull_base(canvas, scene, style, place)
    dens = _dens(canvas, scene, place)
    arch = _ring(canvas, scene, place)
    _draw_between(canvas, scene, style, place, arch, dens)
    backend = canvas.backend
    anterior = (place.v > 0) & (backend.xp.abs(place.u) < ANTERIOR_MM * scene.spine.scale)
    marrow = style.level_marrow(place.level * 0) + 0.05 * place.fine
    canvas.paint(arch, shade_bone(backend, arch, marrow, style.rim, 0.9))
    value = int(scene.level["value"][0])
    canvas.mark((arch < -RIM_MM) & anterior, BODY, value)
    canvas.mark((arch < -CORTEX_MM) & ~anterior, POSTERIOR, value)
    base = _base(scene)
    marrow = style.level_marrow(place.level * 0 + 1) + 0.05 * place.fine
    inner = backend.xp.minimum(dens, base - 4.0 - place.t)
    canvas.paint(dens, shade_bone(backend, inner, marrow, style.rim, 0.9))
    canvas.mark(dens < -RIM_MM, BODY, int(scene.level["value"][1]))


def _base(scene: Scene) -> float:
    """Where the dens has merged with the body of C2, along the curve."""
    return float(scene.curve.top[1]) + 4.0


def _dens(canvas: Canvas, scene: Scene, place: Place) -> Any:
    """Signed distance from the dens: a rounded peg that leans back and widens to its base."""
    xp, k, shape = canvas.backend.xp, scene.spine.scale, scene.spine.atlas
    base = _base(scene)
    tip = float(scene.curve.top[0]) + (1.0 + shape.tip_mm) * k
    up = xp.clip(base - place.t, 0.0, 40.0)
    v = place.v + shape.lean * up
    radius = shape.dens_mm * k * (1.0 + shape.flare * xp.clip(1.0 - up / 9.0, 0.0, 1.0))
    along = xp.clip(place.t, tip + shape.dens_mm * k, base) - place.t
    return xp.sqrt(place.u**2 + v * v + along * along) - radius


def _ring(canvas: Canvas, scene: Scene, place: Place) -> Any:
    """Signed distance from the ring of C1 and its transverse processes."""
    xp, k, shape = canvas.backend.xp, scene.spine.scale, scene.spine.atlas
    u, v, t = xp.abs(place.u), place.v, place.t
    middle = (float(scene.curve.top[0]) + float(scene.curve.bottom[0])) / 2
    # The arch keeps its distance from the dens where that leans.
    behind = shape.lean * (_base(scene) - middle)
    front = (shape.dens_mm + shape.gap_mm + shape.thick_mm) * k - behind
    centre, half = (front - BACK_MM * k) / 2, (front + BACK_MM * k) / 2
    ring = xp.sqrt((u / (21.0 * k)) ** 2 + ((v - centre) / half) ** 2) + 1e-4
    lateral = xp.clip(1.0 - ((v + 6.0 * k) / (13.0 * k)) ** 2, 0.0, 1.0) * xp.clip(
        (u - 8.0) / 6.0, 0.0, 1.0
    )
    before = v > 0
    thick = (xp.where(before, shape.thick_mm, 3.1) + 4.5 * lateral) * k
    tall = (xp.where(before, shape.tall_mm, 4.0) + 4.5 * lateral) * k
    height = middle + xp.where(before, -shape.rise_mm, 1.5)
    corner = min(shape.rounding_mm, 0.9 * shape.thick_mm) * k
    across = xp.clip(xp.abs(ring - 1.0) * half - thick + corner, 0.0, 99.0)
    along = xp.clip(xp.abs(t - height) - tall + corner, 0.0, 99.0)
    arch = xp.sqrt(across * across + along * along) - corner
    process = xp.maximum(
        xp.sqrt((v + 8.0 * k) ** 2 + (t - middle) ** 2) - 4.5 * k, xp.abs(u - 28 * k) - 9 * k
    )
    return xp.minimum(arch, process)


def _draw_between(
    canvas: Canvas, scene: Scene, style: Style, place: Place, arch: Any, dens: Any
) -> None:
    """Paint the joint and its ligaments between the anterior arch and the dens."""
    xp, shape = canvas.backend.xp, scene.spine.atlas
    near = xp.maximum(arch, dens) - shape.gap_mm - 0.8
    near = xp.maximum(near, -place.v)
    canvas.paint(near, style.ligament + shape.fill * (style.fat - style.ligament))


def _draw_skull_base(canvas: Canvas, scene: Scene, style: Style, place: Place) -> None:
    """Paint the clivus before the brain stem and the occipital bone behind it, without a label."""
    xp, k, shape = canvas.backend.xp, scene.spine.scale, scene.spine.atlas
    tip = float(scene.curve.top[0]) + (1.0 + shape.tip_mm) * k
    behind = shape.lean * (_base(scene) - tip)
    u, v, t = xp.abs(place.u), place.v, place.t
    marrow = style.level_marrow(place.level * 0) + 0.05 * place.fine
    low_v, low_t = shape.basion_mm[0] * k - behind, tip - shape.basion_mm[1] * k
    ends = (
        (low_v, low_t, shape.clivus_lean, shape.clivus_mm, 40.0, 14.0),
        (-33.0 * k, low_t + 2.0, -1.2, 2.8, 45.0, 40.0),
    )
    for v0, t0, lean, half, long, wide in ends:
        norm = float((1.0 + lean * lean) ** 0.5)
        forward, up = (v - v0), (t0 - t)
        along = xp.clip((forward * lean + up) / norm, 0.0, long)
        away = xp.sqrt((forward - along * lean / norm) ** 2 + (up - along / norm) ** 2)
        thick = half * (0.45 + 0.55 * xp.clip(along / 14.0, 0.0, 1.0))
        bone = xp.maximum(away - thick * k, u - wide * k)
        canvas.paint(bone, shade_bone(canvas.backend, bone, marrow, style.rim, 0.9))
