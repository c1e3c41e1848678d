"""The shape of one patient's spine as plain numbers, drawn at random around published means.

Knows no voxel, no contrast and no field of view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from spinekit.anatomy.column import CERVICAL, LUMBAR, THORACIC
from spinekit.synth.arch import Arch, sample_arches
from spinekit.synth.atlas import AtlasShape, sample_atlas
from spinekit.synth.morphometry import LEVEL_SIZES, LORDOSIS_SHARES, LevelSize

ANOMALIES: dict[str, float] = {
    "L6": 0.03,
    "four-lumbar": 0.03,
    "T11": 0.015,
    "T13": 0.015,
    "fused-disc": 0.02,
    "missing-disc": 0.03,
    "scoliosis": 0.08,
    "fracture": 0.08,
    "listhesis": 0.08,
    "stenosis": 0.12,
}
"""Anomalies that can be asked for, with the probability of each when none is asked for."""


@dataclass(frozen=True, slots=True)
class Roots:
    """How the nerve roots below the cord lie in the sac."""

    settled: float
    """0: they float apart; 1: they lie in one bundle, as in a patient on the back."""
    front: float
    """Front edge of that bundle, in half depths of the sac behind its middle."""


@dataclass(frozen=True, slots=True)
class Spine:
    """Plain numbers that fix the shape of one spine; tuples run from C1 to the last lumbar."""

    levels: tuple[str, ...]
    anomalies: tuple[dict[str, object], ...]
    """Each with its ``name``, ``level`` or ``disc``, and size."""
    height_mm: tuple[float, ...]
    depth_mm: tuple[float, ...]
    width_mm: tuple[float, ...]
    disc_mm: tuple[float, ...]
    """Height of the disc below each level."""
    degeneration: tuple[float, ...]
    """Of the disc below each level: 0 healthy, 1 worst."""
    bulge_mm: tuple[float, ...]
    """Of the disc below each level, into the canal."""
    bony: tuple[bool, ...]
    """Whether the disc below is absent: bone meets bone."""
    canal_ap_mm: tuple[float, ...]
    narrowing: tuple[float, ...]
    """Share by which the sac is narrowed at the disc below each level."""
    slip_mm: tuple[float, ...]
    """Forward shift of each body against the curve."""
    wedge: tuple[float, ...]
    """Share of the anterior height a fracture took."""
    biconcave: tuple[float, ...]
    """Share of the central height a fracture took."""
    waist: tuple[float, ...]
    osteophyte_mm: tuple[float, ...]
    endplate_mm: tuple[tuple[float, float], ...]
    """Depth of the upper and lower endplate's concavity."""
    tilt: tuple[tuple[float, float, float, float], ...]
    """Slopes of the upper endplate along u, v and of the lower endplate along u, v."""
    arch: tuple[Arch, ...]
    """How each level's arch departs from the mean."""
    atlas: AtlasShape
    schmorl: tuple[tuple[tuple[float, float, float, float], ...], ...]
    """Schmorl node in the upper and lower endplate: centre u and v, radius and depth (0 none)."""
    sizes: tuple[LevelSize, ...]
    """Remaining mean sizes, scaled to the patient."""
    sacral_slope_deg: float
    lordosis_deg: float
    kyphosis_deg: float
    cervical_lordosis_deg: float
    scoliosis: tuple[tuple[float, float, float], ...]
    """Bumps of the lateral deviation: centre (level index), width (levels), amplitude (mm)."""
    lean: float
    """Lateral slope of the whole spine (tangent)."""
    yaw_deg: float
    """Turn of all vertebrae about the curve."""
    scale: float
    sacral_scale: float
    sacral_turn: float
    """Factor on the turning of the sacral segments."""
    conus: float
    """Level index (fractional) at which the cord ends."""
    roots: Roots
    rudimentary_disc_mm: float
    screws: tuple[str, ...]
    """Levels with pedicle screws, whose metal blots out what lies around them."""


def level_size(name: str, n_thoracic: int, n_lumbar: int) -> LevelSize:
    """Mean size of a level in a column of any legal counts.

    Thoracic and lumbar levels are interpolated by their relative place, so that the last lumbar
    vertebra of four or six looks like an L5.
    """
    if name in CERVICAL:
        return LEVEL_SIZES[name]
    region, count, reference = (
        (THORACIC, n_thoracic, 12) if name in THORACIC else (LUMBAR, n_lumbar, 5)
    )
    place = region.index(name) * (reference - 1) / (count - 1)
    low = min(int(place), reference - 2)
    first, second = (LEVEL_SIZES[region[n]] for n in (low, low + 1))
    share = place - low
    return LevelSize(
        *(
            getattr(first, f.name) * (1 - share) + getattr(second, f.name) * share
            for f in fields(LevelSize)
        )
    )


