"""Pedicles, facets, laminae, spinous and transverse processes, ribs and the foramina's fat.

Knows nothing of bodies and discs. Everything hangs on q, the distance behind the middle of the
dural sac: the levels are told apart by coordinates sheared along the slope of facets and
spinous processes, so that each level overhangs the next as shingles do.
"""

from __future__ import annotations

from typing import Any

from spinekit.anatomy.parts import POSTERIOR
from spinekit.synth.bodies import CORTEX_MM, Place
from spinekit.synth.canvas import Canvas, shade_bone
from spinekit.synth.scene import Scene
from spinekit.synth.spine import Roots
from spinekit.synth.style import Style

DURA_MM = 0.8
"""Dura and longitudinal ligament before the sac, which masks of the canal take in."""


def find_level(canvas: Canvas, scene: Scene, t: Any) -> Any:
    """Row of the level table by arc length, borders in the middle of the discs."""
    return canvas.backend.xp.searchsorted(scene.disc["middle"][1:], t)


def draw_posterior(canvas: Canvas, scene: Scene, style: Style, place: Place) -> None:
    """Paint fat around the dura, then the bones of the arch with their level's label."""
    xp = canvas.backend.xp
    ap = scene.along["ap"][place.along]
    width = scene.along["width"][place.along]
    q = -scene.along["front"][place.along] - ap - place.v
    u = xp.abs(place.u)
    last = len(scene.spine.levels)
    is_free = place.level < last
    side = xp.where(scene.level["kind"][place.level] == 0, 5.0, 9.0)
    # The sac's back edge recedes to its sides, and with it what lies behind.
    rounded = xp.sqrt(xp.clip(1.0 - (u / (width + 1.5)) ** 2, 0.05, 1.0))
    behind = q - ap * rounded
    lining = scene.along["lining"][place.along] * xp.clip(1.0 - u / 8.0, 0.0, 1.0)
    deep = 0.4 + lining + _pad_depth(canvas, scene, place, u)
    flavum = xp.maximum(u - width - 4.0, xp.abs(behind - deep - 1.8) - 1.8) + 0.4 * place.mottle
    canvas.paint(xp.where(is_free, flavum, 99.0), style.ligament)
    fat = xp.maximum(u - width - side, behind - deep) + 0.5 * place.mottle
    fat = xp.maximum(fat, place.v + 0.62 * scene.level["d"][place.level])
    fat = xp.where(is_free, fat, 99.0)
    strand = xp.clip(place.mottle + 0.8 * place.fine - 0.6, 0.0, 1.0) * xp.clip(
        (u - width) / 3.0, 0.0, 0.7
    )
    value = style.fat * (1 + 0.06 * place.fine)
    canvas.paint(fat, value + strand * (0.5 * style.ligament + 0.5 * style.roots - value))
    _draw_foramina(canvas, scene, style, place, u, q)
    _draw_arch(canvas, scene, style, place, u, q, ap, width)
    _draw_pedicles(canvas, scene, style, place, u, q, ap, width)


def _pad_depth(canvas: Canvas, scene: Scene, place: Place, u: Any) -> Any:
    """Depth of the triangular pads of fat behind the sac, deepest between two laminae."""
    xp = canvas.backend.xp
    near = find_level(canvas, scene, place.t - 8.0)
    above = scene.disc["middle"][near] + 8.0
    below = scene.disc["middle"][xp.clip(near + 1, 0, len(scene.spine.levels))] + 8.0
    is_lower = xp.abs(place.t - below) < xp.abs(place.t - above)
    level = xp.where(is_lower, near, xp.clip(near - 1, 0, None))
    far = xp.minimum(xp.abs(place.t - below), xp.abs(place.t - above))
    share = xp.clip(1.15 - far / (0.75 * scene.level["half"][near]), 0.0, 1.0)
    return scene.level["pad"][level] * share * xp.clip(1.0 - u / 7.0, 0.0, 1.0)


