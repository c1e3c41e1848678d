"""Soft tissue around the column: skin, fat, muscles, vessels, organs, lung, head, and air.

Knows the column only through the curve and a few sizes; draws no label.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.synth.backend import Backend
from spinekit.synth.curve import Curve, Projection
from spinekit.synth.scene import Scene
from spinekit.synth.spine import Spine
from spinekit.synth.style import Style


@dataclass(frozen=True, slots=True)
class Body:
    """Plain numbers that fix one patient's soft tissue (mm unless said otherwise)."""

    fat_back: float
    """Thickness of the fat under the skin of the loin; the chest and neck have less."""
    fat_front: float
    belly: float
    """From the front of the vertebrae to the muscles of the belly."""
    half_width: float
    muscle_fat: float
    """Share of fat between the fibres of the back muscles, 0–1."""
    psoas: float
    """Radius of the psoas at L4."""
    prevertebral_fat: float
    aorta: float
    aorta_side: float
    bladder: float
    """Radius; 0 for an empty one."""
    head: float
    texture_seed: int

    def to_json(self) -> dict[str, float | int]:
        """The numbers by name."""
        return asdict(self)


def sample_body(rng: np.random.Generator, scale: float) -> Body:
    """Draw the soft tissue of one patient."""
    obesity = rng.random()
    return Body(
        fat_back=float(np.clip(rng.gamma(2.2, 8 + 8 * obesity), 5, 70)),
        fat_front=float(np.clip(rng.gamma(2.0, 6 + 10 * obesity), 4, 70)),
        belly=float(rng.uniform(70, 120) + 60 * obesity) * scale,
        half_width=float(rng.uniform(125, 160) + 30 * obesity) * scale,
        muscle_fat=float(rng.beta(1.5, 3)),
        psoas=float(rng.uniform(15, 27)) * scale,
        prevertebral_fat=float(rng.uniform(1, 14)),
        aorta=float(rng.uniform(7, 12)) * scale,
        aorta_side=float(rng.normal(-9, 7)),
        bladder=float(rng.choice([0.0, 1.0]) * rng.uniform(18, 45)),
        head=float(rng.uniform(80, 95)),
        texture_seed=int(rng.integers(2**31)),
    )


