"""Tables that describe one spine to the renderer: per level, and densely along the curve.

Knows no voxel and no contrast; rows of the level tables run from C1 to the sacrum (last row),
rows of the disc tables start with an empty one above C1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import VALUES
from spinekit.synth.backend import Backend
from spinekit.synth.curve import STEP_MM, Curve, smooth
from spinekit.synth.morphometry import SACRAL_DEPTHS, SACRAL_HALF_WIDTHS
from spinekit.synth.spine import Spine

Table = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """Everything about a spine's shape that the renderer looks up."""

    spine: Spine
    curve: Curve
    level: Table
    """Name → (L + 1,) values; the last row is the sacrum."""
    disc: Table
    """Name → (L + 1,) values; row n + 1 is the disc below level n, row 0 is none."""
    has_dents: bool
    """Whether any endplate has a Schmorl node."""
    along: Table
    """Name → (N,) values at the curve's points."""


def build_scene(backend: Backend, spine: Spine, curve: Curve) -> Scene:
    """Turn a spine's numbers into backend tables."""
    level = level_table(spine, curve)
    disc = disc_table(spine, curve, level)
    along = along_table(spine, curve)
    as_backend = backend.asarray
    return Scene(
        spine,
        curve,
        {k: as_backend(v) for k, v in level.items()},
        {k: as_backend(v) for k, v in disc.items()},
        any(dent[3] > 0 for pair in spine.schmorl for dent in pair),
        {k: as_backend(v) for k, v in along.items()},
    )


def level_table(spine: Spine, curve: Curve) -> dict[str, NDArray[Any]]:
    """Sizes of every body and of the posterior elements, one row per level plus the sacrum."""
    last = spine.sizes[-1]
    scale = spine.sacral_scale

    def column(values: Any, sacrum: float) -> NDArray[np.float64]:
        return np.append(np.asarray(values, dtype=float), sacrum)

    def size(name: str) -> NDArray[np.float64]:
        return column([getattr(s, name) for s in spine.sizes], getattr(last, name))

    top = column(curve.top, curve.sacral[0])
    bottom = column(curve.bottom, curve.sacral[1])
    ends = np.array([*spine.endplate_mm, (0.8, 0.0)])
    tilt = np.array([*spine.tilt, (0.0, 0.0, 0.0, 0.0)])
    names = [*spine.levels, "sacrum"]
    kind = np.array([{"C": 0, "T": 1, "L": 2, "s": 3}[n[0]] for n in names])
    # Depth of the lordotic/kyphotic facets: steep in the thorax and loin, 45° in the neck.
    shear = np.array([1.0, 2.6, 2.2, 2.2])[kind]
    dents = np.array([*spine.schmorl, ((0.0, 0.0, 1.0, 0.0),) * 2])
    return {
        "dent_top": dents[:, 0],
        "dent_bottom": dents[:, 1],
        "top": top,
        "bottom": bottom,
        "middle": (top + bottom) / 2,
        "half": (bottom - top) / 2,
        "d": column(spine.depth_mm, SACRAL_DEPTHS[0] * scale) / 2,
        "w": column(spine.width_mm, 50 * scale) / 2,
        "slip": column(spine.slip_mm, 0),
        "waist": column(spine.waist, 0),
        "osteophyte": column(spine.osteophyte_mm, 0),
        "concave_top": ends[:, 0],
        "concave_bottom": ends[:, 1],
        "tilt_top_u": tilt[:, 0],
        "tilt_top_v": tilt[:, 1],
        "tilt_bottom_u": tilt[:, 2],
        "tilt_bottom_v": tilt[:, 3],
        "wedge": column(spine.wedge, 0) * (bottom - top),
        "biconcave": column(spine.biconcave, 0) * (bottom - top) * 0.5,
        "uncus": np.where(kind == 0, 2.5, 0.0) * (np.arange(len(kind)) > 1),
        "kind": kind,
        "value": np.array([VALUES[n] for n in names], dtype=np.uint8),
        "pedicle_w": size("pedicle_width") / 2,
        "pedicle_h": size("pedicle_height") / 2,
        **_arch_columns(spine),
        "transverse": size("transverse"),
        "shear": shear,
        "screwed": np.array([n in spine.screws for n in names]),
    }


def _arch_columns(spine: Spine) -> dict[str, NDArray[np.float64]]:
    """Sizes of the spinous processes and laminae, (L + 1,) each; the sacrum's row is unused."""
    pairs = list(zip(spine.sizes, spine.arch, strict=True))
    columns = {
        "spinous": [size.spinous * arch.long for size, arch in pairs],
        "spinous_h": [size.spinous_height / 2 * arch.tall for size, arch in pairs],
        "spinous_root": [arch.root for arch in spine.arch],
        "spinous_hook": [arch.hook for arch in spine.arch],
        "spinous_aside": [arch.aside_mm for arch in spine.arch],
        "plate_tall": [arch.plate_tall for arch in spine.arch],
        "plate_half": [arch.plate_mm for arch in spine.arch],
        "plate_lean": [arch.plate_lean for arch in spine.arch],
        "plate_coat": [arch.coat_mm for arch in spine.arch],
        "plate_behind": [arch.plate_behind_mm for arch in spine.arch],
        "plate_inward": [arch.plate_inward for arch in spine.arch],
        "behind": [arch.behind_mm for arch in spine.arch],
        "roof": [arch.roof_mm for arch in spine.arch],
        "round": [arch.round for arch in spine.arch],
        "rough": [arch.rough_mm for arch in spine.arch],
        "pad": [arch.pad_mm for arch in spine.arch],
    }
    return {name: np.array([*values, values[-1]]) for name, values in columns.items()}