def scale_size(size: LevelSize, scale: float, canal: float) -> LevelSize:
    """Size times the patient's scale; canal and cord take their own factor, slopes none."""
    values = {}
    for f in fields(LevelSize):
        value = getattr(size, f.name)
        own = canal if f.name.startswith(("canal", "cord")) else scale
        values[f.name] = value if f.name == "tilt" else value * own
    return LevelSize(**values)


def choose_anomalies(rng: np.random.Generator, asked: Iterable[str] | None) -> tuple[str, ...]:
    """Names of the anomalies to draw: those asked for, else at random by prevalence.

    Raises:
        ValueError: an unknown name, or two that exclude one another.
    """
    draws = rng.random(len(ANOMALIES))
    if asked is None:
        chosen = [n for n, p in zip(ANOMALIES, draws, strict=True) if p < ANOMALIES[n]]
        for pair in (("L6", "four-lumbar"), ("T11", "T13")):
            if set(pair) <= set(chosen):
                chosen.remove(pair[1])
        return tuple(chosen)
    chosen = list(dict.fromkeys(asked))
    unknown = [n for n in chosen if n not in ANOMALIES]
    if unknown:
        raise ValueError(f"unknown anomaly {unknown[0]!r}; known: {', '.join(ANOMALIES)}")
    for pair in (("L6", "four-lumbar"), ("T11", "T13")):
        if set(pair) <= set(chosen):
            raise ValueError(f"{pair[0]} and {pair[1]} exclude one another")
    return tuple(chosen)


def _draw_screws(rng: np.random.Generator, levels: tuple[str, ...]) -> tuple[str, ...]:
    """Two or three neighbouring levels fixed with screws, in 2 % of patients."""
    present = rng.random() < 0.02
    count = int(rng.integers(2, 4))
    first = int(rng.integers(len(levels) - 6, len(levels) - count + 1))
    return levels[first : first + count] if present else ()


def lordosis_shares(n_lumbar: int) -> tuple[list[float], list[float]]:
    """Share of the lumbar lordosis in each body and in each disc below, for 4 to 6 levels."""
    place = np.linspace(0, 4, n_lumbar)
    bodies = np.interp(place, range(5), LORDOSIS_SHARES[0::2])
    discs = np.interp(place, range(5), LORDOSIS_SHARES[1::2])
    total = bodies.sum() + discs.sum()
    return (bodies / total).tolist(), (discs / total).tolist()


def sample_spine(
    rng: np.random.Generator,
    anomalies: Iterable[str] | None = None,
    region: tuple[str, ...] | None = None,
) -> Spine:
    """Draw one spine.

    Args:
        rng: source of all randomness.
        anomalies: names from ANOMALIES; None draws them by prevalence.
        region: levels near which local anomalies (fracture, listhesis, …) are put, so that they
            are in view; None allows every level from C3 down.

    Raises:
        ValueError: an unknown anomaly, or two that exclude one another.
    """
    chosen = choose_anomalies(rng, anomalies)
    n_t = 11 if "T11" in chosen else 13 if "T13" in chosen else 12
    n_l = 4 if "four-lumbar" in chosen else 6 if "L6" in chosen else 5
    levels = (*CERVICAL, *THORACIC[:n_t], *LUMBAR[:n_l])
    scale = float(np.clip(rng.normal(1.03, 0.085), 0.82, 1.25))
    canal = float(np.clip(rng.normal(1.05, 0.1), 0.8, 1.32)) * scale**0.4
    sizes = tuple(scale_size(level_size(n, n_t, n_l), scale, canal) for n in levels)
    draft = _draw_levels(rng, levels, sizes)
    found = _apply_anomalies(rng, chosen, levels, region, draft)
    arches = sample_arches(rng, levels)
    shape: dict[str, Any] = {name: tuple(values) for name, values in draft.items()}
    shape |= _draw_curve(rng, levels, chosen, found)
    return Spine(
        levels=levels,
        anomalies=tuple(found),
        sizes=sizes,
        arch=arches,
        # A stream of its own: what is drawn besides stays as it was.
        atlas=sample_atlas(rng.spawn(1)[0]),
        scale=scale,
        sacral_scale=scale * float(rng.normal(1, 0.06)),
        sacral_turn=float(np.clip(rng.normal(1, 0.3), 0.2, 1.8)),
        roots=_draw_roots(rng.spawn(1)[0]),
        conus=float(levels.index("L1") + np.clip(rng.normal(0.1, 0.6), -1.2, 1.4)),
        rudimentary_disc_mm=float(rng.choice([0.0, 2.0, 3.5, 5.5], p=[0.15, 0.4, 0.3, 0.15])),
        screws=_draw_screws(rng, levels) if anomalies is None else (),
        **shape,
    )


