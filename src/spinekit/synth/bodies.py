"""Bodies, discs and sacrum, drawn from straightened coordinates.

Knows no soft tissue outside the column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spinekit.anatomy.parts import BODY, DISC, SACRUM
from spinekit.anatomy.scheme import SACRUM_VALUE
from spinekit.synth.backend import Backend
from spinekit.synth.canvas import Canvas, shade_bone
from spinekit.synth.scene import Scene
from spinekit.synth.style import Style

ENDPLATE_MM = 0.9
"""Cartilage between bone and disc that persons who outline discs leave out; less in low discs."""
RIM_MM = 0.5
"""Outer half of the dark bony endplate, which masks of bodies leave out above and below."""
CORTEX_MM = 0.8
"""Dark cortex of the posterior elements, which their masks leave out: what is seen is marrow."""
SHEATH_MM = 0.4
"""Outermost fibres that they leave out too."""


@dataclass(frozen=True)
class Place:
    """Straightened coordinates of the pixels of some slices, arrays (I, P)."""

    t: Any
    u: Any
    v: Any
    level: Any
    """Row of the level table."""
    along: Any
    """(P,) row of the along table."""
    fine: Any
    """(I, P) fine texture."""
    mottle: Any
    """(I, P) coarse texture."""


def radial(backend: Backend, u: Any, v: Any, w: Any, d: Any) -> Any:
    """Relative radius of a body's outline: 1 on a rounded box of half sizes w and d."""
    xp = backend.xp
    a = (u / w) ** 2
    b = (v / d) ** 2
    return xp.sqrt(xp.sqrt(a * a + b * b + 1.1 * a * b) + 1e-6)


def draw_bodies(canvas: Canvas, scene: Scene, style: Style, place: Place) -> None:
    """Paint discs, then bodies: together they fill the column; endplates belong to neither."""
    backend, xp = canvas.backend, canvas.backend.xp
    row = {name: scene.level[name][place.level] for name in (
        "top", "bottom", "middle", "half", "d", "w", "slip", "waist", "osteophyte", "concave_top",
        "concave_bottom", "wedge", "biconcave", "uncus")}  # fmt: skip
    u, t = place.u, place.t
    v = place.v - row["slip"]
    d, w = row["d"], row["w"]
    side = xp.clip((u / w) ** 2, 0.0, 1.0)
    v = xp.where(v < 0, v * (1.11 - 0.11 * side), v)
    s = (t - row["middle"]) / row["half"]
    s2 = xp.clip(s * s, 0.0, 1.0)
    rho = radial(backend, u, v, w, d)
    bowl = 1.0 - xp.clip(rho * rho, 0.0, 1.0)
    lip = row["osteophyte"] / d * s2**3
    outline = (
        1.0
        - row["waist"] * (1.0 - s2) * (1.0 - 0.5 * side)
        + 0.006 * place.mottle
        + xp.where(v > 0, lip, 0.3 * lip)
    )
    reach = xp.sqrt(u * u + v * v)
    around = reach * (1.0 - outline / rho)
    front = xp.clip(v / d * 0.5 + 0.5, 0.0, 1.0)
    tilt = {n: scene.level[n][place.level] for n in (
        "tilt_top_u", "tilt_top_v", "tilt_bottom_u", "tilt_bottom_v")}  # fmt: skip
    upper = (
        row["top"] + (row["concave_top"] + row["biconcave"]) * bowl + row["wedge"] * front**1.5
        - row["uncus"] * side**2 + tilt["tilt_top_u"] * u + tilt["tilt_top_v"] * v
    )  # fmt: skip
    lower = (
        row["bottom"] - (row["concave_bottom"] + row["biconcave"]) * bowl
        - row["uncus"] * side**2 + tilt["tilt_bottom_u"] * u + tilt["tilt_bottom_v"] * v
    )  # fmt: skip
    upper, lower = _dent_endplates(canvas, scene, place, u, v, upper, lower)
    is_above = t < row["middle"]
    disc = place.level + xp.where(is_above, 0, 1)
    last = len(scene.spine.levels)
    disc = xp.clip(disc, 0, last)
    gap = xp.where(is_above, t - upper, lower - t)
    is_body = (place.level > 0) & (place.level < last)
    bone = xp.where(is_body, xp.maximum(around, xp.maximum(upper - t, t - lower)), 99.0)
    _draw_discs(canvas, scene, style, place, disc, gap, xp.where(is_above, upper, lower), bone)
    marrow = style.body_value(place, s, rho, u, v, d)
    moved = xp.maximum(upper + style.shift_mm - t, t - style.shift_mm - lower)
    inner = xp.maximum(bone, xp.where(is_body, moved, 99.0))
    canvas.paint(bone, shade_bone(backend, inner, marrow, style.rim, style.rim_mm))
    inside = xp.maximum(bone, xp.where(is_body, xp.maximum(upper - t, t - lower) + RIM_MM, 99.0))
    canvas.mark(inside < 0, BODY, scene.level["value"][place.level])


def _dent_endplates(
    canvas: Canvas, scene: Scene, place: Place, u: Any, v: Any, upper: Any, lower: Any
) -> tuple[Any, Any]:
    """Upper and lower endplates with their Schmorl nodes, where disc sinks into the body."""
    xp = canvas.backend.xp
    if not scene.has_dents:
        return upper, lower
    faces = []
    for face, sign, name in ((upper, 1.0, "dent_top"), (lower, -1.0, "dent_bottom")):
        dent = scene.level[name][place.level]
        away = ((u - dent[..., 0]) ** 2 + (v - dent[..., 1]) ** 2) / dent[..., 2] ** 2
        faces.append(face + sign * dent[..., 3] * xp.clip(1.2 * (1.0 - away), 0.0, 1.0))
    return faces[0], faces[1]


