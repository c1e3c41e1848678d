"""Soft tissue around the column: skin, fat, muscles, vessels, organs, lung, head, and air.

Knows the column only through the curve and a few sizes; draws no label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.synth.backend import Backend
from spinekit.synth.body import Body, outline
from spinekit.synth.curve import Projection
from spinekit.synth.scene import Scene
from spinekit.synth.style import Style


@dataclass(frozen=True)
class Site:
    """Coordinates of some slices; arrays broadcast to (I, J, K)."""

    backend: Backend
    scene: Scene
    body: Body
    style: Style
    line: dict[str, Any]
    """Name → (1, K): the outline and the arc length at each row."""
    forward: Any
    """(J, K) distance before the curve."""
    v: Any
    """(1, J, K)"""
    u: Any
    """(I, 1, K) distance to the right of the curve."""
    au: Any
    fields: dict[str, Any]
    """Textures (I, J, K): slow, mid, fine, streak."""

    def cover(self, image: Any, distance: Any, value: Any, width_mm: float = 1.5) -> Any:
        """Mix a value in where the signed distance says so."""
        return image + self.backend.ramp(distance, width_mm) * (value - image)


def draw_surroundings(
    backend: Backend,
    scene: Scene,
    body: Body,
    style: Style,
    axes_mm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    plane: Projection,
    fields: dict[str, Any],
) -> Any:
    """Brightness (I, J, K) of everything but the column.

    Args:
        backend: arrays to draw with.
        scene: tables of the spine.
        body: the patient's soft tissue.
        style: brightness of the tissues.
        axes_mm: coordinates of the voxels.
        plane: t and v of the pixels (J, K).
        fields: textures (I, J, K) named slow, mid, fine, streak.
    """
    curve = scene.curve
    order = np.argsort(curve.s)
    table = {**outline(scene.spine, curve, body), "t": curve.t, "a": curve.a, "r": curve.r}
    rows = {n: np.interp(axes_mm[2], curve.s[order], x[order]) for n, x in table.items()}
    rows["chest"] = _chest(scene, rows["t"])
    line = {name: backend.asarray(values)[None, :] for name, values in rows.items()}
    u = backend.asarray(axes_mm[0])[:, None, None] - line["r"][None]
    forward = backend.asarray(axes_mm[1])[:, None] - line["a"]
    site = Site(backend, scene, body, style, line, forward, plane.v[None], u, backend.xp.abs(u),
                fields)  # fmt: skip
    image = _draw_organs(site)
    image = _draw_chest(site, image)
    image = _draw_neck(site, image)
    image = _draw_psoas_and_vessels(site, image)
    image = _draw_back_muscles(site, image)
    return _draw_skin(site, image)


def _chest(scene: Scene, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 in the thorax, 0 elsewhere, by arc length."""
    top, bottom = float(scene.curve.top[8]), float(scene.curve.top[-6])
    return np.asarray(np.clip((t - top) / 25.0, 0, 1) * np.clip((bottom - t) / 25.0, 0, 1))


def _draw_organs(site: Site) -> Any:
    """Fat, two kinds of organ and gas in blobs; the bladder and the rectum before the sacrum."""
    step, style, xp = site.backend.step, site.style, site.backend.xp
    slow, mid, fine = site.fields["slow"], site.fields["mid"], site.fields["fine"]
    image = style.fat * (0.85 + 0.06 * mid)
    first = step(slow + 0.3, 9.0)
    image = image + first * (style.organ_a * (1 + 0.12 * fine + 0.1 * mid) - image)
    second = step(mid * 0.6 + slow * 0.8 - 0.9, 9.0)
    image = image + second * (style.organ_b * (1 + 0.1 * fine) - image)
    gas = step(mid - 0.7 * slow - 2.1, 9.0)
    image = image + gas * (style.lung - image)
    t, sacrum = site.line["t"], float(site.scene.curve.sacral[0])
    wall = site.body.bladder
    if wall > 0:
        ball = xp.sqrt(((t - sacrum - 70.0) ** 2 * 1.3 + (site.v[0] - 90.0) ** 2)[None]
                       + (site.u * 0.8) ** 2)  # fmt: skip
        image = site.cover(image, ball - wall - 3.0, style.muscle, 2.0)
        image = site.cover(image, ball - wall, style.fluid, 2.0)
    bowel = xp.sqrt((site.v[0] - 32.0) ** 2)[None] + site.au * 0.8 - 11.0 - 5.0 * slow
    bowel = bowel + 0.4 * xp.clip(sacrum + 45.0 - t, 0.0, 200.0)[None]
    image = site.cover(image, bowel, style.muscle, 3.0)
    return site.cover(image, bowel + 5.0, xp.where(mid > 0.3, style.lung, style.organ_b), 3.0)


