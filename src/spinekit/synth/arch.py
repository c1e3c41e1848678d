"""How the arches of one patient's vertebrae depart from the mean, as plain numbers.

Knows no voxel. Midline sections differ from patient to patient mostly here: spinous processes are
long or short, root narrow or full, hang low or stand level, and none is like its neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Arch:
    """One level's spinous process and lamina, relative to the mean sizes of `LevelSize`."""

    long: float
    """Factor on the spinous process's length."""
    tall: float
    """Factor on its height."""
    root: float
    """Its height at the lamina as a share of its height at the tip, 0–1."""
    hook: float
    """0: it widens up and down alike; 1: its upper edge is straight, its lower one hangs."""
    drop: float
    """Height of its root below the middle of the body, in half heights of the body."""
    slope: float
    """Added to the tangent of its downward angle."""
    aside_mm: float
    """Its tip's distance from the midline."""
    behind_mm: float
    """Distance between sac and root of the process."""
    gap_mm: float
    """Added to it where the process is measured from, filled with fat."""
    plate_tall: float
    """Half height of the lamina, in half heights of the body."""
    plate_mm: float
    """Half thickness of the lamina where it is thickest."""
    coat_mm: float
    """Depth of the fat on the back of its upper half."""
    plate_behind_mm: float
    """Distance between sac and lamina in the midline."""
    plate_inward: float
    """By how much the lamina comes forward for every mm beside the midline."""
    plate_lean: float
    """Tangent of the angle by which the lamina slopes backward as it goes down."""
    roof_mm: float
    """Added to the distance between sac and arch."""
    round: float
    """Rounding of the process's corners as a share of its half height, 0–1."""
    rough_mm: float
    """Unevenness of the process's outline."""
    pad_mm: float
    """Depth of the fat behind the sac between this lamina and the next."""
    lining_mm: float
    """Depth of the fat behind the sac in front of this lamina, in the midline."""


@dataclass(frozen=True, slots=True)
class _Region:
    """Where the arches of neck, chest or loin lie behind the sac, in mm, and how they are shaped.

    Of the loin by masks; of neck and chest by midline slices of T2-weighted scans, where little but
    dura and ligament lies between fluid and bone, and a process is tallest at its root.
    """

    behind: float
    plate_behind: float
    plate_inward: float
    lining: float
    pad: float
    """Most that the pads of fat may be deep."""
    root: tuple[float, float]
    """Height of a process at its root as a share of that at its tip, least and most."""


_NECK = _Region(behind=2.4, plate_behind=2.8, plate_inward=0.25, lining=0.2, pad=0.8,
                root=(0.9, 1.5))  # fmt: skip
_CHEST = _Region(behind=3.0, plate_behind=3.8, plate_inward=0.35, lining=0.8, pad=4.0,
                 root=(0.8, 1.5))  # fmt: skip
_LOIN = _Region(behind=5.5, plate_behind=6.5, plate_inward=0.6, lining=1.6, pad=10.0,
                root=(0.4, 1.05))  # fmt: skip


def _region(level: str) -> _Region:
    """Which table a vertebra follows: the lowest thoracic ones look like lumbar ones."""
    if level[0] == "L" or level in ("T12", "T13"):
        return _LOIN
    return _NECK if level[0] == "C" else _CHEST


def sample_arches(rng: np.random.Generator, levels: tuple[str, ...]) -> tuple[Arch, ...]:
    """Draw the arches: a habit of the patient, and a scatter from level to level."""
    habit = {
        "long": rng.normal(1.0, 0.12),
        "tall": rng.normal(1.1, 0.14),
        "root": rng.uniform(0.5, 1.0),
        "hook": rng.uniform(0.3, 1.1),
        "drop": rng.uniform(0.35, 1.15),
        "slope": rng.normal(0.14, 0.12),
        "gap_mm": rng.uniform(-0.5, 4.0),
        "plate_tall": rng.uniform(0.75, 1.3),
        "plate_mm": rng.uniform(3.4, 5.6),
        "plate_lean": rng.uniform(0.05, 0.45),
        "coat_mm": rng.uniform(-1.0, 6.0),
        "roof_mm": rng.uniform(-1.5, 1.5),
        "round": rng.uniform(0.2, 0.75),
        "rough_mm": rng.uniform(0.3, 1.6),
        "pad_mm": rng.uniform(1.5, 8.5),
    }
    return tuple(_sample_arch(rng, habit, _region(n)) for n in levels)


def _sample_arch(rng: np.random.Generator, habit: dict[str, float], region: _Region) -> Arch:
    """One level; in chest and neck the tables' own slope and height rule."""
    is_loin = region is _LOIN

    def near(name: str, sd: float, low: float, high: float) -> float:
        return float(np.clip(habit[name] + rng.normal(0, sd), low, high))

    root = habit["root"] + rng.normal(0, 0.08) + (0.0 if is_loin else 0.4)
    drop = near("drop", 0.12, 0.1, 1.4)
    slope = near("slope", 0.06, -0.15, 0.5)
    return Arch(
        long=near("long", 0.08, 0.65, 1.35),
        tall=near("tall", 0.1, 0.7, 1.65),
        root=float(np.clip(root, *region.root)),
        hook=near("hook", 0.15, 0.1, 1.2),
        drop=drop if is_loin else 0.5 + 0.25 * (drop - 0.6),
        slope=slope if is_loin else 0.5 * slope,
        aside_mm=float(rng.normal(0, 1.5)),
        behind_mm=region.behind,
        gap_mm=near("gap_mm", 0.6, -1.0, 5.0) * (1.0 if is_loin else 0.5),
        plate_tall=near("plate_tall", 0.1, 0.5, 1.4) * (1.0 if is_loin else 0.85),
        plate_mm=near("plate_mm", 0.5, 2.5, 6.5),
        plate_lean=near("plate_lean", 0.08, -0.05, 0.6) + (0.0 if is_loin else 0.1),
        coat_mm=near("coat_mm", 0.6, 0.0, 7.0),
        plate_behind_mm=region.plate_behind,
        plate_inward=region.plate_inward,
        roof_mm=near("roof_mm", 0.5, -2.5, 2.5) if is_loin else 0.5 * habit["roof_mm"],
        round=near("round", 0.12, 0.15, 1.0),
        rough_mm=near("rough_mm", 0.2, 0.2, 2.0),
        pad_mm=min(near("pad_mm", 1.2 if is_loin else 1.0, 0.3, 10.0), region.pad),
        lining_mm=region.lining,
    )