def _finish(canvas: Canvas, scene: Scene, style: Style, place: Place, bone: Any,
            level: Any) -> None:  # fmt: skip
    """Paint and mark posterior bone of C2 and below, above the sacrum."""
    xp = canvas.backend.xp
    bone = xp.where((level > 0) & (level < len(scene.spine.levels)), bone, 99.0)
    marrow = style.level_marrow(level) + style.grain * (place.fine + place.mottle)
    canvas.paint(bone, shade_bone(canvas.backend, bone, marrow, style.rim, CORTEX_MM))
    canvas.mark(bone < -CORTEX_MM, POSTERIOR, scene.level["value"][level])


def _draw_foramina(canvas: Canvas, scene: Scene, style: Style, place: Place, u: Any,
                   q: Any) -> None:  # fmt: skip
    """Paint the nerve root below each pedicle."""
    xp = canvas.backend.xp
    row = {n: scene.level[n][place.level] for n in ("top", "half", "pedicle_h")}
    below = row["top"] + 0.62 * row["half"] + row["pedicle_h"] + 3.5
    root = xp.sqrt((place.t - below - 0.15 * u) ** 2 + (q + 2.0) ** 2) - 2.8
    width = scene.along["width"][place.along]
    root = xp.maximum(root, xp.maximum(width + 2.0 - u, u - width - 26.0))
    root = xp.where(place.level < len(scene.spine.levels), root, 99.0)
    canvas.paint(root, style.roots * (1 + 0.15 * place.fine))


def draw_ribs(canvas: Canvas, scene: Scene, style: Style, place: Place) -> None:
    """Paint the heads and necks of the ribs, without a label, beside the thoracic discs."""
    xp = canvas.backend.xp
    middle = scene.level["middle"][place.level]
    level = xp.clip(place.level + xp.where(place.t < middle, 0, 1), 0, len(scene.spine.levels))
    row = {n: scene.level[n][level] for n in ("top", "d", "w", "kind", "transverse")}
    out = xp.abs(place.u) - row["w"] - 1.0
    near = xp.clip(out, 0.0, 18.0)
    path_v = -0.45 * row["d"] - 0.95 * near - 0.35 * xp.clip(out - 18.0, 0.0, 60.0)
    path_t = row["top"] - 1.5 + 0.22 * xp.clip(out, 0.0, 60.0)
    rib = xp.sqrt(((place.v - path_v) * 0.8) ** 2 + ((place.t - path_t) * 0.75) ** 2) - 4.2
    rib = xp.maximum(rib, -out - 1.0)
    rib = xp.where(row["kind"] == 1, rib, 99.0)
    marrow = style.level_marrow(level) * 1.05
    canvas.paint(rib - 1.0, style.muscle)
    canvas.paint(rib, shade_bone(canvas.backend, rib, marrow, style.rim, 0.8))


def _draw_pedicles(canvas: Canvas, scene: Scene, style: Style, place: Place, u: Any, q: Any,
                   ap: Any, width: Any) -> None:  # fmt: skip
    """Paint the bridges from body to arch in the upper half of each level, and the ribs' necks."""
    xp = canvas.backend.xp
    row = {n: scene.level[n][place.level] for n in ("top", "half", "d", "w", "pedicle_w",
                                                    "pedicle_h", "transverse", "kind",
                                                    "slip")}  # fmt: skip
    height = row["top"] + 0.62 * row["half"]
    du = (u - width - row["pedicle_w"]) / row["pedicle_w"]
    # Narrow in the middle, flaring towards the body and towards the facets.
    flare = (q + 0.3 * ap) / (ap + 6.0)
    dt = (place.t - height) / (row["pedicle_h"] * (0.78 + 0.4 * xp.clip(flare * flare, 0.0, 1.2)))
    round_ = (xp.sqrt(du * du + dt * dt) - 1.0) * row["pedicle_w"]
    v = place.v - row["slip"]
    bone = xp.maximum(round_, xp.maximum(v + 0.55 * row["d"], q - ap - 5.0))
    out = width + 2 * row["pedicle_w"]
    lean = xp.where(row["kind"] == 1, 0.55, 0.12)
    behind = q - ap - 1.0 - lean * (u - out)
    tall = xp.where(row["kind"] == 1, 0.9, 0.65)
    wing = xp.sqrt((behind * 0.9) ** 2 + ((place.t - height - 2.0) * tall) ** 2) - 4.2
    wing = xp.maximum(wing, xp.maximum(u - row["transverse"], out - 4.0 - u))
    _finish(canvas, scene, style, place, xp.minimum(bone, wing), place.level)