def _draw_levels(
    rng: np.random.Generator, levels: tuple[str, ...], sizes: tuple[LevelSize, ...]
) -> dict[str, list[Any]]:
    """Sizes of every level before anomalies."""
    n = len(levels)
    age = rng.random()
    slow = rng.normal(0, 1, (3, 3))
    place = np.linspace(-1, 1, n)
    trend = slow[:, :1] + slow[:, 1:2] * place + slow[:, 2:] * place**2

    def scatter(values: list[float], sd: float, row: int) -> list[float]:
        noise = 1 + 0.5 * sd * trend[row] + sd * rng.normal(0, 0.6, n)
        return (np.array(values) * np.clip(noise, 0.75, 1.3)).tolist()

    low = np.array([0.25 if x[0] == "T" else 0.6 if x[0] == "C" else 1.0 for x in levels])
    low[-2:] = 1.3
    degeneration = np.clip(rng.beta(1 + 2 * age, 3 - 2 * age, n) * (0.5 + low), 0, 1)
    discs = np.array(scatter([s.disc for s in sizes], 0.12, 1)) * (1 - 0.55 * degeneration**2)
    discs[0] = sizes[0].disc
    many = rng.random() < 0.15
    return {
        "schmorl": [tuple(_draw_dent(rng, many=many) for _ in range(2)) for _ in levels],
        "height_mm": scatter([s.height for s in sizes], 0.05, 0),
        "depth_mm": scatter([s.depth for s in sizes], 0.05, 2),
        "width_mm": scatter([s.width for s in sizes], 0.05, 2),
        "disc_mm": np.maximum(discs, 2.0).tolist(),
        "degeneration": degeneration.tolist(),
        "bulge_mm": (np.clip(rng.normal(0.6, 0.7, n), -0.5, 2.5) + 2 * degeneration**2).tolist(),
        "bony": [False] * n,
        "canal_ap_mm": scatter([s.canal_ap for s in sizes], 0.06, 1),
        "narrowing": [0.0] * n,
        "slip_mm": rng.normal(0, 0.35, n).tolist(),
        "wedge": np.clip(rng.normal(0.03, 0.04, n), -0.04, 0.15).tolist(),
        "biconcave": [0.0] * n,
        "waist": np.clip(rng.normal(0.09, 0.03, n), 0.02, 0.18).tolist(),
        "osteophyte_mm": np.minimum(rng.gamma(1.0, 0.8, n) * (0.3 + 1.4 * age), 3.5).tolist(),
        "endplate_mm": [(float(a), float(b)) for a, b in np.clip(
            rng.normal((0.9, 1.5), 0.5, (n, 2)), 0.1, 3.0)],
        "tilt": [tuple(float(x) for x in row) for row in rng.normal(0, 0.02, (n, 4))],
    }  # fmt: skip


def _draw_roots(rng: np.random.Generator) -> Roots:
    settled = rng.uniform(0.0, 0.3) if rng.random() < 0.3 else rng.uniform(0.4, 1.0)
    return Roots(float(settled), float(rng.uniform(-0.3, 0.5)))


def _draw_dent(rng: np.random.Generator, *, many: bool) -> tuple[float, float, float, float]:
    """One Schmorl node: centre u and v, radius, depth in mm; mostly none."""
    u, v = rng.normal(0, 3), rng.normal(-2, 4)
    radius, depth = rng.uniform(3, 7), rng.uniform(2, 5)
    present = rng.random() < (0.25 if many else 0.015)
    return float(u), float(v), float(radius), float(depth if present else 0.0)


def _pick(
    rng: np.random.Generator, levels: tuple[str, ...], region: tuple[str, ...] | None, last: int
) -> int:
    """Index of a level from C3 to ``last`` (exclusive) inside the region, low levels more often."""
    allowed = [n for n in range(2, last) if region is None or levels[n] in region] or list(
        range(2, last)
    )
    weights = np.array([3.0 if levels[n][0] == "L" else 1.0 for n in allowed])
    return int(rng.choice(allowed, p=weights / weights.sum()))