def _draw_chest(site: Site, image: Any) -> Any:
    """Lungs beside and before the spine, the heart and great vessels between them."""
    step, style = site.backend.step, site.style
    slow, mid, fine = site.fields["slow"], site.fields["mid"], site.fields["fine"]
    forward, chest = site.forward[None], site.line["chest"][None]
    heart = chest * step(forward - 34.0 - 8.0 * slow, 0.5) * step(38.0 - site.au + 6 * slow, 0.5)
    image = image + heart * (style.vessel_slow * (1 + 0.3 * mid) - image)
    lung = chest * step(site.au - 22.0 - 0.25 * forward + 14 * slow, 0.5)
    lung = lung * step(forward + 38.0, 0.5)
    vessels = 0.25 * style.vessel * site.backend.xp.clip(mid - 1.2, 0.0, 1.0)
    return image + lung * (style.lung * (1 + fine) + vessels - image)


def _draw_neck(site: Site, image: Any) -> Any:
    """Muscles and fat of the neck, the windpipe, and the head above."""
    step, style, xp = site.backend.step, site.style, site.backend.xp
    slow, mid, fine = site.fields["slow"], site.fields["mid"], site.fields["fine"]
    t, forward = site.line["t"], site.forward
    top = float(site.scene.curve.top[0])
    neck = step(float(site.scene.curve.top[8]) - t, 0.1)[None]
    soft = style.muscle + 0.6 * step(mid + 0.8 * slow - 0.6, 5.0) * (style.fat - style.muscle)
    image = image + neck * (soft * (1 + 0.1 * fine) - image)
    edge = site.line["d"] + 1.0
    muscle = xp.maximum(xp.abs(site.v - edge[None] - 2.5) - 3.5, site.au - 16.0)
    image = image + neck * site.backend.ramp(muscle, 1.5) * (style.muscle - image)
    wind = xp.sqrt((site.v - edge[None] - 14.0 - 4 * slow) ** 2 + (0.85 * site.au) ** 2) - 7.0
    throat = site.backend.ramp(wind - 2.0, 2.0) * (0.5 * style.muscle + 0.5 * style.organ_b - image)
    image = image + neck * throat
    image = image + neck * site.backend.ramp(wind, 2.0) * (style.lung - image)
    artery = xp.sqrt((site.au - 14.5) ** 2 + (site.v + 5.0) ** 2) - 2.4
    image = image + neck * site.backend.ramp(artery, 1.5) * (style.vessel - image)
    reach = ((t - top + 72.0) * 1.05) ** 2 + ((forward - 8.0) * 0.8) ** 2
    far = xp.sqrt(reach[None] + site.au * site.au)
    size = 0.78 * site.body.head
    brain = style.brain * (1 + 0.1 * mid + 0.05 * fine)
    gyri = step(mid + 0.3 * fine - 1.0, 6.0)
    brain = brain + gyri * (style.csf - brain) * 0.8
    image = site.cover(image, far - size - 10.0, style.fat * 0.9, 3.0)
    image = site.cover(image, far - size - 6.0, style.cortical, 2.0)
    image = site.cover(image, far - size, style.csf, 2.0)
    return site.cover(image, far - size + 3.0, brain, 3.0)