def _draw_arch(canvas: Canvas, scene: Scene, style: Style, place: Place, u: Any, q: Any, ap: Any,
               width: Any) -> None:  # fmt: skip
    """Paint facets, laminae and spinous processes."""
    xp = canvas.backend.xp
    level = scene.level
    kind = level["kind"][place.level]
    pillar_q = ap + xp.where(kind == 2, 5.0, 3.5)
    base = find_level(canvas, scene, place.t)
    shear = level["shear"][base]
    sheared = place.t - shear * xp.clip(q - pillar_q, -8.0, 8.0)
    near = find_level(canvas, scene, sheared)
    row = {n: level[n][near] for n in ("pedicle_w", "kind")}
    joint_above = scene.disc["middle"][near]
    joint_below = scene.disc["middle"][xp.clip(near + 1, 0, len(scene.spine.levels))]
    gap = xp.minimum(xp.abs(sheared - joint_above), xp.abs(sheared - joint_below))
    slope = xp.sqrt(1 + shear * shear)
    close = xp.clip(1.0 - gap / (slope * 5.0), 0.0, 1.0)
    is_neck = row["kind"] == 0
    thick = xp.where(row["kind"] == 2, 6.2, 4.6) + 2.2 * close
    pillar_u = width + row["pedicle_w"] + 1.5
    wide = xp.where(is_neck, 5.2, 5.6) + 1.8 * close
    pillar = xp.maximum(xp.abs(u - pillar_u) - wide, xp.abs(q - pillar_q) - thick)
    pillar = xp.maximum(pillar, 0.7 - gap / slope) + 0.5 * place.mottle
    _draw_laminae(canvas, scene, style, place, u, q, ap, pillar_u)
    _finish(canvas, scene, style, place, pillar, near)
    _draw_spinous(canvas, scene, style, place, q, ap)


def _draw_laminae(canvas: Canvas, scene: Scene, style: Style, place: Place, u: Any, q: Any,
                  ap: Any, pillar_u: Any) -> None:  # fmt: skip
    """Paint the laminae: straight before, rounded behind, and fat on their upper halves.

    A lamina hangs beside the root of its spinous process, half a body below its own body's middle,
    and reaches down to the next one.
    """
    xp = canvas.backend.xp
    hung = place.t - scene.along["drop"][place.along]
    level = find_level(canvas, scene, hung)
    row = {n: scene.level[n][level] for n in ("middle", "half", "kind", "plate_tall", "plate_half",
                                              "plate_lean", "plate_coat", "plate_behind",
                                              "plate_inward", "roof")}  # fmt: skip
    tall = row["plate_tall"] * row["half"]
    down = (hung - row["middle"]) / tall - 0.1
    front = ap + row["plate_behind"] + row["roof"] - row["plate_inward"] * xp.clip(u, 0.0, 11.0)
    front = front + row["plate_lean"] * tall * xp.clip(down, -1.0, 1.0)
    deep = row["plate_half"] * xp.where(row["kind"] == 0, 0.5, 1.0)
    deep = deep * xp.clip(1.0 - xp.abs(down) ** 3, -0.5, 1.0)
    bone = (xp.abs(q - front - deep) - deep) * 0.95 + 0.4 * place.mottle
    # Two laminae meet high up: below, their edges part like the legs of an inverted V.
    low = xp.clip(u / 7.0, 0.0, 1.0)
    bone = xp.maximum(bone, xp.maximum(-1.0 - down, down - low) * tall)
    bone = xp.maximum(bone, u - pillar_u)
    coat = bone - row["plate_coat"] * xp.clip(0.6 - down, 0.0, 1.0) + 0.6 * place.mottle
    coat = xp.maximum(coat, front - q)
    coat = xp.where((level > 0) & (level < len(scene.spine.levels)), coat, 99.0)
    canvas.paint(coat, style.fat * (1 + 0.06 * place.fine))
    _finish(canvas, scene, style, place, bone, level)


