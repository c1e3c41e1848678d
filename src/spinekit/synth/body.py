"""One patient's soft tissue as plain numbers, and the outline of the body along the curve.

Knows no voxel and no brightness.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.synth.curve import STEP_MM, Curve, smooth
from spinekit.synth.spine import Spine


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
    lamina_fat: float
    """What is added to that share beside the laminae."""
    tendon: float
    """Darkness of the tendons between the fibres, 0–1."""
    lobules: float
    """How bright the brightest bundles of the back muscles are: 0 as the others, 1 as marrow."""
    lobule_size: float
    """Their thickness, in deviations of the texture that parts them."""
    lobule_septa: float
    """Darkness of the septa around them, 0–1."""
    between_fat: float
    """Mean share of fat in the ligaments between the spinous processes, 0–1."""
    between_dark: float
    """Brightness of these ligaments relative to others; near 0 they are as black as cortex."""
    between_streaks: float
    """How far the streaks in them swing about that share, 0–1."""
    between_strands: float
    """Share of fat in thin strands through them, 0–1."""
    between_high: float
    """What is added to the mean share of fat in neck and upper chest, where it is often all fat."""
    psoas: float
    """Radius of the psoas at L4."""
    prevertebral_fat: float
    aorta: float
    aorta_side: float
    bladder: float
    """Radius; 0 for an empty one."""
    head: float
    septa: float
    """Darkness of the septa in the fat under the skin, 0–1."""
    fascia: float
    """Darkness of the fascia of the back, 0–1."""
    texture_seed: int

    def to_json(self) -> dict[str, float | int]:
        """The numbers by name."""
        return asdict(self)


def sample_body(rng: np.random.Generator, scale: float) -> Body:
    """Draw the soft tissue of one patient."""
    obesity = rng.random()
    is_dark = rng.random() < 0.6
    is_lean = rng.random() < 0.55
    return Body(
        fat_back=float(np.clip(rng.gamma(2.2, 8 + 8 * obesity), 5, 70)),
        fat_front=float(np.clip(rng.gamma(2.0, 6 + 10 * obesity), 4, 70)),
        belly=float(rng.uniform(70, 120) + 60 * obesity) * scale,
        half_width=float(rng.uniform(125, 160) + 30 * obesity) * scale,
        muscle_fat=float(rng.uniform(0.0, 0.2) if is_lean else rng.beta(1.5, 3)),
        lamina_fat=float(rng.uniform(0.0, 0.2) if is_lean else rng.uniform(0.1, 0.5)),
        tendon=float(rng.uniform(0.3, 1.0)),
        lobules=float(rng.choice([0.0, 1.0], p=[0.55, 0.45]) * rng.uniform(0.3, 1.2)),
        lobule_size=float(rng.uniform(0.8, 1.8)),
        lobule_septa=float(rng.uniform(0.0, 1.0)),
        between_fat=float(rng.uniform(0.0, 0.15) if is_dark else rng.uniform(0.05, 0.75)),
        between_dark=float(rng.uniform(0.2, 1.0)),
        between_streaks=float(rng.uniform(0.0, 0.3) if is_dark else rng.uniform(0.0, 0.9)),
        between_strands=float(rng.uniform(0.0, 1.0)),
        between_high=float(rng.uniform(0.0, 1.0)),
        psoas=float(rng.uniform(15, 27)) * scale,
        prevertebral_fat=float(min(rng.gamma(1.3, 2.5), 14.0)),
        aorta=float(rng.uniform(7, 12)) * scale,
        aorta_side=float(rng.normal(-9, 7)),
        bladder=float(rng.choice([0.0, 1.0]) * rng.uniform(18, 45)),
        head=float(rng.uniform(80, 95)),
        septa=float(rng.uniform(0.05, 0.5)),
        fascia=float(rng.uniform(0.2, 1.0)),
        texture_seed=int(rng.integers(2**31)),
    )


def outline(spine: Spine, curve: Curve, body: Body) -> dict[str, NDArray[np.float64]]:
    """Distances behind, before and beside the curve at each of its points (N,) in mm.

    ``d`` and ``w`` are half the depth and width of the bodies.
    """
    t = curve.t
    centre = (curve.top + curve.bottom) / 2
    sacrum = float(curve.sacral[0])
    behind = [
        0.5 * z.depth + z.canal_ap + 8 + z.spinous * arch.long * (1 if z.tilt < 0.9 else 0.62) + 6
        for z, arch in zip(spine.sizes, spine.arch, strict=True)
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
    even = 18.0 / STEP_MM
    return {
        "back": smooth(back, even),
        "fat": smooth(fat, even),
        "front": smooth(front, even),
        "side": smooth(side, even),
        "d": np.interp(t, centre, spine.depth_mm) / 2,
        "w": np.interp(t, centre, spine.width_mm) / 2,
    }