def _draw_psoas_and_vessels(site: Site, image: Any) -> Any:
    """Fat around the column, psoas beside it, aorta and vena cava before it."""
    xp, style, body = site.backend.xp, site.style, site.body
    slow, fine, streak = site.fields["slow"], site.fields["fine"], site.fields["streak"]
    t, v, d, w = site.line["t"], site.v, site.line["d"][None], site.line["w"][None]
    loin = float(site.scene.curve.top[-5])
    sacrum = float(site.scene.curve.sacral[0])
    reach = xp.sqrt((site.au / (w + 1.0)) ** 2 + (v / (d + 0.5)) ** 2)
    before = xp.clip(v / d, 0.0, 1.0) * body.prevertebral_fat
    cover = (reach - 1.0) * d - 1.5 - before * (1.0 + 0.5 * slow)
    image = site.cover(image, cover, style.fat * (0.95 + 0.04 * fine), 2.0)
    share = xp.clip((t - loin + 20.0) / (sacrum - loin), 0.0, 1.4)[None]
    radius = 5.0 + (body.psoas - 5.0) * share
    off = xp.sqrt((site.au - w - 0.62 * radius - 10.0 * share**4) ** 2
                  + ((v + 3.0 - 14.0 * share**2) * 0.75) ** 2)  # fmt: skip
    psoas = off - radius + xp.where(t > loin - 20.0, 0.0, 99.0)[None]
    fat = site.backend.step(streak - 2.0, 6.0) * 0.6 * (style.fat - style.muscle)
    image = site.cover(image, psoas, style.muscle * (1 + 0.08 * fine) + fat)
    split = xp.clip((t - sacrum + 45.0) / 60.0, 0.0, 1.5)[None] * 40.0
    front = v - d - body.aorta - 2.0 - 0.6 * body.prevertebral_fat - 2.0 * slow
    calibre = body.aorta * (1.0 - 0.3 * xp.clip(split / 40.0, 0.0, 1.0))
    calibre = calibre - 0.6 * xp.clip(float(site.scene.curve.top[11]) - t, 0.0, 99.0)[None]
    for side, value in (
        (body.aorta_side, style.vessel),
        (body.aorta_side + 26.0, style.vessel_slow),
    ):
        away = split if side > 4 else -split
        tube = xp.sqrt((site.u - side - away) ** 2 + front**2) - calibre
        image = site.cover(image, tube - 1.2, style.organ_a)
        image = site.cover(image, tube, value * (1 + 0.08 * fine))
    return image


def _draw_back_muscles(site: Site, image: Any) -> Any:
    """Muscles behind the column, streaked with fat; ligaments between the spinous processes."""
    step, style, xp = site.backend.step, site.style, site.backend.xp
    slow, mid, fine, streak = (site.fields[n] for n in ("slow", "mid", "fine", "streak"))
    au, v = site.au, site.v
    sacrum = float(site.scene.curve.sacral[0])
    # Fat gathers low in the loin and close to the laminae.
    low = xp.clip(1.0 - xp.abs(site.line["t"] - sacrum) / 90.0, 0.0, 1.0)[None]
    near = xp.clip(1.0 - (au - 4.0) / 22.0, 0.0, 1.0)
    share = site.body.muscle_fat * (0.9 + 0.8 * low + 0.6 * near) + site.body.lamina_fat * near
    fatty = step(streak + 0.35 * mid - 1.9 + 1.9 * share, 3.5)
    muscle = style.muscle * (1 + 0.08 * fine + 0.05 * mid)
    muscle = muscle + 0.9 * fatty * (style.fat - muscle)
    tendon = xp.clip(1.0 - xp.abs(streak + 0.9) * 5.0, 0.0, 1.0) * site.body.tendon
    muscle = _draw_lobules(site, muscle + tendon * (style.ligament - muscle))
    swing = site.body.between_streaks * (step(mid + 0.7 * streak, 4.0) - 0.5)
    chest = float(site.scene.curve.bottom[site.scene.spine.levels.index("T4")])
    high = xp.clip((chest + 40.0 - site.line["t"]) / 40.0, 0.0, 1.0)[None]
    share = site.body.between_fat + high * site.body.between_high + (1.0 - 0.7 * high) * swing
    share = xp.clip(share, 0.0, 1.0)
    strands = xp.clip(1.0 - xp.abs(streak - 0.5 * mid - 0.5) * 4.0, 0.0, 1.0)
    share = xp.maximum(share, site.body.between_strands * strands)
    dark = site.body.between_dark * style.ligament
    between = (dark + share * (style.fat - dark)) * (1 + 0.06 * fine)
    muscle = muscle + step(3.5 + high - au, 2.0) * (between - muscle)
    inside = step(-(v + 16.0 + 0.06 * au), 1.2) * step(62.0 - au + 4 * slow, 0.6)
    return image + inside * (muscle - image)


