"""How C1, the dens and the base of the skull of one patient are shaped, as plain numbers.

Knows no voxel. Mean sizes after Gray's Anatomy (41st ed., chapter 43); the atlantodental interval
of adults is up to 3 mm, on most scans 1 to 2 (Rojas et al. 2007, AJNR 28:1933).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class AtlasShape:
    """Sizes in mm before the patient's scale, places relative to the dens."""

    gap_mm: float
    """Between the anterior arch and the dens, cortex to cortex."""
    thick_mm: float
    """Half thickness of the anterior arch from front to back."""
    tall_mm: float
    """Its half height."""
    rounding_mm: float
    """Radius of its corners."""
    rise_mm: float
    """How far it stands above the middle of C1."""
    dens_mm: float
    """Half thickness of the dens."""
    tip_mm: float
    """How far its tip stands below the usual one."""
    lean: float
    """Tangent of its backward lean."""
    flare: float
    """Widening of its base towards the body of C2, as a share."""
    fill: float
    """What lies between arch and dens: 0 dark ligament, 1 as bright as fat."""
    skull: bool
    """Whether the base of the skull is drawn; nodding moves it away."""
    basion_mm: tuple[float, float]
    """Lower end of the clivus: in front of the dens, and above its tip."""
    clivus_lean: float
    """Tangent of the clivus's forward slope."""
    clivus_mm: float
    """Its half thickness."""


def sample_atlas(rng: np.random.Generator) -> AtlasShape:
    """Draw the shapes of one patient."""
    return AtlasShape(
        gap_mm=float(rng.uniform(0.5, 2.4)),
        thick_mm=float(np.clip(rng.normal(3.0, 0.4), 2.2, 4.0)),
        tall_mm=float(np.clip(rng.normal(5.4, 0.7), 4.0, 7.0)),
        rounding_mm=float(rng.uniform(1.2, 2.6)),
        rise_mm=float(rng.normal(0.0, 1.5)),
        dens_mm=float(np.clip(rng.normal(5.2, 0.4), 4.3, 6.2)),
        tip_mm=float(rng.normal(0.0, 1.5)),
        lean=float(np.clip(rng.normal(0.08, 0.12), -0.15, 0.35)),
        flare=float(rng.uniform(0.0, 0.45)),
        fill=float(rng.beta(0.7, 1.2)),
        skull=bool(rng.random() < 0.8),
        basion_mm=(float(rng.normal(3.0, 3.0)), float(rng.uniform(3.0, 9.0))),
        clivus_lean=float(rng.uniform(0.5, 1.5)),
        clivus_mm=float(rng.uniform(3.0, 6.0)),
    )