def _draw_discs(
    canvas: Canvas, scene: Scene, style: Style, place: Place, disc: Any, gap: Any, face: Any,
    bone: Any,
) -> None:  # fmt: skip
    """Paint the disc above or below; where it is missing, bone reaches to its middle."""
    backend, xp = canvas.backend, canvas.backend.xp
    row = {n: scene.disc[n][disc] for n in ("middle", "d", "w", "slip", "bulge", "present",
                                            "bony", "value")}  # fmt: skip
    v = place.v - row["slip"]
    rho = radial(backend, place.u, v, row["w"], row["d"])
    z = xp.clip((place.t - row["middle"]) / (xp.abs(face - row["middle"]) + 0.3), -1.0, 1.0)
    back = xp.where(v < 0, 1.0, 0.7)
    outline = 0.97 + row["bulge"] / row["d"] * back * (1.0 - 0.5 * z * z)
    around = xp.sqrt(place.u**2 + v * v) * (1.0 - outline / rho)
    inside = xp.maximum(around, gap)
    drawn = xp.where(row["present"], inside, 99.0)
    canvas.paint(drawn - 0.4, style.disc_value(place, disc, rho / outline, z))
    endplate = xp.clip(0.3 * xp.abs(face - row["middle"]), 0.0, ENDPLATE_MM)
    soft = xp.where(row["present"], xp.maximum(around + SHEATH_MM, gap + endplate), 99.0)
    canvas.mark((soft < 0) & (bone >= 0), DISC, row["value"])
    fused = xp.where(row["bony"], xp.maximum(around + 0.8, gap), 99.0)
    value = style.fusion_value(disc, xp.abs(place.t - row["middle"]))
    canvas.paint(fused - 0.4, value)
    canvas.mark((fused < 0) & (place.level > 0), BODY, scene.level["value"][place.level])


def draw_sacrum(canvas: Canvas, scene: Scene, style: Style, place: Place) -> None:
    """Paint the sacrum and the coccyx; the canal in them is painted afterwards."""
    backend, xp = canvas.backend, canvas.backend.xp
    along = {n: scene.along[n][place.along] for n in ("sacral_d", "sacral_w", "ap", "front")}
    s = scene.curve.sacral
    u, v, t = xp.abs(place.u), place.v, place.t
    half, width = along["sacral_d"], along["sacral_w"]
    bend = xp.clip((u - 20.0) / 34.0, 0.0, 1.2)
    front = half - bend * bend * 16.0
    is_sacral = xp.clip((float(s[5]) - t) / 20.0, 0.0, 1.0)
    crest = 0.5 + 0.5 * xp.sin((t - float(s[0])) * 0.27)
    thick = is_sacral * (2 * along["ap"] + 5.5)
    back = -half - thick - 6.0 * crest * is_sacral * xp.clip(1.0 - u / 5.0, 0.0, 1.0)
    middle, deep = (front + back) / 2, (front - back) / 2
    deep = xp.where(deep == 0, 1e-6, deep)  # flat: nothing of it is bone, and nothing divides by 0
    face = float(s[0]) + 0.8 * xp.clip(1 - (u / 25.0) ** 2 - (v / half) ** 2, 0.0, 1.0)
    # The posterior wall starts below the disc space, the alae rise a little above it.
    face = face + xp.clip((-half - v) * 0.8, 0.0, 14.0) - 4.0 * bend
    rho = xp.sqrt((u / width) ** 4 + ((v - middle) / deep) ** 4) ** 0.5 + 1e-4
    around = xp.sqrt(u * u + (v - middle) ** 2) * (1.0 - 1.0 / rho)
    bone = xp.maximum(around, xp.maximum(face - t, t - float(s[-1])))
    marrow = style.level_marrow(place.level * 0 + len(scene.spine.levels)) + 0.045 * (
        place.fine + 0.6 * place.mottle
    )
    canvas.paint(bone, shade_bone(backend, bone, marrow, style.rim, style.rim_mm))
    canvas.mark(bone < 0, SACRUM, SACRUM_VALUE)
    central = xp.maximum(xp.maximum(u - 15.0, xp.abs(v + 0.1 * half) - 0.72 * half), bone)
    for n, place_t in enumerate(s[1:-1]):
        tall = scene.spine.rudimentary_disc_mm if n == 0 else (0.8 if n < 4 else 1.2)
        gap = xp.maximum(xp.abs(t - float(place_t)) - tall / 2, central)
        canvas.paint(gap, style.annulus if n else style.rudimentary)
        if n < 4:
            # The foramina open like funnels towards the pelvis.
            wide = 2.6 + 2.2 * xp.clip(v / half + 0.3, 0.0, 1.0)
            hole = xp.sqrt((u - 19.0) ** 2 + (t - float(place_t) - 2.0) ** 2) - wide
            canvas.paint(xp.maximum(hole, bone), 0.6 * style.fat + 0.4 * style.ligament)
            root = hole + 2.2
            canvas.paint(xp.maximum(root, bone), style.roots)
            open_ = (hole < 0) & (bone < 0)
            canvas.mark(open_, 0, 0)
