"""The brightness of one scan: tissue values, jittered per level and per disc.

Knows how tissue looks, not where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spinekit.synth.backend import Backend
from spinekit.synth.contrast import sample_tissues
from spinekit.synth.spine import Spine


@dataclass(frozen=True)
class Style:
    """Brightness of tissues (floats) and of single levels and discs (backend tables)."""

    backend: Backend
    tissue: dict[str, float]
    marrow: Any
    """(L + 1,) per level, last the sacrum."""
    modic: Any
    """(L + 1, 2) change of brightness at the upper and lower endplate."""
    vein: float
    """Brightness of the basivertebral vein relative to marrow."""
    vein_up: Any
    """(L + 1,) place of the vein along the body's height."""
    haemangioma: Any
    """(L + 1, 5): centre u, v, t (mm from the middle), radius, brightness."""
    nucleus: Any
    """(L + 1,) per disc."""
    annulus_disc: Any
    nucleus_size: Any
    cleft: float
    rudimentary: float
    rim_mm: float
    """Thickness of the dark cortical rim."""
    rim: float
    """Brightness of the rim: cortical bone mixed with what lies beside it."""
    shift_mm: float
    """Chemical shift of marrow along the curve: one endplate looks thick, the other thin."""
    grain: float
    flow: float
    """Unevenness of the CSF."""

    def __getattr__(self, name: str) -> float:
        """Brightness of a tissue by name."""
        try:
            return self.tissue[name]
        except KeyError:
            raise AttributeError(name) from None

    def level_marrow(self, level: Any) -> Any:
        """Marrow brightness by row of the level table."""
        return self.marrow[level]

    def body_value(self, place: Any, s: Any, rho: Any, u: Any, v: Any, d: Any) -> Any:
        """Marrow brightness inside a body, with trabeculae, vein, Modic change, haemangioma."""
        xp = self.backend.xp
        value = self.marrow[place.level]
        grain = self.grain * (0.5 + value) * (place.fine + 0.7 * place.mottle)
        edge = xp.clip(xp.abs(s) * 3.0 - 2.0, 0.0, 1.0)
        end = xp.where(s < 0, self.modic[:, 0][place.level], self.modic[:, 1][place.level])
        height = (s - self.vein_up[place.level]) * 5.0 / xp.clip(-v / d, 0.15, 1.0)
        vein = xp.clip(1.0 - height * height, 0.0, 1.0) * xp.clip(-v / d, 0.0, 1.0)
        vein = vein * xp.clip(1.0 - (u / 7.0) ** 2, 0.0, 1.0)
        spot = self.haemangioma[place.level]
        far = (u - spot[..., 0]) ** 2 + (v - spot[..., 1]) ** 2 + (s * 12.0 - spot[..., 2]) ** 2
        lump = xp.clip((spot[..., 3] - xp.sqrt(far)) * 0.7, 0.0, 1.0) * spot[..., 4]
        return value + grain + edge * end + vein * self.vein + lump

    def disc_value(self, place: Any, disc: Any, rho: Any, z: Any) -> Any:
        """Disc brightness: bright nucleus with a dark cleft in a dark annulus."""
        xp = self.backend.xp
        outer = self.annulus_disc[disc]
        size = self.nucleus_size[disc]
        share = xp.clip((size - rho - 0.12 * z * z) * 5.0 + 0.5, 0.0, 1.0)
        share = share * xp.clip((1.08 - xp.abs(z)) * 3.0, 0.0, 1.0)
        cleft = xp.clip(1.0 - (z * 6.0) ** 2, 0.0, 1.0) * xp.clip((size - rho) * 4.0, 0.0, 1.0)
        bright = self.nucleus[disc] * (1.0 + 0.08 * place.fine) * (1.0 - self.cleft * cleft)
        return outer * (1 + 0.15 * place.fine) + share * (bright - outer)

    def fusion_value(self, disc: Any, distance: Any) -> Any:
        """Brightness of a bony disc space: marrow, or a dark line where bone meets bone."""
        xp = self.backend.xp
        line = xp.clip(1.2 - distance, 0.0, 1.0)
        return self.marrow[disc] * (1 - line) + line * self.annulus_disc[disc]


def sample_style(backend: Backend, style: str, spine: Spine, rng: np.random.Generator) -> Style:
    """Draw the brightness of one scan in a named style.

    Raises:
        KeyError: the style is unknown.
    """
    tissue = sample_tissues(style, rng)
    n = len(spine.levels) + 1
    marrow = tissue["marrow"] * np.clip(rng.normal(1, 0.06, n), 0.8, 1.2)
    degeneration = np.concatenate([[0.0], spine.degeneration])
    loss = np.clip(degeneration * rng.uniform(0.6, 1.1), 0, 1)
    nucleus = tissue["nucleus"] * np.clip(rng.normal(1, 0.1, n), 0.7, 1.3)
    annulus = tissue["annulus"] * np.clip(rng.normal(1, 0.12, n), 0.6, 1.4)
    nucleus = nucleus * (1 - loss) + loss * (annulus * 1.15)
    fatty = tissue["fat"] - tissue["marrow"]
    wet = tissue["fluid"] * 0.6 - tissue["marrow"]
    modic = np.zeros((n, 2))
    for k in range(n):
        if rng.random() < 0.12:
            change = rng.choice([0.6 * fatty, 0.5 * wet, -0.6 * tissue["marrow"]])
            modic[k, rng.integers(2)] = change * rng.uniform(0.3, 1)
            if k + 1 < n and rng.random() < 0.6:
                modic[k, 1], modic[k + 1, 0] = change * 0.7, change * 0.6
    spots = np.zeros((n, 5))
    for k in range(n):
        if rng.random() < 0.06:
            spots[k] = (*rng.normal(0, 6, 2), rng.normal(0, 4), rng.uniform(3, 8),
                        rng.choice([0.7, 0.7, -0.3]) * max(abs(fatty), 0.2))  # fmt: skip
    return Style(
        backend=backend,
        tissue=tissue,
        marrow=backend.asarray(marrow),
        modic=backend.asarray(modic),
        vein=float(rng.choice([-0.35, 0.5, 0.8])) * tissue["marrow"] * float(rng.uniform(0.2, 1)),
        vein_up=backend.asarray(rng.normal(0.05, 0.1, n)),
        haemangioma=backend.asarray(spots),
        nucleus=backend.asarray(nucleus),
        annulus_disc=backend.asarray(annulus),
        nucleus_size=backend.asarray(rng.uniform(0.62, 0.88, n)),
        cleft=float(rng.uniform(0, 0.45)),
        rudimentary=float(
            tissue["annulus"] + rng.uniform(0, 0.8) * (tissue["nucleus"] - tissue["annulus"])
        ),
        rim=tissue["cortical"]
        + float(rng.uniform(0, 0.55)) * (0.85 * tissue["marrow"] - tissue["cortical"]),
        shift_mm=float(rng.normal(0, 0.5) if rng.random() < 0.5 else 0.0),
        rim_mm=float(rng.uniform(-0.2, 0.8)),
        grain=float(rng.uniform(0.01, 0.06)),
        flow=float(rng.choice([0.02, 0.05, 0.15])),
    )