def _draw_spinous(canvas: Canvas, scene: Scene, style: Style, place: Place, q: Any,
                  ap: Any) -> None:  # fmt: skip
    """Paint the spinous processes: plates in the midline sloping down."""
    xp = canvas.backend.xp
    gap = scene.along["gap"][place.along]
    out = q - ap - gap
    tilt, drop = scene.along["tilt"][place.along], scene.along["drop"][place.along]
    sheared = place.t - tilt * xp.clip(out, -4.0, 60.0) - drop
    level = find_level(canvas, scene, sheared)
    row = {n: scene.level[n][level] for n in ("middle", "spinous", "spinous_h", "spinous_root",
                                              "spinous_hook", "spinous_aside", "round",
                                              "rough", "roof", "plate_lean",
                                              "behind")}  # fmt: skip
    share = xp.clip(out / row["spinous"], 0.0, 1.0)
    thick = 2.6 + 1.6 * share * share
    # The process widens to its full height over most of its length, downward above all.
    widening = (1.0 - row["spinous_root"]) * xp.clip(1.15 * share, 0.0, 1.0)
    tall = row["spinous_h"] * (row["spinous_root"] + widening)
    centre = row["middle"] + row["spinous_hook"] * row["spinous_h"] * widening
    corner = row["round"] * tall
    over = xp.clip(xp.abs(sheared - centre) - tall + corner, 0.0, 99.0)
    beyond = xp.clip(out - row["spinous"] + corner, 0.0, 99.0)
    tip = xp.sqrt(over * over + beyond * beyond) - corner + row["rough"] * place.mottle
    aside = place.u - row["spinous_aside"] * share
    across = xp.abs(aside) - thick
    # The supraspinous ligament runs over the tips.
    over_tips = xp.abs(out - scene.along["tips"][place.along] - 2.0) - 1.8 - 0.5 * place.mottle
    ligament = xp.maximum(xp.abs(aside) - 4.5, over_tips)
    canvas.paint(xp.where(level < len(scene.spine.levels), ligament, 99.0), style.ligament)
    # Before, it begins where the laminae meet, which lean.
    leaning = xp.clip(sheared - centre, -tall, tall) + 0.6 * tall
    front = row["behind"] + row["roof"] + row["plate_lean"] * leaning
    bone = xp.maximum(xp.maximum(across, tip), front - out - gap)
    _finish(canvas, scene, style, place, bone, level)


def draw_screws(canvas: Canvas, scene: Scene, style: Style, place: Place) -> None:
    """Blot out what lies around pedicle screws; the labels stay what they are."""
    xp = canvas.backend.xp
    row = {n: scene.level[n][place.level] for n in ("top", "half", "d", "pedicle_w", "screwed")}
    width = scene.along["width"][place.along]
    height = row["top"] + 0.62 * row["half"] - 1.0
    across = xp.abs(place.u) - width - row["pedicle_w"] + 0.25 * (place.v + row["d"])
    along = xp.clip(-place.v - row["d"] - 34.0, 0.0, 99.0) + xp.clip(place.v, 0.0, 99.0)
    far = xp.sqrt(across**2 + (place.t - height) ** 2 + along**2)
    void = far - 5.5 - 1.5 * place.mottle
    void = xp.where(row["screwed"], void, 99.0)
    halo = xp.clip(1.0 - xp.abs(void - 1.5) * 0.6, 0.0, 1.0) * xp.clip(place.mottle, 0.0, 1.0)
    canvas.image += halo * (1.3 * style.fluid - canvas.image)
    canvas.paint(void, style.lung)