def _apply_anomalies(
    rng: np.random.Generator,
    chosen: tuple[str, ...],
    levels: tuple[str, ...],
    region: tuple[str, ...] | None,
    draft: dict[str, list[Any]],
) -> list[dict[str, object]]:
    """Change the drafted sizes for every local anomaly; return what was done and where."""
    found: list[dict[str, object]] = [
        {"name": n} for n in chosen if n in ("L6", "four-lumbar", "T11", "T13")
    ]
    n = len(levels)
    below = [*levels[1:], "S1"]
    if "fused-disc" in chosen:
        k = _pick(rng, levels, region, n - 1)
        draft["bony"][k], draft["disc_mm"][k], draft["degeneration"][k] = True, 1.2, 1.0
        found.append({"name": "fused-disc", "disc": f"{levels[k]}-{below[k]}"})
    if "missing-disc" in chosen:
        free = tuple(x for k, x in enumerate(levels) if not draft["bony"][k])
        inside = tuple(x for x in free if region is None or x in region)
        k = _pick(rng, levels, inside or free, n - 1)
        draft["bony"][k], draft["disc_mm"][k], draft["degeneration"][k] = True, 0.8, 1.0
        found.append({"name": "missing-disc", "disc": f"{levels[k]}-{below[k]}"})
    if "fracture" in chosen:
        k = _pick(rng, levels, region, n)
        share = float(rng.uniform(0.25, 0.6))
        kind = "wedge" if rng.random() < 0.6 else "biconcave"
        draft[kind][k] = share
        draft["height_mm"][k] *= float(rng.uniform(0.8, 1.0))
        found.append({"name": "fracture", "level": levels[k], "kind": kind, "share": share})
    if "listhesis" in chosen:
        k = _pick(rng, levels, region, n)
        slip = float(rng.uniform(4.0, 11.0) * rng.choice([1, 1, 1, -0.7]))
        for step, share in ((-1, 0.25), (0, 0.5), (1, -0.5), (2, -0.25)):
            if 0 <= k + step < n:
                draft["slip_mm"][k + step] += share * slip
        if k == n - 1:
            draft["slip_mm"][k] += 0.5 * slip
        found.append({"name": "listhesis", "level": levels[k], "slip_mm": slip})
    if "stenosis" in chosen:
        k = _pick(rng, levels, region, n - 1)
        share = float(rng.uniform(0.4, 0.7))
        draft["narrowing"][k] = share
        draft["bulge_mm"][k] += 2.0
        found.append({"name": "stenosis", "disc": f"{levels[k]}-{below[k]}", "share": share})
    return found


def _draw_curve(
    rng: np.random.Generator,
    levels: tuple[str, ...],
    chosen: tuple[str, ...],
    found: list[dict[str, object]],
) -> dict[str, Any]:
    """Angles of the curve and its lateral deviation; adds scoliosis to ``found``."""
    bumps = [
        (float(rng.uniform(2, len(levels))), float(rng.uniform(3, 7)), float(rng.normal(0, 2.0)))
        for _ in range(3)
    ]
    if "scoliosis" in chosen:
        sign = float(rng.choice([-1, 1]))
        apex = float(rng.uniform(13, 22))
        amplitude = float(rng.uniform(12, 30)) * sign
        bumps += [(apex, 3.2, amplitude), (apex - 7, 3.0, -0.5 * amplitude)]
        found.append(
            {"name": "scoliosis", "apex": levels[min(round(apex), len(levels) - 1)],
             "amplitude_mm": amplitude}
        )  # fmt: skip
    slope = float(np.clip(rng.normal(38, 8), 18, 60))
    lordosis = float(np.clip(0.7 * slope + rng.normal(22, 9), 18, 80))
    # The head stays over the pelvis: kyphosis makes up for what the loin leaves.
    neck, head = rng.normal(21, 7), rng.normal(3, 8)
    return {
        "sacral_slope_deg": slope,
        "lordosis_deg": lordosis,
        "kyphosis_deg": float(np.clip(neck - (slope - lordosis), 10, 70)),
        "cervical_lordosis_deg": float(np.clip(neck - head, -12, 45)),
        "scoliosis": tuple(bumps),
        "lean": float(rng.normal(0, 0.025)),
        "yaw_deg": float(rng.normal(0, 3.0)),
    }