def _draw_lobules(site: Site, muscle: Any) -> Any:
    """Bundles as grey as marrow between dark septa: beside the laminae they look like bone."""
    xp, body, style = site.backend.xp, site.body, site.style
    if body.lobules == 0:
        return muscle
    slow, mid, fine, streak = (site.fields[n] for n in ("slow", "mid", "fine", "streak"))
    place = (mid + 0.15 * streak + 0.5 * slow) / body.lobule_size
    bundle = xp.floor(place)
    share = xp.clip(0.2 + 0.9 * xp.sin(2.4 * bundle + body.texture_seed % 7), 0.0, 1.0)
    grey = style.tissue["marrow"] * (1 + 0.08 * fine)
    muscle = muscle + body.lobules * share * (grey - muscle)
    edge = 0.5 - xp.abs(place - bundle - 0.5)
    septa = xp.clip(1.0 - edge * body.lobule_size * 7.0, 0.0, 1.0) * body.lobule_septa
    return muscle + septa * (style.ligament - muscle)


def _draw_skin(site: Site, image: Any) -> Any:
    """Fascia, fat under the skin with its septa, skin, and the air outside."""
    style, xp, body, line = site.style, site.backend.xp, site.body, site.line
    slow, mid, streak = (site.fields[n] for n in ("slow", "mid", "streak"))
    au = site.au
    groove = xp.clip(au / 35.0, 0.0, 1.0) * 7.0 - au * au * 0.0016
    to_back = (site.forward + line["back"] + line["fat"])[None] + groove
    to_front = (line["front"] + body.fat_front - site.forward)[None] - au * au * 0.0035
    depth = xp.minimum(xp.minimum(to_back, to_front), line["side"][None] + 10.0 - au)
    depth = depth + 1.5 * slow
    septa = xp.clip(1.0 - xp.abs(streak + 0.5 * mid) * 3.0, 0.0, 1.0)
    under = style.fat * (1 + 0.06 * slow) * (1.0 - body.septa * septa)
    border = to_back + 2.0 * slow - (line["fat"] + 2.0)[None]
    fascia = xp.clip(1.2 - xp.abs(border - 0.8), 0.0, 1.0) * body.fascia
    image = image + fascia * (style.ligament - image)
    share = site.backend.ramp(border, 1.5)
    belly = site.backend.ramp(depth - body.fat_front * 0.8, 2.0)
    share = xp.maximum(share, belly * site.backend.step(site.forward[None], 1.0))
    image = image + share * (under - image)
    image = image + xp.clip(1.4 - xp.abs(depth - 1.2), 0.0, 1.0) * (style.skin - image)
    return xp.clip(image * site.backend.ramp(-depth, 1.0), 0.0, 4.0)