def draw_canal(canvas: Canvas, scene: Scene, style: Style, place: Place, streak: Any) -> None:
    """Paint dura, CSF, nerve roots and cord; parts 4 and 5 reach from the skull to S2."""
    xp = canvas.backend.xp
    along = {n: scene.along[n][place.along] for n in ("ap", "width", "front", "cord_ap", "cord_w",
                                                      "cord_back", "roots")}  # fmt: skip
    q = -along["front"] - along["ap"] - place.v
    ap, width = along["ap"] + 1e-3, along["width"] + 1e-3
    rho = xp.sqrt((place.u / width) ** 2 + (q / ap) ** 2) + 1e-4
    sac = xp.sqrt(place.u**2 + q * q) * (1.0 - 1.0 / rho)
    sac = xp.where(along["ap"] > 0.8, sac, 99.0)
    csf = style.csf * (1 + style.flow * place.mottle)
    share = _root_share(canvas, scene.spine.roots, q / ap, place.u / width, along["roots"], streak)
    value = csf + share * (style.roots - csf)
    canvas.paint(sac - 0.7, style.ligament)
    canvas.paint(sac, value)
    # Above the foramen magnum it is brain stem and cisterns, which bear no label.
    below_skull = place.t > -8.0
    # Masks of the canal take in dura and ligament before the sac, and end with it behind and aside.
    rim = DURA_MM * xp.clip(-q, 0.0, 99.0) / (xp.sqrt(place.u**2 + q * q) + 1e-3)
    canvas.mark((sac < rim) & below_skull, 4, 2)
    cq = q - along["cord_back"]
    cap, cw = along["cord_ap"] + 1e-3, along["cord_w"] + 1e-3
    rho = xp.sqrt((place.u / cw) ** 2 + (cq / cap) ** 2) + 1e-4
    cord = xp.sqrt(place.u**2 + cq * cq) * (1.0 - 1.0 / rho)
    cord = xp.where(along["cord_ap"] > 0.6, cord, 99.0)
    grey = xp.clip(1.0 - 3.0 * (rho - 0.25) ** 2, 0.0, 1.0) * 0.06
    canvas.paint(cord, style.cord * (1 + grey + 0.04 * place.mottle))
    canvas.mark((cord < 0) & below_skull, 5, 1)


def _root_share(canvas: Canvas, roots: Roots, q: Any, u: Any, many: Any, streak: Any) -> Any:
    """How much of the fluid nerve roots take up, 0 to 1: strands, or a bundle at the sac's back.

    Args:
        canvas: What is drawn on.
        roots: How settled they are.
        q: Place behind the middle of the sac, in its half depths.
        u: Place beside the middle, in its half widths.
        many: How much of the fluid strands take up where they lie.
        streak: Texture along the column.
    """
    xp = canvas.backend.xp
    strands = many * xp.clip(0.5 + 1.2 * q, 0.0, 1.0) * xp.clip(0.65 + 0.8 * streak, 0.0, 1.0)
    # They lie against the sac's sides, too.
    behind = q + 0.3 * u**2 - roots.front
    bundle = xp.clip(0.5 + 5.0 * behind, 0.0, 1.0) * xp.clip(0.95 + 0.25 * streak, 0.0, 1.0)
    return strands + roots.settled * (xp.clip(many / 0.6, 0.0, 1.0) * bundle - strands)