def outline(spine: Spine, curve: Curve, body: Body) -> dict[str, NDArray[np.float64]]:
    """Distances behind, before and beside the curve at each of its points (N,) in mm."""
    t = curve.t
    centre = (curve.top + curve.bottom) / 2
    sacrum = float(curve.sacral[0])
    behind = [
        0.5 * z.depth + z.canal_ap + 8 + z.spinous * (1 if z.tilt < 0.9 else 0.62) + 6
        for z in spine.sizes
    ]
    neck = float(np.interp(6.5, np.arange(len(centre)), centre))
    loin = float(curve.top[-3])
    fat = np.interp(t, [neck - 60, neck, loin - 60, loin + 40, sacrum + 90],
                    [0.35, 0.4, 0.6, 1.0, 0.9]) * body.fat_back  # fmt: skip
    nodes = [*centre, sacrum + 15, sacrum + 60, sacrum + 110, sacrum + 150]
    back = np.interp(t, nodes, [*behind, 48, 38, 28, 30])
    front = np.interp(
        t,
        [neck - 40, neck + 10, neck + 50, neck + 160, loin - 30, loin + 60, sacrum + 80],
        [48, 50, 90, 150, 0.95 * body.belly + 20, body.belly + 25, body.belly + 10],
    )
    side = np.interp(t, [neck - 60, neck, neck + 50, sacrum],
                     [58, 62, body.half_width + 20, body.half_width + 15])  # fmt: skip
    return {"back": back, "fat": fat, "front": front, "side": side}


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
    xp = backend.xp
    curve, step = scene.curve, backend.step
    r, a, s = axes_mm
    order = np.argsort(curve.s)
    rows = {
        name: np.interp(s, curve.s[order], values[order])
        for name, values in {**outline(scene.spine, curve, body), "t": curve.t, "a": curve.a,
                             "r": curve.r}.items()
    }  # fmt: skip
    line = {name: backend.asarray(values)[None, :] for name, values in rows.items()}
    a_ = backend.asarray(a)[:, None]
    t2 = line["t"] + 0.0 * a_
    u = backend.asarray(r)[:, None, None] - backend.asarray(rows["r"])[None, None, :]
    au = xp.abs(u)
    slow, mid, fine, streak = (fields[n] for n in ("slow", "mid", "fine", "streak"))
    forward = a_ - line["a"]
    groove = xp.clip(au / 35.0, 0.0, 1.0) * 7.0 - au * au * 0.0016
    to_back = (forward + line["back"] + line["fat"])[None] + groove
    to_front = (line["front"] + body.fat_front - forward)[None] - au * au * 0.0035
    depth = xp.minimum(xp.minimum(to_back, to_front), line["side"][None] + 10.0 - au)
    depth = depth + 2.0 * slow
    chest = backend.asarray(_chest(scene, rows["t"]))[None, None, :]
    image = _organs(backend, style, slow, mid, fine)
    image = _chest_and_neck(backend, scene, style, image, t2, forward, au, chest, fields)
    image = _near_spine(backend, scene, body, style, image, t2, plane.v, u, fields)
    # Back muscles: behind the bodies, inside the fascia, streaked with fat.
    fat_edge = (line["fat"] + 2.0)[None]
    is_back = step(-(plane.v[None] + 16.0 + 0.06 * au), 1.2) * step(62.0 - au + 4 * slow, 0.6)
    fatty = step(streak + 0.5 * mid - 1.6 + 1.8 * body.muscle_fat, 6.0)
    muscle = (
        style.muscle * (1 + 0.10 * fine + 0.08 * mid) + fatty * (style.fat - style.muscle) * 0.85
    )
    muscle = muscle + step(3.0 - au, 2.0) * (0.5 * style.ligament + 0.5 * style.fat - muscle) * 0.6
    image = image + is_back * (muscle - image)
    # Fat under the skin, fascia, skin, air.
    septa = xp.clip(1.0 - xp.abs(mid + 0.4 * fine) * 6.0, 0.0, 1.0)
    under = style.fat * (1 + 0.05 * slow) * (1.0 - 0.35 * septa)
    share = backend.ramp(to_back + 2.0 * slow - fat_edge, 1.5)
    share = xp.maximum(
        share, backend.ramp(depth - body.fat_front * 0.8, 2.0) * step(forward[None], 1.0)
    )
    image = image + share * (under - image)
    image = image + xp.clip(1.0 - xp.abs(depth - 1.0), 0.0, 1.0) * (style.skin - image)
    return xp.clip(image * backend.ramp(-depth, 1.0), 0.0, 4.0)


