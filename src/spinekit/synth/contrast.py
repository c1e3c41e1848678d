"""How bright each tissue is in each style of scan, as plain data, and one scan's draw from it.

Knows no geometry: values are on a scale where 1 is the brightest tissue of the scan.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

STYLES: tuple[str, ...] = ("T1", "T2", "STIR", "water", "fat", "random")
"""Styles of contrast a phantom can be drawn in."""

_T2 = {
    "marrow": (0.24, 0.55), "cortical": (0.01, 0.07), "nucleus": (0.45, 0.95),
    "annulus": (0.05, 0.2), "csf": (0.8, 1.15), "cord": (0.3, 0.52), "roots": (0.15, 0.5),
    "fat": (0.25, 0.95), "muscle": (0.04, 0.22), "ligament": (0.01, 0.12), "vessel": (0.01, 0.2),
    "organ_a": (0.15, 0.35), "organ_b": (0.25, 0.55), "fluid": (0.7, 1.1), "lung": (0.0, 0.05),
    "skin": (0.2, 0.5), "brain": (0.35, 0.55),
}  # fmt: skip
_T1 = {
    "marrow": (0.4, 0.75), "cortical": (0.01, 0.08), "nucleus": (0.26, 0.42),
    "annulus": (0.2, 0.36), "csf": (0.08, 0.25), "cord": (0.35, 0.5), "roots": (0.25, 0.4),
    "fat": (0.8, 1.05), "muscle": (0.24, 0.4), "ligament": (0.04, 0.2), "vessel": (0.02, 0.4),
    "organ_a": (0.22, 0.4), "organ_b": (0.3, 0.55), "fluid": (0.1, 0.25), "lung": (0.0, 0.06),
    "skin": (0.2, 0.5), "brain": (0.35, 0.55),
}  # fmt: skip
_STIR = {
    "marrow": (0.06, 0.24), "cortical": (0.01, 0.05), "nucleus": (0.4, 0.85),
    "annulus": (0.05, 0.18), "csf": (0.8, 1.15), "cord": (0.3, 0.5), "roots": (0.15, 0.5),
    "fat": (0.02, 0.16), "muscle": (0.14, 0.36), "ligament": (0.02, 0.14), "vessel": (0.02, 0.6),
    "organ_a": (0.2, 0.45), "organ_b": (0.3, 0.65), "fluid": (0.7, 1.1), "lung": (0.0, 0.05),
    "skin": (0.1, 0.4), "brain": (0.35, 0.6),
}  # fmt: skip
_WATER = {
    "marrow": (0.2, 0.5), "cortical": (0.02, 0.1), "nucleus": (0.55, 0.95),
    "annulus": (0.3, 0.75), "csf": (0.5, 1.0), "cord": (0.45, 0.85), "roots": (0.4, 0.8),
    "fat": (0.03, 0.2), "muscle": (0.4, 0.85), "ligament": (0.15, 0.45), "vessel": (0.2, 0.9),
    "organ_a": (0.3, 0.7), "organ_b": (0.4, 0.9), "fluid": (0.5, 1.0), "lung": (0.0, 0.08),
    "skin": (0.3, 0.7), "brain": (0.5, 0.8),
}  # fmt: skip
_FAT = {
    "marrow": (0.35, 0.8), "cortical": (0.01, 0.1), "nucleus": (0.02, 0.12),
    "annulus": (0.02, 0.12), "csf": (0.02, 0.1), "cord": (0.02, 0.12), "roots": (0.02, 0.12),
    "fat": (0.8, 1.05), "muscle": (0.03, 0.16), "ligament": (0.03, 0.2), "vessel": (0.01, 0.1),
    "organ_a": (0.02, 0.12), "organ_b": (0.03, 0.2), "fluid": (0.01, 0.08), "lung": (0.0, 0.05),
    "skin": (0.05, 0.2), "brain": (0.03, 0.15),
}  # fmt: skip

TISSUES: tuple[str, ...] = tuple(_T2)
"""Names of the tissues a style gives a value to."""

RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "T1": _T1,
    "T2": _T2,
    "STIR": _STIR,
    "water": _WATER,
    "fat": _FAT,
    "random": {name: (0.02, 0.12) if name == "lung" else (0.02, 1.0) for name in TISSUES},
}
"""Lower and upper mean brightness by style and tissue (ranges read off clinical scans)."""


def sample_tissues(style: str, rng: np.random.Generator) -> dict[str, float]:
    """Draw the mean brightness of every tissue for one scan.

    In the random style neighbouring tissues are kept apart by at least 0.12, so that every
    border can be seen: bone rim against marrow, disc against marrow, cord against CSF.

    Raises:
        KeyError: style is not one of STYLES.
    """
    ranges = RANGES[style]
    for _ in range(50):
        values = {name: float(rng.uniform(*ranges[name])) for name in TISSUES}
        pairs = (("cord", "csf"), ("marrow", "annulus"), ("marrow", "csf"), ("marrow", "cortical"))
        values["vessel_slow"] = 0.5 * (values["vessel"] + values["organ_b"])
        if style != "random" or all(abs(values[a] - values[b]) > 0.12 for a, b in pairs):
            break
    return values