def disc_table(
    spine: Spine, curve: Curve, level: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Sizes of every disc: the mean of its two endplates, bulge and degeneration."""

    def mean(name: str) -> NDArray[np.float64]:
        values = level[name]
        return np.concatenate([values[:1], (values[1:] + values[:-1]) / 2])

    middle = np.concatenate([[-1e4], (level["bottom"][:-1] + level["top"][1:]) / 2])
    values = [0, 0]
    below = [*spine.levels[2:], "S1"]
    for upper, lower in zip(spine.levels[1:], below, strict=True):
        values.append(VALUES[f"{upper}-{lower}"])
    present = np.ones(len(values), dtype=bool)
    present[:2] = False
    bony = np.concatenate([[False], spine.bony])
    return {
        "middle": middle,
        "d": mean("d"),
        "w": mean("w"),
        "slip": mean("slip"),
        "bulge": np.concatenate([[0.0], spine.bulge_mm]),
        "degeneration": np.concatenate([[0.0], spine.degeneration]),
        "present": present & ~bony,
        "bony": bony,
        "value": np.array(values, dtype=np.uint8),
    }


CORD_BACK = {"T10": -0.2, "T11": 0.25, "T12": 0.6}
"""Share of the room in the sac by which the cord lies behind its middle, where kyphosis ends."""


def along_table(spine: Spine, curve: Curve) -> dict[str, NDArray[Any]]:
    """Canal, cord and sacrum along the curve's points, smoothed."""
    t = curve.t
    centre = (curve.top + curve.bottom) / 2
    s = curve.sacral
    scale = spine.sacral_scale
    last = spine.sizes[-1]
    nodes = np.concatenate([centre, s[:4]])
    ap = np.interp(t, nodes, [*spine.canal_ap_mm, 0.92 * last.canal_ap, 0.72 * last.canal_ap,
                              0.4 * last.canal_ap, 0.0])  # fmt: skip
    width = np.interp(t, nodes, [*(x.canal_width for x in spine.sizes), 1.0 * last.canal_width,
                                 0.8 * last.canal_width, 0.45 * last.canal_width, 0.0])  # fmt: skip
    depth = np.interp(t, np.concatenate([centre, s]),
                      [*spine.depth_mm, *(scale * x for x in SACRAL_DEPTHS)])  # fmt: skip
    slip = np.interp(t, nodes, [*spine.slip_mm, 0, 0, 0, 0])
    disc_t = np.append((curve.bottom[:-1] + curve.top[1:]) / 2, (curve.bottom[-1] + s[0]) / 2)
    front = np.zeros_like(t)
    for place, share, bulge in zip(disc_t, spine.narrowing, spine.bulge_mm, strict=True):
        bump = np.exp(-0.5 * ((t - place) / 5.0) ** 2)
        ap = ap * (1 - share * bump)
        front = front + max(bulge, 0.0) * 0.7 * bump
    conus = np.interp(spine.conus, np.arange(len(centre)), centre)
    taper = np.clip((conus - t) / 35.0, 0, 1) ** 0.6
    sizes = spine.sizes
    pairs = list(zip(sizes, spine.arch, strict=True))
    drop = (curve.bottom - curve.top) / 2 * np.array([a.drop for a in spine.arch])
    return {
        "ap": smooth(ap, 3 / STEP_MM) / 2,
        "width": smooth(width, 5 / STEP_MM) / 2,
        "front": smooth(depth * 0.435 + 0.8, 5 / STEP_MM) + front - smooth(slip, 4 / STEP_MM),
        "cord_ap": np.interp(t, centre, [x.cord_ap for x in sizes]) / 2 * taper,
        "cord_w": np.interp(t, centre, [x.cord_width for x in sizes]) / 2 * taper,
        "cord_back": _cord_offset(spine, t, centre, smooth(ap, 3 / STEP_MM) / 2),
        "roots": np.interp(
            t, [conus - 40, conus - 10, conus + 10, s[0], s[2]], [0.0, 0.6, 0.9, 0.6, 0.3]
        ),
        "tilt": smooth(np.interp(t, centre, [x.tilt + a.slope for x, a in pairs]), 10 / STEP_MM),
        "drop": smooth(np.interp(t, centre, drop), 10 / STEP_MM),
        "gap": smooth(
            np.interp(t, centre, [a.behind_mm + a.gap_mm for a in spine.arch]), 8 / STEP_MM
        ),
        "lining": smooth(np.interp(t, centre, [a.lining_mm for a in spine.arch]), 8 / STEP_MM),
        "tips": smooth(np.interp(t, centre, [x.spinous * a.long for x, a in pairs]), 15 / STEP_MM),
        "sacral_d": np.interp(t, s, [scale * x for x in SACRAL_DEPTHS]) / 2,
        "sacral_w": np.interp(t, s, [scale * x for x in SACRAL_HALF_WIDTHS]),
        "r": curve.r,
        "slope": np.gradient(curve.r, STEP_MM),
        "turn": np.gradient(curve.theta, STEP_MM),
    }


def _cord_offset(
    spine: Spine, t: NDArray[np.float64], centre: NDArray[np.float64], ap: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far behind the middle of the sac the cord lies.

    Forward in the kyphosis, and in the loin at the sac's back, on which it rests.
    """
    sizes = spine.sizes
    room = np.clip(ap - np.interp(t, centre, [x.cord_ap for x in sizes]) / 2, 0, 5)
    usual = {"C": 0.0, "T": -0.55, "L": 0.8}
    kind = [CORD_BACK.get(name, usual[name[0]]) for name in spine.levels]
    return np.asarray(room * smooth(np.interp(t, centre, kind), 30.0))