def _chest(scene: Scene, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 in the thorax, 0 elsewhere, by arc length."""
    top, bottom = float(scene.curve.top[8]), float(scene.curve.top[-6])
    return np.clip((t - top) / 25.0, 0, 1) * np.clip((bottom - t) / 25.0, 0, 1)


def _organs(backend: Backend, style: Style, slow: Any, mid: Any, fine: Any) -> Any:
    """Fat, two kinds of organ and gas in blobs."""
    step = backend.step
    image = style.fat * (0.85 + 0.06 * mid)
    first = step(slow + 0.3, 9.0)
    image = image + first * (style.organ_a * (1 + 0.12 * fine + 0.1 * mid) - image)
    second = step(mid * 0.6 + slow * 0.8 - 0.9, 9.0)
    image = image + second * (style.organ_b * (1 + 0.1 * fine) - image)
    gas = step(mid - 0.7 * slow - 2.1, 9.0)
    return image + gas * (style.lung - image)


def _chest_and_neck(
    backend: Backend, scene: Scene, style: Style, image: Any, t: Any, forward: Any, au: Any,
    chest: Any, fields: dict[str, Any],
) -> Any:  # fmt: skip
    """Lungs beside and before the spine, throat and windpipe, and the head."""
    step = backend.step
    slow, fine, mid = fields["slow"], fields["fine"], fields["mid"]
    lung = chest * step(au - 22.0 - 0.25 * forward[None] + 14 * slow, 0.5)
    lung = lung * step(forward[None] + 38.0, 0.5)
    vessels = 0.25 * style.vessel * backend.xp.clip(mid - 1.2, 0.0, 1.0)
    image = image + lung * (style.lung * (1 + fine) + vessels - image)
    top = float(scene.curve.top[0])
    chest_top = float(scene.curve.top[9])
    neck = step(chest_top - t, 0.1)[None]
    soft = style.muscle + 0.35 * step(mid, 4.0) * (style.fat - style.muscle)
    image = image + neck * (soft * (1 + 0.1 * fine) - image)
    wind = backend.xp.maximum(abs(forward[None] - 26.0 - 5 * slow) - 7.0, au - 8.0)
    image = image + neck * backend.ramp(wind, 2.0) * (style.lung - image)
    reach = backend.xp.sqrt((t - top + 80.0) ** 2 + ((forward - 12.0) * 0.85) ** 2)
    far = backend.xp.sqrt(reach[None] ** 2 + au * au)
    brain = style.brain * (1 + 0.1 * mid + 0.05 * fine)
    gyri = step(mid + 0.3 * fine - 1.0, 6.0)
    brain = brain + gyri * (style.csf - brain) * 0.8
    image = image + backend.ramp(far - 74.0, 2.0) * (style.cortical - image)
    return image + backend.ramp(far - 68.0, 2.0) * (brain - image)


def _near_spine(
    backend: Backend, scene: Scene, body: Body, style: Style, image: Any, t: Any, v: Any, u: Any,
    fields: dict[str, Any],
) -> Any:  # fmt: skip
    """Fat before the column, psoas, aorta, vena cava and the bladder."""
    xp, step = backend.xp, backend.step
    au = xp.abs(u)
    slow, fine, streak = fields["slow"], fields["fine"], fields["streak"]
    loin, sacrum = float(scene.curve.top[-5]), float(scene.curve.sacral[0])
    size = float(scene.spine.scale)
    reach = xp.sqrt((au / (30.0 * size)) ** 2 + ((v - 2.0) / (19.0 * size))[None] ** 2)
    cover = (reach - 1.0) * 20.0 - body.prevertebral_fat * (1.0 + 0.6 * slow)
    image = image + backend.ramp(cover, 2.0) * (style.fat * (0.95 + 0.04 * fine) - image)
    share = xp.clip((t - loin + 20.0) / (sacrum - loin), 0.0, 1.4)
    radius = (6.0 + (body.psoas - 6.0) * share)[None]
    centre = 23.0 * size + 0.7 * radius + 10.0 * share[None] ** 3
    psoas = xp.sqrt((au - centre) ** 2 + ((v[None] - 2.0 - 14.0 * share[None] ** 2) * 0.8) ** 2)
    psoas = psoas - radius + xp.where(t > loin - 20.0, 0.0, 99.0)[None]
    value = style.muscle * (1 + 0.08 * fine) + step(streak - 1.9, 6.0) * 0.5 * (
        style.fat - style.muscle
    )
    image = image + backend.ramp(psoas, 1.5) * (value - image)
    split = xp.clip((t - sacrum + 45.0) / 60.0, 0.0, 1.5)[None] * 40.0
    before = (v - 18.0 * size - body.aorta - 3.0)[None] - 2.0 * slow
    for side, value in (
        (body.aorta_side, style.vessel),
        (body.aorta_side + 26.0, style.vessel_slow),
    ):
        sign = 1.0 if side > 4 else -1.0
        tube = xp.sqrt((u - side - sign * split) ** 2 + before**2) - body.aorta * (
            1.0 - 0.3 * xp.clip(split / 40.0, 0.0, 1.0)
        )
        tube = tube + xp.where(t > float(scene.curve.top[11]), 0.0, 99.0)[None]
        image = image + backend.ramp(tube - 1.2, 1.5) * (style.organ_a - image)
        image = image + backend.ramp(tube, 1.5) * (value * (1 + 0.2 * fine) - image)
    if body.bladder > 0:
        mid_t, mid_v = sacrum + 70.0, 90.0
        ball = xp.sqrt(((t - mid_t) ** 2 * 1.3 + (v - mid_v) ** 2)[None] + (u * 0.8) ** 2)
        image = image + backend.ramp(ball - body.bladder, 2.0) * (style.fluid - image)
    return image
